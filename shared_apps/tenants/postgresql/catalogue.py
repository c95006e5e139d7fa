"""What a schema holds, read from PostgreSQL's catalogue by name.

Two schemas that were made in different ways (migrated by Django, made from the template's DDL,
restored from an archive) are the same where their descriptions are the same. Nothing here looks at
an oid or at an attribute number: those differ between any two schemas.

While the catalogue is read, `search_path` is the schema alone. PostgreSQL then writes the schema's
own objects without a qualifier and everything else (`extensions.gin_trgm_ops`) with one, so the
text of a definition is the same in each schema and can be run in another one as it stands. No text
is replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row, tuple_row

TENANT_ROLE = "{tenant}"
OWNER_ROLE = "{owner}"
MIGRATIONS_TABLE = "django_migrations"

PsycopgConnection = psycopg.Connection[Any]
_Part = TypeVar("_Part")


class SchemaNotFound(LookupError):
    """No schema of this name in the database."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, in the words that CREATE TABLE takes.

    `expression` is the default, or what a generated column is computed from; `array_types` are the
    types of the array constructors in it, in the order in which they appear.
    """

    name: str
    type: str
    not_null: bool
    collation: str | None
    expression: str | None
    generated: str
    identity: str
    storage: str | None
    compression: str | None
    statistics: int | None
    array_types: list[str]
    comment: str | None

    def definition(self) -> str:
        words = [
            self.type,
            f"COLLATE {self.collation}" if self.collation else "",
            "NOT NULL" if self.not_null else "",
            f"{'GENERATED ' + self.generated if self.generated else 'DEFAULT'} {self.expression}"
            if self.expression is not None
            else "",
            f"IDENTITY {self.identity}" if self.identity else "",
            f"STORAGE {self.storage}" if self.storage else "",
            f"COMPRESSION {self.compression}" if self.compression else "",
            f"STATISTICS {self.statistics}" if self.statistics is not None else "",
        ]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A table constraint; `kind` is pg_constraint.contype.

    `references` is the table that a foreign key leads to, `not_null_column` a NOT NULL's column.
    """

    name: str
    kind: str
    definition: str
    not_null_column: str | None
    references: str | None
    validated: bool
    array_types: list[str]
    comment: str | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index. `definition` is what follows the name of the table in CREATE INDEX."""

    name: str
    unique: bool
    definition: str
    of_constraint: bool
    valid: bool
    clustered: bool
    replica_identity: bool
    array_types: list[str]
    comment: str | None


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """A sequence, the column that owns it, and whether it serves that column's identity."""

    name: str
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycles: bool
    owner_table: str | None
    owner_column: str | None
    identity: bool
    comment: str | None

    def definition(self) -> str:
        owner = f"{self.owner_table}.{self.owner_column}" if self.owner_table else "nobody"
        return (
            f"{self.type} START {self.start} INCREMENT {self.increment} MINVALUE {self.minimum} "
            f"MAXVALUE {self.maximum} CACHE {self.cache}{' CYCLE' if self.cycles else ''} "
            f"{'IDENTITY OF' if self.identity else 'OWNED BY'} {owner}"
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table with everything that hangs on it."""

    name: str
    persistence: str
    access_method: str
    tablespace: str | None
    options: list[str]
    replica_identity: str
    row_security: str | None
    inherits: list[str]
    comment: str | None
    columns: Sequence[Column] = field(default=())
    constraints: Sequence[Constraint] = field(default=())
    indexes: Sequence[Index] = field(default=())

    def definition(self) -> str:
        words = [
            self.persistence,
            f"USING {self.access_method}" if self.access_method != "heap" else "",
            f"TABLESPACE {self.tablespace}" if self.tablespace else "",
            f"WITH ({', '.join(self.options)})" if self.options else "",
            f"REPLICA IDENTITY {self.replica_identity}" if self.replica_identity != "d" else "",
            f"ROW SECURITY {self.row_security}" if self.row_security else "",
            f"INHERITS ({', '.join(self.inherits)})" if self.inherits else "",
        ]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class OtherObject:
    """Something that is neither a table nor a sequence: a view, a function, a trigger, a type."""

    kind: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Privilege:
    """One privilege of one role, with a placeholder for the tenant's role and for the owner."""

    object: str
    grantee: str
    privilege: str


@dataclass(frozen=True, slots=True)
class SchemaDescription:
    """A schema by name: structure, privileges and migrations, each with a hash of its own."""

    structure: Mapping[str, str]
    privileges: Mapping[str, str]
    migrations: frozenset[tuple[str, str]]

    @property
    def structure_hash(self) -> str:
        return _digest(sorted(self.structure.items()))

    @property
    def privileges_hash(self) -> str:
        return _digest(sorted(self.privileges.items()))

    @property
    def migrations_hash(self) -> str:
        return hash_of_migrations(self.migrations)

    @property
    def fingerprint(self) -> str:
        """Structure and privileges in one; what the migrations table says is kept apart from it."""
        return _digest([self.structure_hash, self.privileges_hash])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A schema as objects, from which both its description and the DDL of its copies are made."""

    schema_name: str
    tables: Sequence[Table]
    sequences: Sequence[SequenceOptions]
    others: Sequence[OtherObject]
    privileges: Sequence[Privilege]
    migrations: Sequence[tuple[str, str]]

    def describe(self) -> SchemaDescription:
        """The schema's description, by name."""
        privileges: dict[str, list[str]] = {}
        for privilege in self.privileges:
            line = f"{privilege.privilege} to {privilege.grantee}"
            privileges.setdefault(privilege.object, []).append(line)
        return SchemaDescription(
            structure=dict(self._structure()),
            privileges={key: ", ".join(sorted(lines)) for key, lines in privileges.items()},
            migrations=frozenset(self.migrations),
        )

    def _structure(self) -> Iterator[tuple[str, str]]:
        for table in self.tables:
            yield f"table {table.name}", table.definition()
            yield (
                f"columns of {table.name}",
                ", ".join(json.dumps(column.name) for column in table.columns),
            )
            yield from _comment("table", table.name, table.comment)
            yield from _parts_of(table)
        for sequence in self.sequences:
            yield f"sequence {sequence.name}", sequence.definition()
            yield from _comment("sequence", sequence.name, sequence.comment)
        for other in self.others:
            yield f"{other.kind} {other.name}", other.definition


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not the same in two schemas; None where the schema lacks it."""

    object: str
    first: str | None
    second: str | None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.object}: only in the second: {self.second}"
        if self.second is None:
            return f"{self.object}: only in the first: {self.first}"
        return f"{self.object}: {self.first} | {self.second}"


def fingerprint(
    connection: PsycopgConnection, schema_name: str, *, with_privileges: bool = True
) -> str:
    """A hash of what the schema holds, equal for schemas that are the same by name.

    Args:
        connection: a psycopg 3 connection of a role that owns the schema.
        with_privileges: False leaves out owners and grants, for a schema that has no tenant role.
    Raises:
        SchemaNotFound: no such schema.
    """
    description = describe_schema(connection, schema_name)
    return description.fingerprint if with_privileges else description.structure_hash


def describe_schema(connection: PsycopgConnection, schema_name: str) -> SchemaDescription:
    """What the schema holds, by name: readable, comparable, without oids.

    Raises:
        SchemaNotFound: no such schema.
    """
    return read_catalogue(connection, schema_name).describe()


def differences(first: SchemaDescription, second: SchemaDescription) -> list[Difference]:
    """What is not the same in two schemas, in the order of the objects' names."""
    found = [
        *_differences(first.structure, second.structure),
        *_differences(first.privileges, second.privileges),
    ]
    for app, name in sorted(first.migrations ^ second.migrations):
        here = "applied" if (app, name) in first.migrations else None
        there = "applied" if (app, name) in second.migrations else None
        found.append(Difference(f"migration {app}.{name}", here, there))
    return found


def hash_of_migrations(migrations: Iterable[tuple[str, str]]) -> str:
    """A hash of a set of applied migrations, given as (app, name), whatever their order."""
    return _digest(sorted(migrations))


def read_catalogue(connection: PsycopgConnection, schema_name: str) -> Catalogue:
    """Read a schema from the catalogue, in one transaction that leaves nothing on the connection.

    Raises:
        SchemaNotFound: no such schema.
    """
    with connection.transaction(force_rollback=True):
        namespace = connection.cursor(row_factory=tuple_row).execute(
            "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema_name]
        )
        row = namespace.fetchone()
        if row is None:
            raise SchemaNotFound(f"There is no schema {schema_name!r} in this database.")
        connection.execute(
            sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema_name))
        )
        reader = _Reader(connection, schema_name, row[0])
        return Catalogue(
            schema_name=schema_name,
            tables=reader.tables(),
            sequences=reader.sequences(),
            others=reader.others(),
            privileges=reader.privileges(),
            migrations=reader.migrations(),
        )


