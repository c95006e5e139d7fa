"""The schemas that are to be like the release, and the release as a schema to compare them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import tuple_row

from shared_apps.tenants.fleet.drift_grants import ROLE_OBJECT, Means
from shared_apps.tenants.keys import new_schema_name
from shared_apps.tenants.models import ReadySchema, SchemaTemplate, Status, Tenant
from shared_apps.tenants.postgresql.catalogue import (
    MIGRATIONS_TABLE,
    OWNER_ROLE,
    TENANT_ROLE,
    Catalogue,
    Privilege,
    PsycopgConnection,
    SchemaNotFound,
    read_catalogue,
)
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.registry import kept_writable
from shared_apps.tenants.schemas import OWNER, create_roles, create_schema
from shared_apps.tenants.template import TEMPLATE_SCHEMA, TemplateStale

_WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE"})


class SchemaForeign(RuntimeError):
    """A schema, or its `django_migrations`, belongs to a role for which the owner can't act."""


class ReleaseBroken(RuntimeError):
    """The release's statements no longer make the schema that its row describes."""


@dataclass(frozen=True, slots=True)
class FleetSchema:
    """A schema that is to be like the release.

    `tenant` is the subdomain, or None for a ready schema and for the template. `lacks_writes` says
    that its role need not have the grants to write.
    """

    name: str
    tenant: str | None = None
    lacks_writes: bool = False


def fleet_schemas(names: Sequence[str] | None) -> list[FleetSchema]:
    """The template, the tenants' schemas and the ready ones, or those of them that are named.

    Raises:
        SchemaNotFound: a name is none of these.
    Runs in: the public schema, as the owner.
    """
    tenants = Tenant.objects.using(OWNER).exclude(status=Status.ERASED).order_by("id")
    ready = ReadySchema.objects.using(OWNER).filter(made_at__isnull=False)
    found = [
        FleetSchema(TEMPLATE_SCHEMA),
        *(
            # It has lost its grants to write on purpose (docs/decisions/0020).
            FleetSchema(name, tenant=subdomain, lacks_writes=read_only_since is not None)
            for name, subdomain, read_only_since in tenants.values_list(
                "schema_name", "subdomain", "read_only_since"
            )
        ),
        *(FleetSchema(name) for name in ready.values_list("name", flat=True)),
    ]
    if names is None:
        return found
    by_name = {schema.name: schema for schema in found}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise SchemaNotFound(
            f"{', '.join(unknown)}: no tenant's schema, no ready one and not the template. Name a "
            "schema (t_ and 12 characters), not a subdomain."
        )
    return [by_name[name] for name in dict.fromkeys(names)]


def release_row() -> SchemaTemplate:
    """The release.

    Raises:
        TemplateStale: there is none yet.
    Runs in: the public schema, as the owner.
    """
    row = SchemaTemplate.objects.using(OWNER).filter(name=TEMPLATE_SCHEMA).first()
    if row is None:
        raise TemplateStale("There is no template schema yet. Run `manage.py migrate`.")
    return row


def role_of(connection: PsycopgConnection) -> str:
    """The role of the connection, which is to own everything."""
    row = connection.cursor(row_factory=tuple_row).execute("SELECT current_user").fetchone()
    return str(row[0]) if row else ""


@contextmanager
def reference_schema(
    connection: PsycopgConnection, release: SchemaTemplate, *, owner: str
) -> Iterator[Catalogue]:
    """A schema made from the release's statements, with role and grants; it is gone afterwards.

    The template itself won't do: it has no role, and somebody may have altered it.

    Raises:
        ReleaseBroken: what the statements make is not what the release's row says.
    """
    name = new_schema_name()
    with connection.transaction(force_rollback=True):
        create_roles(connection, [name])
        create_schema(connection, name, release.statements)
        catalogue = read_catalogue(connection, name)
        if catalogue.describe().fingerprint != release.fingerprint:
            raise ReleaseBroken(
                "The release's statements no longer make the schema that its row describes: "
                "PostgreSQL, an extension or the role was changed. Run `manage.py migrate`."
            )
        yield _with_roles(connection, catalogue, owner)


def read_schema(
    connection: PsycopgConnection, schema: FleetSchema, reference: Catalogue, *, owner: str
) -> Catalogue:
    """What a schema holds, to be compared with the reference.

    Raises:
        SchemaNotFound: it is gone.
        SchemaForeign: it belongs to somebody else.
    """
    try:
        found = read_catalogue(connection, schema.name)
    except InsufficientPrivilege:
        found = _read_as_member(connection, schema.name, owner)
    if schema.name == TEMPLATE_SCHEMA:
        return replace(found, privileges=reference.privileges)
    found = _with_roles(connection, found, owner)
    return _with_writes(found, reference) if schema.lacks_writes else found


