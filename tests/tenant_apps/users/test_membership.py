from collections.abc import Callable

import pytest

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import membership, profiles, roles, second_factors
from tenant_apps.users.errors import EmailTaken, LastOwner, NotAllowed, PersonInactive
from tenant_apps.users.models import Role, User
from tenant_apps.users.permissions import BUILTIN_ROLES
from tests.tenant_apps.conftest import People, make_steward


def role(slug: str) -> Role:
    return Role.objects.get(slug=slug)


def test_seeded_tenant_has_the_builtin_roles_and_one_owner(
    in_acme: TenantRef, acme_people: People
) -> None:
    assert list(Role.objects.values_list("slug", flat=True)) == list(BUILTIN_ROLES)
    assert list(User.objects.owners()) == [acme_people["owner"]]


def test_email_is_taken_in_any_case(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(EmailTaken, match=r"editor@acme\.example belongs to somebody"):
        membership.add_person(
            email="EDITOR@Acme.example",
            full_name="Eve",
            role=role("member"),
            password=None,
            email_confirmed=False,
        )


def test_email_is_kept_in_lower_case(in_acme: TenantRef, acme_people: People) -> None:
    person = membership.add_person(
        email="Mixed.Case@Acme.Example",
        full_name="Mia",
        role=role("member"),
        password=None,
        email_confirmed=False,
    )
    person.refresh_from_db()
    assert person.email == "mixed.case@acme.example"
    assert User.objects.get(email="MIXED.case@acme.example") == person


LEAVING: dict[str, Callable[[User], object]] = {
    "leave": lambda owner: membership.leave(person=owner),
    "demote": lambda owner: membership.change_role(person=owner, role=role("admin"), by=owner),
    "deactivate": lambda owner: membership.deactivate_person(person=owner, by=owner),
}


@pytest.mark.parametrize("way", LEAVING)
def test_last_owner_stays(in_acme: TenantRef, acme_people: People, way: str) -> None:
    owner = acme_people["owner"]
    with pytest.raises(LastOwner, match=r"is the last owner\. Make somebody else an owner first"):
        LEAVING[way](owner)
    owner.refresh_from_db()
    assert owner.is_active
    assert owner.role.slug == "owner"


def test_owner_can_go_when_there_is_another(in_acme: TenantRef, acme_people: People) -> None:
    owner, editor = acme_people["owner"], acme_people["editor"]
    membership.change_role(person=editor, role=role("owner"), by=owner)
    membership.leave(person=owner)
    owner.refresh_from_db()
    assert not owner.is_active
    assert owner.deactivated_by == owner
    assert owner.deactivated_at is not None


def test_deactivated_owner_does_not_count(in_acme: TenantRef, acme_people: People) -> None:
    owner, editor = acme_people["owner"], acme_people["editor"]
    membership.change_role(person=editor, role=role("owner"), by=owner)
    membership.deactivate_person(person=editor, by=owner)
    with pytest.raises(LastOwner):
        membership.leave(person=owner)


@pytest.mark.parametrize(
    ("by", "person", "new_role", "allowed"),
    [
        ("owner", "editor", "admin", True),
        ("owner", "editor", "owner", True),
        ("admin", "editor", "author", True),
        ("admin", "editor", "owner", False),
        ("admin", "admin", "owner", False),
        ("admin", "owner", "member", False),
        ("editor", "member", "author", False),
        ("author", "author", "editor", False),
        ("member", "member", "admin", False),
    ],
)
def test_role_is_changed_by_those_who_may(
    in_acme: TenantRef, acme_people: People, by: str, person: str, new_role: str, allowed: bool
) -> None:
    change = {"person": acme_people[person], "role": role(new_role), "by": acme_people[by]}
    if allowed:
        membership.change_role(**change)
    else:
        with pytest.raises(NotAllowed):
            membership.change_role(**change)
    now = User.objects.get(pk=acme_people[person].pk).role.slug
    assert now == (new_role if allowed else person)


def test_change_of_role_is_in_the_trail(in_acme: TenantRef, acme_people: People) -> None:
    membership.change_role(
        person=acme_people["member"], role=role("author"), by=acme_people["owner"]
    )
    entry = Entry.objects.about(acme_people["member"]).get(verb="person.role_changed")
    assert entry.actor_email == "owner@acme.example"
    assert entry.changes == [("role", "member", "author")]


def test_deactivated_person_may_nothing(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    assert editor.has_perm("articles.change_article")
    membership.deactivate_person(person=editor, by=acme_people["owner"])
    assert not editor.has_perm("articles.change_article")
    assert not editor.has_module_perms("articles")
    assert not editor.is_staff


def test_deleting_a_person_asks_no_table_that_is_not_there(
    in_acme: TenantRef, acme_people: People
) -> None:
    acme_people["member"].delete()
    assert not User.objects.filter(pk=acme_people["member"].pk).exists()


def test_ownership_is_transferred(in_acme: TenantRef, acme_people: People) -> None:
    owner, editor = acme_people["owner"], acme_people["editor"]
    membership.transfer_ownership(person=editor, by=owner)
    assert User.objects.get(pk=editor.pk).is_owner
    assert User.objects.get(pk=owner.pk).role.slug == "admin"
    entry = Entry.objects.about(editor).get(verb="ownership.transferred")
    assert entry.actor_email == owner.email
    assert entry.before == {"role": "editor", "owner": owner.email}
    assert entry.after["owner"] == editor.email


@pytest.mark.parametrize("by", ["admin", "editor", "author", "member"])
def test_ownership_is_not_given_by_others(by: str, in_acme: TenantRef, acme_people: People) -> None:
    heir = acme_people["editor" if by == "member" else "member"]
    with pytest.raises(NotAllowed):
        membership.transfer_ownership(person=heir, by=acme_people[by])
    assert [owner.pk for owner in User.objects.owners()] == [acme_people["owner"].pk]


def test_ownership_is_given_once(in_acme: TenantRef, acme_people: People) -> None:
    """The second wish comes with what its process read before the first."""
    owner = User.objects.get(pk=acme_people["owner"].pk)
    membership.transfer_ownership(person=acme_people["editor"], by=acme_people["owner"])
    assert owner.is_owner
    with pytest.raises(NotAllowed):
        membership.transfer_ownership(person=acme_people["member"], by=owner)
    assert [owner.pk for owner in User.objects.owners()] == [acme_people["editor"].pk]


def test_ownership_goes_to_nobody_who_is_not_in(in_acme: TenantRef, acme_people: People) -> None:
    stale = User.objects.get(pk=acme_people["editor"].pk)
    membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    with pytest.raises(PersonInactive):
        membership.transfer_ownership(person=stale, by=acme_people["owner"])
    with pytest.raises(LastOwner):
        membership.transfer_ownership(person=acme_people["owner"], by=acme_people["owner"])
    assert [owner.pk for owner in User.objects.owners()] == [acme_people["owner"].pk]


# --- who may do little cannot get at more ---------------------------------------------------------

REACHING_UP: dict[str, Callable[[User, People], object]] = {
    "makes oneself an admin": lambda steward, _: membership.change_role(
        person=steward, role=role("admin"), by=steward
    ),
    "makes another an admin": lambda steward, people: membership.change_role(
        person=people["member"], role=role("admin"), by=steward
    ),
    "makes another an editor": lambda steward, people: membership.change_role(
        person=people["member"], role=role("editor"), by=steward
    ),
    "demotes an admin": lambda steward, people: membership.change_role(
        person=people["admin"], role=role("member"), by=steward
    ),
    "deactivates an admin": lambda steward, people: membership.deactivate_person(
        person=people["admin"], by=steward
    ),
    "renames an admin": lambda steward, people: profiles.change_profile(
        person=people["admin"], changes={"full_name": "x"}, by=steward
    ),
    "takes an admin's second factors": lambda steward, people: second_factors.remove_second_factors(
        person=people["admin"], by=steward
    ),
    "lets an admin in again": lambda steward, people: membership.reactivate_person(
        person=people["admin"], by=steward
    ),
}


@pytest.mark.parametrize("way", REACHING_UP)
def test_person_who_manages_people_gets_at_nothing_that_they_may_not(
    in_acme: TenantRef, acme_people: People, way: str
) -> None:
    steward = make_steward(acme_people)
    people = User.objects.order_by("pk").values_list("pk", "full_name", "role__slug", "is_active")
    before = list(people)
    with pytest.raises(NotAllowed, match="may do more than your own"):
        REACHING_UP[way](steward, acme_people)
    assert list(people) == before


def test_demotion_is_judged_by_the_row_not_by_what_was_loaded(
    in_acme: TenantRef, acme_people: People
) -> None:
    steward, stale = make_steward(acme_people), acme_people["member"]
    User.objects.filter(pk=stale.pk).update(role=role("admin"))
    with pytest.raises(NotAllowed):
        membership.deactivate_person(person=stale, by=steward)
    assert User.objects.get(pk=stale.pk).is_active


def test_person_who_manages_people_does_so_below_them(
    in_acme: TenantRef, acme_people: People
) -> None:
    steward = make_steward(acme_people)
    membership.change_role(person=acme_people["member"], role=steward.role, by=steward)
    membership.change_role(person=acme_people["member"], role=role("member"), by=steward)
    membership.deactivate_person(person=acme_people["member"], by=steward)
    membership.reactivate_person(person=acme_people["member"], by=steward)
    assert set(roles.roles_to_give(by=steward)) == {role("member"), steward.role}


def test_role_that_may_more_is_not_made_to_do_less(in_acme: TenantRef, acme_people: People) -> None:
    steward = make_steward(acme_people)
    chief = roles.make_role(
        name="Chief", permissions=["articles.change_article"], by=acme_people["owner"]
    )
    with pytest.raises(NotAllowed):
        roles.change_role(role=chief, name="Chief", permissions=[], by=steward)
    assert Role.objects.get(pk=chief.pk).permissions == ["articles.change_article"]