def table_names(connection: PsycopgConnection, schema_name: str) -> list[str]:
    """The plain tables of a schema, in the order of their names; none where there is no schema."""
    found = connection.cursor(row_factory=tuple_row).execute(
        """
        SELECT c.relname FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_depend d
          ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
         AND d.classid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class c ON c.oid = d.objid
        WHERE n.nspname = %s AND c.relkind = 'r'
        ORDER BY c.relname
        """,
        [schema_name],
    )
    return [name for (name,) in found.fetchall()]


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _comment(kind: str, name: str, comment: str | None) -> Iterator[tuple[str, str]]:
    if comment is not None:
        yield f"comment on {kind} {name}", comment


def _parts_of(table: Table) -> Iterator[tuple[str, str]]:
    for column in table.columns:
        name = f"{table.name}.{column.name}"
        yield f"column {name}", column.definition()
        yield from _comment("column", name, column.comment)
    for constraint in table.constraints:
        name = f"{table.name}.{constraint.name}"
        yield f"constraint {name}", constraint.definition
        yield from _comment("constraint", name, constraint.comment)
    for index in table.indexes:
        flags = [
            "UNIQUE " if index.unique else "",
            "" if index.valid else "INVALID ",
            "CLUSTERED " if index.clustered else "",
            "REPLICA IDENTITY " if index.replica_identity else "",
        ]
        yield f"index {index.name}", f"{''.join(flags)}ON {table.name} {index.definition}"
        yield from _comment("index", index.name, index.comment)


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted(first.keys() | second.keys()):
        here, there = first.get(key), second.get(key)
        if here != there:
            yield Difference(key, here, there)


