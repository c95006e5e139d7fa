"""Suspending and resuming a tenant."""

import pytest
from django.test import Client

from shared_apps.tenants import lifecycle
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.models import Status, StatusChange, Tenant


def test_suspend_tenant_writes_who_when_and_why(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)

    suspended = lifecycle.suspend_tenant(tenant=tenant, reason=" unpaid ", by="op@example.com")

    assert suspended.status == Status.SUSPENDED
    change = StatusChange.objects.get(tenant=tenant)
    assert (change.before, change.after) == (Status.ACTIVE, Status.SUSPENDED)
    assert (change.reason, change.by) == ("unpaid", "op@example.com")


def test_suspend_tenant_is_seen_by_the_next_request(
    acme: TenantRef, acme_client: Client, django_capture_on_commit_callbacks
) -> None:
    assert acme_client.get("/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.suspend_tenant(
            tenant=Tenant.objects.get(pk=acme.id), reason="unpaid", by="op@example.com"
        )

    answer = acme_client.get("/", headers={"accept": "application/json"})

    assert answer.status_code == 403
    assert answer.json()["status"] == "suspended"


def test_suspend_tenant_twice_is_refused(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.suspend_tenant(tenant=tenant, reason="unpaid", by="op@example.com")

    with pytest.raises(TenantNotActive, match="is suspended"):
        lifecycle.suspend_tenant(tenant=tenant, reason="again", by="op@example.com")
    assert StatusChange.objects.count() == 1


def test_suspend_tenant_without_a_reason_is_refused(acme: TenantRef) -> None:
    with pytest.raises(ValueError, match="reason"):
        lifecycle.suspend_tenant(tenant=Tenant.objects.get(pk=acme.id), reason=" ", by="op")


def test_resume_tenant_serves_again(acme: TenantRef, acme_client: Client) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.suspend_tenant(tenant=tenant, reason="unpaid", by="op@example.com")

    lifecycle.resume_tenant(tenant=tenant, reason="paid", by="op@example.com")

    assert acme_client.get("/").status_code == 200


def test_resume_tenant_that_is_active_is_refused(acme: TenantRef) -> None:
    with pytest.raises(TenantNotActive):
        lifecycle.resume_tenant(tenant=Tenant.objects.get(pk=acme.id), reason="why", by="op")
