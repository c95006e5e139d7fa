"""Makes and drops a tenant's schema and role, over the owner's connection.

The schema and its tables belong to the owner. The tenant's role, of the same name, may read and
write rows, and nothing else: no DDL, no sequences (identity columns need none), no look at
`django_migrations`. The application's login is a member that inherits nothing and may take the
role with SET ROLE (PostgreSQL 18, GRANT, "WITH INHERIT FALSE, SET TRUE").
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg.errors import DependentObjectsStillExist, LockNotAvailable

from shared_apps.tenants import context
from shared_apps.tenants.postgresql.catalogue import (
    MIGRATIONS_TABLE,
    PsycopgConnection,
    table_names,
)
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.registry import kept_writable

OWNER = "owner"
_WRITES = "INSERT, UPDATE, DELETE"
_ROWS = f"SELECT, {_WRITES}"


class OwnerConnectionMissing(ImproperlyConfigured):
    """This process may not alter tables: it has no DATABASE_ADMIN_URL."""


def require_owner_connection() -> None:
    """Make sure that this process may make and alter schemas.

    Raises:
        OwnerConnectionMissing: it has no DATABASE_ADMIN_URL.
    """
    if OWNER not in settings.DATABASES:
        raise OwnerConnectionMissing(
            "Schemas are made and migrated over DATABASE_ADMIN_URL, which is not set here. Set it "
            "for workers and for manage.py; the web processes do without."
        )


def owner_database() -> Any:
    """Django's connection of the owner, which django-tenants' `set_schema` moves (untyped).

    Raises:
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    """
    require_owner_connection()
    return connections[OWNER]


@contextmanager
def owner_transaction() -> Iterator[PsycopgConnection]:
    """One transaction of the owner: psycopg's connection, and the ORM with `using(OWNER)`.

    Raises:
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    """
    require_owner_connection()
    with context.run_in_public(), transaction.atomic(using=OWNER):
        yield connections[OWNER].connection


def create_roles(connection: PsycopgConnection, names: Sequence[str]) -> None:
    """Make roles of these names and let the application take them.

    All in one GRANT: each one makes every backend of the server build its list of memberships anew.

    Raises:
        psycopg.errors.DuplicateObject: a role of this name exists.
    """
    if not names or not settings.TERRACE_TENANT_ROLES:
        return
    roles = [quoted(name) for name in names]
    grant = f"GRANT {', '.join(roles)} TO {_application()} WITH INHERIT FALSE, SET TRUE"
    _run(connection, [*(f"CREATE ROLE {role} NOLOGIN" for role in roles), grant])


def create_schema(connection: PsycopgConnection, name: str, statements: Sequence[str]) -> None:
    """Make the schema with what the statements make in it, and give the role its grants.

    Args:
        name: of a role that exists (create_roles) and of no schema: none is ever adopted.
        statements: as template_ddl gives them.
    Raises:
        psycopg.errors.DuplicateSchema: a schema of this name exists.
    """
    role = _role_of(name)
    schema = quoted(name)
    _run(
        connection,
        [
            f"CREATE SCHEMA {schema}",
            # Before the tables, which then are made with these grants. GRANT … ON ALL TABLES would
            # read pg_class from end to end, five times, with the tables of all tenants in it.
            *_default_grants(schema, role),
            f"SET LOCAL search_path = {schema}",
            *statements,
            "SET LOCAL search_path = pg_catalog",
            f"REVOKE ALL ON TABLE {schema}.{quoted(MIGRATIONS_TABLE)} FROM {role}",
        ],
    )


def create_empty_schema(connection: PsycopgConnection, name: str) -> None:
    """Make the schema with nothing in it, and give the role its grants on the owner's tables to come.

    Args:
        name: of a role that exists (create_roles) and of no schema: none is ever adopted.
    Raises:
        psycopg.errors.DuplicateSchema: a schema of this name exists.
    """
    schema = quoted(name)
    _run(connection, [f"CREATE SCHEMA {schema}", *_default_grants(schema, _role_of(name))])


def grant_rows(connection: PsycopgConnection, name: str) -> None:
    """Give the role of a tenant's schema its grants, on all tables there are now.

    Those that create_schema gives; a read-only tenant's (`Tenant.read_only_since`) without the right
    to write. After a migration: a table that somebody made as another role has no grants by default.
    """
    if is_read_only(connection, name):
        set_grants(connection, name, read_only=True)
        return
    schema, role = quoted(name), _role_of(name)
    tables = [table for table in table_names(connection, name) if table != MIGRATIONS_TABLE]
    statements = _default_grants(schema, role)
    if tables:
        statements.append(f"GRANT {_ROWS} ON TABLE {_names_in(schema, tables)} TO {role}")
    _run(connection, statements)


def is_read_only(connection: PsycopgConnection, name: str) -> bool:
    """Whether the schema's tenant may not write now. False for a schema without a tenant.

    Sees what the connection's own transaction has changed.
    """
    table = f"{quoted(settings.PUBLIC_SCHEMA_NAME)}.{quoted('tenants_tenant')}"
    query = f"SELECT read_only_since IS NOT NULL FROM {table} WHERE schema_name = %s"  # noqa: S608 - quoted
    row = connection.execute(query.encode(), [name]).fetchone()
    return row is not None and bool(row[0])


def set_grants(connection: PsycopgConnection, name: str, *, read_only: bool) -> None:
    """Let the role of a tenant's schema write, or only read, in all tables, those to come too.

    What logging in writes (sessions, and what registry.keep_writable named) stays writable. A
    statement that PostgreSQL runs already goes on; the next one of any session is held to this as
    soon as the transaction is committed.
    """
    schema, role = quoted(name), _role_of(name)
    tables = [table for table in table_names(connection, name) if table != MIGRATIONS_TABLE]
    statements = _default_grants(schema, role)
    if read_only:
        statements.append(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE {_WRITES} ON TABLES FROM {role}"
        )
    if tables:
        names = _names_in(schema, tables)
        # Takes away the rights on single columns too.
        statements.append(f"REVOKE {_WRITES} ON TABLE {names} FROM {role}")
        statements.append(f"GRANT {'SELECT' if read_only else _ROWS} ON TABLE {names} TO {role}")
    if read_only:
        statements += _kept_grants(schema, role, tables)
    _run(connection, statements)


def wait_for_writers(
    connection: PsycopgConnection,
    name: str,
    *,
    timeout: timedelta,
    leaving_out: Container[str] = (),
) -> bool:
    """Wait until no transaction is open that has written into a tenant's schema.

    Args:
        timeout: how long for each table that is waited for.
        leaving_out: tables in which writing goes on.
    Returns:
        False where the time was not enough.
    Runs in: the owner's transaction, after the right to write was taken away; it locks the tables against
        writing until its end.
    """
    tables = [table for table in table_names(connection, name) if table not in leaving_out]
    if not tables:
        return True
    milliseconds = timeout // timedelta(milliseconds=1)
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {milliseconds}".encode())
            names = _names_in(quoted(name), tables)
            connection.execute(f"LOCK TABLE {names} IN SHARE MODE".encode())
    except LockNotAvailable:
        return False
    return True


def _names_in(schema: str, tables: Sequence[str]) -> str:
    return ", ".join(f"{schema}.{quoted(table)}" for table in tables)


def _kept_grants(schema: str, role: str, tables: Sequence[str]) -> list[str]:
    grants = []
    for table, columns in kept_writable().items():
        if table not in tables:
            continue
        what = f"UPDATE ({', '.join(map(quoted, columns))})" if columns else _WRITES
        grants.append(f"GRANT {what} ON TABLE {schema}.{quoted(table)} TO {role}")
    return grants


def _default_grants(schema: str, role: str) -> list[str]:
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {_ROWS} ON TABLES TO {role}",
    ]


def grant_public_rows(connection: PsycopgConnection) -> None:
    """Let the application read and write the public schema's rows, of tables to come too."""
    schema, application = quoted(settings.PUBLIC_SCHEMA_NAME), _application()
    _run(
        connection,
        [
            f"GRANT USAGE ON SCHEMA {schema} TO {application}",
            f"GRANT {_ROWS} ON ALL TABLES IN SCHEMA {schema} TO {application}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {_ROWS} ON TABLES TO {application}",
        ],
    )


