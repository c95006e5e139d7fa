"""Writing and changing articles. Each verb runs in the tenant's schema."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenant_apps.activity import trail, webhooks
from tenant_apps.articles import searching
from tenant_apps.articles.errors import EditConflict, SlugTaken
from tenant_apps.articles.models import (
    RESERVED_SLUGS,
    SLUG_LENGTH,
    WORDS,
    Article,
    Category,
    OldAddress,
    Revision,
    Tag,
    Visibility,
)
from tenant_apps.articles.permissions import require_change, require_delete, require_write
from tenant_apps.articles.rendering import make_excerpt
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User

CHANGEABLE = frozenset({"title", "slug", "excerpt", "body", "category", "author", "visibility"})


def create_article(  # noqa: PLR0913 (an article's own fields, by name)
    *,
    title: str,
    by: User,
    body: str = "",
    excerpt: str = "",
    slug: str = "",
    category: Category | None = None,
    tags: Iterable[str | Tag] = (),
    author: User | None = None,
    visibility: str = Visibility.PUBLIC,
) -> Article:
    """Begin an article, as a draft.

    Args:
        slug: the last part of its address; made from the title where empty.
        tags: themselves or by name; names that are new are made.
        author: `by` where it is not said.
    Raises:
        NotAllowed: `by` may not write.
        SlugTaken: another article, or a page, has the slug that was asked for, or an old address of
            another one leads there.
    """
    require_write(by)
    wanted = slug or free_slug(title)
    _refuse_reserved(wanted)
    article = Article(
        title=title,
        slug=wanted,
        body=body,
        excerpt=excerpt,
        made_excerpt=make_excerpt(body),
        visibility=visibility,
        category=category,
        author=author or by,
    )
    try:
        with transaction.atomic():
            article.save(force_insert=True)
            _refuse_old_address(article)
            article.tags.set(find_or_make_tags(tags))
            _keep_revision(article, by=by)
            searching.index_article(article=article)
            trail.record(verb="article.created", subject=article, actor=by, after={"title": title})
            webhooks.announce("article.created", article)
    except IntegrityError as error:
        _refuse_slug_clash(error, wanted)
        raise
    return article


def change_article(
    *,
    article: Article,
    by: User,
    changes: Mapping[str, Any],
    tags: Iterable[str | Tag] | None = None,
    version: int | None = None,
    restored_from: int | None = None,
) -> Article:
    """Change what is given and leave the rest. Changed words are a revision of their own.

    Args:
        changes: values by field; of title, slug, excerpt, body, category, author,
            visibility.
            The address that a new slug replaces leads to the article from then on.
        tags: what replaces the tags, themselves or by name; None leaves them.
        version: the version that the writer started from, where they did so a while ago.
        restored_from: the number of the revision that the words are of.
    Raises:
        NotAllowed: `by` may not change this article.
        EditConflict: it was saved by somebody else since `version`. Nothing is written.
        SlugTaken: another article, or a page, has the slug, or an old address of another one leads
            there.
    """
    require_change(by, article)
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"change_article changes {sorted(CHANGEABLE)}, not {sorted(unknown)}.")
    _refuse_reserved(changes.get("slug", ""))
    try:
        with transaction.atomic():
            row = Article.objects.select_for_update().get(pk=article.pk)
            if version is not None and row.version != version:
                raise EditConflict(
                    "Somebody else has saved this article since you opened it. Nothing of yours "
                    "was saved: "
                    "copy your text, load the page again and put the two together."
                )
            _write_changes(article, row, changes, tags, by=by, restored_from=restored_from)
    except IntegrityError as error:
        _refuse_slug_clash(error, str(changes.get("slug", "")))
        raise
    return article


def _write_changes(
    article: Article,
    row: Article,
    changes: Mapping[str, Any],
    tags: Iterable[str | Tag] | None,
    *,
    by: User,
    restored_from: int | None,
) -> None:
    """Write what differs from the locked row: the article, its tags, its revision and what it is found
    by, and a line of the trail. Nothing where nothing differs."""
    fields = [name for name in changes if getattr(row, name) != changes[name]]
    before = {name: _brief(getattr(row, name)) for name in fields}
    after = {name: _brief(changes[name]) for name in fields}
    new_tags = _tags_to_set(row, tags)
    if new_tags is not None:
        before["tags"], after["tags"] = _names(row.tags.all()), _names(new_tags)
    if not after:
        return
    has_new_words = not set(WORDS).isdisjoint(fields)
    if has_new_words:
        _keep_first_revision(row)
    for name in fields:
        setattr(article, name, changes[name])
    article.version = row.version + 1
    article.updated_at = timezone.now()
    if has_new_words:
        article.made_excerpt = make_excerpt(article.body)
    article.save(update_fields=[*fields, "made_excerpt", "version", "updated_at"])
    if "slug" in fields:
        _keep_old_address(article, row.slug, by=by)
    if new_tags is not None:
        article.tags.set(new_tags)
    if has_new_words:
        _keep_revision(article, by=by, restored_from=restored_from)
    if has_new_words or new_tags is not None:
        searching.index_article(article=article)
    verb = "article.changed" if restored_from is None else "article.restored"
    trail.record(verb=verb, subject=article, actor=by, before=before, after=after)
    webhooks.announce("article.updated", article)


def give_up_address(*, address: OldAddress, by: User) -> None:
    """Let an old address lead nowhere, so that another article may have it. Raises NotAllowed."""
    require_change(by, address.article)
    with transaction.atomic():
        trail.record(
            verb="article.address_given_up",
            subject=address.article,
            actor=by,
            before={"slug": address.slug},
        )
        address.delete()


def _keep_old_address(article: Article, slug: str, *, by: User) -> None:
    article.old_addresses.filter(slug=article.slug).delete()
    # Nobody could have kept the address of what was never published.
    if article.published_at is not None:
        OldAddress.objects.create(article=article, slug=slug, replaced_by=by)
    _refuse_old_address(article)


def _refuse_old_address(article: Article) -> None:
    """After the slug is written: whoever gives that address up at the same moment was waited for."""
    old = OldAddress.objects.filter(slug=article.slug).exclude(article=article)
    for address in old.select_related("article"):
        raise SlugTaken(
            f'"{address.slug}" was the address of "{address.article}", and links to it still lead '
            "there. Choose another one, or give the old address up first."
        )


def _tags_to_set(row: Article, tags: Iterable[str | Tag] | None) -> list[Tag] | None:
    """The tags that replace the row's; None where they are these already, or are to be left."""
    if tags is None:
        return None
    wanted = find_or_make_tags(tags)
    same = {tag.pk for tag in row.tags.all()} == {tag.pk for tag in wanted}
    return None if same else wanted


