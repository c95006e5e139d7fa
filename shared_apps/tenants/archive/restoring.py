"""From a checked archive to a schema of its own: objects, rows, then everything that is checked.

An archive may come from elsewhere, and its DDL and rows are somebody else's words. So they are sent
as the new schema's own role, which may create there and use nothing else, one statement a message
over the extended protocol. When all is in, the tables are handed to the owner and the role is left
with what every tenant's role has. A text that reaches for another tenant is refused by PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from psycopg import errors as pg_errors
from psycopg import sql
from psycopg.pq import ExecStatus

from shared_apps.tenants import context, stored_files
from shared_apps.tenants.archive.errors import ArchiveDamaged, RestoreDiffers
from shared_apps.tenants.archive.manifest import (
    MEDIA,
    TABLE,
    Manifest,
    PartFacts,
    SequenceFacts,
    TableFacts,
)
from shared_apps.tenants.archive.reading import CheckedArchive, PartReader
from shared_apps.tenants.archive.writing import TEXT_SETTINGS, OnProgress, Progress
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.postgresql.catalogue import PsycopgConnection, describe_schema
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.schemas import create_empty_schema, create_roles, grant_rows


def restore_rows(
    connection: PsycopgConnection,
    *,
    archive: CheckedArchive,
    schema_name: str,
    on_progress: OnProgress | None = None,
) -> None:
    """Make a schema and its role from an archive, with all rows, in the caller's transaction.

    Args:
        connection: the owner's, in a transaction: what fails here is rolled back with it.
        schema_name: of no schema and no role that exists.
    Raises:
        RestoreDiffers: a table has not as many rows as the archive says, or the schema is not the
            one that was exported.
        ArchiveDamaged: the file has changed, or PostgreSQL refuses a statement or a row of it.
        psycopg.errors.DuplicateSchema, DuplicateObject: the name is not new.
    Runs in: that schema, as its own role, then as the owner.
    """
    manifest = archive.manifest
    create_roles(connection, [schema_name])
    create_empty_schema(connection, schema_name)
    _open_to_its_role(connection, schema_name)
    connection.execute(TEXT_SETTINGS)
    connection.execute(b"SET LOCAL statement_timeout = 0")
    try:
        with _as_role_of(connection, schema_name):
            for statement in manifest.table_ddl:
                run_single(connection, statement)
            _load(connection, archive, schema_name, on_progress)
            for statement in manifest.late_ddl:
                run_single(connection, statement)
            for sequence in manifest.sequences:
                _set_sequence(connection, schema_name, sequence)
            _analyze(connection, schema_name, manifest)
    except (pg_errors.DataError, pg_errors.IntegrityError, pg_errors.ProgrammingError) as error:
        raise ArchiveDamaged(
            f"PostgreSQL refuses what the archive holds: {str(error).splitlines()[0]}"
        ) from error
    _hand_over(connection, schema_name, manifest)
    made = describe_schema(connection, schema_name).fingerprint
    if made != manifest.fingerprint and settings.TERRACE_TENANT_ROLES:
        raise RestoreDiffers(
            "The restored schema is not the one that was exported: its catalogue has another "
            "fingerprint. The archive was made from a schema with grants or owners of its own; "
            "`manage.py fleet repair` mends that, then export it anew."
        )


def restore_files(
    *, archive: CheckedArchive, tenant: TenantRef, on_progress: OnProgress | None = None
) -> int:
    """Write the archive's files into a tenant's folder. Safe to repeat. Returns how many.

    Raises:
        ArchiveDamaged: the file has changed, or holds a name that leads out of the folder.
    Runs in: no schema; the tenant's folder.
    """
    done = 0
    with context.run_in(tenant):
        for part, content in archive.read_parts(kind=MEDIA):
            if on_progress is not None:
                on_progress(Progress(part.name, part.bytes))
            try:
                stored_files.write_file(part.name, content)
            except stored_files.FileNameRefused as refused:
                raise ArchiveDamaged(
                    f"The archive holds a file that can't be: {refused}"
                ) from refused
            done += 1
    return done


def run_single(connection: PsycopgConnection, statement: str) -> None:
    """Send one statement, and one alone: the extended protocol takes no second one.

    https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
    """
    result = connection.pgconn.exec_params(statement.encode(), None)
    if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        raise pg_errors.error_from_result(result, encoding="utf-8")


def _open_to_its_role(connection: PsycopgConnection, schema_name: str) -> None:
    """Until _hand_over, the new role may make things in its schema, and the owner may be it."""
    if settings.TERRACE_TENANT_ROLES:
        role = quoted(schema_name)
        connection.execute(
            f"GRANT CREATE ON SCHEMA {role} TO {role};"
            f"GRANT {role} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE".encode()
        )


@contextmanager
def _as_role_of(connection: PsycopgConnection, schema_name: str) -> Iterator[None]:
    """The role of the new schema. Without roles of their own, tenants are restored by the owner."""
    if settings.TERRACE_TENANT_ROLES:
        connection.execute(f"SET LOCAL ROLE {quoted(schema_name)}".encode())
    connection.execute(f"SET LOCAL search_path = {quoted(schema_name)}".encode())
    yield
    # After an error there is nothing to reset: the transaction takes it back.
    connection.execute(b"SET LOCAL ROLE NONE; SET LOCAL search_path = pg_catalog")


def _load(
    connection: PsycopgConnection,
    archive: CheckedArchive,
    schema_name: str,
    on_progress: OnProgress | None,
) -> None:
    tables = {table.name: table for table in archive.manifest.tables}
    done = 0
    for part, content in archive.read_parts(kind=TABLE):
        if on_progress is not None:
            on_progress(Progress(part.name, done))
        _load_table(connection, schema_name, tables[part.name], part, content)
        done += part.bytes


def _load_table(
    connection: PsycopgConnection,
    schema_name: str,
    table: TableFacts,
    part: PartFacts,
    content: PartReader,
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema_name, table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
    )
    cursor = connection.cursor()
    with cursor.copy(statement) as copy:
        for piece in content.pieces():
            copy.write(piece)
    if cursor.rowcount != part.rows:
        raise RestoreDiffers(
            f"{table.name} has {cursor.rowcount} rows after the restore and {part.rows} in the archive."
        )


def _set_sequence(connection: PsycopgConnection, schema_name: str, sequence: SequenceFacts) -> None:
    name = sql.Identifier(schema_name, sequence.name).as_string(None)
    connection.execute(
        "SELECT setval(%s::regclass, %s, %s)", [name, sequence.last_value, sequence.is_called]
    )


def _analyze(connection: PsycopgConnection, schema_name: str, manifest: Manifest) -> None:
    """Statistics, so that the first visitors don't wait for bad plans."""
    names = [sql.Identifier(schema_name, table.name) for table in manifest.tables]
    if names:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(names)))


def _hand_over(connection: PsycopgConnection, schema_name: str, manifest: Manifest) -> None:
    """The owner owns the tables, the role has the grants of every tenant's role, and no more."""
    if not settings.TERRACE_TENANT_ROLES:
        return
    schema = quoted(schema_name)
    owned = {
        table: f"ALTER TABLE {schema}.{quoted(table)} OWNER TO CURRENT_USER"
        for table in sorted(table.name for table in manifest.tables)
    }
    # A sequence that no column owns; the others go with their tables.
    free = connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_depend n ON n.objid = c.oid"
        " AND n.classid = 'pg_class'::regclass AND n.refclassid = 'pg_namespace'::regclass"
        " WHERE n.refobjid = %s::regnamespace AND c.relkind = 'S' AND NOT EXISTS ("
        "  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        "  AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))",
        [schema],
    ).fetchall()
    statements = [
        *owned.values(),
        *(f"ALTER SEQUENCE {schema}.{quoted(name)} OWNER TO CURRENT_USER" for (name,) in free),
        f"REVOKE CREATE ON SCHEMA {schema} FROM {schema}",
        f"REVOKE {schema} FROM CURRENT_USER",
    ]
    connection.execute(";\n".join(statements).encode())
    grant_rows(connection, schema_name)
