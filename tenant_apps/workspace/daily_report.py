"""Yesterday in figures, mailed each morning to owners who want it. Each verb runs in the tenant's schema."""

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any, Final
from uuid import UUID

from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import trail
from tenant_apps.links import page_url
from tenant_apps.products.money import format_money
from tenant_apps.products.selectors import low_in_stock
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace import statistics
from tenant_apps.workspace.dashboard import Best, Figure, best_of, change_of
from tenant_apps.workspace.models import DayFigures, OwnChoices, ReportLetter
from tenant_apps.workspace.selectors import Task, current_workspace, work_at_hand

logger = logging.getLogger(__name__)
HOUR: Final = 7
# A claim that is older than this belongs to a worker that was lost.
_LOST_AFTER: Final = timedelta(hours=1)
LOW_SHOWN: Final = 5


class ReportLinkInvalid(ValueError):
    """A link of a letter belongs to nobody here."""


@dataclass(frozen=True, slots=True)
class Report:
    """One day, as the letter tells it."""

    day: date
    figures: list[Figure]
    best: list[Best]
    work: list[Task]
    low: list[Any]


def can_have_report(person: User) -> bool:
    """Owners: the letter has the figures of everything."""
    return person.is_active and person.is_owner


def choose_report(*, person: User, wants: bool) -> OwnChoices:
    """Have the report mailed to oneself from the next day on, or not any more. Safe to repeat.

    Raises:
        NotAllowed: somebody else than an owner wants it.
    """
    if wants and not can_have_report(person):
        raise NotAllowed("The daily report has the figures of everything: it goes to owners alone.")
    with transaction.atomic():
        choices, _ = OwnChoices.objects.select_for_update().get_or_create(person=person)
        if (choices.report_since is not None) != wants:
            choices.report_since = timezone.now() if wants else None
            choices.save(update_fields=["report_since"])
            verb = "report.wanted" if wants else "report.left"
            trail.record(verb=verb, subject=person, actor=person)
    return choices


def wants_report(person: User) -> bool:
    """Whether this person gets it."""
    return OwnChoices.objects.filter(person=person, report_since__isnull=False).exists()


def list_letters() -> int:
    """Make a row for each who is to get yesterday's report, once it is seven by the workspace's clock.
    Returns how many are still to be sent. Safe to repeat."""
    zone = statistics.workspace_zone()
    now = timezone.now().astimezone(zone)
    if now.hour < HOUR:
        return 0
    day = now.date() - timedelta(days=1)
    wanted = OwnChoices.objects.filter(
        report_since__isnull=False,
        # Whoever has asked for it since gets the first one tomorrow.
        report_since__lt=statistics.span_of(now.date(), zone)[0],
        person__is_active=True,
    )
    ReportLetter.objects.bulk_create(
        [
            ReportLetter(person_id=key, day=day)
            for key in wanted.values_list("person_id", flat=True)
        ],
        ignore_conflicts=True,
    )
    return ReportLetter.objects.filter(day=day, sent_at=None).count()


def send_reports() -> int:
    """Send the reports of yesterday that wait. Returns how many were sent. Not inside a transaction; safe
    to repeat and to run beside itself: each letter is claimed by one worker before it is sent.

    Raises:
        OSError: the mail server is away; what was not sent waits.
    """
    sent = 0
    if not list_letters():
        return sent
    while (letter := _claim()) is not None:
        person = User.objects.select_related("role").get(pk=letter.person_id)
        if can_have_report(person) and wants_report(person):
            try:
                _letter(person, report_of(letter.day, person)).send()
            except (SMTPRecipientsRefused, SMTPResponseException) as error:
                # Not tried again today: tomorrow's letter is another try.
                logger.warning("The mail server refuses the daily report to an owner: %s", error)
            except OSError:
                ReportLetter.objects.filter(pk=letter.pk).update(claimed_at=None)
                raise
            else:
                sent += 1
        ReportLetter.objects.filter(pk=letter.pk).update(sent_at=timezone.now())
    return sent


def report_of(day: date, person: User) -> Report:
    """A day against the day before it."""
    zone = statistics.workspace_zone()
    rows = {
        row.day: row for row in DayFigures.objects.filter(day__in=[day, day - timedelta(days=1)])
    }
    of_day = rows.get(day) or statistics.count_day(day, zone)
    before = rows.get(day - timedelta(days=1))
    currency = current_workspace().currency

    def figure(name: str, label: str) -> Figure:
        value: int = getattr(of_day, name)
        change = change_of(getattr(before, name), value) if before else None
        return Figure(label, f"{value:,}", change)

    figures = [
        figure("views", "views of articles"),
        figure("joined", "new members"),
        figure("subscribers_new", "new subscribers"),
        figure("comments", "comments"),
        figure("reviews", "reviews"),
    ]
    if of_day.value_minor is not None:
        value = format_money(of_day.value_minor, currency)
        figures.append(Figure("value of the stock", value, is_now=True))
    return Report(
        day=day,
        figures=figures,
        best=best_of([{"best": of_day.best}])[:3],
        work=[task for task in work_at_hand(person) if task.count],
        low=list(low_in_stock()[:LOW_SHOWN]),
    )


def leave_token(person: User) -> str:
    """What a letter's link to leave carries."""
    return signing.dumps(person.pk.hex, salt=_salt())


def person_of(*, token: str) -> User:
    """Whose letter the token was in. Raises ReportLinkInvalid."""
    try:
        key = UUID(signing.loads(token, salt=_salt()))
        person: User = User.objects.select_related("role").get(pk=key)
    except (signing.BadSignature, ValueError, User.DoesNotExist) as error:
        raise ReportLinkInvalid("This link belongs to nobody here.") from error
    return person


def leave(*, token: str) -> None:
    """No more letters to whoever's letter the token was in. Safe to repeat. Raises ReportLinkInvalid."""
    choose_report(person=person_of(token=token), wants=False)


def forget_letters() -> int:
    """Delete the rows of letters that are a month old. Returns how many."""
    old = timezone.now().date() - timedelta(days=31)
    return ReportLetter.objects.filter(day__lt=old).delete()[0]


def _claim() -> ReportLetter | None:
    day = statistics.today_in(statistics.workspace_zone()) - timedelta(days=1)
    with transaction.atomic():
        free = Q(claimed_at=None) | Q(claimed_at__lt=timezone.now() - _LOST_AFTER)
        waiting = ReportLetter.objects.filter(free, day=day, sent_at=None)
        letter = waiting.select_for_update(skip_locked=True).order_by("pk").first()
        if letter is not None:
            letter.claimed_at = timezone.now()
            letter.save(update_fields=["claimed_at"])
    return letter


def _letter(person: User, report: Report) -> EmailMultiAlternatives:
    tenant = require_tenant()
    leave_url = page_url(tenant, "workspace:leave-report", leave_token(person))
    facts = {
        "tenant": tenant,
        "person": person,
        "report": report,
        "link": page_url(tenant, "workspace:dashboard"),
        "leave_link": leave_url,
    }
    letter = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/daily_report.subject", facts).split()),
        body=render_to_string("emails/daily_report.txt", facts),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[person.email],
    )
    letter.attach_alternative(render_to_string("emails/daily_report.html", facts), "text/html")
    # RFC 8058: a mail program POSTs to the address with this body, and asks nobody anything.
    letter.extra_headers["List-Unsubscribe"] = f"<{leave_url}>"
    letter.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return letter


def _salt() -> str:
    return f"workspace.report:{require_tenant().uuid}"
