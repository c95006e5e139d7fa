"""A new customer gets a whole workspace, or nothing at all, whatever goes wrong on the way."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import HostnameTaken, SubdomainInvalid, SubdomainReserved
from shared_apps.tenants import context, provisioning, ready_pool, registry
from shared_apps.tenants.claiming import claim_tenant
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import (
    Provisioning,
    ProvisioningState,
    ProvisioningStep,
    ReadySchema,
    SchemaTemplate,
    Status,
    StepState,
    Tenant,
)
from shared_apps.tenants.registry import OwnerDetails
from shared_apps.tenants.schemas import OWNER, OwnerConnectionMissing
from shared_apps.tenants.template import _fit_releases
from tests.shared_apps.tenants.conftest import ThreadRunner

pytestmark = pytest.mark.usefixtures("committed")
OWNER_OF_INITECH = OwnerDetails(
    email="bill@initech.example", full_name="Bill Lumbergh", password_hash="argon2$kept"
)


class SeedBroken(RuntimeError):
    """Raised by the seeder that the tests add."""


@pytest.fixture
def broken_seed() -> Iterator[None]:
    """The last seeder fails, when everything else is already written."""

    def seed(*, tenant: context.TenantRef, owner: OwnerDetails | None) -> None:
        raise SeedBroken(f"no seeds for {tenant}")

    registry.register_seeder("broken", seed, order=10_000)
    yield
    del registry._seeders["broken"]


def _provision(subdomain: str = "initech", request_id: UUID | None = None) -> Tenant:
    return provisioning.provision_tenant(
        name="Initech",
        subdomain=subdomain,
        owner=OWNER_OF_INITECH,
        request_id=request_id or uuid7(),
    )


def _start(subdomain: str = "initech", request_id: UUID | None = None) -> Provisioning:
    return provisioning.start_provisioning(
        name="Initech",
        subdomain=subdomain,
        owner=OWNER_OF_INITECH,
        request_id=request_id or uuid7(),
    )


def _states(request_id: UUID) -> dict[str, str]:
    return {step.name: step.state for step in provisioning.progress(request_id).steps}


def _expire_lease(request_id: UUID) -> None:
    Provisioning.objects.filter(pk=request_id).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def _assert_nothing_is_there(subdomain: str = "initech") -> None:
    assert not Tenant.objects.filter(subdomain=subdomain).exists()
    assert not Domain.objects.filter(domain__startswith=f"{subdomain}.").exists()
    assert ready_pool.pool_size().ready == settings.TERRACE_READY_POOL_SIZE
    assert not ReadySchema.objects.exclude(reserved_for=None).exists()


def test_tenant_is_whole() -> None:
    waiting = set(ReadySchema.objects.values_list("name", flat=True))
    request_id = uuid7()
    tenant = _provision("  INItech ", request_id)
    assert tenant.schema_name in waiting
    assert not ReadySchema.objects.filter(name=tenant.schema_name).exists()
    ref = resolution.tenant_for_host(f"initech.{settings.TERRACE_BASE_DOMAIN}")
    assert ref is not None
    assert (ref.name, ref.subdomain, ref.status) == ("Initech", "initech", Status.ACTIVE)
    assert ref == tenant.ref
    with context.run_in(ref):
        from tenant_apps.users.models import User

        owner = User.objects.get()
        assert owner.email == "bill@initech.example"
        assert owner.is_owner
        assert owner.password == "argon2$kept"
    wish = Provisioning.objects.get(pk=request_id)
    assert wish.owner_password_hash == ""
    found = provisioning.progress(request_id)
    assert found.state == ProvisioningState.ACTIVE
    assert found.tenant == ref
    assert [step.name for step in found.steps] == ["reserve", "schema", "claim", "open"]
    assert {step.state for step in found.steps} == {StepState.DONE}
    assert all(step.milliseconds is not None for step in found.steps)


def test_tenant_without_an_owner_has_no_people() -> None:
    tenant = provisioning.provision_tenant(
        name="Initech", subdomain="initech", owner=None, request_id=uuid7()
    )
    with context.run_in(tenant):
        from tenant_apps.users.models import User

        assert not User.objects.exists()


def test_host_that_was_asked_for_before_is_served_at_once() -> None:
    """A negative answer in the host cache must not outlive the claim."""
    host = f"initech.{settings.TERRACE_BASE_DOMAIN}"
    assert resolution.tenant_for_host(host) is None
    _provision()
    assert resolution.tenant_for_host(host) is not None


def test_claim_is_one_transaction_of_few_statements() -> None:
    _provision("warm-up")
    request_id = uuid7()
    provisioning._reserve(
        name="Initech", subdomain="initech", owner=OWNER_OF_INITECH, request_id=request_id
    )
    with CaptureQueriesContext(connection) as queries:
        claim_tenant(request_id=request_id)
    statements = [query["sql"] for query in queries]
    assert len([line for line in statements if "tenants_provisioning" in line]) == 1, statements
    # BEGIN goes with the first statement and its lock, where Django doesn't count it.
    ends = [line for line in statements if line.startswith(("BEGIN", "COMMIT", "ROLLBACK"))]
    assert ends == ["COMMIT"] == statements[-1:]
    assert len(statements) <= 12, statements


def test_second_call_with_the_request_id_gives_the_same_tenant() -> None:
    request_id = uuid7()
    assert _provision(request_id=request_id) == _provision(request_id=request_id)
    assert _start(request_id=request_id).tenant == Tenant.objects.get(subdomain="initech")


def test_double_submit_at_once_gives_one_tenant(in_threads: ThreadRunner) -> None:
    request_id = uuid7()
    tenants = in_threads(lambda _: _provision(request_id=request_id), range(4))
    assert {tenant.pk for tenant in tenants} == {Tenant.objects.get(subdomain="initech").pk}
    assert ProvisioningStep.objects.filter(provisioning=request_id).count() == 4


def test_two_customers_racing_for_a_name_one_wins(in_threads: ThreadRunner) -> None:
    ready_pool.fill(8)
    for number in range(5):
        name = f"initech-{number}"
        results = in_threads(_provision, [name] * 4)
        won = [result for result in results if isinstance(result, Tenant)]
        lost = [result for result in results if isinstance(result, HostnameTaken)]
        assert (len(won), len(lost)) == (1, 3), results
        assert Tenant.objects.filter(subdomain=name).count() == 1
        assert Domain.objects.filter(tenant=won[0]).count() == 1
        assert Provisioning.objects.filter(subdomain=name).count() == 1
    assert not ReadySchema.objects.exclude(reserved_for=None).exists()


@pytest.mark.parametrize(
    ("subdomain", "error"),
    [("acme", HostnameTaken), ("www", SubdomainReserved), ("a;drop", SubdomainInvalid)],
)
def test_bad_subdomain_leaves_no_row(subdomain: str, error: type[Exception]) -> None:
    request_id = uuid7()
    with pytest.raises(error):
        _provision(subdomain, request_id)
    with pytest.raises(provisioning.ProvisioningNotFound):
        provisioning.progress(request_id)
    assert ready_pool.pool_size().ready == settings.TERRACE_READY_POOL_SIZE


def test_erased_tenants_name_is_never_given_again() -> None:
    tenant = _provision()
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.ERASED)
    Domain.objects.filter(tenant=tenant).delete()
    with pytest.raises(HostnameTaken):
        _provision()


def test_request_id_of_another_wish_is_refused() -> None:
    request_id = uuid7()
    _provision("initech", request_id)
    with pytest.raises(provisioning.RequestIdReused, match="already used to sign up “initech”"):
        _provision("hooli", request_id)


@pytest.mark.usefixtures("broken_seed")
def test_failure_in_the_last_seed_leaves_nothing_and_frees_the_name() -> None:
    request_id = uuid7()
    with pytest.raises(SeedBroken):
        _provision(request_id=request_id)
    _assert_nothing_is_there()
    found = provisioning.progress(request_id)
    assert found.state == ProvisioningState.FAILED
    assert found.tenant is None
    assert "Nothing was made" in found.error
    assert _states(request_id) == {
        "reserve": "undone",
        "schema": "failed",
        "claim": "waiting",
        "open": "waiting",
    }
    assert Provisioning.objects.get(pk=request_id).owner_password_hash == ""
    assert (
        "SeedBroken: no seeds"
        in ProvisioningStep.objects.get(provisioning=request_id, state=StepState.FAILED).error
    )


@pytest.mark.usefixtures("broken_seed")
def test_name_of_a_failed_sign_up_goes_to_the_next_customer() -> None:
    request_id = uuid7()
    with pytest.raises(SeedBroken):
        _provision(request_id=request_id)
    del registry._seeders["broken"]
    tenant = _provision()
    with pytest.raises(HostnameTaken):
        _provision(request_id=request_id)
    assert Tenant.objects.get(subdomain="initech") == tenant
    registry._seeders["broken"] = registry._seeders["users"]


@pytest.mark.usefixtures("broken_seed")
def test_failed_sign_up_can_be_tried_again_with_its_request_id() -> None:
    request_id = uuid7()
    with pytest.raises(SeedBroken):
        _provision(request_id=request_id)
    registry._seeders["broken"] = registry._seeders["users"]
    registry._seeders["broken"] = registry._Registered(10_000, "broken", lambda **_: None)
    assert _provision(request_id=request_id).subdomain == "initech"
    assert set(_states(request_id).values()) == {StepState.DONE}


@pytest.mark.usefixtures("empty_pool")
def test_empty_pool_falls_back_to_building_one() -> None:
    request_id = uuid7()
    tenant = _provision(request_id=request_id)
    assert tenant.status == Status.ACTIVE
    assert not ReadySchema.objects.filter(name=tenant.schema_name).exists()
    assert not ReadySchema.objects.filter(reserved_for=request_id).exists()
    assert set(_states(request_id).values()) == {StepState.DONE}


@pytest.mark.usefixtures("broken_seed", "empty_pool")
def test_schema_built_for_a_failed_sign_up_goes_to_the_pool() -> None:
    request_id = uuid7()
    with pytest.raises(SeedBroken):
        _provision(request_id=request_id)
    assert _states(request_id) == {
        "reserve": "undone",
        "schema": "undone",
        "claim": "failed",
        "open": "waiting",
    }
    assert ready_pool.pool_size().ready == 1


def test_web_process_finishes_at_once_from_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as web:
        web.delitem(settings.DATABASES, OWNER)
        wish = _start()
    assert wish.state == ProvisioningState.ACTIVE
    assert wish.tenant is not None
    assert wish.tenant.subdomain == "initech"


@pytest.mark.usefixtures("empty_pool")
def test_web_process_leaves_building_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = uuid7()
    with monkeypatch.context() as web:
        web.delitem(settings.DATABASES, OWNER)
        wish = _start(request_id=request_id)
        assert wish.state == ProvisioningState.PENDING
        assert wish.tenant is None
        assert _states(request_id)["reserve"] == StepState.DONE
        with pytest.raises(HostnameTaken):
            _start()
    assert provisioning.continue_provisionings() == 1
    found = provisioning.progress(request_id)
    assert found.state == ProvisioningState.ACTIVE
    assert found.tenant is not None
    assert set(_states(request_id).values()) == {StepState.DONE}


def test_web_process_ahead_of_the_database_leaves_it_to_a_worker() -> None:
    """Between the start of new code and the end of `migrate`."""
    release = SchemaTemplate.objects.get()
    _fit_releases.clear()
    SchemaTemplate.objects.update(migrations=[])
    try:
        assert _start().state == ProvisioningState.PENDING
    finally:
        SchemaTemplate.objects.update(migrations=release.migrations)
    assert provisioning.continue_provisionings() == 1


@pytest.mark.usefixtures("empty_pool")
def test_process_that_may_not_build_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as web:
        web.delitem(settings.DATABASES, OWNER)
        with pytest.raises(OwnerConnectionMissing, match="DATABASE_ADMIN_URL"):
            _provision()
    assert not Tenant.objects.filter(subdomain="initech").exists()


def test_leased_provisioning_is_left_alone_and_an_expired_one_is_continued() -> None:
    request_id = uuid7()
    provisioning._reserve(
        name="Initech", subdomain="initech", owner=OWNER_OF_INITECH, request_id=request_id
    )
    assert provisioning.continue_provisionings() == 0
    assert provisioning.continue_provisioning(request_id=request_id) is None
    _expire_lease(request_id)
    assert provisioning.continue_provisionings() == 1
    assert Tenant.objects.filter(subdomain="initech").exists()
    assert provisioning.continue_provisionings() == 0


def test_provisioning_killed_after_the_claim_is_opened() -> None:
    request_id = uuid7()
    provisioning._reserve(
        name="Initech", subdomain="initech", owner=OWNER_OF_INITECH, request_id=request_id
    )
    tenant = claim_tenant(request_id=request_id).tenant
    assert provisioning.progress(request_id).state == ProvisioningState.PROVISIONING
    _expire_lease(request_id)
    assert claim_tenant(request_id=request_id).tenant == tenant
    assert provisioning.continue_provisioning(request_id=request_id) == tenant
    assert provisioning.progress(request_id).state == ProvisioningState.ACTIVE


@pytest.mark.usefixtures("broken_seed")
def test_worker_tries_again_later_and_gives_up_after_a_few_times() -> None:
    request_id = uuid7()
    provisioning._reserve(
        name="Initech", subdomain="initech", owner=OWNER_OF_INITECH, request_id=request_id
    )
    for attempt in range(2, provisioning.MAX_ATTEMPTS + 1):
        _expire_lease(request_id)
        assert provisioning.continue_provisionings() == 0
        wish = Provisioning.objects.get(pk=request_id)
        assert wish.attempts == attempt
        if attempt < provisioning.MAX_ATTEMPTS:
            assert wish.state == ProvisioningState.PENDING
            assert wish.lease_until > timezone.now()
    assert wish.state == ProvisioningState.FAILED
    _assert_nothing_is_there()


def test_name_that_was_taken_meanwhile_fails_by_name() -> None:
    """A tenant that came some other way took the hostname after it was reserved."""
    request_id = uuid7()
    provisioning._reserve(
        name="Initech", subdomain="initech", owner=OWNER_OF_INITECH, request_id=request_id
    )
    other = Tenant.objects.create(name="Initech", subdomain="initech")
    _expire_lease(request_id)
    with pytest.raises(HostnameTaken):
        provisioning.continue_provisioning(request_id=request_id)
    found = provisioning.progress(request_id)
    assert found.state == ProvisioningState.FAILED
    assert "already taken" in found.error
    assert ready_pool.pool_size().ready == settings.TERRACE_READY_POOL_SIZE
    assert Tenant.objects.get(subdomain="initech") == other


def test_provisioning_inside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="durable atomic block"), transaction.atomic():
        _provision()
    _assert_nothing_is_there()


def test_progress_of_an_unknown_request_is_an_error() -> None:
    with pytest.raises(provisioning.ProvisioningNotFound, match="no sign-up"):
        provisioning.progress(uuid7())


def test_progress_costs_two_queries_while_under_way() -> None:
    request_id = uuid7()
    provisioning._reserve(name="Initech", subdomain="initech", owner=None, request_id=request_id)
    with CaptureQueriesContext(connection) as queries:
        found = provisioning.progress(request_id)
    assert len(queries) == 2
    assert found.hostname == f"initech.{settings.TERRACE_BASE_DOMAIN}"
    assert next(step.label for step in found.steps) == "Keep your address"
    assert not found.is_finished()
