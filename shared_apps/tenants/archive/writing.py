"""export_tenant: a tenant as one file, in one snapshot, without holding any of it in memory.

No pg_dump: it reads the catalogue of all tenants (a minute at 3,000), and its text can't be checked
row by row. The schema's own objects are found by what depends on them, the DDL is the template
engine's, the rows come by COPY in the order of their primary key, so that equal rows give equal
bytes.
"""

import errno
import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import psycopg
from django.conf import settings
from django.utils import timezone
from psycopg import sql
from psycopg.rows import tuple_row

from shared_apps.tenants import context, stored_files
from shared_apps.tenants.archive.encryption import ArchiveKey, Writable
from shared_apps.tenants.archive.errors import (
    ArchiveNotWritten,
    DiskFull,
    ExportUnderWay,
    SchemaNotExportable,
)
from shared_apps.tenants.archive.framing import PIECE_BYTES, FrameWriter, PartWriter
from shared_apps.tenants.archive.manifest import (
    MEDIA,
    TABLE,
    Manifest,
    PartFacts,
    SequenceFacts,
    TableFacts,
    TenantFacts,
)
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.postgresql.catalogue import (
    Catalogue,
    PsycopgConnection,
    SchemaNotFound,
    Table,
    read_catalogue,
    table_names,
)
from shared_apps.tenants.postgresql.template_ddl import UnsupportedInTemplate, schema_statements
from shared_apps.tenants.schemas import OWNER, owner_transaction

logger = logging.getLogger(__name__)

# So that a value has one text, whatever the login's or the server's settings are.
TEXT_SETTINGS: Final = (
    b"SET LOCAL client_encoding = 'UTF8'; SET LOCAL datestyle = 'ISO, YMD'; "
    b"SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; "
    b"SET LOCAL extra_float_digits = 1; SET LOCAL timezone = 'UTC'; "
    b"SET LOCAL xmloption = 'content'"
)
_MADE_FIRST: Final = ("CREATE SEQUENCE ", "CREATE TABLE ", "CREATE UNLOGGED TABLE ")
# As PostgreSQL prints it, with names in quotes where they need them.
_PRIMARY_KEY: Final = re.compile(r'PRIMARY KEY \(((?:"(?:[^"]|"")*"|[^")])*)\)')
_LOCK_TIMEOUT: Final = b"SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = 0"
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an export or an import is.

    Args:
        part: a table's name or a file's.
        bytes_done: of all parts, before compression.
    """

    part: str
    bytes_done: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `skipped` are files that were no files, or went away meanwhile."""

    manifest: Manifest
    parts: tuple[PartFacts, ...]
    sha256: str
    skipped: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(part.rows or 0 for part in self.parts)


def export_tenant(
    *,
    tenant: Tenant,
    target: Path | BinaryIO,
    key: ArchiveKey | None = None,
    on_progress: OnProgress | None = None,
) -> Exported:
    """Write a tenant to one file: schema, rows, media, its public rows, checksums.

    All rows are of one moment (REPEATABLE READ). Tables are locked against DDL alone: the tenant
    goes on reading and writing. Files are read after the rows. Memory does not grow with the tenant.

    Args:
        target: a path, which is there whole or not at all, or a stream that is only written to.
        key: encrypts the file; without it everybody who has the file reads it.
    Raises:
        SchemaNotFound: the tenant has no schema in this database.
        SchemaNotExportable: it holds a view, a function or the like; the sentence names it.
        DiskFull, ArchiveNotWritten: what was written is gone again.
        ExportUnderWay: another process writes to this path.
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    Runs in: the public schema and the tenant's, as the owner; not inside a transaction.
    """
    if isinstance(target, Path):
        with _whole_file(target) as file:
            return _write(tenant, file, key, on_progress)
    try:
        return _write(tenant, target, key, on_progress)
    except OSError as error:
        raise _not_written("The archive", error) from error


def snapshot_settings(connection: PsycopgConnection) -> None:
    """Begin a transaction that sees one moment and writes nothing. Its first statements."""
    connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.execute(TEXT_SETTINGS)
    connection.execute(_LOCK_TIMEOUT)


