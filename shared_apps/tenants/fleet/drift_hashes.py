"""One number for what each schema holds, of all schemas in one query.

`catalogue.describe_schema` reads one schema exactly, in about 15 ms: a minute for some thousands of
tenants. Here each catalogue of PostgreSQL is read from end to end once, joined by hashing, and what
stands in it is added up for each schema. Two schemas have the same sums where their descriptions
are the same, and no others have (but for chance, one in 2^64).

Nothing that differs between equal schemas goes into a sum. Oids of own objects stand as names. An
attribute number stands as the column's place among the columns that were not dropped: the place and
the name of each column are in the sum themselves, so a key of places says as much as one of names.
The text of an expression (a default, a CHECK, an index on an expression) is printed once for all
schemas that have the same tree over columns of the same names; PostgreSQL must open a table to
print it.
"""

# ruff: noqa: S608 - every part of the query is this module's own text

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg.rows import tuple_row

from shared_apps.tenants.postgresql.catalogue import MIGRATIONS_TABLE, PsycopgConnection

_CONSTRAINTS_OF_18: Final = 180000


@dataclass(frozen=True, slots=True)
class SchemaHash:
    """What one schema holds, in numbers.

    `others` counts what no schema of a release has: views, functions, triggers, types. Their text
    is not in the sum, so two schemas with such are not known to be the same.
    """

    structure: str
    privileges: str
    others: int
    has_migrations: bool


def hash_schemas(
    connection: PsycopgConnection, names: Sequence[str], *, owner: str
) -> dict[str, SchemaHash]:
    """The hashes of these schemas, by name; those that are not there are left out.

    Args:
        connection: the owner's, in a transaction.
        owner: the role that is to own everything.
    Runs in: PostgreSQL's catalogues; it reads no row of a tenant and keeps no lock on a table.
    """
    recent = connection.info.server_version >= _CONSTRAINTS_OF_18
    query = _QUERY.replace("<of 18>", "o.conenforced, o.conperiod" if recent else "true, false")
    with connection.transaction(force_rollback=True):
        connection.execute(_PLANNER)
        cursor = connection.cursor(row_factory=tuple_row).execute(
            query.encode(),
            {"names": list(names), "owner": owner, "migrations": MIGRATIONS_TABLE},
        )
        return {name: SchemaHash(*values) for name, *values in cursor}


# Everything is joined by hashing: the planner's guesses about catalogues that grew a minute ago
# would make it a nested loop. Compiling the query (jit) costs more than running it.
_PLANNER: Final[LiteralString] = """
    SET LOCAL search_path = pg_catalog;
    SET LOCAL enable_nestloop = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL jit = off;
    SET LOCAL work_mem = '128MB'
"""


def _line(*values: str) -> str:
    """The hash of one line. PostgreSQL's hash of a row is a sum over its columns, so it is hashed
    once more: else the sum over many rows would not know which values stood side by side."""
    return f"hashint8extended(hash_record_extended(ROW({', '.join(values)}), 0), 0)"


def _places(numbers: str, dropped: str) -> str:
    """Attribute numbers as places among the columns that are left."""
    return f"""
        CASE WHEN {dropped} IS NULL OR {numbers} IS NULL THEN {numbers} ELSE ARRAY(
            SELECT (n.number - (SELECT count(*) FROM unnest({dropped}) AS gap
                                WHERE gap < n.number))::int2
            FROM unnest({numbers}) WITH ORDINALITY AS n (number, place) ORDER BY n.place
        ) END
    """


def _place(number: str, dropped: str) -> str:
    return f"""
        CASE WHEN {dropped} IS NULL THEN {number} ELSE
            {number} - (SELECT count(*) FROM unnest({dropped}) AS gap WHERE gap < {number})
        END::int8
    """


def _role(role: str) -> str:
    """A role's part in the schema: the tenant's, the owner's, or another's name."""
    return f"""
        CASE {role} WHEN 0 THEN 'PUBLIC' WHEN s.role THEN '<tenant>'
            WHEN (SELECT oid FROM me) THEN '<owner>' ELSE pg_get_userbyid({role})::text END
    """


def _text(kind: str, item: str) -> str:
    return f"LEFT JOIN texts {kind} ON {kind}.kind = '{kind}' AND {kind}.item = {item}"