def _read_as_member(connection: PsycopgConnection, name: str, owner: str) -> Catalogue:
    """Read a schema that was given away: as a member, for the moment, of the role that has it."""
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(
        """
        SELECT r.rolname, pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') FROM pg_roles r
        WHERE NOT pg_has_role(r.oid, 'USAGE') AND r.oid IN (
            SELECT nspowner FROM pg_namespace WHERE nspname = %(name)s
            UNION ALL
            SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %(name)s AND c.relname = %(migrations)s)
        """,
        {"name": name, "migrations": MIGRATIONS_TABLE},
    )
    rows = cursor.fetchall()
    foreign = [role for role, is_grantable in rows if not is_grantable]
    if foreign or not rows:
        raise SchemaForeign(
            f"{owner} may not read {name}: it or its {MIGRATIONS_TABLE} belongs to "
            f"{', '.join(foreign) or 'another role'}. As a superuser: ALTER SCHEMA {quoted(name)} "
            f"OWNER TO {quoted(owner)}, and ALTER TABLE … OWNER TO the same for its tables."
        )
    with connection.transaction(force_rollback=True):
        for role, _ in rows:
            grant = f"GRANT {quoted(role)} TO {quoted(owner)} WITH INHERIT TRUE"
            connection.execute(grant.encode())
        return read_catalogue(connection, name)


def means_of(connection: PsycopgConnection, found: Catalogue, *, owner: str) -> Means:
    """What the owner can do about the objects of this schema that belong to another role."""
    owners = {p.grantee for p in found.privileges if p.privilege == "OWNER"} - {OWNER_ROLE}
    if not owners:
        return Means(owner)
    names = [found.schema_name if name == TENANT_ROLE else name for name in owners]
    cursor = connection.cursor(row_factory=tuple_row).execute(
        "SELECT rolname, pg_has_role(oid, 'USAGE'), pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')"
        " FROM pg_roles WHERE rolname = ANY(%s)",
        [names],
    )
    rows = cursor.fetchall()
    return Means(
        owner,
        usable=frozenset(name for name, is_usable, _ in rows if is_usable),
        grantable=frozenset(name for name, _, is_grantable in rows if is_grantable),
    )


def _with_roles(connection: PsycopgConnection, catalogue: Catalogue, owner: str) -> Catalogue:
    """With the tenant's role itself among the privileges, and with `owner` as the one owner.

    The catalogue calls whoever owns the schema its owner. Here that is a name like any other if it
    is not the role that is to own everything.
    """
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s",
        [catalogue.schema_name],
    )
    row = cursor.fetchone()
    found = owner if row is None else str(row[0])
    names = {} if found == owner else {OWNER_ROLE: found, owner: OWNER_ROLE}
    privileges = [
        replace(privilege, grantee=names.get(privilege.grantee, privilege.grantee))
        for privilege in catalogue.privileges
    ]
    own: dict[str, str] = {catalogue.schema_name: TENANT_ROLE, owner: OWNER_ROLE}
    privileges += sorted(
        set(_role_privileges(connection, catalogue.schema_name, own)),
        key=lambda privilege: (privilege.grantee, privilege.privilege),
    )
    return replace(catalogue, privileges=privileges)


def _role_privileges(
    connection: PsycopgConnection, name: str, own: dict[str, str]
) -> Iterator[Privilege]:
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(
        """
        SELECT array_remove(ARRAY[
            'EXISTS', CASE WHEN rolsuper THEN 'SUPERUSER' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
            CASE WHEN rolreplication THEN 'REPLICATION' END], NULL)
        FROM pg_roles WHERE rolname = %s
        """,
        [name],
    )
    for (attributes,) in cursor.fetchall():
        for attribute in attributes:
            yield Privilege(ROLE_OBJECT, TENANT_ROLE, attribute)
    cursor.execute(
        """
        SELECT pg_get_userbyid(m.roleid), pg_get_userbyid(m.member),
               format('ADMIN %%s, INHERIT %%s, SET %%s', m.admin_option::text,
                      m.inherit_option::text, m.set_option::text)
        FROM pg_auth_members m JOIN pg_roles r ON r.oid IN (m.roleid, m.member)
        WHERE r.rolname = %s
        """,
        [name],
    )
    for granted, member, options in cursor.fetchall():
        of = "" if granted == name else f" OF {granted}"
        words = f"MEMBERSHIP{of} WITH {options.upper()}"
        yield Privilege(ROLE_OBJECT, own.get(str(member), str(member)), words)


def _with_writes(found: Catalogue, reference: Catalogue) -> Catalogue:
    """As if its role could write: it was made read-only, and what logging in writes was lent back."""
    there = {privilege.object for privilege in found.privileges}
    granted = {(p.object, p.grantee, p.privilege) for p in found.privileges}
    lent = [
        p
        for p in reference.privileges
        if p.privilege in _WRITES
        and p.grantee != OWNER_ROLE
        and p.object in there
        and (p.object, p.grantee, p.privilege) not in granted
    ]
    kept = {
        f"column {table}.{column}"
        for table, columns in kept_writable().items()
        for column in columns
    }
    own = [
        p
        for p in found.privileges
        if not (p.object in kept and p.grantee == TENANT_ROLE and p.privilege == "UPDATE")
    ]
    return replace(found, privileges=[*own, *lent])
