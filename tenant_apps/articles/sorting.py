"""Categories and tags, which articles are sorted by. Each verb runs in the tenant's schema and leaves
a line in the trail."""

from django.db import IntegrityError, transaction

from tenant_apps.activity import trail
from tenant_apps.articles.errors import CategoryInUse, CategoryLoop, SlugTaken
from tenant_apps.articles.models import Category, Tag
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
    """Keep a tag, new or changed. Raises NotAllowed."""
    require_arrange(by)
    _keep(tag, fields=("name", "slug"), by=by)
    return tag


def delete_tag(*, tag: Tag, by: User) -> None:
    """Delete it, and take it from its articles. Raises NotAllowed."""
    require_arrange(by)
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
