"""What articles were and what is still to be saved: revisions, unsaved words, and two writers' words
in one. Each verb runs in the tenant's schema."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tenant_apps.articles import writing
from tenant_apps.articles.differences import (
    Difference,
    Merged,
    compare_texts,
    has_marks,
    merge_texts,
)
from tenant_apps.articles.errors import WordsUnmerged
from tenant_apps.articles.models import WORDS, Article, KeptWords, Revision
from tenant_apps.articles.permissions import require_change, require_write
from tenant_apps.users.models import User


def revisions_of(article: Article) -> QuerySet[Revision]:
    """All revisions of an article, the newest first, without their texts."""
    return article.revisions.select_related("saved_by").defer("body").order_by("-number")


def words_at(article: Article, version: int) -> Revision | None:
    """The words as they were at a version of the article; None where nobody knows any more.

    A version that changed something else than words has those of the one before.
    """
    return article.revisions.filter(number__lte=version).order_by("-number").first()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between a revision and what it is compared with.

    Args:
        against: the number of the revision before it, `now` for the article as it is, or nothing
            where the revision is the first.
    """

    number: int
    against: str
    title: Difference
    excerpt: Difference
    body: Difference


def compare_revision(*, article: Article, revision: Revision, with_now: bool) -> Comparison:
    """What a revision has changed; or, `with_now`, what has changed since."""
    before: Article | Revision | None = (
        article if with_now else words_at(article, revision.number - 1)
    )
    old, new = (revision, before) if with_now else (before, revision)
    against = str(before.number) if isinstance(before, Revision) else "now" if with_now else ""
    told = {name: compare_texts(getattr(old, name, ""), getattr(new, name, "")) for name in WORDS}
    return Comparison(number=revision.number, against=against, **told)


def restore_revision(*, article: Article, number: int, by: User) -> Article:
    """Bring the words of a revision back, as a new one: those that they replace stay in the history.

    Args:
        number: the revision's, of this article.
    Raises:
        NotAllowed: `by` may not change this article.
        Revision.DoesNotExist: it has no such revision.
    """
    require_change(by, article)
    revision = article.revisions.get(number=number)
    return writing.change_article(
        article=article,
        by=by,
        changes={name: getattr(revision, name) for name in WORDS},
        restored_from=number,
    )


def keep_words(
    *,
    article: Article | None,
    by: User,
    base_version: int,
    title: str,
    excerpt: str,
    body: str,
    tags: str,
) -> KeptWords | None:
    """Keep what a writer has typed, in the place of what was kept of theirs before.

    The article itself, and what other writers have kept, stays as it is. Safe to repeat. Words that
    are the article's own are not kept, and None is given: there is nothing left to save.

    Args:
        article: None where it is yet to begin.
        base_version: the article's version that the writer began from.
        tags: with commas between them, as typed.
    Raises:
        NotAllowed: `by` may not change this article, or not write any.
    """
    _require(article, by)
    values = {
        "base_version": base_version,
        "title": title,
        "excerpt": excerpt,
        "body": body,
        "tags": tags,
        "kept_at": timezone.now(),
    }
    with transaction.atomic():
        if article is not None:
            # A save that is under way is waited for: what it saves needs no keeping.
            row = Article.objects.select_for_update().get(pk=article.pk)
            if KeptWords(**values).is_of(row):
                drop_words(article=article, by=by)
                return None
        kept, _ = KeptWords.objects.update_or_create(article=article, writer=by, defaults=values)
    return kept


def kept_words(*, article: Article | None, by: User) -> KeptWords | None:
    """What this writer has typed of an article and not saved; nobody reads another's."""
    return KeptWords.objects.filter(article=article, writer=by).first()


def drop_words(*, article: Article | None, by: User) -> None:
    """Forget what this writer has typed and not saved. Safe to repeat."""
    KeptWords.objects.filter(article=article, writer=by).delete()


@dataclass(frozen=True, slots=True)
class MergeProposal:
    """One writer's unsaved words beside those that were saved meanwhile, and both in one.

    `base` is what both began from, or None. `version` is the article's that the proposal holds.
    """

    kept: KeptWords
    base: Revision | None
    version: int
    title: str
    excerpt: str
    body: Merged
    tags: list[str]


def propose_merge(*, article: Article, kept: KeptWords) -> MergeProposal:
    """Put a writer's unsaved words and the saved ones together, for the writer to look at."""
    base = words_at(article, kept.base_version)
    return MergeProposal(
        kept=kept,
        base=base,
        version=article.version,
        title=_either(base.title if base else None, kept.title, article.title),
        excerpt=_either(base.excerpt if base else None, kept.excerpt, article.excerpt),
        body=merge_texts(base=base.body if base else None, ours=kept.body, theirs=article.body),
        tags=_tags_of_both(article, kept),
    )


def save_merged(
    *,
    article: Article,
    by: User,
    version: int,
    title: str,
    excerpt: str,
    body: str,
    tags: list[str],
) -> Article:
    """Save what a writer has made of both, and forget their unsaved words.

    Args:
        version: the article's that the writer was shown.
    Raises:
        NotAllowed: `by` may not change this article.
        EditConflict: it was saved once more meanwhile. Nothing is written.
        WordsUnmerged: marks of the merge are left in the text.
    """
    if has_marks(body):
        raise WordsUnmerged(
            "Marks as <<<<<<< and >>>>>>> are left in the text. Between them stand your words and "
            "the other writer's: choose, then take the marks out."
        )
    with transaction.atomic():
        changed = writing.change_article(
            article=article,
            by=by,
            changes={"title": title, "excerpt": excerpt, "body": body},
            tags=tags,
            version=version,
        )
        drop_words(article=article, by=by)
    return changed


def _require(article: Article | None, by: User) -> None:
    if article is None:
        require_write(by)
    else:
        require_change(by, article)


def _either(base: str | None, ours: str, theirs: str) -> str:
    """A line that can't hold both: the one that was changed, ours where both were."""
    return theirs if ours == base or not ours else ours


def _tags_of_both(article: Article, kept: KeptWords) -> list[str]:
    theirs = [tag.name for tag in article.tags.all()]
    known = {name.lower() for name in theirs}
    ours = [name.strip() for name in kept.tags.split(",")]
    return [*theirs, *(name for name in ours if name and name.lower() not in known)]
