"""doctor: what is wrong with one tenant, and what to do."""

import dataclasses
from typing import Any

from django.core.management.base import CommandError
from rich.table import Table

from shared_apps.tenants.doctor import examine_tenant
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_tenant_argument,
    find_row,
)


def add_arguments(verbs: Any) -> None:
    """Declare the subcommand."""
    add_tenant_argument(
        verbs.add_parser(
            "doctor",
            help="Check one tenant: schema, grants, role, domains, files, tasks.",
        )
    )


def _doctor(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    findings = examine_tenant(tenant=tenant)
    table = Table("Check", "Found", "What to do", title=tenant.subdomain)
    for finding in findings:
        table.add_row(finding.check, finding.wrong or "ok", finding.remedy)
    wrong = sum(1 for finding in findings if not finding.is_ok)
    terminal.show(
        table,
        data={
            "subdomain": tenant.subdomain,
            "is_well": not wrong,
            "findings": [
                {**dataclasses.asdict(finding), "is_ok": finding.is_ok} for finding in findings
            ],
        },
    )
    if wrong:
        raise CommandError(
            f"{tenant.subdomain}: {wrong} of {len(findings)} checks found something."
        )


VERBS: dict[str, Verb] = {"doctor": _doctor}
