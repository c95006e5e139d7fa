"""undo: yesterday back. Look at a backup beside the tenant, swap it in, swap it out again."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError
from rich.table import Table

from shared_apps.tenants.archive import undo
from shared_apps.tenants.archive.undo import TableDifference
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_reason_arguments,
    add_tenant_argument,
    add_yes_argument,
    by,
    find_row,
    moment,
    reason,
)
from shared_apps.tenants.models import Backup, Preview, Tenant, UndoneSchema


def add_arguments(verbs: Any) -> None:
    """Declare the subcommand."""
    parser = verbs.add_parser(
        "undo", help="A backup beside the tenant: look at it, compare, swap it in, swap it back."
    )
    parser.add_argument(
        "step",
        choices=list(_STEPS),
        help="list: its backups, preview and swapped schemas. preview: restore one beside it. "
        "diff: what a swap would change. swap: let the tenant have it. back: undo the swap. "
        "close: take the preview away.",
    )
    add_tenant_argument(parser)
    parser.add_argument(
        "--backup", type=UUID, metavar="ID", help="For preview; the newest by default."
    )
    add_reason_arguments(parser)
    add_yes_argument(parser)


def _undo(terminal: Terminal, options: Options) -> None:
    _STEPS[options["step"]](terminal, options, find_row(options))


def _list(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    backups = list(tenant.backups.kept())
    preview = _open_preview(tenant)
    undone = list(tenant.undone_schemas.filter(brought_back_at=None, dropped_at=None))
    table = Table("What", "Id", "Of", "Rows", "Until", title=tenant.subdomain)
    for backup in backups:
        table.add_row(
            "backup",
            str(backup.id),
            moment(backup.at),
            str(backup.rows),
            moment(backup.expires_at),
        )
    if preview is not None:
        table.add_row(
            "preview",
            str(preview.id),
            moment(preview.shows_time),
            "",
            moment(preview.expires_at),
        )
    for row in undone:
        table.add_row(
            "swapped away", str(row.id), moment(row.undone_at), "", moment(row.drop_after)
        )
    data = {
        "backups": [
            {"id": b.id, "at": b.at, "rows": b.rows, "expires_at": b.expires_at} for b in backups
        ],
        "preview": (
            {
                "id": preview.id,
                "shows_time": preview.shows_time,
                "expires_at": preview.expires_at,
            }
            if preview
            else None
        ),
        "swapped_away": [
            {"id": row.id, "undone_at": row.undone_at, "drop_after": row.drop_after}
            for row in undone
        ],
    }
    terminal.show(table, data=data)


def _preview(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    backup = _backup(tenant, options["backup"]) if options["backup"] else None
    with terminal.progress(f"Restoring {tenant.subdomain} beside itself") as moved:
        preview = undo.open_preview(tenant=tenant, by=by(options), backup=backup, on_progress=moved)
    link = undo.preview_link(preview=preview)
    if not terminal.as_json:
        terminal.out.write(
            f"{tenant.subdomain} as of {moment(preview.shows_time)}, until "
            f"{moment(preview.expires_at)}. For 15 minutes this link opens it:\n{link}\n"
            f"What a swap would change:"
        )
    _show_differences(
        terminal,
        [TableDifference(**entry) for entry in preview.differences],
        link=link,
        shows_time=preview.shows_time,
        expires_at=preview.expires_at,
    )


def _diff(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    found = undo.diff_by_table(preview=_require_preview(tenant))
    _show_differences(terminal, [entry for entry in found if entry.is_different])


def _show_differences(
    terminal: Terminal, differences: Sequence[TableDifference], **facts: Any
) -> None:
    if not differences and not terminal.as_json:
        terminal.out.write("Nothing: every row is as it was then.")
        return
    table = Table("Table", "Added since", "Changed since", "Removed since")
    for entry in differences:
        table.add_row(entry.table, str(entry.added), str(entry.changed), str(entry.removed))
    data = {"differences": [dataclasses.asdict(entry) for entry in differences], **facts}
    terminal.show(table, data=data)


def _swap(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    preview = _require_preview(tenant)
    why = reason(options)
    terminal.confirm(
        f"{tenant.subdomain} gets its rows of {moment(preview.shows_time)} back. What was done "
        "since then is kept aside for some days.",
        options,
    )
    _say_swapped(terminal, tenant, undo.swap_preview(preview=preview, by=by(options), reason=why))


def _back(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    undone: UndoneSchema | None = tenant.undone_schemas.filter(
        brought_back_at=None, dropped_at=None
    ).first()
    if undone is None:
        raise CommandError(f"Nothing of {tenant.subdomain} was swapped away that is still kept.")
    why = reason(options)
    terminal.confirm(
        f"{tenant.subdomain} gets back what it had until {moment(undone.undone_at)}. What was done "
        "since then is kept aside for some days.",
        options,
    )
    _say_swapped(terminal, tenant, undo.undo_swap(undone=undone, by=by(options), reason=why))


def _say_swapped(terminal: Terminal, tenant: Tenant, undone: UndoneSchema) -> None:
    terminal.say(
        f"{tenant.subdomain} is swapped. What it had until now is kept until "
        f"{moment(undone.drop_after)}; `manage.py tenants undo back {tenant.subdomain}` brings it "
        "back.",
        subdomain=tenant.subdomain,
        kept_schema=undone.schema_name,
        kept_until=undone.drop_after,
    )


def _close(terminal: Terminal, options: Options, tenant: Tenant) -> None:
    undo.close_preview(preview=_require_preview(tenant))
    terminal.say(f"The preview of {tenant.subdomain} is gone.", subdomain=tenant.subdomain)


def _open_preview(tenant: Tenant) -> Preview | None:
    preview: Preview | None = tenant.previews.filter(swapped_at=None, closed_at=None).first()
    return preview


def _require_preview(tenant: Tenant) -> Preview:
    preview = _open_preview(tenant)
    if preview is None:
        raise CommandError(
            f"{tenant.subdomain} has no preview. `manage.py tenants undo preview "
            f"{tenant.subdomain}` makes one."
        )
    return preview


def _backup(tenant: Tenant, wanted: UUID) -> Backup:
    backup: Backup | None = tenant.backups.kept().filter(pk=wanted).first()
    if backup is None:
        raise CommandError(
            f"{tenant.subdomain} has no backup {wanted}. `manage.py tenants undo list "
            f"{tenant.subdomain}` shows them."
        )
    return backup


_STEPS: Final[dict[str, Callable[[Terminal, Options, Tenant], None]]] = {
    "list": _list,
    "preview": _preview,
    "diff": _diff,
    "swap": _swap,
    "back": _back,
    "close": _close,
}
VERBS: dict[str, Verb] = {"undo": _undo}