_SCHEMAS: Final = """
    me AS MATERIALIZED (SELECT oid FROM pg_roles WHERE rolname = %(owner)s),
    schemas AS MATERIALIZED (
        SELECT n.oid, n.nspname, n.nspowner, r.oid AS role,
               coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
        FROM pg_namespace n LEFT JOIN pg_roles r ON r.rolname = n.nspname
        WHERE n.nspname = ANY(%(names)s)
    ),
    unusual AS MATERIALIZED (
        SELECT attrelid, attnum, attisdropped, attoptions, attacl FROM pg_attribute
        WHERE attnum > 0 AND (attisdropped OR attoptions IS NOT NULL OR attacl IS NOT NULL)
    ),
    gaps AS (
        SELECT attrelid, array_agg(attnum) AS dropped FROM unusual WHERE attisdropped
        GROUP BY attrelid
    ),
    relations AS MATERIALIZED (
        SELECT c.oid, s.oid AS namespace, c.relname, c.relkind, c.relpersistence, c.relam,
               c.reltablespace, c.reloptions, c.relreplident, c.relowner, g.dropped,
               CASE WHEN c.relforcerowsecurity THEN 2 WHEN c.relrowsecurity THEN 1 ELSE 0 END
                   AS row_security,
               CASE WHEN c.relkind NOT IN ('i', 'I') THEN coalesce(c.relacl, acldefault(
                   CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)) END AS acl
        FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
        LEFT JOIN gaps g ON g.attrelid = c.oid
    )
"""

_TREES: Final = f"""
    trees AS MATERIALIZED (
        SELECT found.*, r.namespace FROM (
            SELECT 'value' AS kind, oid AS item, adrelid AS relation, adbin AS tree FROM pg_attrdef
            UNION ALL
            SELECT 'condition', oid, conrelid, conbin FROM pg_constraint WHERE conbin IS NOT NULL
            UNION ALL
            SELECT 'keys', indexrelid, indrelid, indexprs FROM pg_index WHERE indexprs IS NOT NULL
            UNION ALL
            SELECT 'predicate', indexrelid, indrelid, indpred FROM pg_index
            WHERE indpred IS NOT NULL
        ) found JOIN relations r ON r.oid = found.relation
    ),
    named AS (
        SELECT attrelid, sum({_line("attnum", "attname")}) AS columns FROM pg_attribute
        WHERE attnum > 0 AND attrelid IN (SELECT relation FROM trees) GROUP BY attrelid
    ),
    keyed AS MATERIALIZED (
        SELECT t.kind, t.item, t.relation, t.tree, s.nspname,
               -- The oid of a sequence (a regclass) makes a tree the schema's own.
               position(':consttype 2205 ' IN t.tree::text) > 0 AS names_own,
               md5(t.tree::text || n.columns::text) AS key
        FROM trees t JOIN named n ON n.attrelid = t.relation JOIN schemas s ON s.oid = t.namespace
    ),
    printed AS MATERIALIZED (
        SELECT key, CASE WHEN names_own
            THEN replace(pg_get_expr(tree, relation), nspname || '.', '')
            ELSE pg_get_expr(tree, relation) END AS text
        FROM (SELECT DISTINCT ON (key) * FROM keyed ORDER BY key) one_of_each
    ),
    texts AS MATERIALIZED (
        SELECT k.kind, k.item, p.text FROM keyed k JOIN printed p ON p.key = k.key
    )
"""

