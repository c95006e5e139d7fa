"""Notifications by mail: at once, or once a day. Each verb runs in the tenant's schema.

What waits for one person goes in one letter. Its rows are marked after the mail server has taken it and
before the task's transaction ends: where that fails in between, one letter comes twice rather than none.
"""

import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.activity.models import Notification, NotificationChoices
from tenant_apps.activity.notifications import leave_token
from tenant_apps.links import full_url, page_url
from tenant_apps.sender import from_header, reply_to

# By the person's own clock.
DIGEST_HOUR: Final = 7
# Of the newest; the page has all.
LISTED: Final = 20
_DAY: Final = timedelta(hours=23)
# A task of its own sends what goes at once; only what it left is old.
_LEFT_BEHIND: Final = timedelta(minutes=45)


def people_due() -> list[UUID]:
    """Whom a letter is to be written to now. Two statements."""
    now = timezone.now()
    waiting = Notification.objects.to_mail().order_by().values_list("person_id", flat=True)
    left = waiting.filter(mail=Notification.Mail.AT_ONCE, made_at__lt=now - _LEFT_BEHIND)
    daily = NotificationChoices.objects.filter(
        person__in=waiting.filter(mail=Notification.Mail.DAILY)
    )
    due = {row.person_id for row in daily.select_related("person") if _is_time(row, now)}
    return sorted(due | set(left))


def mail_waiting(*, person_id: UUID) -> int:
    """Write one letter of all that waits for this person: what goes at once, and where a day has passed
    what goes daily. Safe to repeat.

    Returns:
        How many notifications it has.
    Raises:
        SMTPException, OSError: the mail server did not take it; nothing is marked.
    """
    now = timezone.now()
    with transaction.atomic():
        choices = (
            NotificationChoices.objects.select_for_update(of=("self",), no_key=True)
            .select_related("person")
            .filter(person_id=person_id)
            .first()
        )
        waiting = Notification.objects.to_mail().filter(person_id=person_id)
        takes_daily = choices is None or not choices.daily or _is_time(choices, now)
        if not takes_daily:
            waiting = waiting.filter(mail=Notification.Mail.AT_ONCE)
        rows = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("-id"))
        if not rows:
            return 0
        person = Notification.objects.select_related("person").get(pk=rows[0].pk).person
        if person.is_active:
            _letter(person, rows).send()
        keys = [row.pk for row in rows]
        Notification.objects.filter(pk__in=keys).update(mailed_at=now)
        if choices is not None and choices.daily and takes_daily:
            choices.last_digest_at = now
            choices.save(update_fields=["last_digest_at"])
    return len(rows)


def _is_time(choices: NotificationChoices, now: datetime) -> bool:
    """Whether it is after seven in the morning of a day that had no letter yet."""
    if choices.last_digest_at is not None and now - choices.last_digest_at < _DAY:
        return False
    zone = zoneinfo.ZoneInfo(getattr(choices.person, "time_zone", "") or "UTC")
    return now.astimezone(zone).hour >= DIGEST_HOUR


def _letter(person: Any, rows: Sequence[Notification]) -> EmailMultiAlternatives:
    tenant = require_tenant()
    leave_url = page_url(tenant, "activity:leave-mails", leave_token(person.pk))
    facts = {
        "person": person,
        "tenant": tenant,
        "rows": [(row, _link(tenant, row)) for row in rows[:LISTED]],
        "count": len(rows),
        "more": max(0, len(rows) - LISTED),
        "choices_link": page_url(tenant, "activity:notification-choices"),
        "all_link": page_url(tenant, "activity:notifications"),
        "leave_link": leave_url,
    }
    letter = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/notifications.subject", facts).split()),
        body=render_to_string("emails/notifications.txt", facts),
        to=[person.email],
        from_email=from_header(),
        reply_to=reply_to(),
    )
    letter.attach_alternative(render_to_string("emails/notifications.html", facts), "text/html")
    # RFC 8058: a mail program POSTs to the address with this body, and asks nobody anything.
    letter.extra_headers["List-Unsubscribe"] = f"<{leave_url}>"
    letter.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return letter


def _link(tenant: TenantRef, row: Notification) -> str:
    return full_url(tenant, row.path)
