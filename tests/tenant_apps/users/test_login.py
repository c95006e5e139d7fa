import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.handoff import issue_hand_off
from tenant_apps.users import membership
from tenant_apps.users.models import User
from tenant_apps.workspace.models import Workspace
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import PASSWORD, People


def is_logged_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def log_in(client: Client, email: str = "editor@acme.example", password: str = PASSWORD) -> bool:
    client.post("/account/login/", {"login": email, "password": password})
    return is_logged_in(client)


def test_login_by_email_in_any_case(acme_people: People, acme_client: Client) -> None:
    assert log_in(acme_client, "Editor@ACME.example")


def test_login_with_a_wrong_password(acme_people: People, acme_client: Client) -> None:
    assert not log_in(acme_client, password="not the passphrase")


def test_login_of_a_deactivated_person(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    assert not log_in(acme_client)


def test_deactivation_ends_open_sessions(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    assert log_in(acme_client)
    assert acme_client.get("/desk/").status_code == 200
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    assert acme_client.get("/desk/").status_code == 302


def test_login_at_the_neighbours(
    acme_people: People, globex_people: People, globex_client: Client
) -> None:
    assert not log_in(globex_client, "editor@acme.example")


def test_failed_logins_are_limited_for_each_tenant_alone(
    acme_people: People, globex_people: People, acme_client: Client, globex_client: Client
) -> None:
    for _ in range(5):
        assert not log_in(acme_client, password="not the passphrase")
    assert not log_in(acme_client), "the sixth try is refused even with the right password"
    assert log_in(globex_client, "editor@globex.example")


def test_failed_logins_are_limited_by_the_visitors_address(
    acme_people: People, acme_client: Client, settings: Settings
) -> None:
    """Ten a minute from one visitor, whatever the visitor writes before what our proxy adds."""
    settings.TERRACE_PROXIES = 1

    def is_refused(visitor: str, number: int) -> bool:
        answer = acme_client.post(
            "/account/login/",
            {"login": f"nobody{number}@acme.example", "password": "x"},
            REMOTE_ADDR="10.0.0.1",
            headers={"x-forwarded-for": f"198.51.100.{number}, {visitor}"},
        )
        return "Too many failed login attempts" in answer.content.decode()

    assert not any(is_refused("203.0.113.9", number) for number in range(10))
    assert is_refused("203.0.113.9", 10)
    assert not is_refused("203.0.113.10", 11)


@pytest.fixture
def reset_link(
    tasks_at_once: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Callable[[Client, str], str]:
    """`reset_link(client, email)`: asks for a new password; the link of the letter."""

    def ask(client: Client, email: str) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            client.post("/account/password/reset/", {"email": email})
        return _link_in_letter()

    return ask


def _link_in_letter() -> str:
    found = re.search(r"(/account/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert found is not None, mail.outbox[-1].body
    return found[1]


def test_password_reset(
    acme_people: People, acme_client: Client, reset_link: Callable[[Client, str], str]
) -> None:
    link = reset_link(acme_client, "editor@acme.example")
    assert mail.outbox[-1].subject == "Acme: Choose a new password"
    form = acme_client.get(link, follow=True)
    action = form.redirect_chain[-1][0]
    new = "an entirely new passphrase"
    acme_client.post(action, {"password1": new, "password2": new})
    assert log_in(acme_client, password=new)


def test_password_reset_token_opens_nothing_at_the_neighbours(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    acme_client: Client,
    globex_client: Client,
    reset_link: Callable[[Client, str], str],
) -> None:
    # The same row in both schemas: same key, same hash, same last login.
    with context.run_in(acme):
        row = User.objects.get(email="editor@acme.example")
        values = {f.attname: getattr(row, f.attname) for f in User._meta.concrete_fields}
    with context.run_in(globex):
        from tenant_apps.users.roles import write_builtin_roles

        role = write_builtin_roles()["editor"]
        User.objects.bulk_create([User(**values | {"role_id": role.pk})])
    link = reset_link(acme_client, "editor@acme.example")
    here = acme_client.get(link, follow=True).content.decode()
    there = globex_client.get(link, follow=True).content.decode()
    assert "password1" in here
    assert "password1" not in there


def test_sign_up_is_closed_unless_the_workspace_opens_it(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    assert "By invitation" in acme_client.get("/account/signup/").content.decode()
    answer = acme_client.post(
        "/account/signup/",
        {"email": "x@acme.example", "password1": PASSWORD, "full_name": "Xenia"},
    )
    assert "By invitation" in answer.content.decode()
    with context.run_in(acme):
        assert not User.objects.filter(email="x@acme.example").exists()
        Workspace.objects.update(signup_open=True)
        cache.clear()  # past the verb
    acme_client.post(
        "/account/signup/",
        {"email": "x@acme.example", "password1": PASSWORD, "full_name": "Xenia"},
    )
    with context.run_in(acme):
        person = User.objects.select_related("role").get(email="x@acme.example")
        assert person.full_name == "Xenia"
        assert person.role.slug == "member"
        assert not person.emailaddress_set.get().verified
    assert not log_in(acme_client, "x@acme.example"), "the address has to be confirmed first"


# --- hand-off from the public site --------------------------------------------------------------


def welcome(client: Client, token: str) -> tuple[int, str]:
    answer = client.get("/welcome/", {"token": token}, follow=True)
    return answer.status_code, answer.content.decode()


def test_hand_off_logs_the_owner_in(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    status, page = welcome(acme_client, issue_hand_off(acme, acme_people["owner"].pk))
    assert status == 200
    assert "Welcome, Olga." in page
    assert "owner@acme.example" in acme_client.get("/account/").content.decode()


def test_hand_off_works_once(acme: TenantRef, acme_people: People, client_of: ClientMaker) -> None:
    token = issue_hand_off(acme, acme_people["owner"].pk)
    welcome(client_of(acme), token)
    second = client_of(acme)
    status, page = welcome(second, token)
    assert status == 410
    assert "This link was used already." in page
    assert not is_logged_in(second)


def test_hand_off_expires(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    from shared_apps.front_door.models import HandOff

    token = issue_hand_off(acme, acme_people["owner"].pk)
    HandOff.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    status, page = welcome(acme_client, token)
    assert status == 410
    assert "This link has expired." in page
    assert not is_logged_in(acme_client)


def test_hand_off_of_somebody_who_has_left_says_what_to_do(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    token = issue_hand_off(acme, acme_people["editor"].pk)
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    status, page = welcome(acme_client, token)
    assert status == 410
    assert "Ask an owner or admin to let you in again." in page


@pytest.mark.parametrize("token", ["", "forged", "x" * 5000, "\x00"])
def test_forged_hand_off(acme_people: People, acme_client: Client, token: str) -> None:
    status, page = welcome(acme_client, token)
    assert status == 410
    assert "does not belong to this workspace" in page


def test_hand_off_of_acme_at_globex(
    acme: TenantRef, acme_people: People, globex_people: People, globex_client: Client
) -> None:
    status, page = welcome(globex_client, issue_hand_off(acme, acme_people["owner"].pk))
    assert status == 410
    assert "does not belong to this workspace" in page
    assert not is_logged_in(globex_client)