# The types of the array constructors of an expression. PostgreSQL prints `x IN ('a', 'b')` on a
# varchar as `(ARRAY['a'::character varying, …])::text[]`, which it reads back as another tree; see
# template_ddl.as_first_parsed.
_ARRAY_TYPES: LiteralString = r"""
    ARRAY(SELECT format_type(found[1]::oid, NULL)
          FROM regexp_matches({tree}, '\{{ARRAYEXPR :array_typeid (\d+)', 'g') AS found)
"""

_TABLES: LiteralString = """
    SELECT c.relname AS name,
           CASE c.relpersistence WHEN 'p' THEN 'PERMANENT' WHEN 'u' THEN 'UNLOGGED'
               ELSE 'TEMPORARY' END AS persistence,
           coalesce(am.amname, '') AS access_method,
           space.spcname AS tablespace,
           coalesce(c.reloptions, '{}') AS options,
           c.relreplident::text AS replica_identity,
           CASE WHEN c.relforcerowsecurity THEN 'FORCED' WHEN c.relrowsecurity THEN 'ENABLED' END
               AS row_security,
           ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid
                 ORDER BY inhseqno) AS inherits,
           obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c
    LEFT JOIN pg_am am ON am.oid = c.relam
    LEFT JOIN pg_tablespace space ON space.oid = c.reltablespace
    WHERE c.oid = ANY(%s::oid[])
    ORDER BY c.relname
"""

