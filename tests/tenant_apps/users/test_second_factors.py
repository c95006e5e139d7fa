"""Passkeys, an app's codes, recovery codes, and a password that was left for later."""

import json
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.handoff import issue_hand_off
from tenant_apps.activity.models import Entry
from tenant_apps.users import membership, second_factors
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import PASSWORD, LoggedIn, People
from tests.tenant_apps.users.soft_passkey import SoftPasskey
from tests.tenant_apps.users.test_login import is_logged_in, log_in

EDITOR = "editor@acme.example"
FACTORS = "/account/2fa/"
AJAX = {"accept": "application/json"}
PERIOD = 30  # seconds that a code is good for (RFC 6238 section 5.2)


def shows_password(client: Client) -> None:
    """Once more, as the pages that change what keeps others out ask for it."""
    answer = client.post("/account/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content


def code_for(secret: str) -> str:
    """What an authenticator app shows now, and for two seconds more."""
    left = PERIOD - time.time() % PERIOD
    if left < 2:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def add_app(client: Client) -> str:
    """Set an authenticator app up. Gives its secret."""
    shows_password(client)
    secret: str = client.get(f"{FACTORS}totp/activate/").context["form"].secret
    answer = client.post(f"{FACTORS}totp/activate/", {"code": code_for(secret)})
    assert answer["Location"] == f"{FACTORS}recovery-codes/", answer.content
    return secret


def add_passkey(client: Client, host: str, name: str = "My phone") -> SoftPasskey:
    """Add a passkey that logs in by itself."""
    passkey = SoftPasskey(host)
    options = client.get(f"{FACTORS}webauthn/add/").context["js_data"]["creation_options"]
    credential = json.dumps(passkey.create(options))
    answer = client.post(
        f"{FACTORS}webauthn/add/", {"name": name, "passwordless": "on", "credential": credential}
    )
    assert answer.status_code == 302, answer.content
    return passkey


def passkey_login(client: Client, passkey: SoftPasskey) -> Any:
    """What the log-in page's button does."""
    options = client.get(f"{FACTORS}webauthn/login/", headers=AJAX).json()["request_options"]
    credential = json.dumps(passkey.get(options))
    return client.post(f"{FACTORS}webauthn/login/", {"credential": credential})


@pytest.fixture
def editor(acme_people: People, acme_client: Client) -> Client:
    """The editor of acme, who has logged in with the password."""
    assert log_in(acme_client)
    return acme_client


# --- A password that was left for later ----------------------------------------------------------


def test_owner_without_a_password_sets_one_from_the_account_page(
    acme: TenantRef, acme_people: People, acme_client: Client, client_of: ClientMaker
) -> None:
    owner = acme_people["owner"]
    with context.run_in(acme):
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    acme_client.get("/welcome/", {"token": issue_hand_off(acme, owner.pk)})
    page = acme_client.get("/account/").content.decode()
    assert '<a class="rows__link" href="/account/password/set/">Set a password</a>' in page
    assert "/account/password/change/" not in page
    form = acme_client.get("/account/password/set/")
    assert "oldpassword" not in form.content.decode()
    new = "an entirely new passphrase"
    acme_client.post("/account/password/set/", {"password1": new, "password2": new})
    assert "Set a password" not in acme_client.get("/account/").content.decode()
    assert log_in(client_of(acme), owner.email, new)


# --- The pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "totp/activate/", "webauthn/", "webauthn/add/", "recovery-codes/"]
)
def test_second_factors_ask_strangers_to_log_in(acme_client: Client, path: str) -> None:
    answer = acme_client.get(f"{FACTORS}{path}")
    assert answer.status_code == 302
    assert "/account/login/" in answer["Location"]


def test_second_factors_are_reached_from_the_account_page(editor: Client) -> None:
    page = editor.get("/account/").content.decode()
    assert f'href="{FACTORS}">Passkeys and second factors</a>' in page
    assert "Add a passkey" in editor.get(FACTORS).content.decode()


def test_change_asks_for_the_password_once_more(editor: Client) -> None:
    for path in ("webauthn/add/", "totp/activate/"):
        answer = editor.get(f"{FACTORS}{path}")
        assert answer.status_code == 302
        assert answer["Location"].startswith("/account/reauthenticate/")


