"""run, shell: a management command in some tenants, and Python in one."""

import dataclasses
from argparse import REMAINDER
from typing import Any

from django.core.management.base import CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared_apps.tenants.command_runs import Outcome, State, run_in_tenants
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_output_argument,
)
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.models.tenants import SERVED
from shared_apps.tenants.shell import find_tenant, open_shell


def add_arguments(verbs: Any) -> None:
    """Declare the subcommands."""
    run = verbs.add_parser("run", help="A management command in one, some or all tenants.")
    run.add_argument(
        "--tenant", action="append", default=[], metavar="NAME", help="In this one; repeat."
    )
    run.add_argument("--all", action="store_true", help="In every tenant that is served.")
    run.add_argument("--parallel", type=int, default=4, metavar="N", help="At once; default: 4.")
    add_output_argument(run)
    run.add_argument("management_command", metavar="COMMAND")
    run.add_argument("arguments", nargs=REMAINDER, metavar="...", help="Its own arguments.")
    shell = verbs.add_parser("shell", help="Django's shell inside one tenant.")
    shell.add_argument("tenant", metavar="TENANT", help="Its subdomain, schema name or uuid.")
    shell.add_argument("--command", "-c", help="Run this Python code instead of asking.")


def _run(terminal: Terminal, options: Options) -> None:
    outcomes = _work(terminal, options, _chosen(options))
    table = Table("Tenant", "Result", "Seconds", "Said")
    for outcome in outcomes:
        said = outcome.output.strip()
        table.add_row(
            outcome.tenant,
            outcome.state,
            f"{outcome.seconds:.2f}",
            outcome.error or said,
        )
    counts = {
        state.value: sum(1 for outcome in outcomes if outcome.state is state) for state in State
    }
    terminal.show(
        table, data={**counts, "tenants": [dataclasses.asdict(outcome) for outcome in outcomes]}
    )
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    if not terminal.as_json:
        terminal.out.write(f"{options['management_command']}: {summary or 'no tenants'}.")
    if counts[State.STOPPED]:
        raise CommandError(
            f"Stopped: {summary}. Those that were stopped are as they were: it was not begun there.",
            returncode=130,
        )
    if counts[State.FAILED]:
        raise CommandError(f"{options['management_command']} failed: {summary}.")


def _chosen(options: Options) -> list[TenantRef]:
    if bool(options["tenant"]) == options["all"]:
        raise CommandError("Say where: --tenant NAME, once for each, or --all.")
    if options["tenant"]:
        found = [find_tenant(name) for name in options["tenant"]]
        return list(dict.fromkeys(found))
    served = Tenant.objects.filter(status__in=SERVED).prefetch_related("domains")
    return [tenant.ref for tenant in served.order_by("id")]


def _work(terminal: Terminal, options: Options, tenants: list[TenantRef]) -> list[Outcome]:
    columns = (
        TextColumn(options["management_command"]),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = terminal.console
    hidden = terminal.as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("tenants", total=len(tenants))
        return run_in_tenants(
            tenants=tenants,
            command=options["management_command"],
            arguments=options["arguments"],
            parallel=options["parallel"],
            on_done=lambda outcome: bar.advance(task),
        )


def _shell(terminal: Terminal, options: Options) -> None:
    """Django's shell. What is raised in it is the caller's own, so it is not made a sentence of."""
    open_shell(find_tenant(options["tenant"]), command=options["command"])


VERBS: dict[str, Verb] = {"run": _run, "shell": _shell}
