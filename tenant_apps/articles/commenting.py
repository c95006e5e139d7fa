"""Comments on articles: saying something, and deciding what is shown. Each verb runs in the tenant's
schema and leaves a line in the trail."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.core import signing
from django.core.paginator import Page, Paginator
from django.db import models, transaction
from django.utils import timezone

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import trail, webhooks
from tenant_apps.activity.notifications import notify
from tenant_apps.articles.errors import (
    ArticleError,
    CommentRefused,
    FormTooFast,
    FormTooOld,
    TooManyAtOnce,
    TooManyComments,
    WrongState,
)
from tenant_apps.articles.models import Article, Comment, CommentState
from tenant_apps.articles.models.comments import COMMENT_LENGTH
from tenant_apps.articles.permissions import (
    Person,
    is_member,
    require_comment,
    require_moderate,
    require_remove_comment,
)
from tenant_apps.links import page_path
from tenant_apps.users.models import User

# One sender: a member, or a visitor's network.
MAX_COMMENTS: Final = 5
WINDOW: Final = timedelta(minutes=10)
# What waits for a moderator at one article: a flood from many networks ends here.
MAX_PENDING: Final = 100
MAX_REPLIES: Final = 100
MAX_DEPTH: Final = 3
THREADS_PER_PAGE: Final = 20
# A person reads the form before they send it; a program doesn't.
FASTEST: Final = timedelta(seconds=3)
FORM_LASTS: Final = timedelta(hours=24)
SAME_WORDS_FOR: Final = timedelta(hours=24)
MAX_AT_ONCE: Final = 200


class Decision(models.TextChoices):
    """What a moderator can decide of many comments at once."""

    APPROVE = "approve", "Show"
    REJECT = "reject", "Don't show"
    REMOVE = "remove", "Remove"


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one comment. `sentence` says why nothing did."""

    key: UUID
    done: bool
    sentence: str = ""


def stamp_form(article: Article) -> str:
    """What a comment form carries: when it was shown, and for which article of which tenant."""
    return signing.dumps(article.pk.hex, salt=_salt())


def check_stamp(*, stamp: str, article: Article) -> None:
    """Refuse a form that was sent faster than people read, or long after it was shown.

    Raises:
        FormTooFast, FormTooOld: with a sentence for whoever sent it.
    """
    try:
        key = signing.loads(stamp, salt=_salt(), max_age=FORM_LASTS)
    except signing.BadSignature as error:
        raise FormTooOld(
            "This page is too old. Your words are still here: send them again."
        ) from error
    if key != article.pk.hex:
        raise FormTooOld("This form belongs to another article. Send your words again.")
    try:
        signing.loads(stamp, salt=_salt(), max_age=FASTEST)
    except signing.SignatureExpired:
        return
    raise FormTooFast("That was faster than people type. Wait a few seconds and send it again.")


def make_comment(
    *,
    article: Article,
    by: Person,
    body: str,
    network: str,
    name: str = "",
    email: str = "",
    answers: Comment | None = None,
) -> Comment:
    """Say something to an article. A member's words are shown at once, a visitor's wait for a moderator.

    Args:
        network: where it comes from, as `shared_apps.tenants.visitors.network_of` says it; kept as a
            hash.
        name, email: a visitor's; a member's own are taken.
        answers: the comment that it answers, of the same article and shown.
    Raises:
        NotAllowed: `by` may not comment here.
        TooManyComments: this sender, or all together, have said too much lately.
        CommentRefused: it has no words, too many, or those of a moment ago; or what it answers is not
            there.
    """
    require_comment(by, article)
    user = by if isinstance(by, User) else None
    body = body.strip()
    sender = _sender(user, network)
    with transaction.atomic():
        # One after the other at one article: a flood is counted right.
        Article.objects.select_for_update(no_key=True).get(pk=article.pk)
        _refuse_flood(article, sender)
        _refuse_words(article, sender, body)
        parent = _parent_of(article, answers)
        comment = Comment.objects.create(
            article=article,
            thread=(parent.thread or parent) if parent else None,
            answers=parent,
            depth=parent.depth + 1 if parent else 0,
            author=user,
            name=str(user)[:80] if user else name,
            email=user.email if user else email,
            body=body,
            sender=sender,
            state=CommentState.APPROVED if user and is_member(user) else CommentState.PENDING,
        )
        trail.record(verb="comment.made", subject=comment, actor=user)
        webhooks.announce("comment.posted", comment)
        if comment.state == CommentState.PENDING:
            notify(
                "comment_waiting",
                sentence=f'{comment.name} has commented on "{article}". It waits for you.',
                path=page_path("articles:comments"),
                besides=user,
            )
    return comment


def approve_comment(*, comment: Comment, by: User) -> Comment:
    """Show it. Raises NotAllowed, or WrongState where it was removed."""
    return _moderate(comment, to=CommentState.APPROVED, by=by)


def reject_comment(*, comment: Comment, by: User) -> Comment:
    """Don't show it, and keep it for whoever wants to know. Raises NotAllowed, or WrongState."""
    return _moderate(comment, to=CommentState.REJECTED, by=by)


def remove_comment(*, comment: Comment, by: User) -> None:
    """Delete its words. Its place stays where others have answered it. Safe to repeat.

    Raises:
        NotAllowed: `by` is neither who said it nor a moderator.
    """
    require_remove_comment(by, comment)
    with transaction.atomic():
        trail.record(verb="comment.removed", subject=comment, actor=by)
        if not comment.replies.exists():
            comment.delete()
            return
        comment.state, comment.body, comment.email = CommentState.REMOVED, "", ""
        comment.moderated_at, comment.moderated_by = timezone.now(), by
        comment.save(update_fields=["state", "body", "email", "moderated_at", "moderated_by"])