def test_log_in_page_offers_passkeys_under_the_strict_policy(acme_client: Client) -> None:
    answer = acme_client.get("/account/login/")
    assert "script-src 'self';" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    assert 'id="passkey_login">Log in with a passkey</button>' in page
    assert '<script src="/static/mfa/js/webauthn.js"></script>' in page


# --- An authenticator app ------------------------------------------------------------------------


def test_app_is_asked_for_after_the_password(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    secret = add_app(editor)
    client = client_of(acme)
    assert not log_in(client)
    answer = client.post("/account/login/", {"login": EDITOR, "password": PASSWORD})
    assert answer["Location"] == f"{FACTORS}authenticate/"
    assert not is_logged_in(client)
    wrong = f"{(int(code_for(secret)) + 1) % 1_000_000:06d}"
    assert (
        "Incorrect code" in client.post(f"{FACTORS}authenticate/", {"code": wrong}).content.decode()
    )
    assert not is_logged_in(client)
    client.post(f"{FACTORS}authenticate/", {"code": code_for(secret)})
    assert is_logged_in(client)


def test_recovery_code_lets_in_once(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    add_app(editor)
    code = editor.get(f"{FACTORS}recovery-codes/").context["unused_codes"][0]

    def enters(code: str) -> bool:
        client = client_of(acme)
        log_in(client)
        client.post(f"{FACTORS}authenticate/", {"code": code})
        return is_logged_in(client)

    assert enters(code)
    assert not enters(code)


def test_secret_is_not_in_the_database(acme: TenantRef, editor: Client) -> None:
    secret = add_app(editor)
    codes = editor.get(f"{FACTORS}recovery-codes/").context["unused_codes"]
    with context.run_in(acme):
        kept = [json.dumps(one.data) for one in Authenticator.objects.all()]
    assert len(kept) == 2
    for text in (secret, *codes):
        assert not any(text in data for data in kept)


def test_second_factor_copied_to_the_neighbours_opens_nothing(
    acme: TenantRef,
    globex: TenantRef,
    globex_people: People,
    editor: Client,
    globex_client: Client,
) -> None:
    secret = add_app(editor)
    with context.run_in(acme):
        rows = [{"type": one.type, "data": one.data} for one in Authenticator.objects.all()]
        code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    with context.run_in(globex):
        person = User.objects.get(email="editor@globex.example")
        Authenticator.objects.bulk_create(Authenticator(user=person, **row) for row in rows)
    assert not log_in(globex_client, "editor@globex.example")
    for typed in (code_for(secret), code, "000000"):
        answer = globex_client.post(f"{FACTORS}authenticate/", {"code": typed})
        assert answer.status_code == 403
        assert "Ask an owner or admin of this workspace to take it away" in answer.content.decode()
        assert not is_logged_in(globex_client)


def test_guesses_at_a_code_are_limited(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    secret = add_app(editor)
    client = client_of(acme)
    log_in(client)
    right = code_for(secret)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(6):
        client.post(f"{FACTORS}authenticate/", {"code": wrong})
    client.post(f"{FACTORS}authenticate/", {"code": code_for(secret)})
    assert not is_logged_in(client)


# --- Passkeys ------------------------------------------------------------------------------------


def test_passkey_logs_in_without_a_password(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname)
    client = client_of(acme)
    passkey_login(client, passkey)
    assert is_logged_in(client)
    assert EDITOR in client.get("/account/").content.decode()
    page = client.get(f"{FACTORS}webauthn/").content.decode()
    assert "My phone" in page
    assert "in place of the password" in page


def test_owner_without_a_password_adds_a_passkey(
    acme: TenantRef, acme_people: People, acme_client: Client, client_of: ClientMaker
) -> None:
    owner = acme_people["owner"]
    with context.run_in(acme):
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    acme_client.get("/welcome/", {"token": issue_hand_off(acme, owner.pk)})
    passkey = add_passkey(acme_client, acme.hostname)
    client = client_of(acme)
    passkey_login(client, passkey)
    assert is_logged_in(client)


def test_password_alone_is_not_enough_beside_a_passkey(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname)
    client = client_of(acme)
    assert not log_in(client)
    asked = client.get(f"{FACTORS}authenticate/").context["js_data"]["request_options"]
    client.post(f"{FACTORS}authenticate/", {"credential": json.dumps(passkey.get(asked))})
    assert is_logged_in(client)


def test_passkey_of_acme_is_worth_nothing_at_globex(
    acme: TenantRef,
    globex: TenantRef,
    globex_people: People,
    editor: Client,
    globex_client: Client,
) -> None:
    """Even where its row and its owner's are copied there, and the answer is signed for globex."""
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname)
    passkey_login(globex_client, passkey)
    assert not is_logged_in(globex_client), "nobody there has this key"
    with context.run_in(acme):
        row = User.objects.get(email=EDITOR)
        values = {f.attname: getattr(row, f.attname) for f in User._meta.concrete_fields}
        data = Authenticator.objects.get(type="webauthn").data
    with context.run_in(globex):
        values["role_id"] = globex_people["editor"].role_id
        User.objects.bulk_create([User(**values)])
        Authenticator.objects.create(user_id=row.pk, type="webauthn", data=data)
    passkey_login(globex_client, passkey)
    assert not is_logged_in(globex_client), "a browser at acme signs for acme"


def test_passkeys_answer_works_once(
    acme: TenantRef, editor: Client, client_of: ClientMaker
) -> None:
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname)
    first, second = client_of(acme), client_of(acme)
    options = first.get(f"{FACTORS}webauthn/login/", headers=AJAX).json()["request_options"]
    second.get(f"{FACTORS}webauthn/login/", headers=AJAX)
    answer = {"credential": json.dumps(passkey.get(options))}
    second.post(f"{FACTORS}webauthn/login/", answer)
    assert not is_logged_in(second)
    first.post(f"{FACTORS}webauthn/login/", answer)
    assert is_logged_in(first)


def test_passkey_of_somebody_deactivated_opens_nothing(
    acme: TenantRef, acme_people: People, editor: Client, client_of: ClientMaker
) -> None:
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname)
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    client = client_of(acme)
    passkey_login(client, passkey)
    assert not is_logged_in(client)


