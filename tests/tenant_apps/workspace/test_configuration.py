import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users.errors import NotAllowed
from tenant_apps.workspace import configuration
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import People


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


def test_there_is_one_row(in_acme: TenantRef) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Workspace.objects.create(id=2, name="Second")
    with pytest.raises(ValidationError, match="not deleted"):
        Workspace.objects.get().delete()
