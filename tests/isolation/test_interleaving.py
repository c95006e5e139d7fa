"""Contexts, transactions, savepoints, errors and callbacks in any order, on one connection.

Hypothesis makes the programs. An oracle, which knows nothing of PostgreSQL, keeps what each tenant
must hold; every read and write of the real connection is compared with it.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from shared_apps.tenants import context
from shared_apps.tenants.errors import NoTenant, WrongSchema
from shared_apps.tenants.models import Tenant
from tests.isolation.conftest import Cast, left_on_connection, plant
from tests.isolation.probe.models import Note

pytestmark = pytest.mark.slow

WHERE = ("acme", "globex", "public")
Step = tuple[Any, ...]


class OnPurpose(Exception):
    """Breaks out of a block."""


def _leave(raises: bool) -> None:
    if raises:
        raise OnPurpose


def _programs() -> st.SearchStrategy[list[Step]]:
    leaf = st.one_of(
        st.tuples(st.just("read"), st.sampled_from(["orm", "raw", "named", "values"])),
        st.tuples(st.just("write")),
        st.tuples(st.just("update")),
        st.tuples(st.just("bad sql")),
        st.tuples(st.just("on_commit")),
        st.tuples(st.just("savepoint by hand"), st.sampled_from(WHERE)),
        st.tuples(st.just("platform")),
        st.tuples(st.just("drop connection")),
    )
    return st.lists(
        st.recursive(
            leaf,
            lambda inner: st.one_of(
                st.tuples(
                    st.just("enter"), st.sampled_from(WHERE), st.lists(inner, max_size=4),
                    st.booleans(),
                ),
                st.tuples(
                    st.just("atomic"), st.lists(inner, max_size=4),
                    st.sampled_from(["commit", "raise", "roll back"]),
                ),
            ),
            max_leaves=12,
        ),
        min_size=1,
        max_size=6,
    )  # fmt: skip


class Oracle:
    """What must be where, in plain Python."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.rows: dict[str, list[str]] = {
            name: [f"{name}-secret-{number}" for number in (1, 2, 3)] for name in cast
        }
        self.here = "public"
        self.depth = 0
        self.number = 0
        self.waiting: list[tuple[str, int]] = []
        self.called: list[str] = []

    # --- Steps ---

    def run(self, program: list[Step]) -> None:
        for step in program:
            getattr(self, "do_" + step[0].replace(" ", "_"))(*step[1:])

    def do_enter(self, where: str, program: list[Step], raises: bool) -> None:
        before = self.here
        entering = (
            context.run_in(self.cast[where]) if where != "public" else context.run_in_public()
        )
        try:
            with entering:
                self.here = where
                self.run(program)
                _leave(raises)
        except OnPurpose:
            if not raises:
                raise
        finally:
            self.here = before

    def do_atomic(self, program: list[Step], ending: str) -> None:
        rows, waiting = copy.deepcopy(self.rows), list(self.waiting)
        self.depth += 1
        try:
            with transaction.atomic():
                self.run(program)
                _leave(ending == "raise")
                if ending == "roll back":
                    transaction.set_rollback(True)
        except OnPurpose:
            if ending != "raise":
                self.rows, self.waiting = rows, waiting
                raise
        finally:
            self.depth -= 1
        if ending != "commit":
            self.rows, self.waiting = rows, waiting
        elif self.depth == 0:
            expected, self.waiting = [name for name, _ in self.waiting], []
            assert self.called == expected
            self.called.clear()

    def do_read(self, way: str) -> None:
        if self.here == "public":
            with pytest.raises(NoTenant):
                Note.objects.count()
            return
        assert READS[way]() == self.rows[self.here]

    def do_write(self) -> None:
        if self.here == "public":
            with pytest.raises(NoTenant):
                Note.objects.create(text="nobody's")
            return
        self.number += 1
        text = f"{self.here}-{self.number}"
        Note.objects.create(id=1000 + self.number, text=text)
        self.rows[self.here].append(text)

    def do_update(self) -> None:
        if self.here == "public":
            return
        self.number += 1
        text = f"{self.here}-secret-1 changed {self.number}"
        assert Note.objects.filter(id=1).update(text=text) == 1
        self.rows[self.here][0] = text

    def do_bad_sql(self) -> None:
        with (
            pytest.raises(ProgrammingError, match="does not exist"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1 FROM nowhere")

    def do_on_commit(self) -> None:
        where = self.here
        expected = None if where == "public" else where

        def callback() -> None:
            tenant = context.current_tenant()
            assert (tenant.subdomain if tenant else None) == expected
            self.called.append(where)

        transaction.on_commit(callback)
        if self.depth:
            self.waiting.append((where, 0))
        else:
            assert self.called == [where]
            self.called.clear()

    def do_savepoint_by_hand(self, where: str) -> None:
        """ROLLBACK TO takes back a lock that was set after the savepoint."""
        if not self.depth:
            return
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT by_hand")
            before = self.here
            self.do_enter(where, [("read", "raw")], False)
            entering = (
                context.run_in(self.cast[where]) if where != "public" else context.run_in_public()
            )
            with entering:
                cursor.execute("ROLLBACK TO SAVEPOINT by_hand")
                self.here = where
                self.do_read("raw")
                self.here = before
        self.do_read("raw")

    def do_platform(self) -> None:
        if self.here == "public":
            assert Tenant.objects.filter(subdomain__in=self.cast).count() == 2
        else:
            with pytest.raises(WrongSchema):
                Tenant.objects.count()

    def do_drop_connection(self) -> None:
        if not self.depth:
            connection.close()


def _raw() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM probe_note ORDER BY id")
        return [text for (text,) in cursor.fetchall()]


READS: dict[str, Callable[[], list[str]]] = {
    "orm": lambda: [row.text for row in Note.objects.order_by("id")],
    "values": lambda: list(Note.objects.order_by("id").values_list("text", flat=True)),
    "named": lambda: [row.text for row in Note.objects.order_by("id").iterator(chunk_size=2)],
    "raw": _raw,
}


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=_programs())
def test_any_order_of_blocks_reads_and_writes_the_right_tenant(
    program: list[Step], planted: Cast
) -> None:
    plant(planted)
    oracle = Oracle(planted)
    note(str(program))
    try:
        oracle.run(program)
    except OnPurpose:
        assert oracle.depth == 0
    assert context.current_tenant() is None
    with context.run_in(planted["acme"]):
        Note.objects.count()
    assert left_on_connection() == {}
    for name, tenant in planted.items():
        with context.run_in(tenant):
            assert READS["orm"]() == oracle.rows[name]
