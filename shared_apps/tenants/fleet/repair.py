"""Makes a schema that drifted the release's equal again, in one transaction."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from shared_apps.tenants.fleet.drift_ddl import explain_differences
from shared_apps.tenants.fleet.drift_model import (
    PRIVILEGES,
    STRUCTURE,
    SchemaDifference,
)
from shared_apps.tenants.fleet.drift_schemas import (
    fleet_schemas,
    means_of,
    read_schema,
    reference_schema,
    release_row,
    role_of,
)
from shared_apps.tenants.fleet.locks import schema_lock_key
from shared_apps.tenants.models import SchemaTemplate
from shared_apps.tenants.postgresql.catalogue import Catalogue, PsycopgConnection, read_catalogue
from shared_apps.tenants.schemas import is_read_only, owner_transaction
from shared_apps.tenants.template import TEMPLATE_SCHEMA

logger = logging.getLogger(__name__)

_ATTEMPTS: Final = 5
# A statement that waits for a lock makes everybody wait who comes after it.
_LOCK_TIMEOUT: Final = "2s"
_PAUSE_SECONDS: Final = 0.2
_LOSES: Final = (
    "It would destroy {}. Look at it first; then repair with destructive=True (--destructive)."
)

Key = tuple[str, str]
Lines = Mapping[Key, str]


class DriftStale(RuntimeError):
    """The schema, or the release, is no longer what it was when the drift was found."""


class SchemaBusy(RuntimeError):
    """The schema's tables were in use all the time; nothing was changed."""


class RepairFailed(RuntimeError):
    """What the DDL made is not what was expected; it was rolled back."""


@dataclass(frozen=True, slots=True)
class Left:
    """A difference that stays, and why."""

    difference: SchemaDifference
    reason: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was mended and what was left. `is_whole`: the schema is as the release says."""

    schema: str
    mended: tuple[SchemaDifference, ...]
    left: tuple[Left, ...]
    is_whole: bool


def repair_schema(
    *,
    schema: str,
    differences: Sequence[SchemaDifference] | None = None,
    destructive: bool = False,
) -> Repaired:
    """Mend a schema's differences from the release, all in one transaction.

    Each difference is mended wholly or left as it is, and named with a reason. Before the
    transaction commits the schema is read again: what was mended must be as in the release, and
    nothing else may have changed. Safe to repeat.

    Args:
        schema: the schema's name.
        differences: those of drift.find_drift that shall be mended; all that there are by default.
        destructive: also do what destroys data, where there is any to destroy.
    Raises:
        SchemaNotFound: the schema is no tenant's, no ready one and not the template, or it is gone.
        DriftStale: a difference is no longer there as it was found, or the schema was migrated.
        SchemaBusy: its tables were locked in five attempts of two seconds each.
        RepairFailed: the result is not as expected; everything was rolled back.
    Runs in: that schema, as the owner, under its advisory lock.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _attempt(schema, differences, is_destructive=destructive)
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            logger.info("Repair of %s, attempt %d: %s", schema, attempt, error)
            reason = str(error).splitlines()[0]
        # Longer each time, and not in step with whoever tries the same.
        time.sleep(_PAUSE_SECONDS * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    raise SchemaBusy(
        f"The tables of {schema} were in use in {_ATTEMPTS} attempts of {_LOCK_TIMEOUT} "
        f"({reason}). Nothing was changed; try again when it is quieter."
    )


def _attempt(
    schema: str, wanted: Sequence[SchemaDifference] | None, *, is_destructive: bool
) -> Repaired:
    with owner_transaction() as connection:
        [target] = fleet_schemas([schema])
        release = release_row()
        owner = role_of(connection)
        with reference_schema(connection, release, owner=owner) as reference:
            pass  # the catalogue stays when the schema is gone
        _take_locks(connection, schema)
        found = read_schema(connection, target, reference, owner=owner)
        _require_release(found, reference)
        means = means_of(connection, found, owner=owner)
        present = explain_differences(found, reference, means=means)
        chosen = _choose(schema, present, wanted)
        path = sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema))
        connection.execute(path)
        mended: list[SchemaDifference] = []
        left: list[Left] = []
        for difference in chosen:
            reason = _mend(connection, difference, is_destructive=is_destructive)
            if reason:
                left.append(Left(difference, reason))
            else:
                mended.append(difference)
        after = read_schema(connection, target, reference, owner=owner)
        others = [difference for difference in present if difference not in mended]
        _require_mended(found, after, mended, others)
        is_whole = not left and not others and _is_whole(connection, schema, release)
    return Repaired(schema, tuple(mended), tuple(left), is_whole)


