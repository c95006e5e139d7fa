"""Ready schemas: made like the template, claimed once, never used when they differ."""

from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from shared_apps.tenants import context, migrating, ready_pool
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.keys import new_schema_name, uuid7
from shared_apps.tenants.models import ReadySchema, SchemaTemplate, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema, fingerprint
from shared_apps.tenants.schemas import (
    OWNER,
    OwnerConnectionMissing,
    create_roles,
    create_schema,
    drop_schema,
    owner_transaction,
)
from shared_apps.tenants.template import (
    TEMPLATE_SCHEMA,
    SchemaDiffers,
    TemplateStale,
    _fit_releases,
    prepare_release,
    require_release,
)
from tests.shared_apps.tenants.conftest import ThreadRunner

ABSENT = UUID(int=1)
pytestmark = pytest.mark.usefixtures("committed")


def _schemas(*names: str) -> list[str]:
    """Which of these are schemas, and have a role."""
    with owner_transaction() as owner:
        found = owner.execute(
            "SELECT nspname FROM pg_namespace JOIN pg_roles ON rolname = nspname "
            "WHERE nspname = ANY(%s) ORDER BY 1",
            [list(names)],
        )
        return [name for (name,) in found.fetchall()]


def _ref(schema_name: str) -> TenantRef:
    return TenantRef(
        id=0, uuid=uuid7(), schema_name=schema_name, name="", subdomain="x", hostname="", status=""
    )


def test_pool_is_filled_to_its_size_and_no_further() -> None:
    assert ready_pool.fill(4) == 4 - settings.TERRACE_READY_POOL_SIZE
    assert ready_pool.fill(4) == 0
    size = ready_pool.pool_size()
    assert (size.ready, size.begun, size.reserved, size.stale) == (4, 0, 0, 0)
    names = list(ReadySchema.objects.values_list("name", flat=True))
    assert _schemas(*names) == sorted(names)


def test_ready_schema_equals_one_that_django_migrated() -> None:
    """The stock way: an empty schema, and Django's executor."""
    migrated = new_schema_name()
    with owner_transaction() as owner:
        owner.execute(f"CREATE SCHEMA {migrated}".encode())
    migrating.migrate_schema(migrated, migrating.Target())
    with owner_transaction() as owner:
        ready = ReadySchema.objects.values_list("name", flat=True)[0]
        described = describe_schema(owner, ready)
        assert len([key for key in described.structure if key.startswith("table ")]) > 10
        stock = describe_schema(owner, migrated)
        assert set(described.structure.items()) ^ set(stock.structure.items()) == set()
        assert fingerprint(owner, ready, with_privileges=False) == fingerprint(
            owner, migrated, with_privileges=False
        )
        assert described.migrations == stock.migrations
        drop_schema(owner, migrated)


def test_role_may_write_rows_and_nothing_else() -> None:
    name = ReadySchema.objects.values_list("name", flat=True)[0]
    with context.run_in(_ref(name)):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO users_role (slug, name, permissions, builtin)"
                " VALUES ('a', 'A', '{}', false) RETURNING id"
            )
            assert cursor.fetchone() is not None
            cursor.execute("DELETE FROM users_role")
        for forbidden in (
            "SELECT * FROM django_migrations",
            "SELECT nextval('users_role_id_seq')",
            f"SELECT * FROM {TEMPLATE_SCHEMA}.users_role",
            "SELECT * FROM public.tenants_tenant",
        ):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                connection.cursor() as cursor,
            ):
                cursor.execute(forbidden)


def test_claim_takes_the_row_and_leaves_the_schema() -> None:
    with transaction.atomic():
        name = ready_pool.claim_schema(request_id=ABSENT)
    assert not ReadySchema.objects.filter(name=name).exists()
    assert _schemas(name) == [name]
    with owner_transaction() as owner:
        drop_schema(owner, name)


def test_claim_that_is_rolled_back_returns_the_schema() -> None:
    with transaction.atomic():
        name = ready_pool.claim_schema(request_id=ABSENT)
        transaction.set_rollback(True)
    assert ReadySchema.objects.filter(name=name).exists()


def test_two_claims_at_once_get_two_schemas(in_threads: ThreadRunner) -> None:
    def claim(request_id: UUID) -> str:
        with transaction.atomic():
            return ready_pool.claim_schema(request_id=request_id)

    ready_pool.fill(4)
    names = in_threads(claim, [uuid7() for _ in range(4)])
    assert len(set(names)) == 4
    assert _schemas(*names) == sorted(names)
    with owner_transaction() as owner:
        for name in names:
            drop_schema(owner, name)


def test_claim_from_an_empty_pool_says_so(empty_pool: None) -> None:
    with pytest.raises(ready_pool.PoolEmpty), transaction.atomic():
        ready_pool.claim_schema(request_id=ABSENT)


def test_schema_built_for_a_request_is_given_to_it_alone(empty_pool: None) -> None:
    request_id = uuid7()
    name = ready_pool.build_schema(request_id=request_id)
    assert ready_pool.build_schema(request_id=request_id) == name
    with pytest.raises(ready_pool.PoolEmpty), transaction.atomic():
        ready_pool.claim_schema(request_id=ABSENT)
    with transaction.atomic():
        assert ready_pool.claim_schema(request_id=request_id) == name
    with owner_transaction() as owner:
        drop_schema(owner, name)


