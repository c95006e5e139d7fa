"""Which statements pass, by their first word as PostgreSQL reads it."""

import pytest

from shared_apps.tenants.errors import StatementRefused
from shared_apps.tenants.postgresql.statements import check_statement

PASSING = [
    "SELECT 1",
    "select 1",
    "\n\t (SELECT 1) UNION (SELECT 2)",
    'SELECT"id" FROM t',
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "VALUES (1)",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING",
    "EXPLAIN (ANALYZE) SELECT 1",
    "TABLE t",
    'SAVEPOINT "s1"',
    'RELEASE SAVEPOINT "s1"',
    'DECLARE "c" NO SCROLL CURSOR FOR SELECT 1',
    'DECLARE "c" CURSOR FOR SELECT 1',
    "LOCK TABLE t",
    "COPY t TO STDOUT",
    "SHOW search_path",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "SET LOCAL statement_timeout = 100",
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL pg_trgm.similarity_threshold = 0.5",
    "-- why\nSELECT 1",
    "/* why */ SELECT 1",
    "/**/-- a\r/* b **/ /*/ c */ SELECT 1",
    "SELECT 1 /* /* nested */ behind */ -- and more",
]
REFUSED = [
    "",
    ";",
    "SELECTED",
    "SET ROLE x",
    "SET LOCAL ROLE x",
    "SET SESSION AUTHORIZATION x",
    "SET search_path = x",
    "SET LOCAL search_path = x",
    "SET LOCAL statement_timeout_of_mine = 1",
    "RESET ROLE",
    "DISCARD ALL",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "ROLLBACK AND CHAIN",
    "ABORT",
    "END",
    "DO $$ BEGIN END $$",
    "CALL f()",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "LISTEN a",
    "NOTIFY a",
    "DECLARE c CURSOR FOR SELECT 1",
    'DECLARE "c" CURSOR WITH HOLD FOR SELECT 1',
    'DECLARE "c" NO SCROLL CURSOR WITH HOLD FOR SELECT 1',
    'DECLARE "c" BINARY CURSOR FOR SELECT 1',
    "FETCH ALL FROM c",
    "CREATE TABLE t (a int)",
    "ALTER ROLE x SUPERUSER",
    "DROP TABLE t",
    "GRANT x TO y",
    "TRUNCATE t",
    "VACUUM",
    "/* SELECT */ SET ROLE x",
    "-- SELECT\nSET ROLE x",
    "--\rSET ROLE x /*\nSELECT 1 */",
    "--\r\nSET ROLE x",
    "/* /* */ SELECT */ SET ROLE x",
    "/* /* */ SELECT 1 */ SELECT 1",
    "/*/ SELECT 1",
    "/* open SELECT 1",
    "( /* */ SET ROLE x)",
    "\u00a0SELECT 1",
    "\ufeffSELECT 1",
    "S\u0415LECT 1",
]


@pytest.mark.parametrize("statement", PASSING)
def test_statement_that_can_not_change_the_lock_passes(statement: str) -> None:
    assert check_statement(statement.encode()) is False


@pytest.mark.parametrize(
    "statement", ["ROLLBACK TO s", 'rollback to savepoint "s"', "/**/ROLLBACK TO s"]
)
def test_statement_that_takes_back_a_lock_says_so(statement: str) -> None:
    assert check_statement(statement.encode()) is True


@pytest.mark.parametrize("statement", REFUSED)
def test_statement_that_could_change_the_lock_is_refused(statement: str) -> None:
    with pytest.raises(StatementRefused, match="cannot be sent by the application"):
        check_statement(statement.encode())


def test_long_comment_takes_no_time() -> None:
    check_statement(b"/*" + b"* / " * 200_000 + b"*/ SELECT 1")
    with pytest.raises(StatementRefused):
        check_statement(b"/*" + b"* / " * 200_000)
    with pytest.raises(StatementRefused):
        check_statement(b" -" * 100_000)
