import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.domains import resolution
from shared_apps.tenants import context, naming
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import NoTenant
from shared_apps.tenants.models import Status, Tenant
from tenant_apps.activity.models import Entry
from tenant_apps.users import invitations
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import Role
from tenant_apps.workspace import configuration
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import LoggedIn, People


def test_change_is_in_the_trail(in_acme: TenantRef, acme_people: People) -> None:
    configuration.change_settings(
        changes={"tagline": "Pots", "name": "Acme"}, by=acme_people["admin"]
    )
    entry = Entry.objects.get(verb="workspace.changed")
    assert entry.changes == [("tagline", "", "Pots")]


@pytest.mark.parametrize("role", ["editor", "author", "member"])
def test_settings_by_somebody_who_may_not(
    in_acme: TenantRef, acme_people: People, role: str
) -> None:
    with pytest.raises(NotAllowed, match="does not let you change the workspace's settings"):
        configuration.change_settings(changes={"tagline": "x"}, by=acme_people[role])


@pytest.mark.parametrize(
    "changes", [{"currency": "EURO"}, {"time_zone": "Berlin"}, {"language": "xx"}, {"name": ""}]
)
def test_value_that_cannot_be(
    in_acme: TenantRef, acme_people: People, changes: dict[str, str]
) -> None:
    before = Workspace.objects.values().get()
    with pytest.raises(ValidationError):
        configuration.change_settings(changes=changes, by=acme_people["owner"])
    assert Workspace.objects.values().get() == before


def test_new_name_is_shown_everywhere(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    acme_client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    owner = as_role("owner")
    assert "<title>Acme</title>" in acme_client.get("/").content.decode()
    settings = {
        "name": "Acme\n& Sons",
        "tagline": "",
        "language": "en",
        "time_zone": "UTC",
        "currency": "EUR",
    }
    with django_capture_on_commit_callbacks(execute=True):
        owner.post("/admin/workspace/workspace/1/change/", settings)
    home = acme_client.get("/").content.decode()
    assert "<title>Acme &amp; Sons</title>" in home
    assert "<h1>Acme &amp; Sons</h1>" in home
    admin = owner.get("/admin/")
    assert admin.context["site_header"] == "Acme & Sons"
    with context.run_in_public():
        tenant = Tenant.objects.get(subdomain="acme")
        assert tenant.name == "Acme & Sons"
    with context.run_in(tenant):
        assert Workspace.objects.get().name == "Acme & Sons"
        invitation = invitations.invite_person(
            email="new@acme.example", role=Role.objects.get(slug="author"), by=acme_people["owner"]
        )
        invitations.send_letter(invitation=invitation)
        assert mail.outbox[-1].subject == "Acme & Sons: you are invited"
    tenant.status = Status.SUSPENDED
    tenant.save(update_fields=["status"])
    resolution.bump_version()
    assert "Acme &amp; Sons is suspended" in acme_client.get("/").content.decode()


def test_new_name_goes_with_the_transaction(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        configuration.change_settings(changes={"name": "Other"}, by=acme_people["owner"])
        raise RuntimeError
    with context.run_in_public():
        assert Tenant.objects.get(subdomain="acme").name == "Acme"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines"])
def test_name_that_cannot_be(in_acme: TenantRef, name: str) -> None:
    with pytest.raises(ValueError, match="one line of 1 to 100 characters"):
        naming.rename_tenant(name=name)


def test_name_of_nobody(acme: TenantRef) -> None:
    with pytest.raises(NoTenant):
        naming.rename_tenant(name="x")


def test_there_is_one_row(in_acme: TenantRef) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Workspace.objects.create(id=2, name="Second")
    with pytest.raises(ValidationError, match="not deleted"):
        Workspace.objects.get().delete()
