"""Letters about new articles: asking for them, confirming it in one's own mailbox, leaving with one
click, and sending each letter once. Each verb runs in the tenant's schema."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any, Final
from uuid import UUID

from django.core import signing
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.activity import trail, webhooks
from tenant_apps.articles.errors import SubscriptionInvalid, TooManySubscriptions
from tenant_apps.articles.models import Announcement, Article, Delivery, Subscriber
from tenant_apps.articles.permissions import require_manage_subscribers
from tenant_apps.articles.sharing import article_url
from tenant_apps.links import page_url
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users.models import User

VALID_FOR: Final = timedelta(days=7)
# One letter to one address in this time, however often it is asked for.
LETTER_EVERY: Final = timedelta(minutes=10)
MAX_FROM_ONE_NETWORK: Final = 5
WINDOW: Final = timedelta(minutes=10)
BATCH: Final = 100
# An address whose letters the mail server refuses so often is given up for this article.
MAX_REFUSALS: Final = 5


def ask_for_letters(*, email: str, network: str) -> None:
    """Have a letter sent to this address that asks whether it wants more, once this is committed.

    To whoever asks, the answer is the same whether the address is known or not.

    Args:
        network: where it was asked, as `shared_apps.tenants.visitors.network_of` says it.
    Raises:
        TooManySubscriptions: this network has asked for too many lately.
    """
    from tenant_apps.articles.tasks import send_subscription_letter

    now = timezone.now()
    sender = hashlib.sha256(f"{require_tenant().uuid}:{network}".encode()).hexdigest()
    lately = Subscriber.objects.filter(sender=sender, asked_at__gt=now - WINDOW)
    if lately.count() >= MAX_FROM_ONE_NETWORK:
        raise TooManySubscriptions("That were many addresses. Wait ten minutes, then try again.")
    with transaction.atomic():
        subscriber, is_new = Subscriber.objects.select_for_update().get_or_create(
            email=email.strip().lower(), defaults={"asked_at": now, "sender": sender}
        )
        is_quiet = is_new or subscriber.asked_at < now - LETTER_EVERY
        if subscriber.confirmed_at is None and is_quiet:
            subscriber.asked_at, subscriber.sender = now, sender
            subscriber.save(update_fields=["asked_at", "sender"])
            send_subscription_letter.delay_on_commit(str(subscriber.pk))


def send_confirmation(*, subscriber: Subscriber) -> None:
    """Mail the link that confirms, with a fresh token; the task may be repeated. Who has confirmed
    meanwhile gets none."""
    if subscriber.confirmed_at is not None:
        return
    tenant = require_tenant()
    token = secrets.token_urlsafe(32)
    subscriber.token_hash = _hash_token(token, tenant)
    subscriber.save(update_fields=["token_hash"])
    facts = {"tenant": tenant, "link": page_url(tenant, "articles:confirm-subscription", token)}
    _letter("subscription", facts, subscriber.email).send()


def find_request(*, token: str) -> Subscriber:
    """The unconfirmed subscriber that a letter's token belongs to. Raises SubscriptionInvalid."""
    found = Subscriber.objects.filter(
        token_hash=_hash_token(token, require_tenant()), asked_at__gt=timezone.now() - VALID_FOR
    ).first()
    if found is None:
        raise SubscriptionInvalid(
            "This link is not good any more. Subscribe once more, and use the newest letter."
        )
    return found


def confirm_subscription(*, token: str) -> Subscriber:
    """Begin to send letters to the address that the token was mailed to. Safe to repeat while the
    letter is fresh. Raises SubscriptionInvalid."""
    subscriber = find_request(token=token)
    if subscriber.confirmed_at is None:
        subscriber.confirmed_at = timezone.now()
        with transaction.atomic():
            subscriber.save(update_fields=["confirmed_at"])
            webhooks.announce("subscriber.confirmed", subscriber)
    return subscriber


def leave_token(subscriber: Subscriber) -> str:
    """What a letter's link to leave carries. It holds as long as the subscription does."""
    return signing.dumps(subscriber.pk.hex, salt=_salt(require_tenant()))


def check_leave_token(*, token: str) -> UUID:
    """The key of the subscriber that may leave by this token. Raises SubscriptionInvalid."""
    try:
        return UUID(signing.loads(token, salt=_salt(require_tenant())))
    except (signing.BadSignature, ValueError) as error:
        raise SubscriptionInvalid("This link belongs to no subscription here.") from error


def leave(*, token: str) -> None:
    """Delete the subscriber whose letter the token was in. Safe to repeat: who has left has left.

    Raises:
        SubscriptionInvalid: the token was not made here.
    """
    Subscriber.objects.filter(pk=check_leave_token(token=token)).delete()


def remove_subscriber(*, subscriber: Subscriber, by: User) -> None:
    """Take an address off the list. Raises NotAllowed."""
    require_manage_subscribers(by)
    with transaction.atomic():
        trail.record(verb="subscriber.removed", subject=subscriber, actor=by)
        subscriber.delete()


def forget_unconfirmed() -> int:
    """Delete the addresses that nobody has confirmed in time. Returns how many."""
    stale = Subscriber.objects.filter(confirmed_at=None, asked_at__lt=timezone.now() - VALID_FOR)
    return stale.delete()[0]


# --- Letters about an article -----------------------------------------------------------------------


def announce_article(*, article: Article) -> None:
    """Have subscribers told of an article, in the caller's transaction. An article is told once, however
    often it is published."""
    from tenant_apps.articles.tasks import deliver_announcement

    announcement, is_new = Announcement.objects.get_or_create(article=article)
    if is_new:
        deliver_announcement.delay_on_commit(announcement.pk)


