"""The front door: statuses, the order of the house, what a request carries."""

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from shared_apps.domains.middleware import TenantMiddleware
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Status, Tenant


def _serve(host: str) -> tuple[HttpRequest, list[TenantRef | None], HttpResponse]:
    seen: list[TenantRef | None] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(context.current_tenant())
        return HttpResponse("served")

    request = RequestFactory(headers={"host": host}).get("/")
    response = TenantMiddleware(view)(request)
    assert isinstance(response, HttpResponse)
    return request, seen, response


def test_request_on_a_tenants_host_runs_in_the_tenant(acme: TenantRef) -> None:
    request, seen, response = _serve("acme.localhost")
    assert seen == [acme]
    assert request.tenant == acme  # type: ignore[attr-defined]
    assert request.urlconf == django_settings.TERRACE_TENANT_URLCONF  # type: ignore[attr-defined]
    assert response.content == b"served"
    assert context.current_tenant() is None


def test_request_on_the_public_host_runs_in_public(acme: TenantRef) -> None:
    with context.run_in(acme):  # whatever was left
        request, seen, _ = _serve(django_settings.TERRACE_BASE_DOMAIN)
    assert seen == [None]
    assert request.tenant is None  # type: ignore[attr-defined]
    assert not hasattr(request, "urlconf")


def test_request_on_an_unknown_host_reaches_no_view(db: None) -> None:
    _, seen, response = _serve("nobody.localhost")
    assert (seen, response.status_code) == ([], 404)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.ACTIVE, 200),
        (Status.READ_ONLY, 200),
        (Status.MAINTENANCE, 503),
        (Status.PROVISIONING, 503),
        (Status.SUSPENDED, 403),
        (Status.ARCHIVED, 410),
        (Status.ERASED, 404),
    ],
)
def test_each_status_has_its_answer(status: Status, code: int, acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status=status)
    _, seen, response = _serve("acme.localhost")
    assert response.status_code == code
    assert bool(seen) == (code == 200)


def test_read_only_tenant_is_read_and_not_written(acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status=Status.READ_ONLY)
    client = Client(headers={"host": "acme.localhost"})
    assert client.get("/").status_code == 200
    for method in (client.post, client.put, client.patch, client.delete):
        response = method("/")
        assert response.status_code == 403
        assert b"read-only" in response.content


def test_get_host_works_wherever_a_tenant_is_served(acme: TenantRef) -> None:
    """Else CommonMiddleware answers 400 before the view."""
    for raw in ("acme.localhost", "ACME.localhost:8000", "acme.localhost.", "acme.localhost:"):
        request, _, _ = _serve(raw)
        assert request.get_host().lower().startswith("acme.localhost")
