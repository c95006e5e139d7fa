"""export, import, backup: a tenant as a file."""

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from rich.table import Table

from shared_apps.tenants.archive import backups, importing, writing
from shared_apps.tenants.archive.encryption import ArchiveKey
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_by_argument,
    add_output_argument,
    add_tenant_argument,
    by,
    find_row,
    moment,
)
from shared_apps.tenants.models import ArchiveImport, RestorePurpose, RestoreState, Tenant


def add_arguments(verbs: Any) -> None:
    """Declare the subcommands."""
    export = verbs.add_parser("export", help="Write a tenant to one file.")
    add_tenant_argument(export)
    export.add_argument("file", type=Path, help="It is there whole afterwards, or not at all.")
    _add_key_arguments(export, "Encrypt it with")
    importer = verbs.add_parser("import", help="Make a tenant from a file, or nothing at all.")
    importer.add_argument("file", type=Path, nargs="?", help="What `tenants export` wrote.")
    importer.add_argument("--subdomain", default="", help="Default: the one in the file.")
    importer.add_argument("--name", default="", help="Default: the one in the file.")
    _add_key_arguments(importer, "It is encrypted with")
    which = importer.add_mutually_exclusive_group()
    which.add_argument("--unfinished", action="store_true", help="Show what was killed, with ids.")
    which.add_argument("--resume", type=UUID, metavar="ID", help="Go on with the same file.")
    which.add_argument("--take-back", type=UUID, metavar="ID", help="Remove what it had made.")
    add_by_argument(importer)
    add_output_argument(importer)
    backup = verbs.add_parser("backup", help="Write a tenant's archive to the backup store now.")
    add_tenant_argument(backup)


def _add_key_arguments(parser: ArgumentParser, words: str) -> None:
    key = parser.add_mutually_exclusive_group()
    key.add_argument(
        "--key-file", type=Path, help=f"{words} the key in this file (`openssl rand -hex 32`)."
    )
    key.add_argument("--passphrase", action="store_true", help=f"{words} a passphrase; asks.")


def _key(options: Options, *, twice: bool) -> ArchiveKey | None:
    if options["key_file"] is not None:
        return ArchiveKey.from_hex(options["key_file"].read_text())
    if not options["passphrase"]:
        return None
    passphrase = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != passphrase:
        raise CommandError("The passphrases differ. Nothing was written.")
    return ArchiveKey.from_passphrase(passphrase)


def _export(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    path: Path = options["file"]
    key = _key(options, twice=True)
    with terminal.progress(f"Exporting {tenant.subdomain}") as moved:
        exported = writing.export_tenant(tenant=tenant, target=path, key=key, on_progress=moved)
    size = path.stat().st_size
    skipped = "".join(f"\nLeft out, no file: {name}" for name in exported.skipped)
    terminal.say(
        f"{tenant.subdomain} is in {path}: {exported.rows} rows, {size} bytes, "
        f"{'encrypted' if key else 'not encrypted'}.{skipped}",
        file=str(path),
        rows=exported.rows,
        bytes=size,
        sha256=exported.sha256,
        is_encrypted=key is not None,
        skipped=list(exported.skipped),
    )


def _import(terminal: Terminal, options: Options) -> None:
    if options["unfinished"]:
        _show_unfinished(terminal)
        return
    if options["take_back"] is not None:
        taken_back = importing.undo_import(import_id=options["take_back"])
        if not taken_back:
            raise CommandError("There is nothing to take back: it is finished, or a process works.")
        terminal.say("What the import had made is gone.", taken_back=True)
        return
    if options["file"] is None:
        raise CommandError("Give the file that `manage.py tenants export` wrote.")
    key = _key(options, twice=False)
    with terminal.progress(f"Importing {options['file'].name}") as moved:
        if options["resume"] is not None:
            tenant = importing.resume_import(
                import_id=options["resume"], source=options["file"], key=key, on_progress=moved
            )
        else:
            tenant = importing.import_archive(
                source=options["file"],
                by=by(options),
                subdomain=options["subdomain"],
                name=options["name"],
                key=key,
                on_progress=moved,
            )
    _say_imported(terminal, tenant)


def _say_imported(terminal: Terminal, tenant: Tenant) -> None:
    terminal.say(
        f"{tenant.name} lives at {tenant.primary_hostname}, in schema {tenant.schema_name}; it is "
        f"{tenant.get_status_display().lower()}.",
        subdomain=tenant.subdomain,
        hostname=tenant.primary_hostname,
        schema=tenant.schema_name,
        uuid=tenant.uuid,
        status=str(tenant.status),
    )


def _show_unfinished(terminal: Terminal) -> None:
    rows = ArchiveImport.objects.filter(purpose=RestorePurpose.IMPORT).exclude(
        state__in=[RestoreState.DONE, RestoreState.UNDONE]
    )
    table = Table("Id", "Subdomain", "Source", "State", "Since")
    data = []
    for row in rows:
        table.add_row(
            str(row.id),
            row.subdomain,
            row.source,
            row.get_state_display(),
            moment(row.started_at),
        )
        data.append(
            {
                "id": row.id,
                "subdomain": row.subdomain,
                "source": row.source,
                "state": row.state,
                "started_at": row.started_at,
            }
        )
    terminal.show(table, data=data)


def _backup(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    with terminal.progress(f"Backing up {tenant.subdomain}") as moved:
        backup = backups.back_up_tenant(tenant=tenant, on_progress=moved)
    terminal.say(
        f"{tenant.subdomain} is in {backup.store_key}: {backup.rows} rows, {backup.bytes} bytes; "
        f"kept until {moment(backup.expires_at)}.",
        id=backup.id,
        store_key=backup.store_key,
        rows=backup.rows,
        bytes=backup.bytes,
        expires_at=backup.expires_at,
    )


VERBS: dict[str, Verb] = {"export": _export, "import": _import, "backup": _backup}
