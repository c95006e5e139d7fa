"""`manage.py tenants …`: what an operator does with tenants from the command line."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantNotFound
from shared_apps.tenants.management.tenants_cli import (
    archiving,
    doctor,
    lifecycle,
    running,
    showing,
    undoing,
)
from shared_apps.tenants.management.tenants_cli.terminal import REFUSALS, Options, Terminal, Verb
from shared_apps.tenants.models import Status, Tenant
from shared_apps.tenants.shell import find_tenant

_MODULES: Final[tuple[ModuleType, ...]] = (
    showing,
    lifecycle,
    archiving,
    undoing,
    running,
    doctor,
)
_VERBS: Final[dict[str, Verb]] = {
    name: verb for module in _MODULES for name, verb in module.VERBS.items()
}
# What Ctrl-C leaves besides the tenant that was named.
_LEFT: Final = {
    "create": "A workspace that had got its name is finished by a worker; `tenants list` shows it.",
    "import": "What the import had made is removed; `tenants import --unfinished` shows the rest.",
    "clone": "A copy that had its rows is finished by a worker; of any other nothing is left.",
    "export": "Of the file nothing is left, unless it was whole.",
    "backup": "Of the backup nothing is left, unless it was whole.",
}
_INTERRUPTED: Final = 130  # as a shell says of a program that SIGINT has ended


class Command(BaseCommand):
    """One command with a subcommand for each verb."""

    help = "Shows tenants and looks after them: their life, archives, undo, checks."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for module in _MODULES:
            module.add_arguments(verbs)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Call the subcommand's verb. What it refuses is the command's error, in its own words."""
        options["verb"] = verb
        terminal = Terminal(self.stdout, as_json=options.get("json", False))
        before = _state_of(options)
        try:
            if verb == "shell":
                self._open_shell(terminal, options)
            else:
                self._call(terminal, options)
        except KeyboardInterrupt as stopped:
            raise CommandError(
                _after_interrupt(options, before), returncode=_INTERRUPTED
            ) from stopped

    def _call(self, terminal: Terminal, options: Options) -> None:
        try:
            _VERBS[options["verb"]](terminal, options)
        except REFUSALS as refused:
            raise CommandError(str(refused)) from refused

    def _open_shell(self, terminal: Terminal, options: Options) -> None:
        # What is raised inside of the shell is the caller's own, with its traceback.
        try:
            find_tenant(options["tenant"])
        except TenantNotFound as missing:
            raise CommandError(str(missing)) from missing
        _VERBS["shell"](terminal, options)


@dataclass(frozen=True, slots=True)
class _State:
    """What a subcommand may change of a tenant."""

    id: int
    status: str
    subdomain: str
    schema_name: str


def _state_of(options: Options) -> _State | None:
    """The state of the tenant that the options name. None where they name none that is there."""
    name = options.get("tenant")
    if not isinstance(name, str):
        return None
    try:
        return _read_state(find_tenant(name).id)
    except TenantNotFound:
        return None


def _read_state(tenant_id: int) -> _State:
    with context.run_in_public():
        tenant = Tenant.objects.get(pk=tenant_id)
    return _State(tenant.pk, str(tenant.status), tenant.subdomain, tenant.schema_name)


def _after_interrupt(options: Options, before: _State | None) -> str:
    """What Ctrl-C has left, as the database says it."""
    note = _LEFT.get(options["verb"], "")
    if before is None:
        return f"Stopped. {note}".strip()
    # The connection may have been lost in the middle of a statement.
    close_old_connections()
    now = _read_state(before.id)
    label = Status(now.status).label.lower()
    if now == before:
        return f"Stopped. {now.subdomain} is as it was: {label}. {note}".strip()
    if now.status == Status.ERASED:
        return (
            f"Stopped. The erasure of {now.subdomain} has begun and can't be taken back: call "
            "`tenants erase` again, or leave it to the timetable."
        )
    return (
        f"Stopped, but it was done already: {now.subdomain} is {label}, in schema "
        f"{now.schema_name}. {note}"
    ).strip()