_COLUMNS: LiteralString = """
    SELECT c.relname,
           a.attname AS name,
           format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS not_null,
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END
               AS collation,
           pg_get_expr(d.adbin, d.adrelid) AS expression,
           CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' ELSE '' END
               AS generated,
           CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' ELSE '' END
               AS identity,
           CASE WHEN a.attstorage <> t.typstorage THEN
               CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN'
                   ELSE 'EXTENDED' END END AS storage,
           CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
           nullif(a.attstattarget, -1)::int AS statistics,
           {array_types} AS array_types,
           col_description(c.oid, a.attnum) AS comment
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY(%s::oid[])
    ORDER BY c.relname, a.attnum
"""

_CONSTRAINTS: LiteralString = """
    SELECT c.relname,
           o.conname AS name,
           o.contype::text AS kind,
           pg_get_constraintdef(o.oid) AS definition,
           CASE WHEN o.contype = 'n' THEN (SELECT a.attname FROM pg_attribute a
               WHERE a.attrelid = o.conrelid AND a.attnum = o.conkey[1]) END AS not_null_column,
           CASE WHEN o.contype <> 'f' THEN NULL
               WHEN f.relnamespace = c.relnamespace THEN f.relname
               ELSE f.oid::regclass::text END AS references,
           o.convalidated AS validated,
           {array_types} AS array_types,
           obj_description(o.oid, 'pg_constraint') AS comment
    FROM pg_constraint o
    JOIN pg_class c ON c.oid = o.conrelid
    LEFT JOIN pg_class f ON f.oid = o.confrelid
    WHERE o.conrelid = ANY(%s::oid[]) AND o.contype <> 't'
    ORDER BY c.relname, o.conname
"""

_INDEXES: LiteralString = """
    SELECT c.relname,
           x.relname AS name,
           i.indisunique AS unique,
           substr(pg_get_indexdef(i.indexrelid), 1 + length(concat(
               'CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ',
               quote_ident(x.relname), ' ON ', c.relnamespace::regnamespace, '.',
               quote_ident(c.relname), ' '))) AS definition,
           EXISTS (SELECT FROM pg_constraint o
                   WHERE o.conrelid = i.indrelid AND o.conindid = i.indexrelid
                   AND o.contype IN ('p', 'u', 'x')) AS of_constraint,
           i.indisvalid AND i.indisready AS valid,
           i.indisclustered AS clustered,
           i.indisreplident AS replica_identity,
           {array_types} AS array_types,
           obj_description(i.indexrelid, 'pg_class') AS comment
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = ANY(%s::oid[])
    ORDER BY x.relname
"""

_SEQUENCES: LiteralString = """
    SELECT c.relname AS name,
           format_type(s.seqtypid, NULL) AS type,
           s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum,
           s.seqmax AS maximum, s.seqcache AS cache, s.seqcycle AS cycles,
           t.relname AS owner_table, a.attname AS owner_column,
           coalesce(d.deptype = 'i', false) AS identity,
           obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c
    JOIN pg_sequence s ON s.seqrelid = c.oid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_class t ON t.oid = d.refobjid
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.oid = ANY(%s::oid[])
    ORDER BY c.relname
"""

# What belongs to a schema is looked up by what depends on it: the catalogue has no index by schema,
# and with 1,000 tenants pg_class has hundreds of thousands of rows.
_OBJECTS: LiteralString = """
    SELECT d.classid::regclass::text AS catalogue, coalesce(c.relkind::text, '') AS kind,
           array_agg(d.objid) AS oids
    FROM pg_depend d
    LEFT JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %s
          AND d.deptype IN ('n', 'a', 'i')
    GROUP BY 1, 2
"""