def test_fill_goes_on_with_what_a_killed_one_began() -> None:
    """A role and a row were committed, the schema was not."""
    name = new_schema_name()
    with owner_transaction() as owner:
        ReadySchema.objects.using(OWNER).create(name=name)
        create_roles(owner, [name])
    assert ready_pool.pool_size().begun == 1
    assert ready_pool.fill() == 1
    assert ready_pool.pool_size().begun == 0
    assert _schemas(name) == [name]


def test_four_fillers_at_once_do_not_overfill(in_threads: ThreadRunner) -> None:
    made = in_threads(ready_pool.fill, [5, 5, 5, 5])
    assert sum(made) == 5 - settings.TERRACE_READY_POOL_SIZE
    assert ready_pool.pool_size().ready == 5


@pytest.mark.parametrize("field", ["fingerprint", "migrations_hash"])
def test_stale_schema_is_never_claimed_and_is_dropped(field: str) -> None:
    names = list(ReadySchema.objects.values_list("name", flat=True))
    ReadySchema.objects.update(**{field: "of an older release"})
    assert ready_pool.pool_size().stale == len(names)
    with pytest.raises(ready_pool.PoolEmpty), transaction.atomic():
        ready_pool.claim_schema(request_id=ABSENT)
    assert ready_pool.fill() == settings.TERRACE_READY_POOL_SIZE
    assert _schemas(*names) == []
    assert ready_pool.pool_size().ready == settings.TERRACE_READY_POOL_SIZE


def test_altered_schema_is_found_by_its_catalogue() -> None:
    name = ReadySchema.objects.values_list("name", flat=True)[0]
    assert ready_pool.discard_drifted() == 0
    with owner_transaction() as owner:
        owner.execute(f"ALTER TABLE {name}.users_role ADD COLUMN stray integer".encode())
    assert ready_pool.discard_drifted() == 1
    assert _schemas(name) == []


def test_tenants_schema_in_the_pool_is_not_dropped() -> None:
    acme = Tenant.objects.get(subdomain="acme")
    ReadySchema.objects.create(name=acme.schema_name, fingerprint="x", made_at=acme.created_at)
    with pytest.raises(RuntimeError, match="is a tenant's"):
        ready_pool.discard_stale()
    assert _schemas(acme.schema_name) == [acme.schema_name]
    ReadySchema.objects.filter(name=acme.schema_name).delete()


def test_only_tenants_schemas_can_be_dropped() -> None:
    for name in ("public", TEMPLATE_SCHEMA, "extensions", 't_"; DROP'):
        with owner_transaction() as owner, pytest.raises(ValueError, match="not a tenant's"):
            drop_schema(owner, name)


def test_schema_that_exists_is_never_adopted() -> None:
    name = ReadySchema.objects.values_list("name", flat=True)[0]
    with pytest.raises(psycopg.errors.DuplicateObject), owner_transaction() as owner:
        create_roles(owner, [name])
    with pytest.raises(psycopg.errors.DuplicateSchema), owner_transaction() as owner:
        create_schema(owner, name, [])


def test_statements_go_one_by_one_where_citus_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TERRACE_DDL_ONE_BY_ONE", True)
    name = ready_pool.build_schema(request_id=ABSENT)
    assert ReadySchema.objects.get(name=name).fingerprint == require_release().fingerprint
    with owner_transaction() as owner:
        drop_schema(owner, name)
        ReadySchema.objects.using(OWNER).filter(name=name).delete()


def test_schema_that_comes_out_different_is_not_kept() -> None:
    release = SchemaTemplate.objects.get()
    statements = release.statements
    before = set(ReadySchema.objects.values_list("name", flat=True))
    SchemaTemplate.objects.update(
        statements=[*statements, 'ALTER TABLE "users_role" ADD COLUMN "stray" integer']
    )
    try:
        with pytest.raises(SchemaDiffers, match=r"users_role\.stray"):
            ready_pool.fill(settings.TERRACE_READY_POOL_SIZE + 1)
    finally:
        SchemaTemplate.objects.update(statements=statements)
    assert ready_pool.pool_size().ready == len(before)
    [begun] = ReadySchema.objects.exclude(name__in=before)
    assert begun.made_at is None
    assert _schemas(begun.name) == []


def test_code_ahead_of_the_template_makes_no_tenant() -> None:
    migrations = SchemaTemplate.objects.get().migrations
    without = [pair for pair in migrations if tuple(pair) != ("articles", "0001_initial")]
    SchemaTemplate.objects.update(migrations=without)
    _fit_releases.clear()
    try:
        with pytest.raises(TemplateStale, match=r"articles\.0001_initial.*manage.py migrate"):
            ready_pool.claim_schema(request_id=ABSENT)
    finally:
        SchemaTemplate.objects.update(migrations=migrations)


def test_template_ahead_of_the_code_is_fine() -> None:
    release = SchemaTemplate.objects.get()
    SchemaTemplate.objects.update(migrations=[*release.migrations, ["articles", "0099_new"]])
    _fit_releases.clear()
    try:
        assert require_release().fingerprint == release.fingerprint
    finally:
        SchemaTemplate.objects.update(migrations=release.migrations)


def test_release_is_prepared_once_for_the_same_template() -> None:
    before = SchemaTemplate.objects.get()
    assert prepare_release().made_at == before.made_at


def test_process_without_the_owner_may_claim_and_not_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as web:
        web.delitem(settings.DATABASES, OWNER)
        with transaction.atomic():
            assert ready_pool.claim_schema(request_id=ABSENT)
            transaction.set_rollback(True)
        with pytest.raises(OwnerConnectionMissing, match="DATABASE_ADMIN_URL"):
            ready_pool.build_schema(request_id=ABSENT)
