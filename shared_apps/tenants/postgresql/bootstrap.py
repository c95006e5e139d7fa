"""Makes an empty PostgreSQL server fit for Terrace: two login roles, a database, the hardening.

Needs a superuser, once. On a managed server whose administrator is none, but may make roles and
databases, the parts that are refused are named in the answer, and a system check names them again.
Plain psycopg: it runs before Django.
"""

from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic

_ONE_AT_A_TIME = 7_377_233
EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin")

# What PUBLIC may execute in a fresh database and a tenant must not. The system check
# terrace.E054 (config/checks.py) asks with the same query.
#
# * set_config, *_to_xml*, ts_stat, ts_rewrite: one SELECT could change the role, or run SQL that
#   the parser never saw as part of the statement.
# * lo_*, pg_notify, session-level advisory locks, setseed, set_limit, pg_logical_emit_message:
#   they leave something behind that another tenant could read, wait for, or be changed by.
# * pg_stat_get_activity and its like: the text of other tenants' queries; pg_terminate_backend
#   and pg_cancel_backend: their end.
DANGEROUS_FUNCTIONS = """
    SELECT p.oid::regprocedure::text
      FROM pg_catalog.pg_proc AS p
     WHERE (p.pronamespace = 'pg_catalog'::regnamespace
            AND (p.proname IN ('set_config', 'ts_stat', 'ts_rewrite', 'pg_notify', 'setseed',
                               'pg_logical_emit_message', 'pg_stat_get_activity',
                               'pg_stat_get_backend_activity', 'pg_prepared_statement',
                               'pg_export_snapshot', 'pg_cancel_backend',
                               'pg_terminate_backend')
                 OR p.proname ~ '_to_xml(schema|_and_xmlschema)?$'
                 OR p.proname ~ '^(lo_|loread$|lowrite$)'
                 OR p.proname ~ '^pg_(try_)?advisory_')
            OR p.proname = 'set_limit')
"""
_STILL_PUBLIC = """
       AND EXISTS (SELECT 1
                     FROM pg_catalog.aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                    WHERE grantee = 0 AND privilege_type = 'EXECUTE')
"""
DANGEROUS_AND_PUBLIC = DANGEROUS_FUNCTIONS + _STILL_PUBLIC + "     ORDER BY 1"

# Views of the server that show what other sessions do, or write settings.
_CLOSED_VIEWS = (
    "REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC",
    "REVOKE SELECT ON pg_catalog.pg_prepared_statements FROM PUBLIC",
    "REVOKE UPDATE ON pg_catalog.pg_settings FROM PUBLIC",
    "GRANT SELECT ON pg_catalog.pg_stat_activity TO {owner}, pg_monitor",
)
_GRANTS = (
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {owner}",
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO {owner}, pg_monitor",
    "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
    "GRANT USAGE ON LANGUAGE plpgsql TO {owner}",
)
# In the public schema the application may take locks that end with the transaction. A tenant's
# role may take none: two tenants' numbers would collide.
_ADVISORY_LOCKS = """
    SELECT p.oid::regprocedure::text, p.proname ~ '_xact_'
      FROM pg_catalog.pg_proc AS p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname ~ '^pg_(try_)?advisory_'
     ORDER BY 1
"""

# Warnings that are refusals: privilege_not_granted, privilege_not_revoked.
_NOTHING_DONE = frozenset({"01007", "01006"})

# libpq's `options` don't pass a pooler, so the application's limits stand on its role.
# The empty search_path is the last net: a statement that got past the locks finds no table.
_APP_SETTINGS = {
    "search_path": "''",
    "timezone": "'UTC'",
    "statement_timeout": "'60s'",
    "idle_in_transaction_session_timeout": "'5min'",
}
_OWNER_SETTINGS = {"timezone": "'UTC'"}


@dataclass
class Bootstrapped:
    """What was refused, as sentences. Empty where the server lets us do everything."""

    refused: list[str] = field(default_factory=list)


class SuperuserNamed(ValueError):
    """One of the platform's roles is the superuser itself, whose rights would be taken away."""


