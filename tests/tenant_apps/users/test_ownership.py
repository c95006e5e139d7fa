"""The last owner, when many act at once: real transactions in threads."""

from typing import Any

import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import membership
from tenant_apps.users.errors import LastOwner, MembershipError, NotAllowed
from tenant_apps.users.models import Role, User
from tests.shared_apps.tenants.conftest import (  # noqa: F401 - fixtures
    TenantMaker,
    ThreadRunner,
    committed,
    in_threads,
    make_tenant,
)


@pytest.fixture
def initech(make_tenant: TenantMaker) -> TenantRef:  # noqa: F811
    """A tenant with an owner and three editors."""
    tenant: TenantRef = make_tenant("initech").ref
    with context.run_in(tenant):
        for number in range(3):
            membership.add_person(
                email=f"editor-{number}@initech.example",
                full_name=f"Editor {number}",
                role=Role.objects.get(slug="editor"),
                password=None,
                email_confirmed=True,
            )
    return tenant


def _in(tenant: TenantRef, function: Any) -> Any:
    """The function inside the tenant, with refusals as answers."""

    def run(argument: Any) -> Any:
        with context.run_in(tenant):
            try:
                return function(argument)
            except (MembershipError, NotAllowed) as refused:
                return refused

    return run


def _people(*, owners: bool) -> list[User]:
    people = User.objects.select_related("role").order_by("email")
    return [person for person in people if person.is_owner == owners]


def test_of_three_transfers_by_one_owner_one_succeeds(
    initech: TenantRef,
    in_threads: ThreadRunner,  # noqa: F811
) -> None:
    with context.run_in(initech):
        [owner], editors = _people(owners=True), _people(owners=False)

    def give(person: User) -> User:
        by = User.objects.select_related("role").get(pk=owner.pk)
        return membership.transfer_ownership(person=person, by=by)

    results = in_threads(_in(initech, give), editors)

    given = [result for result in results if isinstance(result, User)]
    assert len(given) == 1, results
    assert sum(isinstance(result, NotAllowed) for result in results) == 2, results
    with context.run_in(initech):
        assert [person.pk for person in _people(owners=True)] == [given[0].pk]
        assert Entry.objects.filter(verb="ownership.transferred").count() == 1


def test_transfer_and_demotions_at_once_leave_an_owner(
    initech: TenantRef,
    in_threads: ThreadRunner,  # noqa: F811
) -> None:
    with context.run_in(initech):
        [first], (second, third, heir) = _people(owners=True), _people(owners=False)
        for person in (second, third):
            membership.change_role(person=person, role=Role.objects.get(slug="owner"), by=first)
        first, second, third = User.objects.owners().select_related("role").order_by("email")
        editor = Role.objects.get(slug="editor")
        owners = {"a": first, "b": second, "c": third}

    def act(name: str) -> User:
        if name == "heir":
            return membership.transfer_ownership(person=heir, by=third)
        return membership.change_role(person=owners[name], role=editor, by=owners[name])

    results = in_threads(_in(initech, act), ["a", "b", "c", "heir"])

    assert all(isinstance(result, User | LastOwner | NotAllowed) for result in results), results
    with context.run_in(initech):
        assert _people(owners=True), results
