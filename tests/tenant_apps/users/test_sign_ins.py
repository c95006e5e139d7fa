"""Where people are logged in, and how that ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import sign_ins
from tenant_apps.users.devices import device_name
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import SignIn
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import PASSWORD, LoggedIn, People, make_steward

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def device(tenant: TenantRef, agent: str, *, email: str = "editor@acme.example") -> Client:
    """A browser that has logged in by the page."""
    client = Client(headers={"host": tenant.hostname, "user-agent": agent})
    answer = client.post("/account/login/", {"login": email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("python-requests/2.32", "python-requests"),
        ("", "Unknown device"),
        ("<script>alert(1)</script>", "Unknown device"),
    ],
)
def test_device_in_words(agent: str, name: str) -> None:
    assert device_name(agent) == name


def test_page_lists_devices_and_marks_this_one(acme: TenantRef, acme_people: People) -> None:
    here, phone = device(acme, FIREFOX), device(acme, IPHONE)
    page = here.get("/account/devices/").content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "127.0.0.1" in page
    assert page.count("this one") == 1
    assert page.index("this one") > page.index("Firefox on Linux")
    assert is_in(phone)


def test_one_device_is_logged_out(acme: TenantRef, acme_people: People) -> None:
    here, phone = device(acme, FIREFOX), device(acme, IPHONE)
    with context.run_in(acme):
        row = SignIn.objects.get(user_agent=IPHONE)
    here.post(f"/account/devices/{row.pk}/end/")
    assert not is_in(phone)
    assert is_in(here)
    assert "Safari on iPhone" not in here.get("/account/devices/").content.decode()


def test_device_of_another_person(acme: TenantRef, acme_people: People) -> None:
    other = device(acme, FIREFOX)
    mine = device(acme, IPHONE, email="author@acme.example")
    with context.run_in(acme):
        row = SignIn.objects.get(user_agent=FIREFOX)
        with pytest.raises(NotAllowed):
            sign_ins.end_sign_in(sign_in=row, by=acme_people["owner"])
    assert mine.post(f"/account/devices/{row.pk}/end/").status_code == 404
    assert is_in(other)


def test_sign_out_everywhere_leaves_this_one(acme: TenantRef, acme_people: People) -> None:
    here, phone, other = (
        device(acme, FIREFOX),
        device(acme, IPHONE),
        device(acme, IPHONE, email="author@acme.example"),
    )
    answer = here.post("/account/devices/end-all/", follow=True)
    assert "You are logged in here, and nowhere else." in answer.content.decode()
    assert is_in(here)
    assert not is_in(phone)
    assert is_in(other), "somebody else's"
    page = here.get("/account/devices/").content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" not in page


def test_sign_out_everywhere_ends_sessions_that_no_row_tells_of(
    acme: TenantRef, acme_people: People
) -> None:
    here, phone = device(acme, FIREFOX), device(acme, IPHONE)
    with context.run_in(acme):
        SignIn.objects.filter(user_agent=IPHONE).delete()
    here.post("/account/devices/end-all/")
    assert not is_in(phone)


def test_sign_out_everywhere_is_in_the_trail(acme: TenantRef, acme_people: People) -> None:
    here, _ = device(acme, FIREFOX), device(acme, IPHONE)
    here.post("/account/devices/end-all/")
    with context.run_in(acme):
        assert Entry.objects.get(verb="person.signed_out_everywhere").after == {"devices": 1}


@pytest.mark.parametrize(("role", "ends"), [("admin", True), ("owner", True), ("steward", False)])
def test_others_are_signed_out_by_whoever_may_manage_them(
    in_acme: TenantRef, acme_people: People, role: str, ends: bool
) -> None:
    by = make_steward(acme_people) if role == "steward" else acme_people[role]
    if ends:
        sign_ins.sign_out_everywhere(person=acme_people["editor"], by=by)
        assert acme_people["editor"].session_generation == 1
    else:
        with pytest.raises(NotAllowed):
            sign_ins.sign_out_everywhere(person=acme_people["editor"], by=by)


def test_admins_action_signs_out(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    phone = device(acme, IPHONE)
    as_role("owner").post(
        "/admin/users/user/",
        {
            "action": "sign_out_everywhere",
            "_selected_action": [str(acme_people["editor"].pk)],
        },
    )
    assert not is_in(phone)


def test_new_password_ends_the_other_devices(acme: TenantRef, acme_people: People) -> None:
    here, phone = device(acme, FIREFOX), device(acme, IPHONE)
    new = "another passphrase of mine"
    here.post(
        "/account/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert not is_in(phone)
    page = here.get("/account/devices/").content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" not in page


def test_logging_out_ends_the_row(acme: TenantRef, acme_people: People) -> None:
    here = device(acme, FIREFOX)
    here.post("/account/logout/")
    assert not is_in(here)
    with context.run_in(acme):
        assert SignIn.objects.get().ended_at is not None


def test_last_seen_is_noted_every_few_minutes(
    acme: TenantRef, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = device(acme, FIREFOX)
    here.get("/account/")
    with CaptureQueriesContext(connection) as captured:
        here.get("/account/")
    assert not any("users_signin" in query["sql"] for query in captured)
    with context.run_in(acme):
        SignIn.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    now = sign_ins.time.time()
    monkeypatch.setattr(sign_ins.time, "time", lambda: now + 301)
    here.get("/account/", headers={"user-agent": IPHONE})
    with context.run_in(acme):
        row = SignIn.objects.get()
    assert timezone.now() - row.last_seen_at < timedelta(minutes=1)
    assert row.device == "Safari on iPhone"


def test_session_from_before_these_rows_gets_one(acme: TenantRef, acme_people: People) -> None:
    here = device(acme, FIREFOX)
    with context.run_in(acme):
        session = here.session
        del session["terrace_sign_in"]
        session.save()
        SignIn.objects.all().delete()
    here.get("/account/")
    with context.run_in(acme):
        assert SignIn.objects.get().session_key == here.session.session_key


def test_visitors_leave_no_row(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    acme_client.get("/")
    with context.run_in(acme):
        assert not SignIn.objects.exists()


def test_rows_are_each_workspaces_own(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    globex_people: People,
    client_of: ClientMaker,
) -> None:
    device(acme, FIREFOX)
    device(globex, IPHONE, email="editor@globex.example")
    for tenant, agent in ((acme, FIREFOX), (globex, IPHONE)):
        with context.run_in(tenant):
            assert SignIn.objects.get().user_agent == agent


def test_api_lists_and_ends(acme: TenantRef, acme_people: People) -> None:
    here, phone = device(acme, FIREFOX), device(acme, IPHONE)
    listed: list[dict[str, Any]] = here.get("/api/v1/me/sign-ins/").json()["results"]
    assert {one["device"] for one in listed} == {"Firefox on Linux", "Safari on iPhone"}
    row = next(one for one in listed if one["device"] == "Safari on iPhone")
    assert here.delete(f"/api/v1/me/sign-ins/{row['id']}/").status_code == 204
    assert not is_in(phone)
    assert here.post("/api/v1/me/sign-ins/end-all/").json() == {"ended": 1}
    assert not is_in(here)