def keep_quiet_about(*, article: Article) -> None:
    """Count an article that its readers know from elsewhere as told, in the caller's transaction: it is
    not told when it is published again either."""
    now = timezone.now()
    Announcement.objects.create(article=article, listed_at=now, finished_at=now)


def deliver(*, announcement_id: int, limit: int = BATCH) -> int:
    """Send letters of an announcement that wait. Not inside a transaction; safe to repeat and to run
    beside itself: each letter is claimed by one worker, before it is sent.

    An article that is not published any more, or that was deleted, is told to nobody else.

    Args:
        limit: so many letters at most.
    Returns:
        How many are still to be sent, without those that the mail server has refused: they are tried
        again when somebody looks after announcements.
    Raises:
        OSError: the mail server is away; what was not sent waits.
    """
    announcement = (
        Announcement.objects.select_related("article__author", "article__category")
        .filter(pk=announcement_id, finished_at=None)
        .first()
    )
    if announcement is None:
        return 0
    if not announcement.article.is_published:
        _finish(announcement)
        return 0
    _list_subscribers(announcement)
    claimed = _claim(announcement, limit)
    _send(announcement.article, claimed)
    waiting = announcement.deliveries.filter(claimed_at=None, refusals__lt=MAX_REFUSALS)
    if not waiting.exists():
        _finish(announcement)
    return waiting.filter(refusals=0).count()


def open_announcements() -> list[int]:
    """The announcements that letters may still have to be sent of, for the task that looks after them."""
    return list(Announcement.objects.filter(finished_at=None).values_list("pk", flat=True))


def _list_subscribers(announcement: Announcement) -> None:
    """A row for each who is to get a letter; those who come later have missed it."""
    if announcement.listed_at is not None:
        return
    with transaction.atomic():
        wanted = Subscriber.objects.confirmed().filter(confirmed_at__lte=announcement.made_at)
        if announcement.article.is_for_members:
            wanted = wanted.filter(email__in=User.objects.active().values("email"))
        Delivery.objects.bulk_create(
            [
                Delivery(announcement=announcement, subscriber_id=key)
                for key in wanted.order_by("id").values_list("pk", flat=True).iterator(BATCH)
            ],
            batch_size=1000,
            ignore_conflicts=True,
        )
        announcement.listed_at = timezone.now()
        announcement.save(update_fields=["listed_at"])


def _claim(announcement: Announcement, limit: int) -> list[Delivery]:
    with transaction.atomic():
        waiting = announcement.deliveries.filter(claimed_at=None, refusals__lt=MAX_REFUSALS)
        claimed = list(
            waiting.select_for_update(skip_locked=True, of=("self",))
            .select_related("subscriber")
            .order_by("refusals", "id")[:limit]
        )
        Delivery.objects.filter(pk__in=[one.pk for one in claimed]).update(
            claimed_at=timezone.now()
        )
    return claimed


def _send(article: Article, deliveries: Sequence[Delivery]) -> None:
    if not deliveries:
        return
    left = list(deliveries)
    tenant = require_tenant()
    try:
        with get_connection() as server:
            while left:
                delivery = left[0]
                letter = _letter_about(article, delivery.subscriber, tenant, server)
                try:
                    letter.send()
                except (SMTPRecipientsRefused, SMTPResponseException):
                    # This letter was refused; the server is there, so the next ones are tried.
                    _release([delivery], refused=True)
                else:
                    Delivery.objects.filter(pk=delivery.pk).update(sent_at=timezone.now())
                left.pop(0)
    except OSError:
        _release(left, refused=False)
        raise


def _release(deliveries: Sequence[Delivery], *, refused: bool) -> None:
    """What was claimed and surely not sent waits again."""
    for delivery in deliveries:
        Delivery.objects.filter(pk=delivery.pk, sent_at=None).update(
            claimed_at=None, refusals=delivery.refusals + refused
        )


def _finish(announcement: Announcement) -> None:
    announcement.finished_at = timezone.now()
    announcement.save(update_fields=["finished_at"])


def _letter_about(
    article: Article, subscriber: Subscriber, tenant: TenantRef, server: Any
) -> EmailMultiAlternatives:
    token = leave_token(subscriber)
    leave_url = page_url(tenant, "articles:leave-subscription", token)
    facts = {
        "article": article,
        "tenant": tenant,
        "link": article_url(article, tenant),
        "leave_link": leave_url,
    }
    letter = _letter("new_article", facts, subscriber.email)
    letter.connection = server
    # RFC 8058: a mail program POSTs to the address with this body, and asks nobody anything.
    letter.extra_headers["List-Unsubscribe"] = f"<{leave_url}>"
    letter.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return letter


def _letter(name: str, facts: dict[str, Any], email: str) -> EmailMultiAlternatives:
    letter = EmailMultiAlternatives(
        subject=" ".join(render_to_string(f"emails/{name}.subject", facts).split()),
        body=render_to_string(f"emails/{name}.txt", facts),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[email],
    )
    letter.attach_alternative(render_to_string(f"emails/{name}.html", facts), "text/html")
    return letter


def _hash_token(token: str, tenant: TenantRef) -> str:
    # The tenant is part of it: a row copied into another workspace opens nothing there.
    return hashlib.sha256(f"{tenant.uuid}:subscriber:{token}".encode()).hexdigest()


def _salt(tenant: TenantRef) -> str:
    return f"articles.subscriber:{tenant.uuid}"