def decide_many(*, keys: Sequence[UUID], decision: Decision, by: User) -> list[Decided]:
    """Carry one decision out on each comment. One that is refused leaves the others as they are.

    Args:
        keys: of comments, MAX_AT_ONCE at most; one that is given twice is decided once.
    Returns:
        What came of each, in the order of the keys.
    Raises:
        NotAllowed: `by` does not moderate.
        TooManyAtOnce: nothing is done to any.
    """
    require_moderate(by)
    keys = list(dict.fromkeys(keys))
    if len(keys) > MAX_AT_ONCE:
        raise TooManyAtOnce(
            f"{len(keys):,} comments are more than are decided at once; {MAX_AT_ONCE} is the most."
        )
    comments = Comment.objects.select_related("article").in_bulk(keys)
    # In the order of their keys, so that two at once never wait for each other.
    decided = {key: _decide(key, comments.get(key), decision, by) for key in sorted(keys)}
    return [decided[key] for key in keys]


def _decide(key: UUID, comment: Comment | None, decision: Decision, by: User) -> Decided:
    if comment is None:
        return Decided(key, done=False, sentence="There is no such comment.")
    try:
        with transaction.atomic():
            if decision == Decision.REMOVE:
                remove_comment(comment=comment, by=by)
            elif decision == Decision.APPROVE:
                approve_comment(comment=comment, by=by)
            else:
                reject_comment(comment=comment, by=by)
    except ArticleError as error:
        return Decided(key, done=False, sentence=str(error))
    except Comment.DoesNotExist:
        # It hung below one that was removed a moment ago.
        return Decided(key, done=False, sentence="There is no such comment.")
    return Decided(key, done=True)


@dataclass(slots=True)
class CommentThread:
    """A comment and all answers to it, as they are read: each below what it answers."""

    first: Comment
    answers: list[Comment] = field(default_factory=list)


def threads_of(article: Article, *, page: Any = 1) -> "tuple[Page[Comment], list[CommentThread]]":
    """A page of what readers see, the oldest first. Three queries."""
    shown = Comment.objects.shown().filter(article=article).select_related("author").order_by("id")
    found = Paginator(shown.filter(thread=None), THREADS_PER_PAGE).get_page(page)
    firsts = list(found.object_list)
    below: dict[Any, list[Comment]] = {}
    if firsts:
        for comment in shown.filter(thread__in=firsts):
            below.setdefault(comment.answers_id, []).append(comment)
    return found, [CommentThread(first, _in_order(first, below)) for first in firsts]


def _in_order(first: Comment, below: dict[Any, list[Comment]]) -> list[Comment]:
    ordered: list[Comment] = []
    waiting = list(reversed(below.get(first.pk, [])))
    while waiting:
        comment = waiting.pop()
        ordered.append(comment)
        waiting.extend(reversed(below.get(comment.pk, [])))
    return ordered


def _moderate(comment: Comment, *, to: CommentState, by: User) -> Comment:
    require_moderate(by)
    with transaction.atomic():
        row = Comment.objects.select_for_update().get(pk=comment.pk)
        if row.state == CommentState.REMOVED:
            raise WrongState("This comment was removed; its words are gone.")
        before = row.state
        comment.state, comment.moderated_at, comment.moderated_by = to, timezone.now(), by
        comment.save(update_fields=["state", "moderated_at", "moderated_by"])
        trail.record(
            verb=f"comment.{to.value}",
            subject=comment,
            actor=by,
            before={"state": before},
            after={"state": to.value},
        )
    return comment


def _refuse_flood(article: Article, sender: str) -> None:
    since = timezone.now() - WINDOW
    if Comment.objects.filter(sender=sender, made_at__gt=since).count() >= MAX_COMMENTS:
        raise TooManyComments(
            f"You have written {MAX_COMMENTS} comments in the last few minutes. Wait ten minutes, "
            "then go on."
        )
    if Comment.objects.pending().filter(article=article).count() >= MAX_PENDING:
        raise TooManyComments(
            "Many comments on this article wait for a moderator. Try again tomorrow."
        )


def _refuse_words(article: Article, sender: str, body: str) -> None:
    if not body:
        raise CommentRefused("Write something first.")
    if len(body) > COMMENT_LENGTH:
        raise CommentRefused(
            f"A comment has {COMMENT_LENGTH:,} characters at most; this one has {len(body):,}."
        )
    since = timezone.now() - SAME_WORDS_FOR
    same = Comment.objects.filter(sender=sender, made_at__gt=since, article=article, body=body)
    if same.exists():
        raise CommentRefused("You have said exactly this here already.")


def _parent_of(article: Article, answers: Comment | None) -> Comment | None:
    """What a new comment hangs below: what it answers, or that one's own parent where the thread is as
    deep as it gets."""
    if answers is None:
        return None
    if answers.article_id != article.pk or answers.state != CommentState.APPROVED:
        raise CommentRefused("The comment that you answer is not there any more.")
    if Comment.objects.filter(thread=answers.thread or answers).count() >= MAX_REPLIES:
        raise CommentRefused("This thread is full. Begin another one.")
    return answers.answers if answers.depth >= MAX_DEPTH else answers


def _sender(user: User | None, network: str) -> str:
    who = f"user:{user.pk}" if user else f"network:{network}"
    return hashlib.sha256(f"{require_tenant().uuid}:{who}".encode()).hexdigest()


def _salt() -> str:
    # The tenant is part of it: a form of another workspace is no form here.
    return f"articles.comment:{require_tenant().uuid}"