def _take_locks(connection: PsycopgConnection, schema: str) -> None:
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'".encode())
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [schema_lock_key(schema)])


def _require_release(found: Catalogue, reference: Catalogue) -> None:
    if frozenset(found.migrations) != frozenset(reference.migrations):
        raise DriftStale(
            f"{found.schema_name} has other migrations than the release. Run `manage.py migrate` "
            "first: what it lacks is not drift."
        )


def _choose(
    schema: str, present: Sequence[SchemaDifference], wanted: Sequence[SchemaDifference] | None
) -> list[SchemaDifference]:
    if wanted is None:
        return list(present)
    gone = [difference for difference in wanted if difference not in present]
    if gone:
        raise DriftStale(
            f"{schema} is no longer as it was found: {gone[0]}. Look for drift again; nothing was "
            "changed."
        )
    return [difference for difference in present if difference in wanted]


def _mend(
    connection: PsycopgConnection, difference: SchemaDifference, *, is_destructive: bool
) -> str:
    """Run a difference's statements, or none of them. Returns why it is left, or nothing."""
    if difference.by_hand:
        return difference.by_hand
    try:
        with connection.transaction():
            if difference.loss and not is_destructive and _would_lose(connection, difference):
                return _LOSES.format(difference.loss)
            for statement in difference.statements:
                connection.execute(statement.encode())
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled):
        raise
    except psycopg.DatabaseError as error:
        if connection.closed:
            raise
        reason = error.diag.message_primary or str(error)
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
        return f"PostgreSQL refuses it: {reason}{detail}. It was left as it was."
    return ""


def _would_lose(connection: PsycopgConnection, difference: SchemaDifference) -> bool:
    if not difference.loss_probe:
        return True
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
    connection.execute(lock.format(sql.Identifier(difference.loss_table)))
    cursor = connection.cursor(row_factory=tuple_row).execute(difference.loss_probe.encode())
    row = cursor.fetchone()
    return bool(row and row[0])


def _require_mended(
    before: Catalogue,
    after: Catalogue,
    mended: Sequence[SchemaDifference],
    others: Sequence[SchemaDifference],
) -> None:
    """What was mended is the release's now, and nothing else is other than it was."""
    now = _lines(after)
    expected: dict[Key, str | None] = dict(_lines(before))
    for difference in mended:
        expected |= {(line.part, line.object): line.expected for line in difference.lines}
    # The order of a table's columns is right when the last difference in its columns is mended.
    unsettled = {
        (STRUCTURE, f"columns of {name.partition(' ')[2].removeprefix('of ').partition('.')[0]}")
        for difference in others
        for _, name in difference.keys
        if name.startswith(("column ", "columns of "))
    }
    for key in sorted(expected.keys() | now.keys()):
        if key not in unsettled and expected.get(key) != now.get(key):
            raise RepairFailed(
                f"{before.schema_name} was not mended: {key[1]} ({key[0]}) is "
                f"{now.get(key) or 'not there'} after the DDL and should be "
                f"{expected.get(key) or 'not there'}. Everything was rolled back."
            )


def _lines(catalogue: Catalogue) -> Lines:
    description = catalogue.describe()
    return {
        **{(STRUCTURE, name): text for name, text in description.structure.items()},
        **{(PRIVILEGES, name): text for name, text in description.privileges.items()},
    }


def _is_whole(connection: PsycopgConnection, schema: str, release: SchemaTemplate) -> bool:
    # The template has no role and no grants, a read-only tenant other ones: fingerprints of their own.
    if schema == TEMPLATE_SCHEMA or is_read_only(connection, schema):
        return True
    return read_catalogue(connection, schema).describe().fingerprint == release.fingerprint