def bootstrap_database(
    superuser_url: str,
    *,
    database: str = "terrace",
    owner: str = "terrace_owner",
    app: str = "terrace_app",
    owner_password: str | None = None,
    app_password: str | None = None,
) -> Bootstrapped:
    """Make roles, database and grants. Safe to repeat.

    Args:
        superuser_url: a libpq URL of a superuser, or of one who may make roles and databases, to any
            database of the server.
        owner: login role that owns everything and may make roles; for DDL alone.
        app: login role of the application: NOINHERIT, owns nothing.
        owner_password: set where the server asks for one.
        app_password: likewise.
    Raises:
        SuperuserNamed: `owner` or `app` is the role that superuser_url logs in as.
        psycopg.Error: the server can't be reached, or refuses to make roles or the database.
    Runs in: the server's maintenance database, then the new database.
    """
    answer = Bootstrapped()
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if connection.info.user in {owner, app}:
            raise SuperuserNamed(
                f"{connection.info.user!r} is the superuser: it would lose its rights. Name a role of "
                "its own for the owner and for the application."
            )
        # Roles belong to the whole server: two of these at once would alter the same rows, which
        # PostgreSQL refuses ("tuple concurrently updated"). Held until the connection closes.
        connection.execute("SELECT pg_advisory_lock(%s)", [_ONE_AT_A_TIME])
        _make_role(connection, owner, "LOGIN CREATEROLE INHERIT", owner_password)
        _make_role(connection, app, "LOGIN NOCREATEROLE NOINHERIT", app_password)
        for role, values in ((owner, _OWNER_SETTINGS), (app, _APP_SETTINGS)):
            for name, value in values.items():
                # Names and values are this module's own literals.
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        sql.Identifier(role),
                        sql.Identifier(name),
                        sql.SQL(value),
                    )
                )
        exists = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [database]
        ).fetchone()
        if not exists:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(owner)
                )
            )
        connection.execute(
            sql.SQL(
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
                "GRANT CONNECT ON DATABASE {database} TO {app};"
                "GRANT ALL ON DATABASE {database} TO {owner}"
            ).format(
                database=sql.Identifier(database),
                app=sql.Identifier(app),
                owner=sql.Identifier(owner),
            )
        )
    with psycopg.connect(superuser_url, dbname=database, autocommit=True) as connection:
        _arrange_schemas(connection, owner=owner, app=app, answer=answer)
        _harden(connection, owner=owner, app=app, answer=answer)
    return answer


def _make_role(
    connection: psycopg.Connection[tuple[object, ...]],
    name: str,
    attributes: str,
    password: str | None,
) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = sql.SQL("ALTER ROLE {} {}" if exists else "CREATE ROLE {} {}")
    by_superuser = _is_superuser(connection)
    if by_superuser:
        attributes = (
            f"{attributes} NOSUPERUSER"  # nobody else may even say it of a role that exists
        )
    # The attributes are this module's own literals.
    connection.execute(verb.format(sql.Identifier(name), sql.SQL(attributes)))
    if not by_superuser:
        # Whoever makes a role may give it away, and must have it to make something in its name.
        connection.execute(
            sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE").format(
                sql.Identifier(name)
            )
        )
    if password is not None:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        )


def _is_superuser(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = connection.execute(
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    return row == (True,)


def _arrange_schemas(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    owner: str,
    app: str,
    answer: Bootstrapped,
) -> None:
    names = {"owner": sql.Identifier(owner), "app": sql.Identifier(app)}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {app}",
        # Every tenant's search_path ends here, so that nobody but the superuser may make a table in
        # it: PostgreSQL makes one in the first schema of the path that exists, which is this one
        # where a tenant's is gone.
        "CREATE SCHEMA IF NOT EXISTS extensions",
        "ALTER SCHEMA extensions OWNER TO CURRENT_USER",
        "REVOKE ALL ON SCHEMA extensions FROM PUBLIC, {owner}, {app}",
        "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
            " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"
        ),
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for extension in EXTENSIONS:
        try:
            connection.execute(
                sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA extensions").format(
                    sql.Identifier(extension)
                )
            )
        except psycopg.Error as error:
            answer.refused.append(f"Extension {extension} can't be made: {error}")


def _harden(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    owner: str,
    app: str,
    answer: Bootstrapped,
) -> None:
    names = {"owner": sql.Identifier(owner), "app": sql.Identifier(app)}
    statements: list[sql.SQL | sql.Composed] = []
    for (function,) in connection.execute(DANGEROUS_FUNCTIONS.encode()).fetchall():
        # A regprocedure's text is quoted by PostgreSQL itself.
        statements.append(sql.SQL(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"))
    for function, ends_with_transaction in connection.execute(_ADVISORY_LOCKS).fetchall():
        whom = "{owner}, {app}" if ends_with_transaction else "{owner}"
        grant = f"GRANT EXECUTE ON FUNCTION {function} TO {whom}"
        statements.append(sql.SQL(grant).format(**names))
    statements += [sql.SQL(statement).format(**names) for statement in (*_CLOSED_VIEWS, *_GRANTS)]
    # PostgreSQL only warns where somebody who may do something with an object revokes or grants more.
    warnings: list[str] = []

    def hear(notice: Diagnostic) -> None:
        if notice.sqlstate in _NOTHING_DONE:
            warnings.append(notice.message_primary or "")

    connection.add_notice_handler(hear)
    for statement in statements:
        warnings.clear()
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            warnings.append(str(error))
        if warnings:
            refused = f"{statement.as_string(connection)} can't be done: {warnings[0]}"
            answer.refused.append(refused)
    connection.remove_notice_handler(hear)