def copy_rows(
    connection: PsycopgConnection, schema_name: str, table: Table, *, sink: Callable[[Any], object]
) -> int:
    """Give a table's rows to `sink`, in COPY's text format, by primary key. Returns how many."""
    statement = sql.SQL("COPY (SELECT {} FROM {} {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, carried_columns(table))),
        sql.Identifier(schema_name, table.name),
        _order_of(table),
    )
    cursor = connection.cursor()
    with cursor.copy(statement) as copy:
        for data in copy:
            sink(data)
    return max(0, cursor.rowcount)


def carried_columns(table: Table) -> list[str]:
    """The columns whose values go into an archive: all but those that PostgreSQL computes."""
    return [column.name for column in table.columns if not column.generated]


def _order_of(table: Table) -> sql.Composable:
    """By primary key: an index scan, and the same order wherever the same rows are."""
    for constraint in table.constraints:
        found = _PRIMARY_KEY.match(constraint.definition)
        if found is not None:
            return sql.SQL("ORDER BY ") + sql.SQL(found.group(1))
    return sql.SQL("")


def _write(
    tenant: Tenant, file: Writable, key: ArchiveKey | None, on_progress: OnProgress | None
) -> Exported:
    frames = FrameWriter(file, key=key)
    counter = _Counter(on_progress)
    with _snapshot(tenant) as (connection, row, catalogue):
        manifest = _manifest(connection, row, catalogue)
        frames.write_json(b"M", manifest.as_json())
        left_out = {table.name for table in manifest.tables if table.left_out}
        for table in catalogue.tables:
            if table.name not in left_out:
                _write_table(connection, row.schema_name, table, frames, counter)
    skipped = _write_media(row, frames, counter)
    trailer = frames.finish()
    return Exported(
        manifest=manifest,
        parts=tuple(PartFacts.from_json(part) for part in trailer["parts"]),
        sha256=trailer["sha256"],
        skipped=tuple(skipped),
    )


@contextmanager
def _snapshot(tenant: Tenant) -> Iterator[tuple[PsycopgConnection, Tenant, Catalogue]]:
    """The tenant's row and catalogue, both of the moment whose rows the connection then sees.

    A table that is rewritten by a migration looks empty to an older snapshot, so the locks come
    first (PostgreSQL 18 section 13.6), then the snapshot, and the tables must be those that were locked.
    """
    for _ in range(_ATTEMPTS):
        with owner_transaction() as connection:
            schema_name = Tenant.objects.using(OWNER).get(pk=tenant.pk).schema_name
            names = table_names(connection, schema_name)
        with owner_transaction() as connection:
            snapshot_settings(connection)
            try:
                _lock_tables(connection, schema_name, names)
            except psycopg.errors.UndefinedTable:
                continue  # dropped by a migration a moment ago
            row: Tenant = Tenant.objects.using(OWNER).get(pk=tenant.pk)
            catalogue = read_catalogue(connection, schema_name)
            if (
                row.schema_name == schema_name
                and [table.name for table in catalogue.tables] == names
            ):
                yield connection, row, catalogue
                return
    raise ArchiveNotWritten(
        f"The tables of {tenant.subdomain} change again and again. Export it when its migration "
        "is done."
    )


def _lock_tables(connection: PsycopgConnection, schema_name: str, names: list[str]) -> None:
    if not names:
        raise SchemaNotFound(f"The schema {schema_name} has no tables, or is not in this database.")
    tables = sql.SQL(", ").join(sql.Identifier(schema_name, name) for name in names)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))


def _manifest(connection: PsycopgConnection, tenant: Tenant, catalogue: Catalogue) -> Manifest:
    try:
        statements = schema_statements(_with_late_foreign_keys(catalogue))
    except UnsupportedInTemplate as unsupported:
        raise SchemaNotExportable(
            f"{tenant.subdomain} can't be exported: its schema is not made of plain tables. "
            f"{unsupported}"
        ) from unsupported
    left_out = set(settings.TERRACE_ARCHIVE_LEAVES_OUT)
    return Manifest(
        made_at=timezone.now().isoformat(),
        fingerprint=catalogue.describe().fingerprint,
        migrations=sorted(catalogue.migrations),
        tenant=_tenant_facts(tenant),
        table_ddl=[line for line in statements if line.startswith(_MADE_FIRST)],
        late_ddl=[line for line in statements if not line.startswith(_MADE_FIRST)],
        tables=[
            TableFacts(table.name, carried_columns(table), left_out=table.name in left_out)
            for table in catalogue.tables
        ],
        sequences=[
            _sequence_facts(connection, catalogue.schema_name, sequence.name)
            for sequence in catalogue.sequences
        ],
    )


