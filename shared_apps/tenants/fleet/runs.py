"""A run over the fleet: groups, a canary of each, the rest like it, and a ledger of how it went."""

import random
import time
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from django.conf import settings
from django.db import connections

from shared_apps.tenants.fleet import ledger
from shared_apps.tenants.fleet.detection import (
    Member,
    applied_hashes,
    members,
    missing_schemas,
    table_hashes,
)
from shared_apps.tenants.fleet.ledger import Outcome
from shared_apps.tenants.fleet.locks import FLEET
from shared_apps.tenants.fleet.plans import Plan, Planner, Target
from shared_apps.tenants.fleet.recording import HalfDone, Recording, migrate_and_record
from shared_apps.tenants.fleet.replaying import LOCK_TIMEOUT_MS, Job, migrate_like_canary
from shared_apps.tenants.fleet.workers import (
    MAX_ATTEMPTS,
    Order,
    default_processes,
    describe,
    is_worth_another_try,
    work_off,
)
from shared_apps.tenants.models import FleetRun
from shared_apps.tenants.schemas import (
    OWNER,
    grant_rows,
    owner_database,
    owner_transaction,
)
from shared_apps.tenants.template import TEMPLATE_SCHEMA

# A tenant that was claimed from an older pool meanwhile is found in the next round.
ROUNDS: Final = 3
# If so many schemas of a group in turn can't be its canary, the group has a fault of its own.
CANARIES_TRIED: Final = 3
_WRITE_EVERY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run goes about it.

    Args:
        only: subdomains, schema names or none for the whole fleet.
        canaries: subdomains that go first; all of them must succeed before anybody else.
        sample: how many more of each group go before the rest, chosen at random.
        max_failures: stop handing out after so many; 0 goes on whatever happens.
        processes: how many schemas are migrated at a time; 0 is twice the processors.
        lock_timeout_ms: how long a statement waits for somebody's lock before it is tried later.
    """

    only: Sequence[str] = ()
    canaries: Sequence[str] = ()
    sample: int = 2
    max_failures: int = 0
    processes: int = 0
    lock_timeout_ms: int = LOCK_TIMEOUT_MS


class Observer(Protocol):
    """Whoever watches a run: a progress bar, lines in a log."""

    def planned(self, schemas: int, plan: Plan) -> None:
        """A group of so many schemas is about to be migrated."""

    def finished(self, outcome: Outcome) -> None:
        """One schema came to an end."""


@dataclass(frozen=True, slots=True)
class Group:
    """Schemas with the same applied migrations, and what they have to do."""

    members: Sequence[Member]
    plan: Plan


@dataclass
class RunResult:
    """What came of a run. `left` are the schemas that were not tried, since it stopped."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    stopped_because: str = ""


class FleetStopped(RuntimeError):
    """A canary that was chosen by name failed, so nobody else was touched."""


def groups_behind(
    target: Target, *, only: Sequence[str] = (), leave_out: Container[str] = ()
) -> list[Group]:
    """Who has something to do, by what they have applied; planned once a group.

    Args:
        only: subdomains or schema names; empty for all.
        leave_out: schemas that are not looked at.
    Runs in: the public schema, the catalogue, and one schema of each group, as the owner.
    """
    chosen = [
        member
        for member in members()
        if member.schema_name not in leave_out and (not only or _is_named(member, only))
    ]
    if not chosen:
        return []
    names = [member.schema_name for member in chosen]
    hashes = applied_hashes([TEMPLATE_SCHEMA, *names])
    gone = missing_schemas(names) if len(hashes) <= len(names) else set()
    by_hash: dict[str, list[Member]] = defaultdict(list)
    for member in chosen:
        digest = hashes.get(member.schema_name, "")
        if not (target.is_latest and digest and digest == hashes.get(TEMPLATE_SCHEMA)):
            by_hash["gone" if member.schema_name in gone else digest].append(member)
    groups = []
    for digest, group in by_hash.items():
        plan = Plan([], []) if digest == "gone" else _plan_for(group[0].schema_name, target)
        if digest == "gone" or not plan.is_empty:
            groups.append(Group(group, plan))
    return groups


