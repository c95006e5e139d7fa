"""What is kept until something changes: with real transactions, and people in between."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import trail
from tenant_apps.activity.generation import current_generation, end_generation
from tenant_apps.activity.models import Entry
from tenant_apps.workspace.selectors import current_workspace

VERB = "generation.tested"


@pytest.fixture
def acme_now(cast: dict[str, TenantRef], committing_db: None) -> Iterator[TenantRef]:
    """acme, with transactions that are real."""
    with context.run_in(cast["acme"]):
        yield cast["acme"]
        Entry.objects.filter(verb=VERB).delete()


def change_something() -> None:
    trail.record(verb=VERB, subject=current_workspace(), actor=None)


def counter() -> Callable[[], int]:
    numbers = iter(range(1, 100))
    return lambda: next(numbers)


def test_kept_until_something_changes(acme_now: TenantRef) -> None:
    make = counter()
    assert [current_generation().kept("n", make) for _ in range(3)] == [1, 1, 1]
    with transaction.atomic():
        change_something()
    assert [current_generation().kept("n", make) for _ in range(3)] == [2, 2, 2]


def test_kept_apart_by_name(acme_now: TenantRef) -> None:
    generation = current_generation()
    assert generation.kept("a", lambda: None) is None
    assert generation.kept("a", lambda: 2) is None
    assert generation.kept("b", lambda: 3) == 3


def test_kept_apart_by_tenant(acme_now: TenantRef, cast: dict[str, TenantRef]) -> None:
    current_generation().kept("n", lambda: "acme's own")
    with context.run_in(cast["globex"]):
        assert current_generation().kept("n", lambda: "globex's own") == "globex's own"
        # Even under the same number.
        cache.set("generation", 7, None)
    cache.set("generation", 7, None)
    current_generation().kept("m", lambda: "acme's own")
    with context.run_in(cast["globex"]):
        assert current_generation().kept("m", lambda: "globex's own") == "globex's own"


def test_change_of_a_neighbour_ends_nothing(
    acme_now: TenantRef, cast: dict[str, TenantRef]
) -> None:
    make = counter()
    current_generation().kept("n", make)
    with context.run_in(cast["globex"]), transaction.atomic():
        change_something()
    with context.run_in(cast["globex"]):
        Entry.objects.filter(verb=VERB).delete()
    assert current_generation().kept("n", make) == 1


def test_nothing_is_kept_of_what_is_not_committed(acme_now: TenantRef) -> None:
    make = counter()
    with transaction.atomic():
        change_something()
        assert [current_generation().kept("n", make) for _ in range(2)] == [1, 2]
        transaction.set_rollback(True)
    assert [current_generation().kept("n", make) for _ in range(2)] == [3, 3]


def test_savepoint_that_is_closed_has_still_changed_something(acme_now: TenantRef) -> None:
    make = counter()
    with transaction.atomic():
        with transaction.atomic():
            change_something()
        assert [current_generation().kept("n", make) for _ in range(2)] == [1, 2]


def test_ending_survives_a_savepoint_that_is_rolled_back(acme_now: TenantRef) -> None:
    make = counter()
    current_generation().kept("n", make)
    with transaction.atomic():
        with transaction.atomic():
            change_something()
            transaction.set_rollback(True)
        change_something()
    assert current_generation().kept("n", make) == 2


def test_one_ending_for_a_transaction(acme_now: TenantRef) -> None:
    before: Any = current_generation().number
    with transaction.atomic():
        for _ in range(50):
            change_something()
        with transaction.atomic():
            end_generation()
        assert len(connection.run_on_commit) == 1
    assert current_generation().number == before + 1


def test_what_was_read_before_a_commit_is_not_kept_after_it(acme_now: TenantRef) -> None:
    """Somebody reads, another commits, and only then is put away what was read."""

    def make() -> str:
        another = threading.Thread(target=context.carry(commit))
        another.start()
        another.join()
        return "old"

    def commit() -> None:
        with transaction.atomic():
            change_something()
        connection.close()

    assert current_generation().kept("n", make) == "old"
    assert current_generation().kept("n", lambda: "new") == "new"


def test_number_never_comes_back(acme_now: TenantRef) -> None:
    """Redis forgets the number, and not what was kept under it."""
    first: Any = current_generation().number
    current_generation().kept("n", lambda: "old")
    with transaction.atomic():
        change_something()
    cache.delete("generation")
    second: Any = current_generation().number
    assert second > first + 1
    assert current_generation().kept("n", lambda: "new") == "new"


def test_without_redis_nothing_is_kept_and_nothing_breaks(
    acme_now: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    def refuse(*arguments: object, **options: object) -> None:
        raise redis.ConnectionError("away")

    # At the wire: no command gets through.
    monkeypatch.setattr(redis.Connection, "send_packed_command", refuse)
    make = counter()
    assert [current_generation().kept("n", make) for _ in range(2)] == [1, 2]
    with transaction.atomic():
        change_something()
