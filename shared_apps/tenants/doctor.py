"""What is wrong with one tenant, as data: a line a check, with what to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kombu.exceptions import OperationalError
from redis import RedisError

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import hostname_of
from shared_apps.tenants import context
from shared_apps.tenants.fleet.drift import ReleaseBroken, find_drift
from shared_apps.tenants.fleet.drift_grants import ROLE_OBJECT
from shared_apps.tenants.fleet.drift_model import STRUCTURE, SchemaDifference
from shared_apps.tenants.models import Status, Tenant
from shared_apps.tenants.models.tenants import SERVED
from shared_apps.tenants.postgresql.catalogue import SchemaNotFound
from shared_apps.tenants.storage import media_folder
from shared_apps.tenants.tasks import lanes
from shared_apps.tenants.tasks.periodic import late_tasks
from shared_apps.tenants.template import TemplateStale

# A worker takes many a second; more than these at once is nobody working, or one tenant's flood.
MANY_MESSAGES: Final = 1000
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `wrong` is empty where all is well; `remedy` says what to do then."""

    check: str
    wrong: str = ""
    remedy: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the check found nothing."""
        return not self.wrong


def examine_tenant(*, tenant: Tenant) -> list[Finding]:
    """Check schema, grants, role, domains, files and tasks of one tenant. Changes nothing.

    Returns:
        For each check one finding that is ok, or one for each thing that is wrong.
    Raises:
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    Runs in: the public schema, PostgreSQL's catalogues, the broker, the file system.
    """
    if tenant.status in {Status.ERASED, Status.PROVISIONING}:
        return [_unfinished(tenant)]
    with context.run_in_public():
        return [
            *_check_schema(tenant),
            *_all_or_ok("domains", _check_domains(tenant)),
            *_all_or_ok("files", _check_files(tenant)),
            *_all_or_ok("tasks", _check_tasks(tenant)),
            *_all_or_ok("periodic tasks", _check_periodic()),
        ]


def _unfinished(tenant: Tenant) -> Finding:
    if tenant.status == Status.ERASED:
        return Finding(
            "status",
            "It is erased; there is nothing to check.",
            f"`manage.py tenants certificate {tenant.subdomain}` says what was removed.",
        )
    return Finding(
        "status", "It is still being made.", "A worker goes on with it; look again in a minute."
    )


def _all_or_ok(check: str, wrong: Iterator[tuple[str, str]]) -> list[Finding]:
    found = [Finding(check, sentence, remedy) for sentence, remedy in wrong]
    return found or [Finding(check)]


# --- PostgreSQL --------------------------------------------------------------------------------------


def _check_schema(tenant: Tenant) -> list[Finding]:
    """Structure, grants and role are one comparison with the release."""
    try:
        report = find_drift(schemas=[tenant.schema_name])
    except (ReleaseBroken, SchemaNotFound, TemplateStale) as error:
        return [Finding("schema", str(error), "Mend that first; then ask again.")]
    if report.behind:
        behind = report.behind[0]
        names = ", ".join(".".join(key) for key in (*behind.missing, *behind.unknown))
        return [
            Finding(
                "schema",
                f"It has other migrations than the release: {names}.",
                f"Run `manage.py migrate --tenant {tenant.subdomain}`.",
            )
        ]
    differences = report.drifted[0].differences if report.drifted else ()
    kinds: dict[str, Callable[[SchemaDifference], bool]] = {
        "schema": _is_structure,
        "grants": lambda one: not _is_structure(one) and not _is_role(one),
        "role": _is_role,
    }
    return [
        finding
        for check, belongs in kinds.items()
        for finding in _told(check, tenant, [one for one in differences if belongs(one)])
    ]


def _is_structure(difference: SchemaDifference) -> bool:
    return any(line.part == STRUCTURE for line in difference.lines)


def _is_role(difference: SchemaDifference) -> bool:
    return not _is_structure(difference) and any(
        line.object == ROLE_OBJECT for line in difference.lines
    )


def _told(check: str, tenant: Tenant, differences: Sequence[SchemaDifference]) -> list[Finding]:
    if not differences:
        return [Finding(check)]
    command = f"manage.py fleet repair --tenant {tenant.subdomain}"
    found = [
        Finding(check, f"{one}.", one.by_hand or f"`{command}` shows what mends it, and does it.")
        for one in differences[:_SHOWN]
    ]
    if len(differences) > _SHOWN:
        more = len(differences) - _SHOWN
        found.append(Finding(check, f"{more} more.", f"`{command}` shows all of them."))
    return found


# --- Domains -----------------------------------------------------------------------------------------


def _check_domains(tenant: Tenant) -> Iterator[tuple[str, str]]:
    domains = list(Domain.objects.filter(tenant=tenant))
    primary = [domain for domain in domains if domain.is_primary]
    own = hostname_of(tenant.subdomain)
    if not primary:
        yield (
            "No host is its primary one, so links in mails lead nowhere.",
            "Make one primary in the operators' admin.",
        )
    if own not in {domain.domain for domain in domains}:
        yield f"Its host {own} is missing.", "Add it in the operators' admin, verified."
    for domain in domains:
        if domain.verified_at is None:
            yield (
                f"{domain.domain} is not verified, so it is not served.",
                "Verify it, or delete it, in the operators' admin.",
            )
        else:
            yield from _check_resolution(tenant, domain)


def _check_resolution(tenant: Tenant, domain: Domain) -> Iterator[tuple[str, str]]:
    answer = resolution.answer_for_host(domain.domain)
    if isinstance(answer, resolution.Moved):
        is_right = domain.redirects_since is not None and answer.hostname == hostname_of(
            tenant.subdomain
        )
    else:
        is_right = answer is not None and answer.schema_name == tenant.schema_name
    if not is_right:
        yield (
            f"{domain.domain} leads to {answer.hostname if answer else 'nowhere'}.",
            f"The host cache is behind the table for up to {resolution.SHARED_SECONDS} s where rows "
            "were changed by hand; saving any domain in the operators' admin empties it.",
        )


# --- Files -------------------------------------------------------------------------------------------


def _check_files(tenant: Tenant) -> Iterator[tuple[str, str]]:
    """A tenant without files has no folder; it is made with the first one."""
    folder = media_folder(tenant.uuid)
    if folder.is_symlink():
        yield (
            f"{folder} is a symbolic link.",
            "Put the files themselves there: whoever may move the link chooses what is served.",
        )
    elif folder.exists() and not folder.is_dir():
        yield f"{folder} is no folder.", "Move it away; uploads can't be kept until then."
    elif folder.is_dir():
        for path in folder.rglob("*"):
            if path.is_symlink():
                yield (
                    f"{path.relative_to(folder)} is a symbolic link; it is in no archive.",
                    "Put the file itself there, or delete the link.",
                )


# --- Tasks -------------------------------------------------------------------------------------------


def _check_tasks(tenant: Tenant) -> Iterator[tuple[str, str]]:
    try:
        waiting = lanes.count_messages(tenant.uuid)
    except (OperationalError, RedisError) as error:
        yield (
            f"The broker can't be asked: {error}.",
            "See that Redis runs and CELERY_BROKER_URL fits.",
        )
        return
    if waiting >= MANY_MESSAGES:
        yield (
            f"{waiting} tasks wait in its lane.",
            "See that workers run, and what the tenant does that makes so many.",
        )
    elif waiting and tenant.status not in SERVED:
        yield (
            f"{waiting} tasks wait, and it is {tenant.get_status_display().lower()}.",
            "Workers refuse them when their turn comes; if they stay, no worker runs.",
        )


def _check_periodic() -> Iterator[tuple[str, str]]:
    late = late_tasks()
    if not late:
        return
    last = min((task.dispatched_until for task in late if task.dispatched_until), default=None)
    since = f"since {last:%Y-%m-%d %H:%M:%S} UTC" if last else "ever"
    names = ", ".join(task.name for task in late[:_SHOWN])
    more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
    yield (
        f"Nobody has published these {since}: {names}{more}.",
        "See that beat and a worker run.",
    )
