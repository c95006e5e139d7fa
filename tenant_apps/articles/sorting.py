"""Categories and tags, which articles are sorted by. Each verb runs in the tenant's schema and leaves
a line in the trail."""

from django.db import IntegrityError, transaction

from tenant_apps.activity import trail
from tenant_apps.articles import searching
from tenant_apps.articles.errors import CategoryInUse, CategoryLoop, SameTag, SlugTaken, TagGone
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.articles.permissions import require_arrange
from tenant_apps.users.models import User


def place_category(*, category: Category, by: User) -> Category:
    """Keep a category, new or changed.

    Raises:
        NotAllowed: `by` may not arrange categories.
        CategoryLoop: it would stand below itself.
        SlugTaken: another category has its slug.
    """
    require_arrange(by)
    try:
        with transaction.atomic():
            _refuse_loop(category)
            _keep(category, fields=("name", "slug", "parent_id"), by=by)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == "articles_category_slug":
            raise SlugTaken(
                f'Another category has the address "{category.slug}". Choose another one.'
            ) from error
        raise
    return category


def _refuse_loop(category: Category) -> None:
    """Under a lock of the whole tree, which is small: two moves at once could close a ring that neither
    of them sees."""
    parents = dict(
        Category.objects.select_for_update().order_by("pk").values_list("pk", "parent_id")
    )
    above = category.parent_id
    while above is not None:
        if above == category.pk:
            raise CategoryLoop(f'"{category}" cannot stand below itself.')
        # Taken out, so that a ring that is there already ends too.
        above = parents.pop(above, None)


def delete_category(*, category: Category, by: User) -> None:
    """Delete it. Its articles stay, without a category.

    Raises:
        NotAllowed: `by` may not arrange categories.
        CategoryInUse: other categories stand below it.
    """
    require_arrange(by)
    if category.children.exists():
        raise CategoryInUse(
            f'Other categories stand below "{category}". Move or delete them first.'
        )
    _delete(category, by=by)


def keep_tag(*, tag: Tag, by: User) -> Tag:
    """Keep a tag, new or changed; its articles are found by its new name in a moment.

    Raises:
        NotAllowed: `by` may not arrange tags.
        SlugTaken: another tag has its slug.
    """
    require_arrange(by)
    try:
        with transaction.atomic():
            if not tag._state.adding:
                searching.request_refresh(articles=tag.articles.all())
            _keep(tag, fields=("name", "slug"), by=by)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == "articles_tag_slug":
            raise SlugTaken(
                f'Another tag has the address "{tag.slug}". Choose another one, or merge the two.'
            ) from error
        raise
    return tag


def merge_tags(*, tag: Tag, into: Tag, by: User) -> Tag:
    """Give the articles of a tag to another one, and delete it.

    Returns:
        The tag that stays.
    Raises:
        NotAllowed: `by` may not arrange tags.
        SameTag: it is the same one.
        TagGone: one of the two was deleted meanwhile.
    """
    require_arrange(by)
    if tag.pk == into.pk:
        raise SameTag(f'"{tag}" cannot be merged into itself. Choose another tag.')
    with transaction.atomic():
        rows = Tag.objects.select_for_update().filter(pk__in=[tag.pk, into.pk]).order_by("pk")
        if len(rows) < 2:  # noqa: PLR2004 (two tags)
            raise TagGone("One of the two tags is not there any more. Load the list again.")
        searching.request_refresh(articles=tag.articles.all())
        links = Article.tags.through.objects
        have_both = links.filter(tag=into).values("article")
        moved = links.filter(tag=tag).exclude(article__in=have_both).update(tag=into)
        trail.record(
            verb="tag.merged",
            subject=into,
            actor=by,
            before={"name": tag.name, "slug": tag.slug},
            after={"name": into.name, "articles given to it": moved},
        )
        tag.delete()
    return into


def delete_tag(*, tag: Tag, by: User) -> None:
    """Delete it, and take it from its articles. Raises NotAllowed."""
    require_arrange(by)
    with transaction.atomic():
        searching.request_refresh(articles=tag.articles.all())
        _delete(tag, by=by)


def _keep(row: Category | Tag, *, fields: tuple[str, ...], by: User) -> None:
    noun = row._meta.model_name
    with transaction.atomic():
        if row._state.adding:
            row.save(force_insert=True)
            after = {name: getattr(row, name) for name in fields}
            trail.record(verb=f"{noun}.added", subject=row, actor=by, after=after)
            return
        old = type(row)._default_manager.select_for_update().get(pk=row.pk)
        changed = [name for name in fields if getattr(old, name) != getattr(row, name)]
        if not changed:
            return
        row.save(update_fields=changed)
        trail.record(
            verb=f"{noun}.changed",
            subject=row,
            actor=by,
            before={name: getattr(old, name) for name in changed},
            after={name: getattr(row, name) for name in changed},
        )


def _delete(row: Category | Tag, *, by: User) -> None:
    with transaction.atomic():
        trail.record(
            verb=f"{row._meta.model_name}.deleted",
            subject=row,
            actor=by,
            before={"name": row.name, "slug": row.slug},
        )
        row.delete()