_TABLE: Final = _line(
    "'table'::text",
    "r.relname",
    "r.relpersistence",
    "r.relam",
    "r.reltablespace",
    "r.reloptions",
    "r.relreplident",
    "r.row_security",
)
_COLUMN: Final = _line(
    "'column'::text",
    "r.relname",
    "a.attname",
    _place("a.attnum", "r.dropped"),
    "a.atttypid",
    "a.atttypmod",
    "a.attnotnull",
    "a.attcollation",
    "a.attgenerated",
    "a.attidentity",
    "a.attstorage",
    "a.attcompression",
    "nullif(a.attstattarget, -1)",
    "value.text",
)
_CONSTRAINT: Final = _line(
    "'constraint'::text",
    "r.relname",
    "o.conname",
    "o.contype",
    "o.condeferrable",
    "o.condeferred",
    "o.convalidated",
    "<of 18>",
    "o.connoinherit",
    _places("o.conkey", "r.dropped"),
    "CASE WHEN f.relname IS NULL THEN o.confrelid::text ELSE f.relname::text END",
    _places("o.confkey", "f.dropped"),
    "o.confupdtype",
    "o.confdeltype",
    "o.confmatchtype",
    _places("o.confdelsetcols", "r.dropped"),
    "o.conexclop",
    "condition.text",
)
_INDEX: Final = _line(
    "'index'::text",
    "x.relname",
    "r.relname",
    "x.relam",
    "x.reloptions",
    "i.indisunique",
    "i.indnullsnotdistinct",
    "i.indisvalid AND i.indisready",
    "i.indisclustered",
    "i.indisreplident",
    "i.indnkeyatts",
    _places("i.indkey::int2[]", "r.dropped"),
    "i.indclass",
    "i.indcollation",
    "i.indoption::int2[]",
    "keys.text",
    "predicate.text",
)
_INDEX_OPTIONS: Final = _line(
    "'options of an index'::text", "x.relname", "a.attnum", "a.attoptions"
)
_SEQUENCE: Final = _line(
    "'sequence'::text",
    "r.relname",
    "q.seqtypid",
    "q.seqstart",
    "q.seqincrement",
    "q.seqmin",
    "q.seqmax",
    "q.seqcache",
    "q.seqcycle",
    "coalesce(t.relname::text, d.refobjid::text)",
    _place("d.refobjsubid", "t.dropped"),
    "d.deptype",
)
_COMMENT: Final = _line(
    "'comment'::text",
    "r.relname",
    "r.relkind",
    _place("d.objsubid", "r.dropped"),
    "d.description",
)
_CONSTRAINT_COMMENT: Final = _line(
    "'comment on a constraint'::text", "r.relname", "o.conname", "d.description"
)
_STRUCTURE: Final = f"""
    SELECT r.namespace, 's' AS part, {_TABLE} AS number
    FROM relations r WHERE r.relkind = 'r'
    UNION ALL
    SELECT r.namespace, 's', {_COLUMN}
    FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    {_text("value", "d.oid")}
    WHERE r.relkind = 'r'
    UNION ALL
    SELECT r.namespace, 's', {_CONSTRAINT}
    FROM pg_constraint o
    JOIN relations r ON r.oid = o.conrelid AND r.relkind = 'r'
    LEFT JOIN relations f ON f.oid = o.confrelid AND f.namespace = r.namespace
    {_text("condition", "o.oid")}
    WHERE o.contype <> 't'
    UNION ALL
    SELECT r.namespace, 's', {_INDEX}
    FROM pg_index i
    JOIN relations x ON x.oid = i.indexrelid
    JOIN relations r ON r.oid = i.indrelid AND r.relkind = 'r'
    {_text("keys", "i.indexrelid")}
    {_text("predicate", "i.indexrelid")}
    UNION ALL
    SELECT x.namespace, 's', {_INDEX_OPTIONS}
    FROM unusual a JOIN relations x ON x.oid = a.attrelid AND x.relkind = 'i'
    WHERE a.attoptions IS NOT NULL
    UNION ALL
    SELECT r.namespace, 's', {_SEQUENCE}
    FROM relations r
    JOIN pg_sequence q ON q.seqrelid = r.oid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid
        AND d.objsubid = 0 AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        AND d.deptype IN ('a', 'i')
    LEFT JOIN relations t ON t.oid = d.refobjid
    UNION ALL
    SELECT r.namespace, 's', {_COMMENT}
    FROM pg_description d JOIN relations r ON r.oid = d.objoid
    WHERE d.classoid = 'pg_class'::regclass AND r.relkind IN ('r', 'i', 'S')
    UNION ALL
    SELECT r.namespace, 's', {_CONSTRAINT_COMMENT}
    FROM pg_description d JOIN pg_constraint o ON o.oid = d.objoid
    JOIN relations r ON r.oid = o.conrelid AND r.relkind = 'r'
    WHERE d.classoid = 'pg_constraint'::regclass
"""

# What the DDL of a release can't make: that it is there makes the schema another one.
_OTHERS: Final = f"""
    SELECT namespace, 'o', {_line("kind", "name")} FROM (
        SELECT namespace, relkind::text AS kind, relname::text AS name FROM relations
        WHERE relkind NOT IN ('r', 'i', 'I', 'S', 't')
        UNION ALL
        SELECT pronamespace, 'function', oid::text FROM pg_proc
        UNION ALL
        SELECT typnamespace, 'type', typname FROM pg_type WHERE typtype IN ('d', 'e', 'r')
        UNION ALL
        SELECT stxnamespace, 'statistics', stxname FROM pg_statistic_ext
        UNION ALL
        SELECT collnamespace, 'collation', collname FROM pg_collation
        UNION ALL
        SELECT oprnamespace, 'operator', oid::text FROM pg_operator
        UNION ALL
        SELECT cfgnamespace, 'text search configuration', cfgname FROM pg_ts_config
        UNION ALL
        SELECT r.namespace, 'inheritance', i.inhparent::text
        FROM pg_inherits i JOIN relations r ON r.oid = i.inhrelid AND r.relkind = 'r'
        UNION ALL
        SELECT r.namespace, 'trigger', g.tgname
        FROM pg_trigger g JOIN relations r ON r.oid = g.tgrelid AND r.relkind = 'r'
        WHERE NOT g.tgisinternal
        UNION ALL
        SELECT r.namespace, 'rule', w.rulename
        FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class AND r.relkind = 'r'
        UNION ALL
        SELECT r.namespace, 'policy', p.polname
        FROM pg_policy p JOIN relations r ON r.oid = p.polrelid AND r.relkind = 'r'
    ) other WHERE namespace IN (SELECT oid FROM schemas)
"""

