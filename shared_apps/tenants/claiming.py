"""The transaction that makes a tenant live: schema, tenant, domain, owner and seeds, or nothing.

A customer waits for it, so everything in the public schema is one statement, where the ORM would
send seven. Its rows are the models' own: columns and defaults come from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, models, transaction
from django.utils import timezone
from psycopg import sql

from shared_apps.domains.models import Domain
from shared_apps.domains.names import HostnameTaken, hostname_of, taken_sentence
from shared_apps.tenants import context
from shared_apps.tenants.models import Provisioning, Status, Tenant
from shared_apps.tenants.ready_pool import TAKE_SCHEMA, require_taken
from shared_apps.tenants.registry import OwnerDetails, seeders

# The wish is locked: of two processes that claim for it, the second finds the tenant of the first.
# PostgreSQL 18 section 7.8.4: the parts of WITH see one snapshot, and each other's RETURNING.
_CLAIM = sql.SQL(
    """
    WITH wish AS (
        SELECT tenant_id, name, subdomain, owner_email, owner_full_name, owner_password_hash
        FROM tenants_provisioning WHERE request_id = %(request_id)s FOR UPDATE
    ), taken AS (
        {take_schema}
    ), tenant AS (
        INSERT INTO tenants_tenant ({tenant_columns})
        SELECT {tenant_values} FROM wish, taken
        RETURNING id
    ), domain AS (
        INSERT INTO domains_domain ({domain_columns})
        SELECT {domain_values} FROM wish, tenant
    ), steps AS (
        UPDATE tenants_provisioningstep
        SET state = 'done', error = '', started_at = coalesce(started_at, now()),
            finished_at = coalesce(finished_at, clock_timestamp()),
            milliseconds = coalesce(
                milliseconds, extract(milliseconds FROM clock_timestamp() - now())::integer)
        FROM tenant
        WHERE provisioning_id = %(request_id)s AND name IN ('schema', 'claim')
    ), moved AS (
        UPDATE tenants_provisioning SET tenant_id = tenant.id, owner_password_hash = ''
        FROM tenant
        WHERE request_id = %(request_id)s
    )
    SELECT wish.tenant_id, wish.name, wish.subdomain,
           wish.owner_email, wish.owner_full_name, wish.owner_password_hash,
           taken.name, taken.fingerprint, taken.migrations_hash, tenant.id
    FROM wish LEFT JOIN taken ON true LEFT JOIN tenant ON true
    """
)
_WITHOUT_TENANT = sql.SQL("EXISTS (SELECT FROM wish WHERE tenant_id IS NULL)")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A live tenant. `began` and `ended` are None where another process had claimed it before."""

    tenant: Tenant
    began: datetime | None = None
    ended: datetime | None = None


def claim_tenant(*, request_id: UUID) -> Claimed:
    """Make the tenant of a provisioning live, in one transaction. Safe to repeat.

    Raises:
        Provisioning.DoesNotExist: no wish has this request id.
        PoolEmpty: a schema has to be built first.
        TemplateStale: the database is behind this code.
        HostnameTaken: a tenant that came another way has the name.
        whatever a seeder raises.
    Runs in: the public schema and the new one, as the application; not inside a transaction.
    """
    began = timezone.now()
    try:
        with context.run_in_public(), transaction.atomic(durable=True):
            tenant, owner, is_new = _take(request_id)
            if not is_new:
                return Claimed(tenant)
            with context.run_in(tenant) as ref:
                for _name, seed in seeders():
                    seed(tenant=ref, owner=owner)
    except IntegrityError as error:
        if _is_about_the_name(error):
            subdomain = Provisioning.objects.get(pk=request_id).subdomain
            raise HostnameTaken(taken_sentence(subdomain)) from error
        raise
    return Claimed(tenant, began, timezone.now())


def _take(request_id: UUID) -> tuple[Tenant, OwnerDetails | None, bool]:
    """Everything in the public schema. Gives the tenant, its owner, and whether it is new."""
    tenant = Tenant(status=Status.ACTIVE)
    domain = Domain(is_primary=True, verified_at=timezone.now())
    parameters: dict[str, Any] = {"request_id": request_id, "base": hostname_of("")}
    for instance, prefix in ((tenant, "tenant"), (domain, "domain")):
        for column, value in _values_of(instance).items():
            parameters[f"{prefix}_{column}"] = value
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_statement(), parameters)
        row = cursor.fetchone()
    if row is None:
        raise Provisioning.DoesNotExist(f"No provisioning has the request id {request_id}.")
    there, name, subdomain, email, full_name, password_hash, schema_name, *release, new_id = row
    if there is not None:
        return Tenant.objects.get(pk=there), None, False
    require_taken(schema_name, *release)
    tenant.id, tenant.schema_name, tenant.name, tenant.subdomain = (
        new_id,
        schema_name,
        name,
        subdomain,
    )
    tenant.primary_hostname = hostname_of(subdomain)
    tenant._state.adding = False
    tenant._state.db = DEFAULT_DB_ALIAS
    owner = OwnerDetails(email, full_name, password_hash) if email else None
    return tenant, owner, True


@cache
def _statement() -> str:
    tenant = _expressions(
        Tenant,
        prefix="tenant",
        from_others={
            "schema_name": sql.SQL("taken.name"),
            "name": sql.SQL("wish.name"),
            "subdomain": sql.SQL("wish.subdomain"),
        },
    )
    domain = _expressions(
        Domain,
        prefix="domain",
        from_others={
            "domain": sql.SQL("wish.subdomain || %(base)s"),
            "tenant_id": sql.SQL("tenant.id"),
        },
    )
    comma = sql.SQL(", ")
    return _CLAIM.format(
        take_schema=TAKE_SCHEMA.format(condition=_WITHOUT_TENANT),
        tenant_columns=comma.join(map(sql.Identifier, tenant)),
        tenant_values=comma.join(tenant.values()),
        domain_columns=comma.join(map(sql.Identifier, domain)),
        domain_values=comma.join(domain.values()),
    ).as_string(None)


def _expressions(
    model: type[models.Model], *, prefix: str, from_others: Mapping[str, sql.Composable]
) -> dict[str, sql.Composable]:
    """Each column of a new row, and where its value comes from."""
    return {
        column: from_others.get(column, sql.Placeholder(f"{prefix}_{column}"))
        for column in _values_of(model())
    }


def _values_of(instance: models.Model) -> dict[str, Any]:
    """What the ORM would write of a new row, without the key that PostgreSQL makes."""
    connection = connections[DEFAULT_DB_ALIAS]
    return {
        str(field.column): field.get_db_prep_save(field.pre_save(instance, add=True), connection)
        for field in instance._meta.local_concrete_fields
        if not field.primary_key
    }


def _is_about_the_name(error: IntegrityError) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    table = getattr(diagnosis, "table_name", "")
    constraint = getattr(diagnosis, "constraint_name", "") or ""
    return table == Domain._meta.db_table or (
        table == Tenant._meta.db_table and "subdomain" in constraint
    )
