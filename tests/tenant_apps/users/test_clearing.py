"""What lets people and programs in, and is over, is cleared by the dispatcher."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from config.celery import app as celery
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.tasks.periodic import _registered
from tenant_apps.users import tasks
from tenant_apps.users.models import ApiToken, Invitation, Role
from tests.tenant_apps.conftest import People

MONTH = timedelta(days=31)
LATELY = timedelta(days=29)


def plant_token(people: People, name: str, *, expires_at: datetime, **others: datetime) -> None:
    ApiToken.objects.create(
        person=people["owner"], name=name, prefix=name, token_hash=name, expires_at=expires_at,
        **others,
    )  # fmt: skip


def plant_invitation(name: str, *, expires_at: datetime, **others: datetime) -> None:
    Invitation.objects.create(
        email=f"{name}@example.com", role=Role.objects.get(slug="member"), expires_at=expires_at,
        **others,
    )  # fmt: skip


def test_tokens_that_are_over_are_cleared_after_a_month(
    in_acme: TenantRef, acme_people: People
) -> None:
    now = timezone.now()
    plant_token(acme_people, "open", expires_at=now + MONTH)
    plant_token(acme_people, "expired", expires_at=now - LATELY)
    plant_token(acme_people, "revoked", expires_at=now + MONTH, revoked_at=now - LATELY)
    plant_token(acme_people, "long-over", expires_at=now - MONTH)
    plant_token(acme_people, "long-gone", expires_at=now + MONTH, revoked_at=now - MONTH)
    assert tasks.delete_old_tokens() == 2
    assert tasks.delete_old_tokens() == 0
    kept = set(ApiToken.objects.values_list("name", flat=True))
    assert kept == {"open", "expired", "revoked"}


def test_invitations_in_vain_are_cleared_after_a_month(in_acme: TenantRef) -> None:
    now = timezone.now()
    plant_invitation("open", expires_at=now + LATELY)
    plant_invitation("expired", expires_at=now - LATELY)
    plant_invitation("accepted", expires_at=now - MONTH, accepted_at=now - MONTH)
    plant_invitation("long-over", expires_at=now - MONTH)
    plant_invitation("long-gone", expires_at=now + LATELY, withdrawn_at=now - MONTH)
    assert tasks.delete_old_invitations() == 2
    assert tasks.delete_old_invitations() == 0
    kept = {email.partition("@")[0] for email in Invitation.objects.values_list("email", flat=True)}
    assert kept == {"open", "expired", "accepted"}


def test_neighbours_rows_stay(acme: TenantRef, globex: TenantRef, globex_people: People) -> None:
    with context.run_in(globex):
        plant_token(globex_people, "long-over", expires_at=timezone.now() - MONTH)
        plant_invitation("long-over", expires_at=timezone.now() - MONTH)
    with context.run_in(acme):
        assert tasks.delete_old_tokens() == 0
        assert tasks.delete_old_invitations() == 0
    with context.run_in(globex):
        assert ApiToken.objects.count() == 1
        assert Invitation.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    [
        *("delete_expired_sessions", "delete_old_sign_ins", "delete_old_tokens"),
        *("delete_old_invitations", "delete_expired_answers", "forget_unconfirmed_subscribers"),
    ],
)
def test_each_kind_is_looked_for_once_a_day_at_least(name: str) -> None:
    # As a worker does when it starts: it knows the tasks of every app.
    celery.loader.import_default_modules()
    every = {entry.task.name.rpartition(".")[2]: entry.every for entry in _registered}
    assert every[name] <= timedelta(days=1)
