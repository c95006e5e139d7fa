"""A schema made from the template's DDL is the template's equal, however odd its tables are."""

from __future__ import annotations

import pytest

from shared_apps.tenants.postgresql.catalogue import (
    Constraint,
    PsycopgConnection,
    describe_schema,
    differences,
    fingerprint,
    read_catalogue,
)
from shared_apps.tenants.postgresql.template_ddl import (
    UnsupportedInTemplate,
    as_first_parsed,
    template_statements,
)
from tests.shared_apps.tenants.handmade_schemas import NASTY_TABLES, make_schema


@pytest.fixture
def nasty(owner_connection: PsycopgConnection) -> PsycopgConnection:
    owner_connection.execute("CREATE SCHEMA IF NOT EXISTS extensions")
    owner_connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA extensions")
    make_schema(owner_connection, "nasty template", NASTY_TABLES)
    return owner_connection


def test_copy_of_nasty_schema_has_no_difference(nasty: PsycopgConnection) -> None:
    make_schema(nasty, "t_copy", ";\n".join(template_statements(nasty, "nasty template")))
    template, copy = (describe_schema(nasty, name) for name in ("nasty template", "t_copy"))
    assert [str(difference) for difference in differences(template, copy)] == []
    assert fingerprint(nasty, "nasty template") == fingerprint(nasty, "t_copy")
    assert template.migrations_hash == copy.migrations_hash
    assert len(template.migrations) == 3


def test_statements_are_single_and_run_one_by_one(nasty: PsycopgConnection) -> None:
    statements = template_statements(nasty, "nasty template")
    make_schema(nasty, "t_single", "SELECT")
    nasty.execute("SET LOCAL search_path = t_single")
    for statement in statements:
        # PostgreSQL's extended protocol takes one statement at a time and refuses two.
        nasty.execute(statement.encode(), prepare=True)
    assert fingerprint(nasty, "t_single") == fingerprint(nasty, "nasty template")


def test_copy_of_a_copy_gives_the_same_statements(nasty: PsycopgConnection) -> None:
    first = template_statements(nasty, "nasty template")
    make_schema(nasty, "t_copy", ";\n".join(first))
    assert template_statements(nasty, "t_copy") == first


def test_statements_never_name_the_template(nasty: PsycopgConnection) -> None:
    assert "nasty template" not in "".join(template_statements(nasty, "nasty template"))


def test_keys_and_uniques_are_named_and_inline(nasty: PsycopgConnection) -> None:
    statements = template_statements(nasty, "nasty template")
    [product] = [line for line in statements if line.startswith('CREATE TABLE "shop_product"')]
    for name in ("one_title", "known_status", "parent", "shop_product_pkey", "no_overlap"):
        assert f'CONSTRAINT "{name}"' in product
    added = [line for line in statements if " ADD CONSTRAINT " in line]
    assert ['"cycle"' in line or '"later"' in line or '"z_last_a' in line for line in added] == [
        True
    ] * 2


def test_copied_tables_take_rows_by_their_own_identity(nasty: PsycopgConnection) -> None:
    make_schema(nasty, "t_copy", ";\n".join(template_statements(nasty, "nasty template")))
    nasty.execute("SET LOCAL search_path = t_copy")
    row = nasty.execute("INSERT INTO renamed_table (after) VALUES (1) RETURNING id").fetchone()
    assert row == (1,)
    row = nasty.execute("INSERT INTO scratch_pad (id) VALUES (1) RETURNING n").fetchone()
    assert row == (5,)


def test_seed_tables_bring_their_rows_and_go_on_counting(
    owner_connection: PsycopgConnection,
) -> None:
    make_schema(
        owner_connection,
        "seeded",
        """CREATE TABLE role (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
               name text NOT NULL, can jsonb, above_id bigint REFERENCES role, raw bytea,
               short text GENERATED ALWAYS AS (left(name, 1)) STORED);
           INSERT INTO role (name, can, raw) VALUES ('it''s \\ own', '["a"]', '\\x00ff');
           INSERT INTO role (name, above_id) VALUES ('editor', 1);
           UPDATE role SET above_id = 2 WHERE id = 1;""",
    )
    statements = template_statements(owner_connection, "seeded", seed_tables=["role"])
    make_schema(owner_connection, "t_seeded", ";\n".join(statements))
    rows = "SELECT id, name, can, above_id, raw, short FROM {}.role ORDER BY id"
    template = owner_connection.execute(rows.format("seeded").encode()).fetchall()
    copy = owner_connection.execute(rows.format("t_seeded").encode()).fetchall()
    assert copy == template
    assert len(copy) == 2
    added = owner_connection.execute(
        "INSERT INTO t_seeded.role (name) VALUES ('x') RETURNING id"
    ).fetchone()
    assert added == (3,)