def run_fleet(
    *, target: Target, release: str, rules: Rules, observer: Observer | None = None
) -> RunResult:
    """Migrate all schemas that are behind, as fast as they can be and each one whole.

    The caller holds the fleet's lock and has migrated the template.

    Args:
        release: a name of where they go, for the ledger.
    Returns:
        What was done and what failed. It goes on past a schema that fails.
    Raises:
        FleetStopped: a canary chosen by name failed.
    Runs in: the public schema and each tenant's, as the owner.
    """
    result = RunResult()
    run: FleetRun | None = None
    looked_at: set[str] = set()
    try:
        for _ in range(ROUNDS):
            tried = {*result.done, *result.failed, *result.left}
            # After the first look only those who came meanwhile are looked at.
            groups = groups_behind(target, only=rules.only, leave_out=tried | looked_at)
            looked_at = {member.schema_name for member in members()}
            if not groups or result.stopped_because:
                break
            run = run or ledger.open_run(release=release, target=str(target))
            _Round(run, target, rules, observer, result).migrate(groups)
    finally:
        if run is not None:
            ledger.close_run(run, stopped_because=result.stopped_because)
    return result


@contextmanager
def fleet_alone() -> Iterator[None]:
    """Wait until no other process migrates the fleet, and keep others from it until the end.

    The lock stands on a connection of its own: what happens to Django's changes nothing.

    Raises:
        OwnerConnectionMissing: this process may not alter tables.
    """
    owner_database()
    guard: Any = connections.create_connection(OWNER)
    try:
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [FLEET])
        yield
    finally:
        guard.close()


def _is_named(member: Member, names: Sequence[str]) -> bool:
    return member.schema_name in names or (bool(member.subdomain) and member.subdomain in names)


def _plan_for(schema_name: str, target: Target) -> Plan:
    with set_to(schema_name) as connection:
        return Planner(connection, target).plan()


@contextmanager
def set_to(schema_name: str) -> Iterator[Any]:
    """The owner's connection, set to one schema until the block ends."""
    connection = owner_database()
    connection.set_schema(schema_name)
    try:
        yield connection
    finally:
        connection.set_schema_to_public()