_ON_TABLES: LiteralString = """
    SELECT 'trigger' AS kind, c.relname || '.' || g.tgname AS name,
           pg_get_triggerdef(g.oid, true) AS definition
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
    WHERE g.tgrelid = ANY(%(tables)s::oid[]) AND NOT g.tgisinternal
    UNION ALL
    SELECT 'rule', c.relname || '.' || r.rulename, pg_get_ruledef(r.oid, true)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE r.ev_class = ANY(%(tables)s::oid[])
    UNION ALL
    SELECT 'policy', c.relname || '.' || p.polname,
           concat_ws(' ', p.polcmd::text, pg_get_expr(p.polqual, p.polrelid),
                     pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polrelid = ANY(%(tables)s::oid[])
    ORDER BY 1, 2
"""

_OTHERS: LiteralString = """
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
               WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
               WHEN 'c' THEN 'composite type' ELSE 'relation' END AS kind,
           c.relname AS name,
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid)
               WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) ELSE '' END AS definition
    FROM pg_class c
    WHERE c.relnamespace = %(namespace)s AND c.relkind NOT IN ('r', 'i', 'I', 'S', 't')
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text,
           CASE WHEN p.prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END
    FROM pg_proc p WHERE p.pronamespace = %(namespace)s
    UNION ALL
    SELECT 'type', t.typname, t.typtype::text || ' ' || coalesce(
               (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                FROM pg_enum e WHERE e.enumtypid = t.oid),
               format_type(t.typbasetype, t.typtypmod), '')
    FROM pg_type t WHERE t.typnamespace = %(namespace)s AND t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT 'statistics object', s.stxname, pg_get_statisticsobjdef(s.oid)
    FROM pg_statistic_ext s WHERE s.stxnamespace = %(namespace)s
    UNION ALL
    SELECT 'collation', l.collname, l.collprovider::text FROM pg_collation l
    WHERE l.collnamespace = %(namespace)s
    UNION ALL
    SELECT 'operator', o.oid::regoperator::text, '' FROM pg_operator o
    WHERE o.oprnamespace = %(namespace)s
    UNION ALL
    SELECT 'text search configuration', f.cfgname, '' FROM pg_ts_config f
    WHERE f.cfgnamespace = %(namespace)s
    ORDER BY 1, 2
"""

_PRIVILEGES: LiteralString = """
    WITH schema AS (
        SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE oid = %(namespace)s
    ), objects AS (
        SELECT 'schema' AS object, nspowner AS owner,
               coalesce(nspacl, acldefault('n', nspowner)) AS acl
        FROM schema
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.relname, c.relowner,
               coalesce(c.relacl, acldefault(
                   CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))
        FROM pg_class c WHERE c.oid = ANY(%(relations)s::oid[])
        UNION ALL
        SELECT 'column ' || c.relname || '.' || a.attname, NULL, a.attacl
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE a.attrelid = ANY(%(relations)s::oid[]) AND a.attacl IS NOT NULL AND NOT a.attisdropped
        UNION ALL
        SELECT format('default privileges on %%s of %%s', d.defaclobjtype, d.defaclrole::regrole),
               NULL, d.defaclacl
        FROM pg_default_acl d WHERE d.oid = ANY(%(defaults)s::oid[])
    ), lines AS (
        SELECT object, owner AS role, 'OWNER' AS privilege FROM objects WHERE owner IS NOT NULL
        UNION ALL
        SELECT object, entry.grantee,
               concat(entry.privilege_type,
                      CASE WHEN entry.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM objects, aclexplode(objects.acl) AS entry
    )
    SELECT lines.object,
           CASE WHEN lines.role = 0 THEN 'PUBLIC'
               WHEN pg_get_userbyid(lines.role) = schema.nspname THEN %(tenant)s
               WHEN lines.role = schema.nspowner THEN %(owner)s
               ELSE pg_get_userbyid(lines.role) END AS grantee,
           lines.privilege
    FROM lines, schema
    ORDER BY 1, 2, 3
"""


