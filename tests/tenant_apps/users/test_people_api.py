"""People, invitations and roles under /api/v1/; and one table of role and action for each door."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.users import invitations, membership, roles
from tenant_apps.users.errors import LastOwner
from tenant_apps.users.models import Invitation, Role, User
from tests.tenant_apps.conftest import PASSWORD, LoggedIn, People

JSON: dict[str, Any] = {"content_type": "application/json"}
ANY = {"If-Match": "*"}
ROLES = ("visitor", "member", "author", "editor", "admin", "owner")
STRANGER = 401

# --- One table: who may do what ----------------------------------------------------------------------
#
# Y does it, n is refused. The same rows through the API and, where there is one, through the admin.
#                                    visitor member author editor admin owner
TABLE = {
    "see people":                   "n n n n Y Y",
    "rename a member":              "n n n n Y Y",
    "make a member an editor":      "n n n n Y Y",
    "make a member an owner":       "n n n n n Y",
    "demote an admin":              "n n n n Y Y",
    "demote the owner":             "n n n n n n",
    "deactivate a member":          "n n n n Y Y",
    "deactivate the owner":         "n n n n n n",
    "sign a member out":            "n n n n Y Y",
    "invite a member":              "n n n n Y Y",
    "invite an owner":              "n n n n n Y",
    "see roles":                    "n n n n Y Y",
    "make a role":                  "n n n n Y Y",
    "change a builtin role":        "n n n n n n",
}  # fmt: skip

Ask = Callable[[Client, People, dict[str, int]], Any]


def _patch_person(who: str, data: dict[str, Any]) -> Ask:
    return lambda client, people, keys: client.patch(
        f"/api/v1/people/{people[who].pk}/", data, headers=ANY, **JSON
    )


def _post_person(who: str, verb: str) -> Ask:
    return lambda client, people, keys: client.post(f"/api/v1/people/{people[who].pk}/{verb}/")


def _post(path: str, data: dict[str, Any]) -> Ask:
    return lambda client, people, keys: client.post(f"/api/v1/{path}/", data, **JSON)


API: dict[str, Ask] = {
    "see people": lambda client, people, keys: client.get("/api/v1/people/"),
    "rename a member": _patch_person("member", {"full_name": "Renamed"}),
    "make a member an editor": _patch_person("member", {"role": "editor"}),
    "make a member an owner": _patch_person("member", {"role": "owner"}),
    "demote an admin": _patch_person("admin", {"role": "member"}),
    "demote the owner": _patch_person("owner", {"role": "member"}),
    "deactivate a member": _post_person("member", "deactivate"),
    "deactivate the owner": _post_person("owner", "deactivate"),
    "sign a member out": _post_person("member", "sign-out"),
    "invite a member": _post("invitations", {"email": "new@acme.example", "role": "member"}),
    "invite an owner": _post("invitations", {"email": "new@acme.example", "role": "owner"}),
    "see roles": lambda client, people, keys: client.get("/api/v1/roles/"),
    "make a role": _post("roles", {"name": "Helper", "permissions": ["users.use_admin"]}),
    "change a builtin role": lambda client, people, keys: client.patch(
        f"/api/v1/roles/{keys['editor']}/", {"name": "x"}, headers=ANY, **JSON
    ),
}


def _change_form(who: str, role: str) -> Ask:
    return lambda client, people, keys: client.post(
        f"/admin/users/user/{people[who].pk}/change/",
        {"full_name": people[who].full_name, "role": keys[role]},
    )


def _action(who: str, name: str) -> Ask:
    return lambda client, people, keys: client.post(
        "/admin/users/user/", {"action": name, "_selected_action": [str(people[who].pk)]}
    )


def _add(model: str, **data: Any) -> Ask:
    return lambda client, people, keys: client.post(
        f"/admin/users/{model}/add/",
        {name: keys.get(str(value), value) for name, value in data.items()},
    )


ADMIN: dict[str, Ask] = {
    "see people": lambda client, people, keys: client.get("/admin/users/user/"),
    "rename a member": lambda client, people, keys: client.post(
        f"/admin/users/user/{people['member'].pk}/change/",
        {"full_name": "Renamed", "role": keys["member"]},
    ),
    "make a member an editor": _change_form("member", "editor"),
    "make a member an owner": _change_form("member", "owner"),
    "demote an admin": _change_form("admin", "member"),
    "demote the owner": _change_form("owner", "member"),
    "deactivate a member": _action("member", "deactivate"),
    "deactivate the owner": _action("owner", "deactivate"),
    "sign a member out": _action("member", "sign_out_everywhere"),
    "invite a member": _add("invitation", email="new@acme.example", role="member"),
    "invite an owner": _add("invitation", email="new@acme.example", role="owner"),
    "see roles": lambda client, people, keys: client.get("/admin/users/role/"),
    "make a role": _add("role", name="Helper", permissions="users.use_admin"),
    "change a builtin role": lambda client, people, keys: client.post(
        f"/admin/users/role/{keys['editor']}/change/", {"name": "x", "permissions": []}
    ),
}


def _state() -> dict[str, Any]:
    """All that the table's actions change."""
    return {
        "people": list(
            User.objects.order_by("pk").values_list(
                "full_name", "role__slug", "is_active", "session_generation"
            )
        ),
        "invitations": Invitation.objects.count(),
        "roles": list(Role.objects.order_by("pk").values_list("name", "permissions")),
    }


