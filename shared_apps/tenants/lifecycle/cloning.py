"""A copy of a tenant under a name of its own, with its data or with its settings alone.

With data everything that is in the database is one transaction of the owner: schema and role made
from the source's catalogue, each table by INSERT … SELECT, all in one snapshot (REPEATABLE READ), the
sequences, then tenant and domain. The files come after it, and until they are there the tenant is
"being made". A row (Cloning) tells how far it is; `continue_clonings` goes on after a kill.

What a copy must not have (sessions, tokens, invitations, passwords) is said by the apps themselves:
registry.register_clone_rules.
"""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg import sql

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import (
    HostnameTaken,
    hostname_of,
    normalise_subdomain,
    taken_among,
    taken_sentence,
)
from shared_apps.tenants import context
from shared_apps.tenants.errors import TenancyError
from shared_apps.tenants.keys import new_schema_name
from shared_apps.tenants.lifecycle.states import enter_state
from shared_apps.tenants.models import Cloning, Status, Tenant
from shared_apps.tenants.postgresql.catalogue import (
    Catalogue,
    PsycopgConnection,
    Table,
    read_catalogue,
)
from shared_apps.tenants.postgresql.template_ddl import (
    in_foreign_key_order,
    schema_statements,
)
from shared_apps.tenants.provisioning import provision_tenant
from shared_apps.tenants.registry import TENANT_NAME, CloneRules, OwnerDetails, clone_rules
from shared_apps.tenants.schemas import (
    OWNER,
    create_roles,
    create_schema,
    owner_transaction,
    require_owner_connection,
)
from shared_apps.tenants.storage import copy_folder

logger = logging.getLogger(__name__)

# A clone that is older than this and not finished has lost its process.
_LOST_AFTER: Final = timedelta(minutes=30)
_CLONABLE = frozenset(Status) - {
    Status.PROVISIONING,
    Status.ERASURE_SCHEDULED,
    Status.ERASED,
}


class CannotClone(TenancyError):
    """The source, or the request, does not allow this copy. Nothing was made."""


def clone_tenant(
    *,
    source: Tenant,
    name: str,
    subdomain: str,
    with_data: bool,
    owner: OwnerDetails | None = None,
    reason: str,
    by: str,
    request_id: UUID,
) -> Tenant:
    """Make a tenant like another one, active, with a uuid, schema, role and subdomain of its own.

    With data it has the source's rows and files as they are in one moment, without sessions, tokens,
    invitations and passwords: its people ask for a new password. Without, it is a new tenant with
    the source's settings. The source is read, never locked against its own writers.

    Args:
        name: what people call the copy, at most 100 characters.
        subdomain: one DNS label, 3 to 40 characters, in any case.
        owner: the first user of a copy without data. With data it must be None: people are copied.
        reason: for the record and the operators.
        by: an operator's e-mail address, or the name of the process.
        request_id: made once for each wish; a second call with it gives the same tenant.
    Raises:
        SubdomainRefused: the name can't be had (SubdomainInvalid, SubdomainReserved, HostnameTaken).
        CannotClone: the source is being made, erased or about to be; the request id is another wish's.
        UnsupportedInTemplate: the source's schema holds what can't be copied, e.g. a view.
        OwnerConnectionMissing: this process may not make schemas.
        ValueError: the reason is empty, or an owner is given for a copy with data.
    Runs in: the public schema and both tenants', as the owner; not inside a transaction.
    """
    require_owner_connection()
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to clone a tenant.")
    if with_data and owner is not None:
        raise ValueError("A copy with data has its source's people; leave the owner out.")
    wish = Cloning(
        request_id=request_id,
        source=source,
        name=name,
        subdomain=normalise_subdomain(subdomain),
        with_data=with_data,
        owner_email=owner.email if owner else "",
        owner_full_name=owner.full_name if owner else "",
        reason=reason.strip(),
        by=by,
    )
    with context.run_in_public():
        return _work(_write_down(wish), password_hash=owner.password_hash if owner else "")


def continue_clonings() -> int:
    """Go on with the copies whose process was lost. Returns how many were finished.

    Runs in: the public schema and the tenants', as the owner; not inside a transaction.
    """
    finished = 0
    with context.run_in_public():
        lost = Cloning.objects.filter(
            finished_at=None, error="", began_at__lt=timezone.now() - _LOST_AFTER
        )
        for wish in list(lost.select_related("source")):
            try:
                _work(wish)
            except Exception:
                logger.exception("Cloning %s did not go on", wish.request_id)
            else:
                finished += 1
    return finished


def _write_down(wish: Cloning) -> Cloning:
    with transaction.atomic(durable=True):
        there = Cloning.objects.select_for_update(of=("self",)).filter(pk=wish.pk).first()
        if there is not None and not there.error:
            if (there.subdomain, there.source_id) != (wish.subdomain, wish.source_id):
                raise CannotClone(
                    f"The request id {wish.pk} was used before, for {there.subdomain}. Make a new one."
                )
            return there
        _require_clonable(wish.source)
        if taken_among([wish.subdomain]):
            raise HostnameTaken(taken_sentence(wish.subdomain))
        if there is not None:  # it failed; this is the next try
            there.delete()
        wish.save(force_insert=True)
    return wish


def _require_clonable(source: Tenant) -> None:
    status = Tenant.objects.values_list("status", flat=True).get(pk=source.pk)
    if status not in _CLONABLE:
        raise CannotClone(f"{source.name} is {Status(status).label.lower()} and can't be cloned.")