class _Reader:
    """Reads one schema, by its oid, inside the transaction that read_catalogue opened."""

    def __init__(self, connection: PsycopgConnection, schema_name: str, namespace: int) -> None:
        self.connection = connection
        self.schema_name = schema_name
        self.namespace = namespace
        found = connection.cursor(row_factory=tuple_row).execute(_OBJECTS, [namespace])
        self.oids = {(catalogue, kind): oids for catalogue, kind, oids in found}
        self.table_oids = self.oids.get(("pg_class", "r"), [])

    def tables(self) -> list[Table]:
        columns = self._by_table(Column, _COLUMNS, tree="coalesce(d.adbin::text, '')")
        constraints = self._by_table(Constraint, _CONSTRAINTS, tree="coalesce(o.conbin::text, '')")
        indexes = self._by_table(
            Index, _INDEXES, tree="coalesce(i.indexprs::text, '') || coalesce(i.indpred::text, '')"
        )
        cursor = self.connection.cursor(row_factory=class_row(Table))
        return [
            replace(
                table,
                columns=columns.get(table.name, ()),
                constraints=constraints.get(table.name, ()),
                indexes=indexes.get(table.name, ()),
            )
            for table in cursor.execute(_TABLES, [self.table_oids])
        ]

    def sequences(self) -> list[SequenceOptions]:
        cursor = self.connection.cursor(row_factory=class_row(SequenceOptions))
        return cursor.execute(_SEQUENCES, [self.oids.get(("pg_class", "S"), [])]).fetchall()

    def others(self) -> list[OtherObject]:
        """What hangs on tables, and, where there is anything else at all, what that is."""
        cursor = self.connection.cursor(row_factory=class_row(OtherObject))
        others = cursor.execute(_ON_TABLES, {"tables": self.table_oids}).fetchall()
        usual = {("pg_class", "r"), ("pg_class", "S"), ("pg_default_acl", "")}
        if self.oids.keys() - usual:
            others += cursor.execute(_OTHERS, {"namespace": self.namespace}).fetchall()
        return others

    def privileges(self) -> list[Privilege]:
        cursor = self.connection.cursor(row_factory=class_row(Privilege))
        relations = [
            oid for (where, _), oids in self.oids.items() if where == "pg_class" for oid in oids
        ]
        return cursor.execute(
            _PRIVILEGES,
            {
                "namespace": self.namespace,
                "relations": relations,
                "defaults": self.oids.get(("pg_default_acl", ""), []),
                "tenant": TENANT_ROLE,
                "owner": OWNER_ROLE,
            },
        ).fetchall()

    def migrations(self) -> list[tuple[str, str]]:
        cursor = self.connection.cursor(row_factory=tuple_row)
        table = sql.Identifier(self.schema_name, MIGRATIONS_TABLE)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table.as_string(self.connection)])
        row = cursor.fetchone()
        if row is None or not row[0]:
            return []
        cursor.execute(sql.SQL("SELECT app, name FROM {} ORDER BY id").format(table))
        return [(app, name) for app, name in cursor.fetchall()]

    def _by_table(
        self, part: type[_Part], query: LiteralString, *, tree: LiteralString
    ) -> dict[str, list[_Part]]:
        """Rows of the query as `part`, by the table that their first column names."""
        cursor = self.connection.cursor(row_factory=tuple_row)
        cursor.execute(query.format(array_types=_ARRAY_TYPES.format(tree=tree)), [self.table_oids])
        names = [column.name for column in cursor.description or ()][1:]
        parts: dict[str, list[_Part]] = {}
        for table, *values in cursor:
            parts.setdefault(table, []).append(part(**dict(zip(names, values, strict=True))))
        return parts