@pytest.mark.parametrize("door", ["api", "admin"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", TABLE)
def test_table_of_roles_and_actions(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, what: str, role: str, door: str
) -> None:
    may = TABLE[what].split()[ROLES.index(role)] == "Y"
    client = as_role(role)
    with context.run_in(acme):
        keys = dict(Role.objects.values_list("slug", "pk"))
        before = _state()
    answer = (API if door == "api" else ADMIN)[what](client, acme_people, keys)
    with context.run_in(acme):
        changed = _state() != before
    reads = what.startswith("see")
    assert changed is (may and not reads), answer.content.decode()[:500]
    if door == "api":
        if may:
            assert answer.status_code in {200, 201}, answer.json()
        elif role == "visitor":
            assert answer.status_code == STRANGER
        else:
            # A role that one can't give is none of those offered; the last owner stays one.
            assert answer.status_code in {400, 403, 409}
    elif reads:
        assert (answer.status_code == 200) is may


@pytest.mark.parametrize("role", ROLES[1:])
def test_leaving_by_the_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    """Everybody may go but the last owner."""
    as_role(role).post("/account/leave/")
    with context.run_in(acme):
        person = User.objects.get(pk=acme_people[role].pk)
        assert person.is_active is (role == "owner")


def test_one_of_two_owners_may_leave(in_acme: TenantRef, acme_people: People) -> None:
    owner = acme_people["owner"]
    with pytest.raises(LastOwner):
        membership.leave(person=owner)
    membership.change_role(
        person=acme_people["admin"], role=Role.objects.get(slug="owner"), by=owner
    )
    assert not membership.leave(person=owner).is_active


# --- People ----------------------------------------------------------------------------------------


def test_me_tells_what_i_may(as_role: LoggedIn) -> None:
    me = as_role("author").get("/api/v1/me/").json()
    assert (me["email"], me["role"]) == ("author@acme.example", "author")
    assert "articles.add_article" in me["permissions"]
    assert "users.manage_people" not in me["permissions"]
    assert "password" not in str(me)


def test_list_is_searched_filtered_ordered_and_paged(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("owner")

    def names(query: str) -> list[str]:
        answer = client.get(f"/api/v1/people/?fields=full_name&{query}")
        assert answer.status_code == 200, answer.json()
        assert all(set(one) == {"full_name"} for one in answer.json()["results"])
        return [one["full_name"].split()[0] for one in answer.json()["results"]]

    assert names("") == ["Admin", "Author", "Editor", "Member", "Olga"]
    assert names("ordering=-full_name") == ["Olga", "Member", "Editor", "Author", "Admin"]
    assert names("search=edit") == ["Editor"]
    assert names("role=author") == ["Author"]
    assert names("email=owner@acme.example") == ["Olga"]
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["member"], by=acme_people["owner"])
    assert names("is_active=false") == ["Member"]
    seen: list[str] = []
    address = "/api/v1/people/?page_size=2"
    while address:
        answer = client.get(address).json()
        seen += [one["full_name"].split()[0] for one in answer["results"]]
        address = answer["next"]
    assert seen == ["Admin", "Author", "Editor", "Member", "Olga"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("ordering=password", "ordering"),
        ("page_size=0", "page_size"),
        ("page_size=x", "page_size"),
        ("page_size=101", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=cD0lMDA=", "cursor"),
        ("fields=nothing", "fields"),
        ("fields=", "fields"),
        ("search=%00", "search"),
    ],
)
def test_parameter_that_cannot_be(as_role: LoggedIn, query: str, parameter: str) -> None:
    answer = as_role("owner").get(f"/api/v1/people/?{query}")
    assert answer.status_code == 400, answer.json()
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_equal_names_are_each_shown_once(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        User.objects.update(full_name="Same")
    client, seen, address = as_role("owner"), [], "/api/v1/people/?page_size=2"
    while address:
        answer = client.get(address).json()
        seen += [one["email"] for one in answer["results"]]
        address = answer["next"]
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("more", [1, 3])
@pytest.mark.parametrize("path", ["people", "invitations", "roles"])
def test_list_asks_as_much_for_three_as_for_one(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, path: str, more: int
) -> None:
    client = as_role("owner")
    with context.run_in(acme):
        owner, member = acme_people["owner"], Role.objects.get(slug="member")
        for number in range(more):
            membership.add_person(
                email=f"p{number}@acme.example",
                full_name="P",
                role=member,
                password=None,
                email_confirmed=True,
            )
            invitations.invite_person(email=f"i{number}@acme.example", role=member, by=owner)
            roles.make_role(name=f"R{number}", permissions=[], by=owner)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/api/v1/{path}/").status_code == 200
    assert len(captured) == 6, "host, workspace, savepoint, person, rows, end of the savepoint"


def test_change_of_somebody_whom_another_changed(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client, path = as_role("owner"), f"/api/v1/people/{acme_people['member'].pk}/"
    etag = client.get(path)["ETag"]
    assert client.patch(path, {"full_name": "A"}, **JSON).status_code == 428
    first = client.patch(path, {"full_name": "A"}, headers={"If-Match": etag}, **JSON)
    second = client.patch(path, {"full_name": "B"}, headers={"If-Match": etag}, **JSON)
    assert (first.status_code, second.status_code) == (200, 412)
    with context.run_in(acme):
        # Logging in is no change.
        User.objects.filter(pk=acme_people["member"].pk).update(last_login=None)
    third = client.patch(path, {"role": "author"}, headers={"If-Match": first["ETag"]}, **JSON)
    assert (third.status_code, third.json()["role"]) == (200, "author")


def test_person_goes_and_comes_back(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client, path = as_role("owner"), f"/api/v1/people/{acme_people['member'].pk}/"
    assert client.post(f"{path}deactivate/").json()["is_active"] is False
    assert client.post(f"{path}reactivate/").json()["is_active"] is True


# --- Invitations -----------------------------------------------------------------------------------


def test_invitation_from_the_first_letter_to_its_end(
    acme: TenantRef,
    as_role: LoggedIn,
    acme_client: Client,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = as_role("admin")
    own = client.post("/api/v1/roles/", {"name": "Helper", "permissions": []}, **JSON).json()
    with django_capture_on_commit_callbacks(execute=True):
        made = client.post(
            "/api/v1/invitations/",
            {"email": "New@Acme.example", "role": own["slug"]},
            headers={"Idempotency-Key": "k"},
            **JSON,
        )
        again = client.post(
            "/api/v1/invitations/",
            {"email": "New@Acme.example", "role": own["slug"]},
            headers={"Idempotency-Key": "k"},
            **JSON,
        )
    assert (made.status_code, again.json()) == (201, made.json())
    assert len(mail.outbox) == 1, "one letter, though it was asked for twice"
    path = f"/api/v1/invitations/{made.json()['id']}/"
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"{path}send-again/").status_code == 200
    token = str(mail.outbox[-1].body).split("/invitations/")[1].split("/")[0]
    acme_client.post(f"/invitations/{token}/", {"full_name": "Nora", "password": PASSWORD})
    told = client.get(path).json()
    assert (told["email"], told["state"], told["role"]) == (
        "new@acme.example",
        "accepted",
        "helper",
    )
    assert token not in str(told)
    refused = client.post(f"{path}withdraw/")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:terrace:problem:conflict")
    with context.run_in(acme):
        assert (
            User.objects.select_related("role").get(email="new@acme.example").role.name == "Helper"
        )
    # Somebody has the role now.
    gone = client.delete(f"/api/v1/roles/{own['id']}/")
    assert gone.status_code == 409


def test_invitation_is_withdrawn(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("admin")
    made = client.post(
        "/api/v1/invitations/", {"email": "new@acme.example", "role": "member"}, **JSON
    ).json()
    assert client.post(f"/api/v1/invitations/{made['id']}/withdraw/").status_code == 200
    assert client.get(f"/api/v1/invitations/{made['id']}/").json()["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("data", "status", "where"),
    [
        ({"email": "no address", "role": "member"}, 400, "#/email"),
        ({"email": "x@acme.example", "role": "nothing"}, 400, "#/role"),
        ({"email": "x@acme.example"}, 400, "#/role"),
        ({"email": "owner@acme.example", "role": "member"}, 409, ""),
    ],
)
def test_invitation_that_cannot_be(
    as_role: LoggedIn, data: dict[str, str], status: int, where: str
) -> None:
    answer = as_role("owner").post("/api/v1/invitations/", data, **JSON)
    assert answer.status_code == status
    if where:
        assert answer.json()["errors"][0]["pointer"] == where


# --- Roles -----------------------------------------------------------------------------------------


def test_role_of_ones_own(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("admin")
    known = client.get("/api/v1/roles/permissions/").json()
    assert {"name": "users.manage_people", "label": "Invite people and change roles"} in known
    made = client.post(
        "/api/v1/roles/", {"name": "Helper", "permissions": ["users.view_user"]}, **JSON
    )
    assert made.status_code == 201
    path = f"/api/v1/roles/{made.json()['id']}/"
    etag = {"If-Match": client.get(path)["ETag"]}
    changed = client.patch(path, {"name": "Helping hand"}, headers=etag, **JSON)
    assert (changed.status_code, changed.json()["name"]) == (200, "Helping hand")
    assert changed.json()["permissions"] == ["users.view_user"]
    assert client.patch(path, {"name": "x"}, headers=etag, **JSON).status_code == 412
    assert client.delete(path).status_code == 204


def test_role_with_a_permission_that_there_is_not(as_role: LoggedIn) -> None:
    answer = as_role("admin").post(
        "/api/v1/roles/", {"name": "x", "permissions": ["nothing.at_all"]}, **JSON
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/permissions"


def test_admins_page_says_permissions_by_app(as_role: LoggedIn) -> None:
    page = as_role("owner").get("/admin/users/role/add/").content.decode()
    assert "Invite people and change roles" in page
    for app in ("Articles", "Products", "People", "Workspace"):
        assert app in page
