"""Programs that log in with a person's password."""

import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.users import api_logins, membership, sign_ins
from tenant_apps.users.models import SignIn, User
from tests.tenant_apps.conftest import PASSWORD, People
from tests.tenant_apps.users.soft_passkey import SoftPasskey

JSON: dict[str, Any] = {"content_type": "application/json"}
EDITOR = "editor@acme.example"


def log_in(client: Client, email: str = EDITOR, password: str = PASSWORD, **more: str) -> Any:
    return client.post(
        "/api/v1/auth/log-in/", {"email": email, "password": password, **more}, **JSON
    )


def refresh(client: Client, token: str) -> Any:
    return client.post("/api/v1/auth/refresh/", {"refresh": token}, **JSON)


def me(client: Client, access: str) -> Any:
    return client.get("/api/v1/me/", headers={"authorization": f"Bearer {access}"})


def named(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def test_log_in_act_refresh_and_out(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    answer = log_in(acme_client)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    pair = answer.json()
    assert pair["expires_in"] == 600
    assert claims(pair["access"])["aud"] == f"urn:uuid:{acme.uuid}"
    assert me(acme_client, pair["access"]).json()["email"] == EDITOR
    newer = refresh(acme_client, pair["refresh"]).json()
    assert me(acme_client, newer["access"]).status_code == 200
    out = acme_client.post("/api/v1/auth/log-out/", {"refresh": newer["refresh"]}, **JSON)
    assert (out.status_code, out.content) == (204, b"")
    assert named(me(acme_client, newer["access"])) == (401, "token-revoked"), "at once"
    assert refresh(acme_client, newer["refresh"]).status_code == 401
    again = acme_client.post("/api/v1/auth/log-out/", {"refresh": newer["refresh"]}, **JSON)
    assert again.status_code == 204


def test_it_writes_by_its_scopes_of_everything(acme_people: People, acme_client: Client) -> None:
    access = log_in(acme_client).json()["access"]
    headers = {"authorization": f"Bearer {access}"}
    answer = acme_client.post("/api/v1/articles/", {"title": "x"}, headers=headers, **JSON)
    assert answer.status_code == 201


def test_tokens_at_the_neighbours(
    acme_people: People, globex_people: People, acme_client: Client, globex_client: Client
) -> None:
    pair = log_in(acme_client).json()
    name = "token-of-another-workspace"
    assert named(me(globex_client, pair["access"])) == (401, name)
    assert named(refresh(globex_client, pair["refresh"])) == (401, name)
    out = globex_client.post("/api/v1/auth/log-out/", {"refresh": pair["refresh"]}, **JSON)
    assert named(out) == (401, name)


def test_forged_audience_is_a_bad_signature(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    globex_people: People,
    acme_client: Client,
    globex_client: Client,
) -> None:
    """acme's own key says that the token is globex': the same person, sign-in and all, planted there."""
    pair = log_in(acme_client).json()
    told = claims(pair["access"])
    with context.run_in(acme):
        row = SignIn.objects.get()
        key = api_logins._keys()[0]
    with context.run_in(globex):
        author = globex_people["author"]
        SignIn.objects.create(
            pk=row.pk,
            person=author,
            kind="api",
            auth_hash=author.get_session_auth_hash(),
            expires_at=row.expires_at,
        )
        mine = api_logins._keys()[0]
    told |= {"aud": f"urn:uuid:{globex.uuid}", "sub": str(author.pk)}
    headers = {"typ": "at+jwt"}
    forged = jwt.encode(told, key, "HS256", headers=headers)
    assert named(me(globex_client, forged)) == (401, "token-invalid")
    real = jwt.encode(told, mine, "HS256", headers=headers)
    assert me(globex_client, real).status_code == 200, "the control: globex' own key opens"


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_other_algorithm(
    acme: TenantRef, acme_people: People, acme_client: Client, algorithm: str
) -> None:
    told = claims(log_in(acme_client).json()["access"])
    with context.run_in(acme):
        key = None if algorithm == "none" else api_logins._keys()[0] * 2
    forged = jwt.encode(told, key, algorithm, headers={"typ": "at+jwt"})  # type: ignore[arg-type]
    assert named(me(acme_client, forged)) == (401, "token-invalid")


def test_each_kind_of_token_is_for_its_own_use(acme_people: People, acme_client: Client) -> None:
    pair = log_in(acme_client).json()
    assert named(me(acme_client, pair["refresh"])) == (401, "token-invalid")
    assert named(refresh(acme_client, pair["access"])) == (401, "token-invalid")


def test_refresh_token_that_comes_twice_ends_the_log_in(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    first = log_in(acme_client).json()
    second = refresh(acme_client, first["refresh"]).json()
    answer = refresh(acme_client, first["refresh"])
    assert answer.status_code == 401
    assert "somebody else may have it" in answer.json()["detail"]
    assert me(acme_client, second["access"]).status_code == 401
    assert refresh(acme_client, second["refresh"]).status_code == 401
    with context.run_in(acme):
        assert SignIn.objects.get().ended_at is not None


def test_access_token_after_its_time(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    told = claims(log_in(acme_client).json()["access"])
    told["exp"] = int(timezone.now().timestamp()) - 1
    with context.run_in(acme):
        old = jwt.encode(told, api_logins._keys()[0], "HS256", headers={"typ": "at+jwt"})
    assert named(me(acme_client, old)) == (401, "token-expired")


def test_secret_key_that_is_changed_ends_no_log_in(
    acme_people: People, acme_client: Client, settings: Any
) -> None:
    pair = log_in(acme_client).json()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new one" * 8, [settings.SECRET_KEY]
    assert me(acme_client, pair["access"]).status_code == 200
    newer = refresh(acme_client, pair["refresh"]).json()
    assert me(acme_client, newer["access"]).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert named(me(acme_client, pair["access"])) == (401, "token-invalid"), "the control"


@pytest.mark.parametrize("way", ["deactivated", "new password", "signed out everywhere"])
def test_log_in_ends_with_what_it_stands_on(
    acme: TenantRef, acme_people: People, acme_client: Client, way: str
) -> None:
    pair = log_in(acme_client).json()
    editor, owner = acme_people["editor"], acme_people["owner"]
    with context.run_in(acme):
        if way == "deactivated":
            membership.deactivate_person(person=editor, by=owner)
        elif way == "new password":
            editor.set_password("another passphrase of mine")
            editor.save(update_fields=["password"])
        else:
            sign_ins.sign_out_everywhere(person=editor, by=editor)
    assert me(acme_client, pair["access"]).status_code == 401
    assert refresh(acme_client, pair["refresh"]).status_code == 401


# --- What is refused -------------------------------------------------------------------------------


def test_wrong_password_and_unknown_address_answer_alike(
    acme_people: People, acme_client: Client
) -> None:
    wrong = log_in(acme_client, password="not the passphrase")
    unknown = log_in(acme_client, email="nobody@acme.example")
    assert named(wrong) == named(unknown) == (401, "not-authenticated")
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_deactivated_person(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["editor"], by=acme_people["owner"])
    assert log_in(acme_client).status_code == 401


def test_address_that_is_not_confirmed(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        EmailAddress.objects.filter(email=EDITOR).update(verified=False)
    assert "not been confirmed" in log_in(acme_client).json()["detail"]


def test_five_failures_a_minute_then_a_wait_whichever_door(
    acme_people: People, acme_client: Client
) -> None:
    """The page and the API count together; the admin has no log-in of its own."""
    for _ in range(2):
        acme_client.post("/account/login/", {"login": EDITOR, "password": "x"})
    for _ in range(3):
        assert log_in(acme_client, password="x").status_code == 401
    refused = log_in(acme_client)
    assert named(refused) == (429, "too-many-requests")
    assert refused["Retry-After"] == "60"
    page = acme_client.post("/account/login/", {"login": EDITOR, "password": PASSWORD})
    assert "Too many failed login attempts" in page.content.decode()
    admin = acme_client.post("/admin/login/", {"username": EDITOR, "password": PASSWORD})
    assert (admin.status_code, admin["Location"]) == (302, "/account/login/?next=/admin/")
    assert log_in(acme_client, email="author@acme.example").status_code == 200, "others may"


def test_wait_is_over_after_a_minute(
    acme_people: People, acme_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allauth.core.internal import ratelimit

    for _ in range(5):
        log_in(acme_client, password="x")
    assert log_in(acme_client).status_code == 429
    now = ratelimit.time.time()
    monkeypatch.setattr(ratelimit.time, "time", lambda: now + 61)
    assert log_in(acme_client).status_code == 200


# --- Second factors --------------------------------------------------------------------------------


def code_of(secret: str) -> str:
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))


@pytest.fixture
def secret(acme: TenantRef, acme_people: People) -> str:
    """The editor's authenticator app."""
    made = generate_totp_secret()
    with context.run_in(acme):
        TOTP.activate(acme_people["editor"], made)
    return made


def test_password_alone_is_not_enough(secret: str, acme_client: Client) -> None:
    assert named(log_in(acme_client)) == (401, "second-factor-needed")
    assert named(log_in(acme_client, code="000000")) == (401, "not-authenticated")
    code = code_of(secret)
    assert log_in(acme_client, code=code).status_code == 200
    assert log_in(acme_client, code=code).status_code == 401, "a code works once"


def test_recovery_code_works_once(
    acme: TenantRef, acme_people: People, secret: str, acme_client: Client
) -> None:
    with context.run_in(acme):
        code = RecoveryCodes.activate(acme_people["editor"]).get_unused_codes()[0]
    assert log_in(acme_client, code=code).status_code == 200
    assert log_in(acme_client, code=code).status_code == 401


def test_codes_are_not_guessed(secret: str, acme_client: Client) -> None:
    answers = [log_in(acme_client, code=f"{number:06}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert log_in(acme_client, code=code_of(secret)).status_code == 429


def test_passkey_alone_takes_an_api_token(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    from allauth.mfa.models import Authenticator

    with context.run_in(acme):
        editor = User.objects.get(email=EDITOR)
        options = {"user": {"id": str(editor.pk)}, "challenge": "eA"}
        credential = SoftPasskey(acme.hostname).create({"publicKey": options})
        Authenticator.objects.create(
            user=editor, type="webauthn", data={"name": "Key", "credential": credential}
        )
    told = log_in(acme_client).json()
    assert told["type"].endswith("second-factor-needed")
    assert "Make an API token" in told["detail"]


def test_rows_are_forgotten_after_a_month(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    log_in(acme_client)
    with context.run_in(acme):
        SignIn.objects.update(expires_at=timezone.now() - timedelta(days=29))
        assert sign_ins.delete_old() == 0
        SignIn.objects.update(expires_at=timezone.now() - timedelta(days=31))
        assert sign_ins.delete_old() == 1
