"""What the subcommands share: how they show, ask, and find the tenant that is meant."""

import getpass
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn
from rich.table import Table

from shared_apps.domains.names import SubdomainRefused
from shared_apps.tenants import context
from shared_apps.tenants.archive.errors import ArchiveError
from shared_apps.tenants.archive.writing import OnProgress
from shared_apps.tenants.archive.writing import Progress as Reached
from shared_apps.tenants.errors import TenancyError
from shared_apps.tenants.fleet.drift import ReleaseBroken
from shared_apps.tenants.lifecycle import NoCertificate
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.postgresql.catalogue import SchemaNotFound
from shared_apps.tenants.provisioning import ProvisioningFailed
from shared_apps.tenants.schemas import OwnerConnectionMissing
from shared_apps.tenants.shell import find_tenant
from shared_apps.tenants.template import SchemaDiffers, TemplateStale

Options = Mapping[str, Any]
YES: Final = frozenset({"y", "yes"})

# What verbs raise to say no. Each has a sentence that says what is wrong and what to do. ValueError is
# theirs for an argument that can't be: an empty reason, a day in the past.
REFUSALS: Final = (
    ArchiveError,
    NoCertificate,
    OSError,
    OwnerConnectionMissing,
    ProvisioningFailed,
    ReleaseBroken,
    SchemaDiffers,
    SchemaNotFound,
    SubdomainRefused,
    TemplateStale,
    TenancyError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a subcommand shows what it has to say: tables for people, one JSON value for scripts."""

    out: OutputWrapper
    as_json: bool

    def say(self, sentence: str, **facts: Any) -> None:
        """A sentence, or its facts as one JSON object."""
        self.out.write(_json(facts) if self.as_json else sentence)

    def show(self, table: Table, *, data: Any) -> None:
        """A table, or the same as JSON."""
        if self.as_json:
            self.out.write(_json(data))
        else:
            self.console.print(table)

    @property
    def console(self) -> Console:
        """Rich's, on the command's output."""
        return Console(file=self.out)  # type: ignore[arg-type] # OutputWrapper is a text stream

    @contextmanager
    def progress(self, what: str) -> Iterator[OnProgress]:
        """What to call while bytes go by. A line that moves where somebody looks, else nothing."""
        console = self.console
        if self.as_json or not console.is_terminal:
            yield _ignore
            return
        columns = (
            SpinnerColumn(),
            TextColumn(what),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[part]}", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None, part="")

            def moved(reached: Reached) -> None:
                bar.update(task, completed=reached.bytes_done, part=reached.part)

            yield moved

    def confirm(self, question: str, options: Options, *, word: str = "") -> None:
        """Go on only where somebody says yes, or has said so with --yes.

        Args:
            word: what has to be typed instead of y, for what can't be taken back.
        Raises:
            CommandError: the answer is another one, or nobody is there to answer.
        """
        if options["yes"]:
            return
        wanted = f"Type {word} to go on: " if word else "Go on? [y/N] "
        try:
            answer = input(f"{question}\n{wanted}").strip()
        except EOFError as error:
            raise CommandError(
                "Nothing was changed. Where nobody can answer, give --yes."
            ) from error
        if answer != word if word else answer.lower() not in YES:
            raise CommandError("Nothing was changed.")


Verb = Callable[[Terminal, Options], None]


def find_row(options: Options) -> Tenant:
    """The tenant that the options name. Raises TenantNotFound."""
    with context.run_in_public():
        tenant: Tenant = Tenant.objects.get(pk=find_tenant(options["tenant"]).id)
        return tenant


def add_output_argument(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="One JSON value, for scripts.")


def add_tenant_argument(parser: ArgumentParser) -> None:
    """TENANT and --json."""
    parser.add_argument("tenant", metavar="TENANT", help="Its subdomain, schema name or uuid.")
    add_output_argument(parser)


def add_by_argument(parser: ArgumentParser) -> None:
    """--by."""
    parser.add_argument("--by", default="", help="Who does it; default: the login's name.")


def add_reason_arguments(parser: ArgumentParser) -> None:
    """--reason and --by."""
    parser.add_argument("--reason", default="", help="Why; kept in the tenant's history.")
    add_by_argument(parser)


def add_yes_argument(parser: ArgumentParser) -> None:
    """--yes."""
    parser.add_argument("--yes", action="store_true", help="Don't ask.")


def by(options: Options) -> str:
    """Who does it, for the record."""
    return options["by"] or f"{getpass.getuser()} at the command line"


def reason(options: Options) -> str:
    """Why it is done. Raises CommandError where nobody said."""
    text: str = options["reason"]
    if not text.strip():
        raise CommandError("Say why with --reason: the tenant's history keeps it.")
    return text


def moment(at: datetime | None) -> str:
    """A moment for people: to the minute, UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _ignore(reached: Reached) -> None:
    """Nobody looks on."""


def _json(data: Any) -> str:
    return json.dumps(data, default=_as_text, ensure_ascii=False)


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{value!r} can't be written as JSON.")
