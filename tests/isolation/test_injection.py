"""Leak list 13 and 18: SQL injected into a careless view, one statement and more.

Each attack is first shown to find globex' secret where no lock holds it (as the superuser, over the
simple protocol), then sent to acme's careless view.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import ProgrammingError, connection

from shared_apps.tenants import context
from shared_apps.tenants.postgresql.bootstrap import DANGEROUS_AND_PUBLIC, DANGEROUS_FUNCTIONS
from tests.isolation.conftest import Cast, left_on_connection, superuser

pytestmark = pytest.mark.usefixtures("careless")

# Injected behind `SELECT text FROM probe_note WHERE text = '`. {globex} is its schema.
READING = {
    "qualified": "' UNION SELECT text FROM {globex}.probe_note --",
    "join": "' UNION SELECT b.text FROM probe_note a, {globex}.probe_note b --",
    "subquery": "' OR EXISTS (SELECT 1) AND text = (SELECT text FROM {globex}.probe_note LIMIT 1)"
    " UNION SELECT (SELECT min(text) FROM {globex}.probe_note) --",
    "query_to_xml": "' UNION SELECT query_to_xml('SELECT text FROM {globex}.probe_note',"
    " true, true, '')::text --",
    "query_to_xml_and_xmlschema": "' UNION SELECT query_to_xml_and_xmlschema('SELECT text FROM"
    " {globex}.probe_note', true, true, '')::text --",
    "table_to_xml": "' UNION SELECT table_to_xml('{globex}.probe_note', true, true, '')::text --",
    "schema_to_xml": "' UNION SELECT schema_to_xml('{globex}', true, true, '')::text --",
    "set_config then query_to_xml": "' UNION SELECT set_config('role', '{globex}', true) UNION ALL"
    " SELECT query_to_xml('SELECT text FROM {globex}.probe_note', true, true, '')::text --",
    "set_config of the path": "' UNION SELECT set_config('search_path', '{globex}', true) UNION ALL"
    " SELECT query_to_xml('SELECT text FROM probe_note', true, true, '')::text --",
    "ts_stat": "' UNION SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', text) FROM"
    " {globex}.probe_note') --",
    "ts_rewrite": "' UNION SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery,"
    " plainto_tsquery(''simple'', text) FROM {globex}.probe_note')::text --",
    "stacked": "'; SELECT text FROM {globex}.probe_note --",
    "stacked SET ROLE": "'; SET ROLE {globex}; SELECT text FROM {globex}.probe_note --",
    "stacked RESET ROLE": "'; RESET ROLE; SELECT text FROM {globex}.probe_note --",
    "stacked COMMIT": "'; COMMIT; SELECT text FROM {globex}.probe_note --",
    "stacked search_path": "'; SET search_path = {globex}; SELECT text FROM probe_note --",
    "deleting CTE": "' UNION SELECT 'x'; WITH gone AS (DELETE FROM {globex}.probe_note_tags RETURNING"
    " note_id) SELECT text FROM {globex}.probe_note --",
    "activity": "' UNION SELECT query FROM pg_stat_activity --",
    "activity by function": "' UNION SELECT pg_stat_get_backend_activity(id) FROM"
    " pg_stat_get_backend_idset() AS id --",
}

# Sent as the whole statement.
STATEMENTS = {
    "qualified": "SELECT text FROM {globex}.probe_note",
    "TABLE": "TABLE {globex}.probe_note",
    "VALUES": "VALUES ((SELECT min(text) FROM {globex}.probe_note))",
    "EXPLAIN ANALYZE": "EXPLAIN ANALYZE SELECT text FROM {globex}.probe_note",
    "INSERT from": "INSERT INTO probe_note (text) SELECT text FROM {globex}.probe_note",
    "INSERT into": "INSERT INTO {globex}.probe_note (text) VALUES ('planted')",
    "UPDATE": "UPDATE {globex}.probe_note SET text = 'changed'",
    "DELETE": "DELETE FROM {globex}.probe_note",
    "MERGE": "MERGE INTO {globex}.probe_note n USING probe_note o ON n.id = o.id"
    " WHEN MATCHED THEN UPDATE SET text = o.text",
    "LOCK": "LOCK TABLE {globex}.probe_note",
    "pg_settings": "UPDATE pg_settings SET setting = '{globex}' WHERE name = 'role'",
    "pg_settings path": "UPDATE pg_settings SET setting = '{globex}' WHERE name = 'search_path'",
    "SET ROLE": "SET ROLE {globex}",
    "SET LOCAL ROLE": "SET LOCAL ROLE {globex}",
    "SET SESSION ROLE": "SET SESSION ROLE {globex}",
    "RESET ROLE": "RESET ROLE",
    "RESET ALL": "RESET ALL",
    "DISCARD ALL": "DISCARD ALL",
    "SESSION AUTHORIZATION": "SET SESSION AUTHORIZATION DEFAULT",
    "SET search_path": "SET search_path = {globex}",
    "SET SCHEMA": "SET SCHEMA '{globex}'",
    "SET LOCAL search_path": "SET LOCAL search_path = {globex}",
    "set_config": "SELECT set_config('role', '{globex}', false)",
    "set_config by name": "SELECT pg_catalog.\"set_config\"('search_path', '{globex}', true)",
    "DO": "DO $$ BEGIN EXECUTE 'SET ROLE {globex}'; END $$",
    "PREPARE": "PREPARE p AS SELECT text FROM {globex}.probe_note",
    "EXECUTE": "EXECUTE p",
    "DEALLOCATE": "DEALLOCATE ALL",
    "CREATE FUNCTION": "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
    "CREATE TABLE": "CREATE TABLE t (a int)",
    "CREATE TEMP TABLE": "CREATE TEMP TABLE t (a int)",
    "SELECT INTO": "SELECT text INTO stolen FROM probe_note",
    "SELECT INTO TEMP": "SELECT text INTO TEMP probe_note FROM probe_note",
    "CREATE VIEW": "CREATE VIEW v AS SELECT 1",
    "ALTER ROLE": "ALTER ROLE CURRENT_USER SUPERUSER",
    "GRANT": "GRANT {globex} TO CURRENT_USER",
    "CALL": "CALL f()",
    "BEGIN": "BEGIN",
    "COMMIT": "COMMIT",
    "END": "END",
    "ROLLBACK": "ROLLBACK",
    "COMMIT AND CHAIN": "COMMIT AND CHAIN",
    "PREPARE TRANSACTION": "PREPARE TRANSACTION 'x'",
    "START TRANSACTION": "START TRANSACTION",
    "SET TRANSACTION": "SET TRANSACTION SNAPSHOT '1'",
    "LISTEN": "LISTEN secrets",
    "NOTIFY": "NOTIFY secrets, 'x'",
    "pg_notify": "SELECT pg_notify('secrets', 'x')",
    "held cursor": "DECLARE c CURSOR WITH HOLD FOR SELECT text FROM probe_note",
    "quoted held cursor": 'DECLARE "c" CURSOR WITH HOLD FOR SELECT text FROM probe_note',
    "FETCH": "FETCH ALL FROM c",
    "nested comment": "/* /* */ SELECT */ SET ROLE {globex}",
    "comment ended by a carriage return": "--\rSET ROLE {globex} /*\nSELECT 1 */",
    "comment": "/* hello */ -- there\n SET ROLE {globex}",
    "parenthesis": "(SET ROLE {globex})",
    "COPY PROGRAM": "COPY probe_note (text) FROM PROGRAM 'id'",
    "COPY to a file": "COPY probe_note TO '/tmp/stolen'",
    "pg_read_file": "SELECT pg_read_file('/etc/passwd')",
    "pg_ls_dir": "SELECT pg_ls_dir('.')",
    "lo_import": "SELECT lo_import('/etc/passwd')",
    "lo_create": "SELECT lo_create(0)",
    "lo_from_bytea": "SELECT lo_from_bytea(0, 'secret')",
    "lo_get": "SELECT lo_get(1)",
    "pg_largeobject": "SELECT data FROM pg_largeobject",
    "advisory lock": "SELECT pg_advisory_lock(1)",
    "advisory lock of the transaction": "SELECT pg_advisory_xact_lock(1)",
    "setseed": "SELECT setseed(0.5)",
    "set_limit": "SELECT extensions.set_limit(0.01)",
    "dblink": "SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t (a int)",
    "pg_terminate_backend": "SELECT pg_terminate_backend(1)",
    "pg_cancel_backend": "SELECT pg_cancel_backend(1)",
    "pg_authid": "SELECT rolpassword FROM pg_authid",
    "pg_statistic": "SELECT stavalues1::text FROM pg_statistic",
    "pg_stat_statements": "SELECT query FROM extensions.pg_stat_statements",
    "public tables": "SELECT name FROM public.tenants_tenant",
    "public sessions": "SELECT session_data FROM public.django_session",
    "own migrations": "INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', now())",
    "sequence": "SELECT setval('probe_note_id_seq', 1)",
    "logical message": "SELECT pg_logical_emit_message(true, 'a', 'b')",
    "replication slot": "SELECT pg_create_physical_replication_slot('x')",
    "snapshot": "SELECT pg_export_snapshot()",
    "prepared statements": "SELECT statement FROM pg_prepared_statements",
    "SECURITY LABEL": "SECURITY LABEL ON ROLE CURRENT_USER IS 'x'",
    "VACUUM": "VACUUM",
    "LOAD": "LOAD 'plpgsql'",
    "unicode": "SET\u00a0ROLE {globex}",
    "nothing": ";",
}


@pytest.mark.parametrize("outside", [False, True], ids=["in the request's", "on its own"])
@pytest.mark.parametrize("attack", READING)
def test_injected_sql_reads_no_other_tenant(
    attack: str, outside: bool, planted: Cast, visit: Callable[..., Any]
) -> None:
    acme, globex = planted["acme"], planted["globex"]
    injected = READING[attack].format(globex=globex.schema_name)
    _show_that_it_would_leak(injected, planted)
    answer = visit(acme, "search-outside" if outside else "search", q=injected)
    assert "refused" in answer, answer
    assert "globex-secret" not in str(answer)
    _assert_nothing_happened(planted, visit)


@pytest.mark.parametrize("outside", [False, True], ids=["in the request's", "on its own"])
@pytest.mark.parametrize("attack", STATEMENTS)
def test_statement_of_the_client_is_refused(
    attack: str, outside: bool, planted: Cast, visit: Callable[..., Any]
) -> None:
    acme, globex = planted["acme"], planted["globex"]
    sql = STATEMENTS[attack].format(globex=globex.schema_name)
    answer = visit(acme, "whole-outside" if outside else "whole", sql=sql)
    assert "refused" in answer, answer
    _assert_nothing_happened(planted, visit)


def test_careless_view_is_careless(planted: Cast, visit: Callable[..., Any]) -> None:
    """Else every test above would pass for the wrong reason."""
    answer = visit(planted["acme"], "search", q="' UNION SELECT text || '!' FROM probe_note --")
    assert ["acme-secret-1!"] in answer["rows"]
    answer = visit(planted["acme"], "whole", sql="SELECT text FROM probe_note ORDER BY id")
    assert answer["rows"][0] == ["acme-secret-1"]


CATALOGUE = {
    "pg_namespace": "SELECT nspname FROM pg_namespace",
    "pg_roles": "SELECT rolname, rolconfig FROM pg_roles",
    "pg_class": "SELECT relname, relnamespace::regnamespace FROM pg_class",
    "pg_database": "SELECT datname FROM pg_database",
    "pg_tables": "SELECT * FROM pg_tables",
    "pg_stat_all_tables": "SELECT schemaname, relname, n_live_tup FROM pg_stat_all_tables",
    "pg_stats": "SELECT schemaname, most_common_vals::text FROM pg_stats",
    "pg_description": "SELECT description FROM pg_description",
    "pg_shdescription": "SELECT description FROM pg_shdescription",
    "pg_locks": "SELECT * FROM pg_locks",
    "pg_cursors": "SELECT * FROM pg_cursors",
    "pg_settings": "SELECT name, setting FROM pg_settings",
    "pg_db_role_setting": "SELECT setconfig FROM pg_db_role_setting",
    "pg_auth_members": "SELECT roleid::regrole, member::regrole FROM pg_auth_members",
    "information_schema": "SELECT table_schema, table_name FROM information_schema.tables",
    "current": "SELECT current_user, session_user, current_database(), current_query()",
    "pg_constraint": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint",
    "pg_attrdef": "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef",
}


@pytest.mark.parametrize("view", CATALOGUE)
def test_catalogue_shows_opaque_names_alone(
    view: str, planted: Cast, visit: Callable[..., Any]
) -> None:
    """PostgreSQL's catalogue is open to every role. It must not name a customer or show a row."""
    with superuser() as unlocked:
        unlocked.execute("ANALYZE")  # so that there are statistics of the planted rows
    answer = visit(planted["acme"], "whole", sql=CATALOGUE[view])
    assert "rows" in answer, answer
    shown = str(answer).lower()
    assert "globex" not in shown
    assert planted["globex"].uuid.hex not in shown.replace("-", "")


