"""The report of each morning: to whom, when, once, and the way out."""

import threading
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace import daily_report, statistics
from tenant_apps.workspace.models import DayFigures, OwnChoices, ReportLetter, Workspace
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.workspace.test_dashboard import keep_day

MORNING = datetime(2026, 5, 5, 7, 10, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What time it is, for all that asks Django."""
    from django.utils import timezone

    class Clock:
        now = MORNING

    monkeypatch.setattr(timezone, "now", lambda: Clock.now)
    return Clock


@pytest.fixture
def reader(in_acme: TenantRef, acme_people: People, clock: Any) -> User:
    """The owner, who has wanted the report for a week."""
    owner = acme_people["owner"]
    OwnChoices.objects.create(person=owner, report_since=MORNING - timedelta(days=7))
    return owner


def test_report_of_yesterday_comes_in_the_morning(reader: User, acme_people: People) -> None:
    article = make_article(acme_people["author"], "The kiln is on")
    keep_day(1, views=1_500, joined=2, best=[[article.pk.hex, 40]], value_minor=1_000)
    keep_day(2, views=1_000, joined=0)
    assert daily_report.send_reports() == 1
    [letter] = mail.outbox
    assert letter.to == [reader.email]
    assert letter.subject == "Acme on Monday, 4 May"
    for words in ("1,500 views of articles (+50 %", "2 new members\n", "The kiln is on", "€10.00"):
        assert words in letter.body
    assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_report_comes_once_however_often_the_task_runs(reader: User) -> None:
    assert [daily_report.send_reports() for _ in range(3)] == [1, 0, 0]
    assert len(mail.outbox) == 1


def test_report_comes_at_seven_by_the_workspaces_clock(reader: User, clock: Any) -> None:
    Workspace.objects.update(time_zone="America/New_York")
    cache.clear()
    assert daily_report.send_reports() == 0
    clock.now = MORNING + timedelta(hours=4)
    assert daily_report.send_reports() == 1


def test_day_that_was_not_counted_yet_is_counted_then(reader: User) -> None:
    assert daily_report.send_reports() == 1
    assert DayFigures.objects.filter(day=MORNING.date() - timedelta(days=1)).exists()


def test_whoever_asks_today_gets_the_first_one_tomorrow(
    in_acme: TenantRef, acme_people: People, clock: Any
) -> None:
    daily_report.choose_report(person=acme_people["owner"], wants=True)
    assert daily_report.send_reports() == 0
    clock.now = MORNING + timedelta(days=1)
    assert daily_report.send_reports() == 1


def test_owner_who_is_none_any_more_gets_nothing(reader: User, acme_people: People) -> None:
    User.objects.filter(pk=reader.pk).update(role=acme_people["editor"].role)
    assert daily_report.send_reports() == 0
    assert mail.outbox == []


def test_claim_of_a_lost_worker_is_taken_up_again(reader: User, clock: Any) -> None:
    daily_report.list_letters()
    ReportLetter.objects.update(claimed_at=MORNING)
    assert daily_report.send_reports() == 0
    clock.now = MORNING + timedelta(hours=2)
    assert daily_report.send_reports() == 1


def test_mail_server_that_is_away_loses_no_letter(
    reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise ConnectionRefusedError

    # At the wire.
    monkeypatch.setattr(EmailBackend, "send_messages", away)
    with pytest.raises(ConnectionRefusedError):
        daily_report.send_reports()
    monkeypatch.undo()
    ReportLetter.objects.update(claimed_at=None)
    assert ReportLetter.objects.get().sent_at is None


def test_address_that_is_refused_keeps_nobody_waiting(
    reader: User, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise SMTPRecipientsRefused({})

    monkeypatch.setattr(EmailBackend, "send_messages", refused)
    assert daily_report.send_reports() == 0
    assert daily_report.send_reports() == 0


@pytest.mark.parametrize("role", ["admin", "editor", "author", "member"])
def test_report_is_for_owners(in_acme: TenantRef, acme_people: People, role: str) -> None:
    with pytest.raises(NotAllowed, match="owners alone"):
        daily_report.choose_report(person=acme_people[role], wants=True)
    daily_report.choose_report(person=acme_people[role], wants=False)


def test_page_switches_it_on_and_off(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    owner = as_role("owner")
    assert "Mail it to me" in owner.get("/dashboard/").content.decode()
    owner.post("/dashboard/report/", {"wants": "yes"})
    assert "Stop it" in owner.get("/dashboard/").content.decode()
    owner.post("/dashboard/report/", {"wants": "no"})
    with context.run_in(acme):
        assert not daily_report.wants_report(acme_people["owner"])
    assert as_role("admin").post("/dashboard/report/", {"wants": "yes"}).status_code == 403


def test_way_out_is_one_click_without_a_session(
    reader: User, acme: TenantRef, client_of: ClientMaker
) -> None:
    token = daily_report.leave_token(reader)
    path = f"/dashboard/report/{token}/leave/"
    program = Client(headers={"host": acme.hostname}, enforce_csrf_checks=True)
    assert program.get(path).status_code == 200
    assert daily_report.wants_report(reader)
    sent = program.post(path, {"List-Unsubscribe": "One-Click"})
    assert sent.status_code == 200
    assert not daily_report.wants_report(reader)
    assert program.post(path).status_code == 200


def test_way_out_of_a_neighbour_is_none(
    acme: TenantRef, globex: TenantRef, acme_people: People, client_of: ClientMaker
) -> None:
    with context.run_in(acme):
        token = daily_report.leave_token(acme_people["owner"])
    assert client_of(globex).post(f"/dashboard/report/{token}/leave/").status_code == 404
    assert client_of(acme).get("/dashboard/report/nonsense/leave/").status_code == 404


def test_two_workers_send_each_letter_once(cast: dict[str, TenantRef], committing_db: None) -> None:
    with context.run_in(cast["acme"]):
        owner = User.objects.owners().get()
        day = statistics.today_in(statistics.workspace_zone()) - timedelta(days=1)
        letter = ReportLetter.objects.create(person=owner, day=day)
        claimed: list[Any] = []

        def claim() -> None:
            claimed.append(daily_report._claim())
            connection.close()

        threads = [threading.Thread(target=context.carry(claim)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        letter.delete()
    assert sum(one is not None for one in claimed) == 1