def test_stray_rows_in_the_template_are_refused(owner_connection: PsycopgConnection) -> None:
    make_schema(owner_connection, "stray", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    with pytest.raises(UnsupportedInTemplate, match="table t has rows"):
        template_statements(owner_connection, "stray")


def test_unknown_seed_table_is_refused(owner_connection: PsycopgConnection) -> None:
    make_schema(owner_connection, "few", "CREATE TABLE t (id int)")
    with pytest.raises(UnsupportedInTemplate, match="no table absent"):
        template_statements(owner_connection, "few", seed_tables=["absent"])


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE VIEW seen AS SELECT id FROM plain", "the view seen"),
        ("CREATE MATERIALIZED VIEW kept AS SELECT id FROM plain", "the materialized view kept"),
        ("CREATE TABLE parts (id int) PARTITION BY RANGE (id)", "the partitioned table parts"),
        ("CREATE TABLE child () INHERITS (plain)", "table child inherits"),
        ("CREATE TYPE mood AS ENUM ('ok')", "the type mood"),
        ("CREATE DOMAIN small AS int CHECK (value < 9)", "the type small"),
        ("CREATE TYPE pair AS (a int, b int)", "the composite type pair"),
        ("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "the function one"),
        ("CREATE RULE none AS ON DELETE TO plain DO INSTEAD NOTHING", "the rule plain.none"),
        ("ALTER TABLE plain ENABLE ROW LEVEL SECURITY", "table plain has row security"),
        ("CREATE POLICY own ON plain USING (id > 0)", "the policy plain.own"),
        (
            "CREATE STATISTICS both_columns ON id, n FROM plain",
            "the statistics object both_columns",
        ),
        ("ALTER TABLE plain REPLICA IDENTITY FULL", "table plain has a replica identity"),
        ("CLUSTER plain USING plain_pkey", "table plain is clustered"),
        (
            (
                "CREATE TRIGGER touch BEFORE UPDATE ON plain FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            "the trigger plain.touch",
        ),
        (
            (
                "CREATE SCHEMA elsewhere CREATE TABLE target (id int PRIMARY KEY);"
                "ALTER TABLE plain ADD CONSTRAINT out FOREIGN KEY (n) REFERENCES elsewhere.target"
            ),
            "refers to elsewhere.target by out",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused_by_name(
    owner_connection: PsycopgConnection, statement: str, name: str
) -> None:
    make_schema(
        owner_connection, "odd", f"CREATE TABLE plain (id int PRIMARY KEY, n int); {statement}"
    )
    with pytest.raises(UnsupportedInTemplate, match=name):
        template_statements(owner_connection, "odd")


@pytest.mark.parametrize(
    "condition",
    [
        "s IN ('a', 'b')",
        "n BETWEEN 0 AND 9 AND s = 'a'",
        "(n BETWEEN 1 AND 9 AND length(s) BETWEEN n AND n + 2) OR (n BETWEEN -3 AND 0 AND s > 'a')",
        "s NOT IN (')', '(', '] >= ') AND n BETWEEN 1 AND 2 AND s BETWEEN ' >= (' AND 'it''s'",
    ],
)
def test_expression_is_read_back_as_it_was(
    owner_connection: PsycopgConnection, condition: str
) -> None:
    """PostgreSQL's own text of these gives another tree; ours must not."""

    def check_of(schema: str) -> Constraint:
        [table] = read_catalogue(owner_connection, schema).tables
        return table.constraints[0]

    columns = "CREATE TABLE t (s varchar(9), n integer, CONSTRAINT c "
    make_schema(owner_connection, "first", f"{columns} CHECK ({condition}))")
    first = check_of("first")
    kept = as_first_parsed(first.definition, first.array_types)
    make_schema(owner_connection, "plain", f"{columns} {first.definition})")
    make_schema(owner_connection, "kept", f"{columns} {kept})")
    assert check_of("plain").definition != first.definition
    assert check_of("kept").definition == first.definition