def test_dangerous_functions_are_closed(planted: Cast, visit: Callable[..., Any]) -> None:
    """Each by name, since a PostgreSQL without libxml refuses some for another reason."""
    with superuser() as unlocked:
        functions = [row[0] for row in unlocked.execute(DANGEROUS_FUNCTIONS.encode()).fetchall()]
        assert len(functions) > 60
        assert unlocked.execute(DANGEROUS_AND_PUBLIC.encode()).fetchall() == []
        open_to_tenant = unlocked.execute(
            "SELECT f FROM unnest(%s::text[]) AS f WHERE has_function_privilege(%s, f, 'EXECUTE')",
            [functions, planted["acme"].schema_name],
        ).fetchall()
    assert open_to_tenant == []


def test_public_host_sees_no_tenants_rows(planted: Cast) -> None:
    """An injection on the platform's own pages: the login role may use no tenant's schema."""
    schema = planted["globex"].schema_name
    with (
        context.run_in_public(),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied for schema"),
    ):
        cursor.execute(f"SELECT text FROM {schema}.probe_note")


def test_public_host_sees_no_tenants_queries(planted: Cast) -> None:
    with (
        context.run_in_public(),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
    ):
        cursor.execute("SELECT query FROM pg_stat_activity")


def _show_that_it_would_leak(injected: str, planted: Cast) -> None:
    sql = f"SELECT text FROM probe_note WHERE text = '{injected}'"
    with superuser() as neighbour, superuser() as unlocked, unlocked.cursor() as cursor:
        neighbour.execute("SELECT 'globex-secret-1'")  # for what pg_stat_activity shows
        path = f"{planted['acme'].schema_name}, extensions".encode()
        cursor.execute(b"SET search_path = " + path)
        cursor.execute(b"BEGIN")
        seen: list[Any] = []
        try:
            cursor.execute(sql.encode())
        except psycopg.errors.FeatureNotSupported as error:
            # A PostgreSQL built without libxml can't be attacked through it. That the function is
            # closed all the same is shown by test_dangerous_functions_are_closed.
            assert "XML" in str(error)  # noqa: PT017 - not what is tested
            return
        while True:
            if cursor.description:
                seen += cursor.fetchall()
            if not cursor.nextset():
                break
        if unlocked.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            cursor.execute(b"ROLLBACK")
    words = str(seen).replace("'", "").replace(" & ", "-")
    assert "globex-secret" in words, f"This attack finds nothing anywhere: {seen}"


def _assert_nothing_happened(planted: Cast, visit: Callable[..., Any]) -> None:
    assert left_on_connection() == {}
    for tenant in planted.values():
        seen = visit(tenant, "notes")
        assert seen["notes"] == [f"{tenant.subdomain}-secret-{number}" for number in (1, 2, 3)]
        assert seen["user"] == tenant.schema_name
        assert seen["search_path"] == f"{tenant.schema_name}, extensions"
