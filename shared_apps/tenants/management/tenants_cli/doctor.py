"""doctor: what is wrong with one tenant, and what to do."""

import dataclasses
from typing import Any

from django.core.management.base import CommandError

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
    wrong = sum(1 for finding in findings if not finding.is_ok)
    # Lines and no table: a command to be copied is not broken up.
    width = max(len(finding.check) for finding in findings)
    lines = [
        f"{finding.check:<{width}}  {f'{finding.wrong} {finding.remedy}'.strip() or 'ok'}"
        for finding in findings
    ]
    terminal.say(
        "\n".join(lines),
        subdomain=tenant.subdomain,
        is_well=not wrong,
        findings=[{**dataclasses.asdict(one), "is_ok": one.is_ok} for one in findings],
    )
    if wrong:
        raise CommandError(
            f"{tenant.subdomain}: {wrong} of {len(findings)} checks found something."
        )


VERBS: dict[str, Verb] = {"doctor": _doctor}