class _Round:
    """One look at the fleet, and what follows from it."""

    def __init__(
        self,
        run: FleetRun,
        target: Target,
        rules: Rules,
        observer: Observer | None,
        result: RunResult,
    ) -> None:
        self.run = run
        self.target = target
        self.rules = rules
        self.observer = observer
        self.result = result
        self._ended = {*result.done, *result.failed}
        self._unwritten: list[Outcome] = []
        self._written_at = time.monotonic()

    def migrate(self, groups: Sequence[Group]) -> None:
        everybody = [member for group in groups for member in group.members]
        ledger.enter(self.run, everybody)
        try:
            self._canaries_by_name(groups)
            for group in groups:
                self._migrate_group(group)
        finally:
            self._write(at_once=True)
        self.result.left += [m.schema_name for m in everybody if not self._has_ended(m)]

    def may_go_on(self) -> bool:
        """Whether there have not been too many failures."""
        most = self.rules.max_failures
        if most and len(self.result.failed) >= most and not self.result.stopped_because:
            self.result.stopped_because = (
                f"{len(self.result.failed)} schemas failed, and the run stops at {most}."
            )
        return not self.result.stopped_because

    # --- Rings ---------------------------------------------------------------------------------

    def _canaries_by_name(self, groups: Sequence[Group]) -> None:
        """Those that were chosen go first, by Django's own way, and all have to succeed."""
        if not self.rules.canaries:
            return
        known = {member.subdomain for group in groups for member in group.members}
        for name in self.rules.canaries:
            if name not in known:
                continue
            group = next(g for g in groups if any(m.subdomain == name for m in g.members))
            member = next(m for m in group.members if m.subdomain == name)
            if self._migrate_canary(member) is None:
                why = self.result.failed[member.schema_name]
                self.result.stopped_because = f"The canary {name} failed: {why}"
                return

    def _migrate_group(self, group: Group) -> None:
        left = [m for m in group.members if not self._has_ended(m)]
        if not left or not self.may_go_on():
            return
        if not group.plan.steps and not group.plan.marks:
            for member in left:
                self._end(Outcome(member.schema_name, _GONE.format(member.schema_name), 1, 0.0))
            return
        if self.observer:
            self.observer.planned(len(left), group.plan)
        for equals in self._by_tables(left, group.plan):
            self._migrate_equals(equals, group.plan)

    def _by_tables(self, left: Sequence[Member], plan: Plan) -> list[list[Member]]:
        """Those whose tables are the same, the largest part first."""
        names = [member.schema_name for member in left]
        hashes = table_hashes(names, plan.tables) if len(names) > 1 else {}
        parts: dict[str, list[Member]] = defaultdict(list)
        for member in left:
            parts[hashes.get(member.schema_name, "")].append(member)
        return sorted(parts.values(), key=len, reverse=True)

    def _migrate_equals(self, equals: list[Member], plan: Plan) -> None:
        order = sorted(equals, key=lambda member: member.tenant_id is None)
        if len(order) > 1 and any(step.why_run for step in plan.steps):
            # Before the canary is migrated: afterwards nobody could tell the states any more.
            with set_to(order[0].schema_name) as connection:
                Planner(connection, self.target).prepare(plan)
        recording = None
        for member in order[:CANARIES_TRIED]:
            if not self.may_go_on():
                return
            recording = self._migrate_canary(member)
            if recording is not None:
                break
        if recording is None:
            return
        job = Job(plan, recording.ordered(), recording.has_signal_work, self.rules.lock_timeout_ms)
        left = [member for member in order if not self._has_ended(member)]
        first, rest = self._rings(left)
        failed_before = len(self.result.failed)
        self._replay(first, job)
        if len(self.result.failed) > failed_before and len(first) > 1 and not self._any_done(first):
            self.result.stopped_because = "All schemas of the first ring failed."
        self._replay(rest, job)

    def _rings(self, left: Sequence[Member]) -> tuple[list[Member], list[Member]]:
        """A sample of tenants, then all others, the pool's ready schemas first of all."""
        ready = [member for member in left if member.tenant_id is None]
        tenants = [member for member in left if member.tenant_id is not None]
        size = min(self.rules.sample, len(tenants))
        sampled = random.sample(tenants, size)
        chosen = {member.schema_name for member in sampled}
        return sampled, [*ready, *(m for m in tenants if m.schema_name not in chosen)]

    # --- One schema, or many ---------------------------------------------------------------------

    def _migrate_canary(self, member: Member) -> Recording | None:
        """Migrate a schema as Django does. None where that failed."""
        name, release = member.schema_name, self.run.release
        recording = Recording(half_done=ledger.half_done(name, release))
        connection = owner_database()

        def note(key: tuple[str, str], count: int) -> None:
            recording.half_done[key] = count
            ledger.note_half_done(connection, name, release, recording.half_done)

        recording.note_done = note
        began, error, attempts = time.monotonic(), "", 0
        while attempts < MAX_ATTEMPTS:
            attempts += 1
            try:
                self._migrate_as_django_does(name, recording)
            except Exception as caught:  # noqa: BLE001 - it becomes the schema's line in the ledger
                error = describe(caught)
                if not is_worth_another_try(caught):
                    break
                time.sleep(random.uniform(0.5, 1.5) * 0.25 * 2**attempts)  # noqa: S311 - jitter
            else:
                error = ""
                break
        seconds = time.monotonic() - began
        self._end(Outcome(name, error, attempts, seconds, is_canary=True))
        return None if error else recording

    def _migrate_as_django_does(self, name: str, recording: Recording) -> None:
        with set_to(name) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {self.rules.lock_timeout_ms}")
            try:
                migrate_and_record(name, self.target, recording)
            finally:
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
        # What drifted away comes back; new tables have their grants by default.
        with owner_transaction() as raw:
            if settings.TERRACE_TENANT_ROLES:
                grant_rows(raw, name)

    def _replay(self, chosen: Sequence[Member], job: Job) -> None:
        release = self.run.release

        def work(schema_name: str, half_done: HalfDone) -> None:
            def note(done: HalfDone) -> None:
                ledger.note_half_done(owner_database(), schema_name, release, done)

            migrate_like_canary(schema_name, job, half_done=dict(half_done), note_done=note)

        is_half = any(not step.atomic for step in job.plan.steps)
        orders = [
            Order(m.schema_name, ledger.half_done(m.schema_name, release) if is_half else {})
            for m in chosen
        ]
        processes = self.rules.processes or default_processes()
        for outcome in work_off(orders, work, processes=processes, may_go_on=self.may_go_on):
            self._end(outcome)

    # --- The ledger --------------------------------------------------------------------------------

    def _has_ended(self, member: Member) -> bool:
        return member.schema_name in self._ended

    def _any_done(self, chosen: Sequence[Member]) -> bool:
        done = set(self.result.done)
        return any(member.schema_name in done for member in chosen)

    def _end(self, outcome: Outcome) -> None:
        self._ended.add(outcome.schema_name)
        if outcome.error:
            self.result.failed[outcome.schema_name] = outcome.error
        else:
            self.result.done.append(outcome.schema_name)
        if self.observer:
            self.observer.finished(outcome)
        self._unwritten.append(outcome)
        self._write()

    def _write(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._written_at > _WRITE_EVERY_SECONDS:
            ledger.write_outcomes(self.run, self._unwritten)
            self._unwritten = []
            self._written_at = time.monotonic()


_GONE: Final = (
    "SchemaNotFound: There is no schema {} in this database. Restore the tenant, or erase it."
)
