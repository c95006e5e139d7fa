"""The states of a tenant: who may become what, and what is remembered of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from shared_apps.tenants import lifecycle
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotActive, TenantSuspended
from shared_apps.tenants.lifecycle.states import TRANSITIONS
from shared_apps.tenants.models import Erasure, Status, StatusChange, Tenant
from shared_apps.tenants.tasks import admission

WORDS = {"reason": "why not", "by": "op@example.com"}


def tenant_in(acme: TenantRef, status: str) -> Tenant:
    Tenant.objects.filter(pk=acme.id).update(status=status)
    return Tenant.objects.get(pk=acme.id)


def test_suspend_tenant_writes_who_when_and_why(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)

    suspended = lifecycle.suspend_tenant(tenant=tenant, reason=" unpaid ", by="op@example.com")

    assert suspended.status == Status.SUSPENDED
    change = StatusChange.objects.get(tenant=tenant)
    assert (change.before, change.after) == (Status.ACTIVE, Status.SUSPENDED)
    assert (change.reason, change.by) == ("unpaid", "op@example.com")
    assert timezone.now() - change.at < timedelta(minutes=1)


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
    assert answer.json()["workspace_status"] == "suspended"


def test_suspend_tenant_twice_is_refused(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.suspend_tenant(tenant=tenant, reason="unpaid", by="op@example.com")

    with pytest.raises(TenantNotActive, match="is suspended"):
        lifecycle.suspend_tenant(tenant=tenant, reason="again", by="op@example.com")
    assert StatusChange.objects.count() == 1


@pytest.mark.parametrize("verb", [*TRANSITIONS])
def test_change_without_a_reason_is_refused(verb: str, acme: TenantRef) -> None:
    with pytest.raises(ValueError, match="reason"):
        getattr(lifecycle, verb)(tenant=Tenant.objects.get(pk=acme.id), reason=" ", by="op")
    assert not StatusChange.objects.exists()


@pytest.mark.parametrize("before", list(Status))
# make_read_only changes grants, over another connection: test_lifecycle_read_only.py.
@pytest.mark.parametrize("verb", [verb for verb in TRANSITIONS if verb != "make_read_only"])
def test_verb_leads_from_the_states_of_its_row_and_no_others(
    verb: str, before: Status, acme: TenantRef
) -> None:
    tenant = tenant_in(acme, before)
    transition = TRANSITIONS[verb]
    if before in transition.before:
        after = getattr(lifecycle, verb)(tenant=tenant, **WORDS).status
        assert after == (transition.after or Status.ACTIVE)
        change = StatusChange.objects.get()
        assert (change.before, change.after, change.by) == (before, after, "op@example.com")
    else:
        with pytest.raises(TenantNotActive, match=tenant.get_status_display().lower()):
            getattr(lifecycle, verb)(tenant=tenant, **WORDS)
        assert not StatusChange.objects.exists()
    assert Tenant.objects.get(pk=acme.id).status == (
        after if before in transition.before else before
    )


def test_erased_leads_nowhere() -> None:
    assert not any(Status.ERASED in row.before for row in TRANSITIONS.values())
    assert not any(Status.PROVISIONING in row.before for row in TRANSITIONS.values())


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("suspend_tenant", "resume_tenant"),
        ("begin_maintenance", "end_maintenance"),
        ("archive_tenant", "unarchive_tenant"),
    ],
)
def test_way_back_leads_to_where_it_was_served(there: str, back: str, acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.start_trial(tenant=tenant, **WORDS)
    getattr(lifecycle, there)(tenant=tenant, **WORDS)
    assert getattr(lifecycle, back)(tenant=tenant, **WORDS).status == Status.TRIAL

    lifecycle.activate_tenant(tenant=tenant, **WORDS)
    getattr(lifecycle, there)(tenant=tenant, **WORDS)
    assert getattr(lifecycle, back)(tenant=tenant, **WORDS).status == Status.ACTIVE


def test_suspension_in_maintenance_ends_where_it_was_served(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.begin_maintenance(tenant=tenant, **WORDS)
    lifecycle.suspend_tenant(tenant=tenant, **WORDS)
    assert lifecycle.resume_tenant(tenant=tenant, **WORDS).status == Status.ACTIVE


def test_resume_tenant_serves_again(acme: TenantRef, acme_client: Client) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.suspend_tenant(tenant=tenant, reason="unpaid", by="op@example.com")

    lifecycle.resume_tenant(tenant=tenant, reason="paid", by="op@example.com")

    assert acme_client.get("/").status_code == 200


def test_tenant_on_trial_is_served(acme: TenantRef, acme_client: Client) -> None:
    lifecycle.start_trial(tenant=Tenant.objects.get(pk=acme.id), **WORDS)
    assert acme_client.get("/").status_code == 200


# --- Tasks -----------------------------------------------------------------------------------------


def test_tasks_run_on_trial_and_never_when_suspended(acme: TenantRef) -> None:
    from shared_apps.tenants.tasks import TenantTask

    everywhere = frozenset(Status.values)
    tenant_in(acme, Status.TRIAL)
    assert admission.admit(acme.uuid, task_name="x", runs_when=TenantTask.runs_when).id == acme.id
    tenant_in(acme, Status.SUSPENDED)
    for runs_when in (TenantTask.runs_when, everywhere):
        with pytest.raises(TenantSuspended):
            admission.admit(acme.uuid, task_name="x", runs_when=runs_when)


def test_dispatcher_leaves_suspended_tenants_out_whatever_a_task_says(acme: TenantRef) -> None:
    from types import SimpleNamespace

    from shared_apps.tenants.tasks.periodic import _holders

    task = SimpleNamespace(runs_when=frozenset(Status.values))
    assert acme.uuid in _holders(task)
    tenant_in(acme, Status.SUSPENDED)
    assert acme.uuid not in _holders(task)


# --- Scheduled for erasure -------------------------------------------------------------------------


def test_schedule_erasure_is_for_thirty_days_later(acme: TenantRef, settings: Any) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.schedule_erasure(tenant=tenant, **WORDS)
    erasure = Erasure.objects.get()
    assert (erasure.tenant_id, erasure.reason, erasure.by) == (acme.id, *WORDS.values())
    assert timedelta(days=29) < erasure.due_at - timezone.now() <= timedelta(days=30)
    assert not erasure.is_due(timezone.now())
    assert erasure.is_due(timezone.now() + timedelta(days=30))


def test_schedule_erasure_closes_the_tenant(acme: TenantRef, acme_client: Client) -> None:
    lifecycle.schedule_erasure(tenant=Tenant.objects.get(pk=acme.id), **WORDS)
    page = acme_client.get("/")
    assert page.status_code == 410
    assert "Acme is closed" in page.content.decode()
    assert acme_client.get("/api/v1/articles/").json()["workspace_status"] == "erasure_scheduled"


def test_cancel_erasure_archives_and_keeps_the_record(acme: TenantRef) -> None:
    tenant = Tenant.objects.get(pk=acme.id)
    lifecycle.schedule_erasure(tenant=tenant, **WORDS)
    assert lifecycle.cancel_erasure(tenant=tenant, **WORDS).status == Status.ARCHIVED
    assert Erasure.objects.get().cancelled_at is not None
    assert not Erasure.objects.get().is_due(timezone.now() + timedelta(days=31))
    # A second wish is a row of its own.
    lifecycle.schedule_erasure(tenant=tenant, after=timedelta(days=1), **WORDS)
    assert Erasure.objects.filter(cancelled_at=None).count() == 1
    assert Erasure.objects.count() == 2


def test_schedule_erasure_for_the_past_is_refused(acme: TenantRef) -> None:
    with pytest.raises(ValueError, match="past"):
        lifecycle.schedule_erasure(
            tenant=Tenant.objects.get(pk=acme.id), after=timedelta(days=-1), **WORDS
        )
    assert Tenant.objects.get(pk=acme.id).status == Status.ACTIVE