def _with_late_foreign_keys(catalogue: Catalogue) -> Catalogue:
    """Foreign keys after the rows: one join each then, instead of a look for every row.

    `schema_statements` adds constraints that are not validated last; their text says nothing of it.
    """
    return replace(
        catalogue,
        tables=[
            replace(
                table,
                constraints=[
                    replace(constraint, validated=False) if constraint.kind == "f" else constraint
                    for constraint in table.constraints
                ],
            )
            for table in catalogue.tables
        ],
    )


def _tenant_facts(tenant: Tenant) -> TenantFacts:
    return TenantFacts(
        uuid=str(tenant.uuid),
        name=tenant.name,
        subdomain=tenant.subdomain,
        status=tenant.status,
        created_at=tenant.created_at.isoformat(),
        domains=[
            {
                "domain": domain.domain,
                "is_primary": domain.is_primary,
                "verified_at": domain.verified_at.isoformat() if domain.verified_at else None,
            }
            for domain in tenant.domains.using(OWNER).order_by("id")
        ],
        status_changes=[
            {
                "before": change.before,
                "after": change.after,
                "reason": change.reason,
                "by": change.by,
                "at": change.at.isoformat(),
            }
            for change in tenant.status_changes.using(OWNER).order_by("id")
        ],
    )


def _sequence_facts(connection: PsycopgConnection, schema_name: str, name: str) -> SequenceFacts:
    query = sql.SQL("SELECT last_value, is_called FROM {}").format(
        sql.Identifier(schema_name, name)
    )
    row = connection.cursor(row_factory=tuple_row).execute(query).fetchone()
    if row is None:
        raise SchemaNotExportable(f"The sequence {name} can't be read.")
    return SequenceFacts(name, last_value=row[0], is_called=row[1])


def _write_table(
    connection: PsycopgConnection,
    schema_name: str,
    table: Table,
    frames: FrameWriter,
    counter: "_Counter",
) -> None:
    part = frames.begin_part(name=table.name, kind=TABLE)
    sink = counter.counted(part, table.name)
    rows = copy_rows(connection, schema_name, table, sink=sink)
    part.end(rows=rows)


def _write_media(tenant: Tenant, frames: FrameWriter, counter: "_Counter") -> list[str]:
    skipped: list[str] = []
    with context.run_in(tenant):
        for name in stored_files.list_files(skipped):
            file = stored_files.open_file(name)
            if file is None:
                skipped.append(name)
                continue
            with file:
                part = frames.begin_part(name=name, kind=MEDIA)
                sink = counter.counted(part, name)
                while piece := file.read(PIECE_BYTES):
                    sink(piece)
                part.end()
    if skipped:
        logger.warning(
            "%s file(s) of %s were left out: %s", len(skipped), tenant.subdomain, skipped[:5]
        )
    return skipped


class _Counter:
    """Tells of progress about every megabyte."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._tell = on_progress
        self._done = 0
        self._told = 0

    def counted(self, part: PartWriter, name: str) -> Callable[[Any], object]:
        """The part's `write`, counted."""
        tell = self._tell
        if tell is None:
            return part.write
        tell(Progress(name, self._done))

        def write(data: Any) -> None:
            part.write(data)
            self._done += len(data)
            if self._done - self._told >= PIECE_BYTES:
                self._told = self._done
                tell(Progress(name, self._done))

        return write


@contextmanager
def _whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file under another name until it is whole and on the disk; gone if anything goes wrong.

    The other name is always the same: what a killed process left is written over.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("ab") as file:
            _lock_file(file, target)
            try:
                file.truncate(0)
                yield file
                file.flush()
                os.fsync(file.fileno())
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync_folder(target.parent)
    except OSError as error:
        raise _not_written(target, error) from error


def _lock_file(file: BinaryIO, target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ExportUnderWay(
            f"Another process is writing {target}. Wait for it, or give another name."
        ) from error


def _not_written(target: Path | str, error: OSError) -> ArchiveNotWritten:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(
            f"There is no room: {target} was not written, and the part that was is gone again. Make "
            "room, or write elsewhere."
        )
    return ArchiveNotWritten(f"{target} can't be written: {error}.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
