"""Another subdomain: the old one leads there and is nobody else's."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from shared_apps.domains import names
from shared_apps.domains.models import Domain
from shared_apps.domains.names import HostnameTaken, SubdomainInvalid, SubdomainReserved
from shared_apps.tenants import lifecycle
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import NameChange, Tenant
from shared_apps.tenants.provisioning import provision_tenant
from tests.shared_apps.tenants.conftest import TenantMaker, ThreadRunner

WORDS = {"reason": "new brand", "by": "op@example.com"}


@pytest.fixture
def renamed(acme: TenantRef) -> Tenant:
    """acme, which is called roadrunner now."""
    return lifecycle.rename_subdomain(
        tenant=Tenant.objects.get(pk=acme.id), subdomain="RoadRunner ", **WORDS
    )


def test_renamed_tenant_lives_at_its_new_host(renamed: Tenant) -> None:
    assert renamed.subdomain == "roadrunner"
    assert Tenant.objects.get(pk=renamed.pk).ref.hostname == "roadrunner.localhost"
    assert Client(headers={"host": "roadrunner.localhost"}).get("/").status_code == 200
    change = NameChange.objects.get()
    assert (change.before, change.after) == ("acme", "roadrunner")
    assert (change.reason, change.by) == ("new brand", "op@example.com")


@pytest.mark.parametrize(
    ("method", "code"), [("get", 301), ("head", 301), ("post", 308), ("put", 308), ("delete", 308)]
)
def test_old_host_leads_to_the_same_path_at_the_new_one(
    method: str, code: int, renamed: Tenant
) -> None:
    client = Client(headers={"host": "acme.localhost"})
    answer = client.generic(method.upper(), "/articles/the-kiln/?page=2&q=a%20b")
    assert answer.status_code == code
    port = django_settings.TERRACE_PORT
    assert answer["Location"] == (
        f"http://roadrunner.localhost:{port}/articles/the-kiln/?page=2&q=a%20b"
    )
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_old_host_leads_nowhere_else(renamed: Tenant) -> None:
    """Two slashes would be another host to a browser."""
    client = Client(headers={"host": "acme.localhost"})
    answer = client.generic("GET", "//evil.example/%2F..")
    assert answer["Location"].startswith("http://roadrunner.localhost:")


def test_every_older_name_leads_to_the_newest(renamed: Tenant) -> None:
    lifecycle.rename_subdomain(tenant=renamed, subdomain="coyote", **WORDS)
    for old in ("acme", "roadrunner"):
        answer = Client(headers={"host": f"{old}.localhost"}).get("/")
        assert answer["Location"].startswith("http://coyote.localhost")


def test_old_name_is_never_given_to_another(renamed: Tenant, globex: TenantRef) -> None:
    assert names.held_among(["acme", "roadrunner", "free"]) == {"acme", "roadrunner"}
    with pytest.raises(HostnameTaken):
        lifecycle.rename_subdomain(
            tenant=Tenant.objects.get(pk=globex.id), subdomain="acme", **WORDS
        )
    Tenant.objects.filter(pk=renamed.pk).update(status="erased")
    with pytest.raises(HostnameTaken):
        lifecycle.rename_subdomain(
            tenant=Tenant.objects.get(pk=globex.id), subdomain="acme", **WORDS
        )


def test_tenant_takes_its_own_old_name_back(renamed: Tenant) -> None:
    back = lifecycle.rename_subdomain(tenant=renamed, subdomain="acme", **WORDS)
    assert back.primary_hostname == "acme.localhost"
    assert Client(headers={"host": "acme.localhost"}).get("/").status_code == 200
    answer = Client(headers={"host": "roadrunner.localhost"}).get("/")
    assert answer["Location"].startswith("http://acme.localhost")
    assert Domain.objects.filter(tenant=renamed, is_primary=True).count() == 1


def test_own_domain_stays_primary(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    Domain(
        tenant=tenant, domain="shop.example", is_primary=True, verified_at="2026-01-01T00:00Z"
    ).save()
    lifecycle.rename_subdomain(tenant=tenant, subdomain="roadrunner", **WORDS)
    assert Tenant.objects.get(pk=acme.id).primary_hostname == "shop.example"
    assert Client(headers={"host": "shop.example"}).get("/").status_code == 200
    assert Client(headers={"host": "roadrunner.localhost"}).get("/").status_code == 200
    answer = Client(headers={"host": "acme.localhost"}).get("/")
    assert answer["Location"].startswith("http://roadrunner.localhost")


def test_rename_to_the_name_it_has_does_nothing(acme: TenantRef) -> None:
    lifecycle.rename_subdomain(tenant=Tenant.objects.get(pk=acme.id), subdomain="acme", **WORDS)
    assert not NameChange.objects.exists()


@pytest.mark.parametrize(
    ("subdomain", "error"),
    [
        ("globex", HostnameTaken),
        ("a", SubdomainInvalid),
        ("xn--y", SubdomainInvalid),
        ("www", SubdomainReserved),
    ],
)
def test_name_that_cannot_be_had_changes_nothing(
    subdomain: str, error: type[Exception], acme: TenantRef, globex: TenantRef
) -> None:
    with pytest.raises(error):
        lifecycle.rename_subdomain(
            tenant=Tenant.objects.get(pk=acme.id), subdomain=subdomain, **WORDS
        )
    assert Tenant.objects.get(pk=acme.id).ref == acme
    assert not NameChange.objects.exists()


@pytest.mark.parametrize("status", ["provisioning", "erased"])
def test_tenant_without_a_life_is_not_renamed(status: str, acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status=status)
    with pytest.raises(TenantNotActive):
        lifecycle.rename_subdomain(
            tenant=Tenant.objects.get(pk=acme.id), subdomain="roadrunner", **WORDS
        )


def test_rename_is_seen_by_a_process_that_knew_the_old_host(
    acme: TenantRef, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.TERRACE_HOST_CACHE_SECONDS = 3600.0
    client = Client(headers={"host": "acme.localhost"})
    assert client.get("/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.rename_subdomain(
            tenant=Tenant.objects.get(pk=acme.id), subdomain="roadrunner", **WORDS
        )
    assert client.get("/").status_code == 301


def test_of_many_who_want_one_name_one_gets_it(
    make_tenant: TenantMaker, in_threads: ThreadRunner
) -> None:
    """Two renames and a sign-up at the same moment."""
    first, second = make_tenant("initech"), make_tenant("hooli")

    def want(who: Any) -> Any:
        if who is None:
            return provision_tenant(
                name="Pied Piper", subdomain="wanted", owner=None, request_id=uuid7()
            )
        return lifecycle.rename_subdomain(tenant=who, subdomain="wanted", **WORDS)

    results = in_threads(want, [first, second, None])

    got = [result for result in results if isinstance(result, Tenant)]
    refused = [result for result in results if not isinstance(result, Tenant)]
    assert len(got) == 1, results
    assert all(isinstance(result, HostnameTaken) for result in refused), results
    assert Tenant.objects.get(subdomain="wanted").pk == got[0].pk
    assert Domain.objects.get(domain="wanted.localhost").tenant_id == got[0].pk
    for tenant in (first, second):
        assert Domain.objects.filter(tenant=tenant, is_primary=True).count() == 1


def test_two_renames_of_one_tenant_come_one_after_the_other(
    make_tenant: TenantMaker, in_threads: ThreadRunner
) -> None:
    tenant = make_tenant("initech")
    in_threads(
        lambda name: lifecycle.rename_subdomain(tenant=tenant, subdomain=name, **WORDS),
        ["hooli", "umbrella", "soylent"],
    )
    now = Tenant.objects.get(pk=tenant.pk).subdomain
    domains = dict(Domain.objects.filter(tenant=tenant).values_list("domain", "is_primary"))
    assert domains == {
        f"{name}.localhost": name == now for name in ("initech", "hooli", "umbrella", "soylent")
    }
    assert NameChange.objects.filter(tenant=tenant).count() == 3
