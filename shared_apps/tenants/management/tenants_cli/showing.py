"""list, show, pool: what there is."""

import dataclasses
from argparse import ArgumentParser
from typing import Any

from django.db.models import Q
from rich.table import Table

from shared_apps.tenants import context, ready_pool
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_output_argument,
    add_tenant_argument,
    find_row,
    moment,
)
from shared_apps.tenants.models import Status, Tenant
from shared_apps.tenants.registry import usage_counters
from shared_apps.tenants.storage import measure_folder

_WITHOUT_SCHEMA = frozenset({Status.PROVISIONING, Status.ERASED})
_NEWEST = 10


def add_arguments(verbs: Any) -> None:
    """Declare the subcommands."""
    listing: ArgumentParser = verbs.add_parser("list", help="All tenants, oldest first.")
    listing.add_argument(
        "--status", action="append", default=[], choices=list(Status), help="Those alone; repeat."
    )
    listing.add_argument("--search", default="", metavar="TEXT", help="In name and subdomain.")
    add_output_argument(listing)
    add_tenant_argument(verbs.add_parser("show", help="What is known of one tenant."))
    pool = verbs.add_parser("pool", help="What the pool of ready schemas has.")
    pool.add_argument("--fill", type=int, metavar="N", help="Make ready ones until it has N.")
    add_output_argument(pool)


def _list(terminal: Terminal, options: Options) -> None:
    tenants = Tenant.objects.order_by("id").prefetch_related("domains")
    if options["status"]:
        tenants = tenants.filter(status__in=options["status"])
    if options["search"]:
        text = options["search"]
        tenants = tenants.filter(Q(name__icontains=text) | Q(subdomain__icontains=text))
    table = Table("Subdomain", "Name", "Status", "Schema", "Since")
    data = []
    for tenant in tenants.iterator(chunk_size=500):
        data.append(_facts(tenant))
        table.add_row(
            tenant.subdomain,
            tenant.name,
            tenant.get_status_display(),
            tenant.schema_name,
            f"{tenant.created_at:%Y-%m-%d}",
        )
    terminal.show(table, data=data)


def _facts(tenant: Tenant) -> dict[str, Any]:
    return {
        "subdomain": tenant.subdomain,
        "name": tenant.name,
        "status": str(tenant.status),
        "schema": tenant.schema_name,
        "uuid": tenant.uuid,
        "hostname": tenant.primary_hostname,
        "created_at": tenant.created_at,
    }


def _show(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    domains = [
        {
            "domain": domain.domain,
            "is_primary": domain.is_primary,
            "verified_at": domain.verified_at,
            "redirects_since": domain.redirects_since,
        }
        for domain in tenant.domains.order_by("-is_primary", "domain")
    ]
    history = [
        {
            "at": change.at,
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
            "by": change.by,
        }
        for change in tenant.status_changes.all()[:_NEWEST]
    ]
    backup = tenant.backups.kept().first()
    preview = tenant.previews.filter(swapped_at=None, closed_at=None).first()
    erasure = tenant.erasures.filter(cancelled_at=None).first()
    files = measure_folder(tenant.uuid)
    data = _facts(tenant) | {
        "read_only_since": tenant.read_only_since,
        "placement": tenant.placement,
        "domains": domains,
        "usage": _usage(tenant),
        "files": files.files,
        "file_bytes": files.bytes,
        "newest_backup": backup.at if backup else None,
        "preview_expires_at": preview.expires_at if preview else None,
        "erasure_due_at": erasure.due_at if erasure else None,
        "history": history,
    }
    terminal.show(_page(tenant, data), data=data)


def _usage(tenant: Tenant) -> dict[str, int]:
    if tenant.status in _WITHOUT_SCHEMA:
        return {}
    with context.run_in(tenant):
        return {name: count() for name, count in usage_counters().items()}


def _page(tenant: Tenant, data: dict[str, Any]) -> Table:
    page = Table("", "", title=f"{tenant.name} ({tenant.subdomain})", show_header=False)
    page.add_row("status", str(tenant.get_status_display()))
    page.add_row("schema", tenant.schema_name)
    page.add_row("uuid", str(tenant.uuid))
    page.add_row("made", moment(tenant.created_at))
    for domain in data["domains"]:
        notes = [
            "primary" if domain["is_primary"] else "",
            "" if domain["verified_at"] else "not verified",
            "an older name" if domain["redirects_since"] else "",
        ]
        page.add_row("host", f"{domain['domain']} {', '.join(filter(None, notes))}".strip())
    for name, count in data["usage"].items():
        page.add_row(name, str(count))
    page.add_row("files", f"{data['files']}, {data['file_bytes']} bytes")
    page.add_row("newest backup", moment(data["newest_backup"]) or "none")
    if data["preview_expires_at"]:
        page.add_row("preview", f"open until {moment(data['preview_expires_at'])}")
    if data["erasure_due_at"]:
        page.add_row("erasure", f"due {moment(data['erasure_due_at'])}")
    for change in data["history"]:
        page.add_row(
            moment(change["at"]),
            f"{change['before']} → {change['after']}, by {change['by']}: {change['reason']}",
        )
    return page


def _pool(terminal: Terminal, options: Options) -> None:
    made = ready_pool.fill(options["fill"]) if options["fill"] is not None else 0
    size = ready_pool.pool_size()
    terminal.say(
        (f"Made {made}.\n" if options["fill"] is not None else "")
        + f"Ready {size.ready} of {size.target}, begun {size.begun}, reserved {size.reserved}, "
        f"stale {size.stale}.",
        made=made,
        **dataclasses.asdict(size),
    )


VERBS: dict[str, Verb] = {"list": _list, "show": _show, "pool": _pool}