# A list of grants is spelt out once for all tables of a schema that have the same one.
_GRANTS: Final = f"""
    grants AS MATERIALIZED (
        SELECT l.namespace, l.acl,
               (SELECT string_agg(word, ',' ORDER BY word)
                FROM (SELECT concat({_role("e.grantee")}, ' ', e.privilege_type, e.is_grantable)
                          AS word FROM aclexplode(l.acl) e) entry) AS words
        FROM (
            SELECT oid AS namespace, acl FROM schemas
            UNION SELECT namespace, acl FROM relations WHERE acl IS NOT NULL
            UNION SELECT r.namespace, a.attacl FROM unusual a JOIN relations r ON r.oid = a.attrelid
                  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
            UNION SELECT defaclnamespace, defaclacl FROM pg_default_acl
                  WHERE defaclnamespace IN (SELECT oid FROM schemas)
        ) l JOIN schemas s ON s.oid = l.namespace
    )
"""

_SCHEMA_GRANTS: Final = _line("'schema'::text", _role("s.nspowner"), "g.words")
_RELATION_GRANTS: Final = _line(
    "CASE r.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END",
    "r.relname",
    _role("r.relowner"),
    "g.words",
)
_COLUMN_GRANTS: Final = _line(
    "'column'::text", "r.relname", _place("a.attnum", "r.dropped"), "g.words"
)
_DEFAULT_GRANTS: Final = _line(
    "'default privileges'::text", "d.defaclobjtype", _role("d.defaclrole"), "g.words"
)
_ROLE_ITSELF: Final = _line(
    "'role'::text",
    "r.rolsuper",
    "r.rolcreaterole",
    "r.rolcreatedb",
    "r.rolbypassrls",
    "r.rolreplication",
)
_MEMBER: Final = _line(
    "'member'::text", _role("m.member"), "m.admin_option", "m.inherit_option", "m.set_option"
)
_MEMBER_OF: Final = _line(
    "'member of'::text", _role("m.roleid"), "m.admin_option", "m.inherit_option", "m.set_option"
)
_PRIVILEGES: Final = f"""
    SELECT s.oid, 'p', {_SCHEMA_GRANTS}
    FROM schemas s JOIN grants g ON g.namespace = s.oid AND g.acl = s.acl
    UNION ALL
    SELECT s.oid, 'p', {_RELATION_GRANTS}
    FROM relations r JOIN schemas s ON s.oid = r.namespace
    JOIN grants g ON g.namespace = r.namespace AND g.acl = r.acl
    UNION ALL
    SELECT r.namespace, 'p', {_COLUMN_GRANTS}
    FROM unusual a JOIN relations r ON r.oid = a.attrelid
    JOIN grants g ON g.namespace = r.namespace AND g.acl = a.attacl
    WHERE NOT a.attisdropped AND g.words IS NOT NULL
    UNION ALL
    SELECT s.oid, 'p', {_DEFAULT_GRANTS}
    FROM pg_default_acl d JOIN schemas s ON s.oid = d.defaclnamespace
    JOIN grants g ON g.namespace = s.oid AND g.acl = d.defaclacl
    UNION ALL
    SELECT s.oid, 'p', {_ROLE_ITSELF}
    FROM schemas s JOIN pg_roles r ON r.oid = s.role
    UNION ALL
    SELECT s.oid, 'p', {_MEMBER}
    FROM pg_auth_members m JOIN schemas s ON s.role = m.roleid
    UNION ALL
    SELECT s.oid, 'p', {_MEMBER_OF}
    FROM pg_auth_members m JOIN schemas s ON s.role = m.member
"""

_QUERY: Final = f"""
    WITH {_SCHEMAS}, {_TREES}, {_GRANTS},
    lines AS ({_STRUCTURE} UNION ALL {_OTHERS} UNION ALL {_PRIVILEGES}),
    sums AS (
        SELECT namespace, sum(number) FILTER (WHERE part <> 'p') AS structure,
               sum(number) FILTER (WHERE part = 'p') AS privileges,
               count(*) FILTER (WHERE part = 'o') AS others
        FROM lines GROUP BY namespace
    )
    SELECT s.nspname, coalesce(n.structure::text, ''), coalesce(n.privileges::text, ''),
           coalesce(n.others, 0), m.oid IS NOT NULL
    FROM schemas s
    LEFT JOIN sums n ON n.namespace = s.oid
    LEFT JOIN relations m
        ON m.namespace = s.oid AND m.relname = %(migrations)s AND m.relkind = 'r'
"""
