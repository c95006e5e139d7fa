"""A request's COMMIT goes on while its answer is rendered, and no answer leaves before it is kept."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client

from shared_apps.domains.middleware import TenantMiddleware
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tests.isolation.conftest import superuser
from tests.isolation.probe.models import Note


@pytest.fixture
def acme(cast: dict[str, TenantRef], committing_db: None) -> Iterator[TenantRef]:
    """Inside acme, with transactions that commit."""
    with context.run_in(cast["acme"]):
        yield cast["acme"]
        Note.objects.filter(text="overlapped").delete()


def database() -> Any:
    """This thread's connection of the application."""
    return connections[DEFAULT_DB_ALIAS]


def write(*, overlap: bool = True) -> None:
    """A transaction as a request has it."""
    database().overlap_next_commit = overlap
    with transaction.atomic():
        Note.objects.create(text="overlapped")


def kept(acme: TenantRef) -> int:
    """What another session sees."""
    with superuser() as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {acme.schema_name}.probe_note WHERE text = 'overlapped'".encode()
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_commit_is_sent_and_awaited_by_the_next_statement(acme: TenantRef) -> None:
    write()
    assert database().commit_sent
    assert Note.objects.filter(text="overlapped").count() == 1
    assert not database().commit_sent
    assert kept(acme) == 1


def test_only_the_first_commit_overlaps(acme: TenantRef) -> None:
    write()
    with transaction.atomic():
        Note.objects.create(text="overlapped")
    assert not database().commit_sent
    assert kept(acme) == 2


def test_commit_that_somebody_waits_for_is_not_overlapped(acme: TenantRef) -> None:
    seen = []
    database().overlap_next_commit = True
    with transaction.atomic():
        Note.objects.create(text="overlapped")
        transaction.on_commit(lambda: seen.append(kept(acme)))
    assert seen == [1]
    assert not database().commit_sent


def test_callback_outside_a_transaction_comes_after_the_commit(acme: TenantRef) -> None:
    write()
    seen = []
    transaction.on_commit(lambda: seen.append((kept(acme), database().commit_sent)))
    assert seen == [(1, False)]


@pytest.mark.parametrize("what", ["close", "is_usable", "rollback", "savepoint", "old cursor"])
def test_whatever_comes_next_finds_the_commit_done(acme: TenantRef, what: str) -> None:
    with database().cursor() as cursor:
        write()
        if what == "savepoint":
            with transaction.atomic(), transaction.atomic():
                Note.objects.count()
        elif what == "old cursor":
            cursor.execute("SELECT count(*) FROM probe_note WHERE text = 'overlapped'")
            assert cursor.fetchone() == (1,)
        elif what == "rollback":
            transaction.rollback()
        else:
            getattr(database(), what)()
    assert not database().commit_sent
    assert kept(acme) == 1


def test_commit_that_is_refused_is_raised_and_leaves_nothing(acme: TenantRef) -> None:
    database().overlap_next_commit = True
    with transaction.atomic():
        Note.objects.create(text="overlapped", parent_id=987_654_321)
    with pytest.raises(IntegrityError):
        database().await_commit()
    assert kept(acme) == 0
    write(overlap=False)
    assert kept(acme) == 1


def test_connection_that_is_lost_is_raised_and_made_anew(acme: TenantRef) -> None:
    with pytest.raises(OperationalError):
        with transaction.atomic():
            Note.objects.create(text="overlapped")
            pid = database().connection.info.backend_pid
            with superuser() as connection:
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            database().overlap_next_commit = True
        database().await_commit()
    database().close()
    assert kept(acme) == 0
    write(overlap=False)
    assert kept(acme) == 1


def test_view_that_fails_leaves_no_commit_to_overlap(acme: TenantRef) -> None:
    database().overlap_next_commit = True
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Note.objects.create(text="overlapped")
        raise ZeroDivisionError
    write(overlap=database().overlap_next_commit)
    assert not database().commit_sent


def test_request_is_answered_when_its_commit_is_kept(
    cast: dict[str, TenantRef], committing_db: None, settings: Any
) -> None:
    settings.TERRACE_TENANT_URLCONF = "tests.isolation.careless"
    client = Client(headers={"host": cast["acme"].hostname}, raise_request_exception=False)
    assert client.get("/careless/notes").status_code == 200
    assert client.get("/careless/orphan").status_code == 500
    assert not database().commit_sent
    assert not database().overlap_next_commit
    assert client.get("/careless/notes").status_code == 200


def test_commit_is_under_way_while_the_answer_is_rendered(
    cast: dict[str, TenantRef], committing_db: None, settings: Any
) -> None:
    """The middlewares inside ours see it under way, whoever is outside sees it done."""
    settings.TERRACE_TENANT_URLCONF = "tests.isolation.careless"
    name = f"{TenantMiddleware.__module__}.{TenantMiddleware.__qualname__}"
    settings.MIDDLEWARE = [f"{__name__}.look", name, f"{__name__}.look"]
    client = Client(headers={"host": cast["acme"].hostname})
    _seen.clear()
    assert client.get("/careless/notes").status_code == 200
    assert client.get("/careless/search-outside", {"q": "x"}).status_code == 200
    assert _seen == [True, False, False, False]


_seen: list[bool] = []


def look(get_response: Any) -> Any:
    """A middleware that notes whether a commit is under way."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        _seen.append(database().commit_sent)
        return response

    return middleware