def _work(wish: Cloning, *, password_hash: str = "") -> Tenant:
    if wish.finished_at is not None and wish.tenant is not None:
        return wish.tenant
    try:
        if wish.with_data:
            return _copy_all(wish)
        return _copy_settings(wish, password_hash)
    except Exception as error:
        Cloning.objects.filter(pk=wish.pk, tenant=None).update(
            error=f"{type(error).__name__}: {error}", finished_at=timezone.now()
        )
        raise


# --- With data -------------------------------------------------------------------------------------


def _copy_all(wish: Cloning) -> Tenant:
    try:
        tenant = _copy_rows(wish)
    except IntegrityError as error:
        if taken_among([wish.subdomain]):
            raise HostnameTaken(taken_sentence(wish.subdomain)) from error
        raise
    copy_folder(source=wish.source.uuid, target=tenant.uuid)
    return _open(wish, tenant)


def _copy_rows(wish: Cloning) -> Tenant:
    """Everything in the database, or nothing. Where it was done before, that tenant."""
    with owner_transaction() as connection:
        # First of all: what is read from here on is of one moment (PostgreSQL 18 section 13.2.2).
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        mine = Cloning.objects.using(OWNER).select_for_update(of=("self",)).get(pk=wish.pk)
        if mine.tenant is not None:
            return mine.tenant
        source = wish.source.schema_name
        tenant = Tenant(schema_name=new_schema_name(), name=wish.name, subdomain=wish.subdomain)
        # The name first: who wants the same one waits here for the end of this transaction.
        tenant.save(using=OWNER, force_insert=True)
        domain = Domain(
            tenant_id=tenant.pk,
            domain=hostname_of(wish.subdomain),
            is_primary=True,
            verified_at=timezone.now(),
        )
        Domain.objects.using(OWNER).bulk_create([domain])
        catalogue = read_catalogue(connection, source)
        create_roles(connection, [tenant.schema_name])
        create_schema(connection, tenant.schema_name, schema_statements(catalogue))
        _copy_tables(connection, catalogue, tenant)
        _set_sequences(connection, catalogue, tenant.schema_name)
        mine.tenant = tenant
        mine.save(using=OWNER, update_fields=["tenant"])
    made: Tenant = Tenant.objects.get(pk=tenant.pk)
    return made


def _copy_tables(connection: PsycopgConnection, catalogue: Catalogue, copy: Tenant) -> None:
    rules = clone_rules()
    connection.execute("SET CONSTRAINTS ALL DEFERRED")
    for table in in_foreign_key_order(catalogue.tables):
        if table.name not in rules.never:
            connection.execute(_copy_statement(table, catalogue.schema_name, copy, rules))


def _copy_statement(table: Table, source: str, copy: Tenant, rules: CloneRules) -> sql.Composed:
    replaced = {
        column: copy.name if text == TENANT_NAME else text
        for column, text in rules.replaced.get(table.name, {}).items()
    }
    columns = [column.name for column in table.columns if not column.generated]
    values = [
        sql.Literal(replaced[name]) if name in replaced else sql.Identifier(name)
        for name in columns
    ]
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
        sql.Identifier(copy.schema_name, table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(values),
        sql.Identifier(source, table.name),
    )


def _set_sequences(connection: PsycopgConnection, catalogue: Catalogue, target: str) -> None:
    """The copy goes on counting where its source stands. Sequences know no snapshot: theirs may be
    further than the rows, never behind them."""
    for sequence in catalogue.sequences:
        connection.execute(
            sql.SQL("SELECT setval({}::regclass, last_value, is_called) FROM {}").format(
                sql.Identifier(target, sequence.name).as_string(connection),
                sql.Identifier(catalogue.schema_name, sequence.name),
            )
        )


# --- Without ---------------------------------------------------------------------------------------


def _copy_settings(wish: Cloning, password_hash: str) -> Tenant:
    owner = (
        OwnerDetails(wish.owner_email, wish.owner_full_name, password_hash)
        if wish.owner_email
        else None
    )
    tenant = provision_tenant(
        name=wish.name, subdomain=wish.subdomain, owner=owner, request_id=wish.request_id
    )
    Cloning.objects.filter(pk=wish.pk).update(tenant=tenant)
    with owner_transaction() as connection:
        source = read_catalogue(connection, wish.source.schema_name)
        rules = clone_rules()
        tables = [t for t in in_foreign_key_order(source.tables) if t.name in rules.settings]
        for table in reversed(tables):
            made = sql.Identifier(tenant.schema_name, table.name)
            connection.execute(sql.SQL("DELETE FROM {}").format(made))
        for table in tables:
            connection.execute(_copy_statement(table, source.schema_name, tenant, rules))
    return _open(wish, tenant)


def _open(wish: Cloning, tenant: Tenant) -> Tenant:
    """Say that the copy is complete, and serve it."""
    with transaction.atomic(durable=True):
        locked: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.status == Status.PROVISIONING:
            reason = f"Cloned from {wish.source.subdomain}: {wish.reason}"
            enter_state(locked=locked, after=Status.ACTIVE, reason=reason, by=wish.by)
        Cloning.objects.filter(pk=wish.pk).update(tenant=locked, finished_at=timezone.now())
    resolution.bump_version()
    return locked
