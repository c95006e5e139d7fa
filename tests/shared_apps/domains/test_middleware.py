"""The front door: statuses, the order of the house, what a request carries."""

import pytest
from django.conf import settings as django_settings
from django.db import ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from psycopg.errors import InsufficientPrivilege

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
        (Status.TRIAL, 200),
        (Status.READ_ONLY, 200),
        (Status.MAINTENANCE, 503),
        (Status.PROVISIONING, 503),
        (Status.SUSPENDED, 403),
        (Status.ARCHIVED, 410),
        (Status.ERASURE_SCHEDULED, 410),
        (Status.ERASED, 404),
    ],
)
def test_each_status_has_its_answer(status: Status, code: int, acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status=status)
    _, seen, response = _serve("acme.localhost")
    assert response.status_code == code
    assert bool(seen) == (code == 200)


def test_write_that_the_database_refuses_is_the_read_only_page(acme: TenantRef) -> None:
    """PostgreSQL decides what a read-only tenant may write; logging in is a POST too. The whole way
    is in tests/shared_apps/tenants/test_lifecycle_read_only.py."""
    Tenant.objects.filter(pk=acme.id).update(status=Status.READ_ONLY)
    middleware = TenantMiddleware(lambda request: HttpResponse("served"))
    for method in ("get", "post", "put", "patch", "delete"):
        request = getattr(RequestFactory(headers={"host": "acme.localhost"}), method)("/")
        served = middleware(request)
        assert isinstance(served, HttpResponse)
        assert served.status_code == 200

        refused = ProgrammingError("permission denied for table articles_article")
        refused.__cause__ = InsufficientPrivilege()
        answer = middleware.process_exception(request, refused)
        assert answer is not None
        assert answer.status_code == 403
        assert b"read-only" in answer.content


def test_other_errors_of_a_view_stay_errors(acme: TenantRef) -> None:
    middleware = TenantMiddleware(lambda request: HttpResponse("served"))
    request = RequestFactory(headers={"host": "acme.localhost"}).post("/")
    middleware(request)
    refused = ProgrammingError("permission denied for table articles_article")
    refused.__cause__ = InsufficientPrivilege()
    for error in (refused, ProgrammingError("no such table"), ValueError("no such thing")):
        assert middleware.process_exception(request, error) is None


def test_get_host_works_wherever_a_tenant_is_served(acme: TenantRef) -> None:
    """Else CommonMiddleware answers 400 before the view."""
    for raw in ("acme.localhost", "ACME.localhost:8000", "acme.localhost.", "acme.localhost:"):
        request, _, _ = _serve(raw)
        assert request.get_host().lower().startswith("acme.localhost")
