"""The ledger's verbs: a run is opened, its schemas are entered, what came of each is written down."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F
from django.utils import timezone
from psycopg import sql

from shared_apps.tenants.fleet.detection import Member
from shared_apps.tenants.fleet.plans import Key
from shared_apps.tenants.models import FleetMigration, FleetRun, FleetState
from shared_apps.tenants.schemas import OWNER, owner_transaction

_CHANGED: Final = ["run", "state", "is_canary", "attempts", "milliseconds", "error", "finished_at"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one schema. `error` is empty where it is migrated; `seconds` are its own."""

    schema_name: str
    error: str
    attempts: int
    seconds: float
    is_canary: bool = False


def open_run(*, release: str, target: str) -> FleetRun:
    """Begin a run.

    Runs in: the public schema, as the owner.
    """
    return FleetRun.objects.using(OWNER).create(release=release, target=target)


def enter(run: FleetRun, members: Sequence[Member]) -> None:
    """Note which schemas the run is to migrate; what an earlier run noted of them stays counted.

    Runs in: the public schema, as the owner.
    """
    FleetMigration.objects.using(OWNER).bulk_create(
        [
            FleetMigration(
                run=run,
                schema_name=member.schema_name,
                tenant_id=member.tenant_id,
                release=run.release,
                state=FleetState.PENDING,
            )
            for member in members
        ],
        update_conflicts=True,
        unique_fields=["schema_name", "release"],
        update_fields=["run", "state"],
        batch_size=1000,
    )
    FleetRun.objects.using(OWNER).filter(pk=run.pk).update(planned=F("planned") + len(members))


def write_outcomes(run: FleetRun, outcomes: Iterable[Outcome]) -> None:
    """Write down what came of schemas that were entered before.

    Runs in: the public schema, as the owner, in one statement.
    """
    rows = [
        (
            outcome.schema_name,
            FleetState.FAILED if outcome.error else FleetState.DONE,
            outcome.is_canary,
            outcome.attempts,
            round(outcome.seconds * 1000),
            outcome.error,
        )
        for outcome in outcomes
    ]
    if not rows:
        return
    table = sql.Identifier("public", FleetMigration._meta.db_table)
    values = sql.SQL(", ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows
    )
    statement = sql.SQL(
        "UPDATE {table} AS ledger SET state = new.state, is_canary = new.is_canary,"
        " attempts = ledger.attempts + new.attempts, milliseconds = new.milliseconds,"
        " error = new.error, finished_at = now(),"
        " half_done = CASE WHEN new.error = '' THEN '{{}}'::jsonb ELSE half_done END"
        " FROM (VALUES {values}) AS new"
        " (schema_name, state, is_canary, attempts, milliseconds, error)"
        " WHERE ledger.schema_name = new.schema_name AND ledger.release = {release}"
    ).format(table=table, values=values, release=run.release)
    with owner_transaction() as connection:
        connection.execute(statement)


def close_run(run: FleetRun, *, stopped_because: str = "") -> None:
    """End a run, and count what came of it.

    Runs in: the public schema, as the owner.
    """
    counts = dict(
        FleetMigration.objects.using(OWNER)
        .filter(run=run)
        .values_list("state")
        .annotate(Count("pk"))
        .order_by()
    )
    run.done = counts.get(FleetState.DONE, 0)
    run.failed = counts.get(FleetState.FAILED, 0)
    run.finished_at = timezone.now()
    run.stopped_because = stopped_because
    run.save(using=OWNER, update_fields=["done", "failed", "finished_at", "stopped_because"])


def has_pending(release: str) -> bool:
    """Whether a run over this release has left schemas as waiting: it was killed.

    Runs in: the public schema, as the owner.
    """
    rows = FleetMigration.objects.using(OWNER).filter(release=release, state=FleetState.PENDING)
    return rows.exists()


def settle_done(release: str, schemas: Sequence[str]) -> None:
    """Mark what a killed run has migrated and could not write down.

    Runs in: the public schema, as the owner.
    """
    FleetMigration.objects.using(OWNER).filter(
        release=release, schema_name__in=schemas, state=FleetState.PENDING
    ).update(state=FleetState.DONE, error="", half_done={})


def half_done(schema_name: str, release: str) -> dict[Key, int]:
    """How many statements of which migration an earlier try has done.

    Runs in: the public schema, as the owner.
    """
    row = (
        FleetMigration.objects.using(OWNER)
        .filter(schema_name=schema_name, release=release)
        .values_list("half_done", flat=True)
        .first()
    )
    return {(app, name): count for app, name, count in (row or {}).get("statements", [])}


def note_half_done(connection: Any, schema_name: str, release: str, done: dict[Key, int]) -> None:
    """Write down, over any connection of the owner, how far a migration without a transaction is."""
    statements = [[app, name, count] for (app, name), count in done.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE public.{FleetMigration._meta.db_table} SET half_done = %s"  # noqa: S608 - our table
            " WHERE schema_name = %s AND release = %s",
            [json.dumps({"statements": statements}), schema_name, release],
        )
