"""What a person, or a program, sees of a run: a bar with rate and time left, tables, JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from shared_apps.tenants.fleet.ledger import Outcome
from shared_apps.tenants.fleet.plans import Plan
from shared_apps.tenants.fleet.runs import Group


class Lines:
    """An observer that writes a line for each schema: for logs, and where nobody looks on."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def planned(self, schemas: int, plan: Plan) -> None:
        """Say what a group is about to do."""
        self._out.write(f"  {schemas} schemas: {', '.join(map(str, plan.steps)) or 'marks only'}")

    def finished(self, outcome: Outcome) -> None:
        """Say how one schema ended."""
        canary = " (canary)" if outcome.is_canary else ""
        word = f"FAILED: {outcome.error}" if outcome.error else "migrated"
        self._out.write(f"  {outcome.schema_name}{canary} {word}")


class Bar:
    """An observer with a bar. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            # No thread of its own: processes are forked while it is shown.
            auto_refresh=False,
        )
        self._task = self._progress.add_task("schemas", total=0, rate="")
        self._failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.refresh()
        self._progress.stop()

    def planned(self, schemas: int, plan: Plan) -> None:
        """Make the bar longer, and show what the group is about to do."""
        task = self._progress.tasks[self._task]
        self._progress.update(self._task, total=(task.total or 0) + schemas)
        for step in plan.steps:
            self._progress.console.print(
                f"  {schemas} schemas: {step}", markup=False, highlight=False
            )
        self._progress.refresh()

    def finished(self, outcome: Outcome) -> None:
        """Move on by one; a failure is named at once."""
        if outcome.error:
            self._failed += 1
            self._progress.console.print(
                f"  {outcome.schema_name} FAILED: {outcome.error}", markup=False, style="red"
            )
        task = self._progress.tasks[self._task]
        speed = task.speed or 0.0
        rate = f"{speed:.0f}/s" + (f", {self._failed} failed" if self._failed else "")
        self._progress.update(self._task, advance=1, rate=rate)
        self._progress.refresh()


def is_watched(stream: TextIO | None = None) -> bool:
    """Whether a person looks on: then a bar, else lines."""
    return (stream or sys.stdout).isatty()


def plan_table(groups: Sequence[Group]) -> Table:
    """Who would do what."""
    table = Table("Schemas", "For example", "Migrations", title="Plan of the fleet")
    for group in groups:
        first = group.members[0]
        steps = "\n".join(map(str, group.plan.steps)) or (
            "mark as applied: " + ", ".join(".".join(key) for key in group.plan.marks)
            if group.plan.marks
            else "the schema is missing"
        )
        table.add_row(str(len(group.members)), first.subdomain or first.schema_name, steps)
    return table


def plan_json(groups: Sequence[Group]) -> str:
    """The same for a program."""
    return json.dumps(
        [
            {
                "schemas": [member.schema_name for member in group.members],
                "tables": group.plan.tables,
                "marks": [".".join(key) for key in group.plan.marks],
                "steps": [
                    {
                        "migration": ".".join(step.key),
                        "backwards": step.backwards,
                        "atomic": step.atomic,
                        "runs_in_each_tenant": step.why_run or None,
                    }
                    for step in group.plan.steps
                ],
            }
            for group in groups
        ]
    )


def failures_table(failed: dict[str, str], names: dict[str, str]) -> Table:
    """Who failed, and why.

    Args:
        names: schema name → subdomain.
    """
    table = Table("Tenant", "Schema", "Why")
    for schema, reason in sorted(failed.items()):
        table.add_row(names.get(schema) or "ready schema", schema, reason)
    return table