def test_passkey_is_renamed_and_removed(acme: TenantRef, editor: Client) -> None:
    shows_password(editor)
    passkey = add_passkey(editor, acme.hostname, name="")
    with context.run_in(acme):
        key = Authenticator.objects.get(type="webauthn")
    assert str(key) == "Passkey"
    # What one has now is what one is asked for.
    asked = editor.get(f"{FACTORS}webauthn/reauthenticate/").context["js_data"]["request_options"]
    editor.post(
        f"{FACTORS}webauthn/reauthenticate/", {"credential": json.dumps(passkey.get(asked))}
    )
    page = editor.get(f"{FACTORS}webauthn/keys/{key.pk}/edit/").content.decode()
    assert 'value="Passkey"' in page
    editor.post(f"{FACTORS}webauthn/keys/{key.pk}/edit/", {"name": "Blue key"})
    assert (
        "Remove Blue key?"
        in editor.get(f"{FACTORS}webauthn/keys/{key.pk}/remove/").content.decode()
    )
    editor.post(f"{FACTORS}webauthn/keys/{key.pk}/remove/")
    with context.run_in(acme):
        assert not Authenticator.objects.filter(type="webauthn").exists()


# --- For people who have lost theirs -------------------------------------------------------------


def test_owner_takes_second_factors_away(
    acme: TenantRef, acme_people: People, editor: Client, as_role: LoggedIn, client_of: ClientMaker
) -> None:
    add_app(editor)
    answer = as_role("owner").post(
        "/admin/users/user/",
        {"action": "remove_second_factors", "_selected_action": [str(acme_people["editor"].pk)]},
        follow=True,
    )
    assert "1 without second factors." in answer.content.decode()
    assert log_in(client_of(acme))
    with context.run_in(acme):
        entry = Entry.objects.get(verb="person.second_factors_removed")
        assert entry.actor_email == "owner@acme.example"
        assert (
            second_factors.remove_second_factors(
                person=acme_people["editor"], by=acme_people["owner"]
            )
            == 0
        )
        assert Entry.objects.filter(verb="person.second_factors_removed").count() == 1


@pytest.mark.parametrize(("by", "whose"), [("editor", "member"), ("admin", "owner")])
def test_second_factors_stay_where_the_role_does_not_cover_it(
    in_acme: TenantRef, acme_people: People, by: str, whose: str
) -> None:
    Authenticator.objects.create(user=acme_people[whose], type="totp", data={"secret": "x"})
    with pytest.raises(NotAllowed):
        second_factors.remove_second_factors(person=acme_people[whose], by=acme_people[by])
    assert Authenticator.objects.exists()
