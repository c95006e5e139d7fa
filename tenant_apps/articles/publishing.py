"""An article's way to its readers. Each verb runs in the tenant's schema and leaves a line in the
trail.

The steps, and where each starts from:
    submit    draft                                  → in review
    schedule  draft, in review, scheduled            → scheduled
    publish   draft, in review, scheduled, archived  → published
    unpublish in review, scheduled, published        → draft
    archive   published                              → archived
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenant_apps.activity import trail, webhooks
from tenant_apps.activity.notifications import notify
from tenant_apps.articles import subscribing
from tenant_apps.articles.errors import DateInThePast, NothingToPublish, WrongState
from tenant_apps.articles.models import Article, State
from tenant_apps.articles.permissions import require_change, require_publish
from tenant_apps.links import page_path
from tenant_apps.users.models import User


def submit_article(*, article: Article, by: User) -> Article:
    """Ask an editor to look at it. Raises NotAllowed, WrongState, NothingToPublish."""
    require_change(by, article)
    return _step(
        article,
        to=State.IN_REVIEW,
        starts_from={State.DRAFT},
        by=by,
        verb="article.submitted",
        submitted_at=timezone.now(),
        submitted_by=by,
    )


def schedule_article(*, article: Article, at: datetime, by: User) -> Article:
    """Have it published at a time ahead (aware). Raises NotAllowed, WrongState, DateInThePast,
    NothingToPublish."""
    require_publish(by, article)
    if at <= timezone.now():
        raise DateInThePast("This time has passed. Choose a later one, or publish the article now.")
    return _step(
        article,
        to=State.SCHEDULED,
        starts_from={State.DRAFT, State.IN_REVIEW, State.SCHEDULED},
        by=by,
        verb="article.scheduled",
        scheduled_for=at,
        scheduled_by=by,
    )


def publish_article(*, article: Article, by: User) -> Article:
    """Show it to everybody, now. Raises NotAllowed, WrongState, NothingToPublish.

    The date of the first publication stays when an article returns from the archive. Subscribers are
    told of the first one alone.
    """
    require_publish(by, article)
    return _publish(article, by=by)


def publish_due_articles() -> int:
    """Publish the scheduled articles whose time has come. Returns how many.

    Rows that another worker holds are left to it.
    """
    published = 0
    with transaction.atomic():
        due = Article.objects.due().select_related("scheduled_by__role")
        for article in due.select_for_update(skip_locked=True, of=("self",)):
            _publish(article, by=article.scheduled_by)
            published += 1
    return published


def unpublish_article(*, article: Article, by: User) -> Article:
    """Take it back to draft. Raises NotAllowed, WrongState."""
    require_publish(by, article)
    return _step(
        article,
        to=State.DRAFT,
        starts_from={State.IN_REVIEW, State.SCHEDULED, State.PUBLISHED},
        by=by,
        verb="article.unpublished",
        scheduled_for=None,
        scheduled_by=None,
    )


def archive_article(*, article: Article, by: User) -> Article:
    """Take it from the readers and keep it. Raises NotAllowed, WrongState."""
    require_publish(by, article)
    return _step(
        article,
        to=State.ARCHIVED,
        starts_from={State.PUBLISHED},
        by=by,
        verb="article.archived",
        archived_at=timezone.now(),
        archived_by=by,
    )


def _publish(article: Article, *, by: User | None) -> Article:
    with transaction.atomic():
        published = _show(article, by=by)
        subscribing.announce_article(article=published)
    return published


def _show(article: Article, *, by: User | None) -> Article:
    first = article.scheduled_for if article.state == State.SCHEDULED else None
    return _step(
        article,
        to=State.PUBLISHED,
        starts_from={State.DRAFT, State.IN_REVIEW, State.SCHEDULED, State.ARCHIVED},
        by=by,
        verb="article.published",
        published_at=article.published_at or min(first or timezone.now(), timezone.now()),
        published_by=by,
        archived_at=None,
        archived_by=None,
    )


def _step(
    article: Article,
    *,
    to: State,
    starts_from: set[State],
    by: User | None,
    verb: str,
    **marks: Any,
) -> Article:
    """Move the article to a state and note when and by whom, in one transaction."""
    with transaction.atomic():
        # What counts is the row, not what the caller loaded a while ago.
        before = (
            Article.objects.select_for_update().values_list("state", flat=True).get(pk=article.pk)
        )
        if before not in starts_from:
            raise WrongState(
                f'"{article}" is {State(before).label.lower()}; this step starts from '
                f"{' or '.join(sorted(state.label.lower() for state in starts_from))}."
            )
        if to != State.DRAFT and not article.body.strip():
            raise NothingToPublish(f'"{article}" has no text yet. Write some first.')
        article.state = to
        for name, value in marks.items():
            setattr(article, name, value)
        article.save(update_fields=["state", *marks])
        trail.record(
            verb=verb, subject=article, actor=by, before={"state": before}, after={"state": to}
        )
        webhooks.announce(verb, article)
        _tell_people(article, verb, by)
    return article


def _tell_people(article: Article, verb: str, by: User | None) -> None:
    """Editors, of what waits for them; the author, of what somebody else did with their article."""
    path = page_path("articles:edit", article.pk)
    if verb == "article.submitted":
        sentence = f'{by} asks you to review "{article}".'
        notify("article_submitted", sentence=sentence, path=path, besides=by)
    elif verb == "article.published":
        sentence = f'Your article "{article}" is published.'
        notify("article_published", sentence=sentence, path=path, to=[article.author], besides=by)
    elif verb == "article.unpublished":
        sentence = f'{by} has returned your article "{article}" to draft.'
        notify("article_returned", sentence=sentence, path=path, to=[article.author], besides=by)