def close_schema(connection: PsycopgConnection, name: str) -> None:
    """Let nobody but the owner into a tenant's schema any more, in case there is one.

    Transactions that are open go on to their end; wait_for_writers waits for them.
    """
    found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [name])
    if found.fetchone() is not None:
        _run(connection, [f"REVOKE ALL ON SCHEMA {quoted(name)} FROM {_role_of(name)}"])


def drop_schema(connection: PsycopgConnection, name: str) -> None:
    """Drop a tenant's schema with all that is in it, and its role. Nothing happens without them.

    Raises:
        ValueError: the name is not one that was made for a tenant.
    """
    _require_ours(name)
    _run(connection, [f"DROP SCHEMA IF EXISTS {quoted(name)} CASCADE"])
    drop_role(connection, name)


def drop_role(connection: PsycopgConnection, name: str) -> None:
    """Drop a tenant's role, with what was granted to it outside of its schema. Nothing without it.

    Raises:
        ValueError: the name is not one that was made for a tenant.
        psycopg.errors.DependentObjectsStillExist: it has rights in another database of the server.
    """
    _require_ours(name)
    role = quoted(name)
    try:
        with connection.transaction():
            _run(connection, [f"DROP ROLE IF EXISTS {role}"])
    except DependentObjectsStillExist:
        # Something was granted to it by hand. Only who has the role's rights may drop them.
        _run(
            connection,
            [
                f"GRANT {role} TO CURRENT_USER WITH INHERIT TRUE",
                f"DROP OWNED BY {role}",
                f"DROP ROLE {role}",
            ],
        )


def _require_ours(name: str) -> None:
    if not context.SCHEMA_NAME.match(name):
        raise ValueError(f"{name!r} is not a tenant's schema; only such a one is dropped here.")


def _application() -> str:
    return quoted(str(settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]))


def _role_of(name: str) -> str:
    """Without roles of their own, tenants' tables are opened to the application itself."""
    return quoted(name) if settings.TERRACE_TENANT_ROLES else _application()


def _run(connection: PsycopgConnection, statements: Sequence[str]) -> None:
    """One message for PostgreSQL; Citus takes DDL one by one."""
    if settings.TERRACE_DDL_ONE_BY_ONE:
        for statement in statements:
            connection.execute(statement.encode())
    else:
        connection.execute(";\n".join(statements).encode())
