"""Who is told when stock runs low, and when. Each verb runs in the tenant's schema.

A variant falls low once: an open `StockAlert` stands for it until there is more than the number it
warns at, and only then can it fall again.
"""

from collections.abc import Iterable

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import trail, webhooks
from tenant_apps.activity.notifications import notify
from tenant_apps.links import page_path, page_url
from tenant_apps.products.models import ProductVariant, StockAlert, StockWatch
from tenant_apps.products.permissions import can_change, require_change
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users.letters import post_letter
from tenant_apps.users.models import User

# As many as a letter names; the page shows all.
LISTED_IN_A_LETTER = 20
_MAILED_AT_ONCE = 10_000


def note_levels(*, variants: Iterable[ProductVariant], by: User | None) -> list[StockAlert]:
    """Note which of these variants have fallen low, and which are well stocked again.

    Called by whoever changes stock or the number a variant warns at, with the variants' rows locked.
    Safe to repeat: who has fallen already is not told of again.

    Args:
        by: whose doing it was; None for the platform's.
    Returns:
        The new alerts. A task mails them once the caller's transaction is committed.
    """
    from tenant_apps.products.tasks import mail_stock_alerts

    rows = {variant.pk: variant for variant in variants}
    if not rows:
        return []
    opened = dict(
        StockAlert.objects.filter(variant__in=rows, ended_at=None).values_list("variant_id", "pk")
    )
    ended = [opened[key] for key in opened if not rows[key].is_low]
    if ended:
        StockAlert.objects.filter(pk__in=ended).update(ended_at=timezone.now())
    fallen = [
        StockAlert(
            product_id=row.product_id,
            variant=row,
            quantity=row.stock_quantity,
            warned_at=row.low_stock_at or 0,
        )
        for row in rows.values()
        if row.is_low and row.pk not in opened
    ]
    if fallen:
        StockAlert.objects.bulk_create(fallen)
        _tell_the_trail(fallen, by)
        webhooks.announce_many("stock.low", fallen)
        _notify_people(fallen)
        mail_stock_alerts.delay_on_commit()
    return fallen


def watch_stock(*, by: User) -> None:
    """Send this person a letter when stock runs low. Safe to repeat. Raises NotAllowed."""
    require_change(by)
    StockWatch.objects.get_or_create(person=by)


def stop_watching_stock(*, by: User) -> None:
    """Send this person no more of those letters. Safe to repeat."""
    StockWatch.objects.filter(person=by).delete()


def is_watching(person: User) -> bool:
    """Whether this person wants those letters."""
    return StockWatch.objects.filter(person=person).exists()


def mail_alerts() -> int:
    """Write one letter to each person who wants it, of all that fell low since the last one.

    Safe to repeat and to run twice at once: each alert is mailed once, and one that is over by then
    is not mailed at all.

    Returns:
        How many alerts the letters tell of.
    """
    with transaction.atomic():
        waiting = StockAlert.objects.select_for_update(skip_locked=True, no_key=True).filter(
            mailed_at=None, ended_at=None
        )
        keys = list(waiting.order_by("id").values_list("pk", flat=True)[:_MAILED_AT_ONCE])
        if not keys:
            return 0
        alerts = StockAlert.objects.filter(pk__in=keys[:LISTED_IN_A_LETTER]).order_by("id")
        context = {
            "alerts": list(alerts.select_related("product", "variant")),
            "count": len(keys),
            "more": max(0, len(keys) - LISTED_IN_A_LETTER),
            "tenant": require_tenant(),
            "link": page_url(require_tenant(), "products:stock"),
        }
        watches = StockWatch.objects.select_related("person__role").order_by("id")
        for watch in watches:
            # Whose role was changed since does not read what they may no longer see.
            if can_change(watch.person):
                post_letter(_letter(watch.person, context))
        StockAlert.objects.filter(pk__in=keys).update(mailed_at=timezone.now())
    return len(keys)


def _tell_the_trail(alerts: list[StockAlert], by: User | None) -> None:
    keys = [alert.pk for alert in alerts]
    for alert in StockAlert.objects.filter(pk__in=keys).select_related("product", "variant"):
        trail.record(
            verb="stock.fell_low",
            subject=alert.product,
            actor=by,
            after={
                "variant": str(alert.variant),
                "in stock": alert.quantity,
                "warned at": alert.warned_at,
            },
        )


def _notify_people(alerts: list[StockAlert]) -> None:
    first = alerts[0]
    sentence = f"{len(alerts)} variants are low in stock."
    if len(alerts) == 1:
        sentence = f"{first.product} is low in stock: {first.quantity} left."
    notify("stock_low", sentence=sentence, path=page_path("products:stock"))


def _letter(person: User, context: dict[str, object]) -> EmailMultiAlternatives:
    context = {**context, "person": person}
    letter = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/low_stock.subject", context).split()),
        body=render_to_string("emails/low_stock.txt", context),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[person.email],
    )
    letter.attach_alternative(render_to_string("emails/low_stock.html", context), "text/html")
    return letter