def delete_article(*, article: Article, by: User) -> None:
    """Delete it for good. Raises NotAllowed."""
    require_delete(by, article)
    with transaction.atomic():
        trail.record(
            verb="article.deleted", subject=article, actor=by, before={"title": article.title}
        )
        webhooks.announce("article.deleted", article)
        article.delete()


def free_slug(title: str) -> str:
    """A slug from the title that no article and no page has, or had: with a number behind it where it is
    taken."""
    base = slug_from(title, max_length=SLUG_LENGTH) or "article"
    taken = set(Article.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    taken |= set(OldAddress.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    taken |= RESERVED_SLUGS
    if base not in taken:
        return base
    number = 2
    while (slug := f"{base[: SLUG_LENGTH - len(str(number)) - 1]}-{number}") in taken:
        number += 1
    return slug


def find_or_make_tags(wanted: Iterable[str | Tag]) -> list[Tag]:
    """These tags, and those of these names, made where they are new. Names that differ only in case
    are one tag."""
    wanted = list(wanted)
    known = {tag.slug: tag for tag in wanted if isinstance(tag, Tag)}
    by_slug = {
        slug: name.strip()[:60]
        for name in wanted
        if isinstance(name, str) and (slug := slug_from(name, max_length=SLUG_LENGTH))
    }
    by_slug = {slug: name for slug, name in by_slug.items() if slug not in known}
    if not by_slug:
        return list(known.values())
    Tag.objects.bulk_create(
        [Tag(name=name, slug=slug) for slug, name in by_slug.items()], ignore_conflicts=True
    )
    return [*known.values(), *Tag.objects.filter(slug__in=by_slug)]


def _keep_revision(article: Article, *, by: User, restored_from: int | None = None) -> None:
    Revision.objects.create(
        article=article,
        number=article.version,
        saved_at=article.updated_at,
        saved_by=by,
        restored_from=restored_from,
        **{name: getattr(article, name) for name in WORDS},
    )


def _keep_first_revision(row: Article) -> None:
    """The words that a change is about to replace, where they are older than revisions are."""
    if not row.revisions.exists():
        Revision.objects.create(
            article=row,
            number=row.version,
            saved_at=row.updated_at,
            **{name: getattr(row, name) for name in WORDS},
        )


def _names(tags: Iterable[Tag]) -> list[str]:
    return sorted(tag.name for tag in tags)


def _brief(value: Any) -> Any:
    """What the trail keeps of a value: of a long text only that it changed is worth the room."""
    if isinstance(value, str) and len(value) > 200:  # noqa: PLR2004 (a line of the trail)
        return f"{value[:200]}…"
    return str(value) if isinstance(value, Category | User) else value


def _refuse_reserved(slug: str) -> None:
    if slug in RESERVED_SLUGS:
        raise SlugTaken(f'"{slug}" is the address of another page. Choose another one.')


def _refuse_slug_clash(error: IntegrityError, slug: str) -> None:
    # psycopg names the constraint that was broken (Error.diag).
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None and diagnosis.constraint_name == "articles_article_slug":
        raise SlugTaken(
            f'Another article has the address "{slug}" already. Choose another one.'
        ) from error
