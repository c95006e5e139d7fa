"""Who is at which release, and how the last run went."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared_apps.tenants.fleet.detection import applied_hashes, members
from shared_apps.tenants.models import FleetMigration, FleetRun, FleetState, SchemaTemplate
from shared_apps.tenants.schemas import OWNER
from shared_apps.tenants.template import TEMPLATE_SCHEMA


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run. `finished_at` is None while it is under way, or when it was killed."""

    started_at: datetime
    finished_at: datetime | None
    target: str
    planned: int
    done: int
    failed: int
    stopped_because: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A schema whose last try failed."""

    schema: str
    tenant: str
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The fleet at one glance.

    Args:
        release: the template's fingerprint, empty before the first migration.
        at_release: how many schemas have applied what the template has.
        behind: schemas that have not, as (subdomain or schema name).
        without_schema: tenants whose schema, or its migrations table, is missing.
    """

    release: str
    tenants: int
    ready: int
    at_release: int
    behind: Sequence[str]
    without_schema: Sequence[str]
    kinds: int
    last_run: LastRun | None
    failures: Sequence[Failure]


def fleet_status() -> FleetStatus:
    """Read the state of the whole fleet.

    Runs in: the public schema and each tenant's migrations table, as the owner, in a query for 100.
    """
    fleet = members()
    names = [member.schema_name for member in fleet]
    hashes = applied_hashes([TEMPLATE_SCHEMA, *names])
    wanted = hashes.pop(TEMPLATE_SCHEMA, "")
    counts = Counter(hashes.values())
    label = {member.schema_name: member.subdomain or member.schema_name for member in fleet}
    release = SchemaTemplate.objects.using(OWNER).filter(name=TEMPLATE_SCHEMA).first()
    return FleetStatus(
        release=release.fingerprint if release else "",
        tenants=sum(member.tenant_id is not None for member in fleet),
        ready=sum(member.tenant_id is None for member in fleet),
        at_release=counts.get(wanted, 0),
        behind=[label[name] for name in names if name in hashes and hashes[name] != wanted],
        without_schema=[label[name] for name in names if name not in hashes],
        kinds=len(counts),
        last_run=_last_run(),
        failures=_failures(label),
    )


def _last_run() -> LastRun | None:
    run = FleetRun.objects.using(OWNER).first()
    if run is None:
        return None
    return LastRun(
        started_at=run.started_at,
        finished_at=run.finished_at,
        target=run.target,
        planned=run.planned,
        done=run.done,
        failed=run.failed,
        stopped_because=run.stopped_because,
    )


def _failures(label: dict[str, str]) -> list[Failure]:
    newest = FleetRun.objects.using(OWNER).first()
    if newest is None:
        return []
    rows = FleetMigration.objects.using(OWNER).filter(
        release=newest.release, state=FleetState.FAILED
    )
    return [
        Failure(row.schema_name, label.get(row.schema_name, ""), row.error, row.attempts)
        for row in rows
    ]
