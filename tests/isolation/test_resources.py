"""Leak list 2-5, 16, 17, 20, 22, 23: what isn't a row."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.template import Context, Template
from django.test import Client
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import AnonRateThrottle

from shared_apps.domains.models import Domain
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.logs import TenantFilter
from tests.conftest import AsyncHostClient
from tests.isolation.conftest import Cast
from tests.isolation.probe.models import Note

Visit = Callable[..., Any]


# --- 2, 20: what chooses the tenant ----------------------------------------------------------------


def _who(host: str, **headers: str) -> tuple[int, str]:
    response = Client(headers={"host": host, **headers}).get("/careless/who")
    return response.status_code, response.json()["tenant"] if response.status_code == 200 else ""


@pytest.mark.parametrize(
    "host",
    [
        "acme.localhost",
        "ACME.LocalHost",
        "acme.localhost.",
        "acme.localhost:8000",
        "Acme.localhost.:80",
        "acme.localhost:",
    ],
)
def test_host_in_any_spelling_leads_to_its_tenant(host: str, planted: Cast, careless: None) -> None:
    assert _who(host) == (200, "acme")


@pytest.mark.parametrize(
    "host",
    [
        "unknown.localhost",
        "acme.localhost.evil.example",
        "acme",
        "localhost.acme",
        "[::1]",
        "[::1]:80",
        "127.0.0.1",
        "acme.localhost,globex.localhost",
        "globex.localhost@acme.localhost",
        "acme.localhost/globex",
        "a" * 300,
        "acme..localhost",
        "-acme.localhost",
        "acme.localhost:x",
        "xn--.localhost",
        "ac me.localhost",
        "acme.localhost\\.globex",
        "%61cme.localhost",
    ],
)
def test_unknown_host_gets_one_answer_that_names_nobody(
    host: str, planted: Cast, careless: None
) -> None:
    response = Client(headers={"host": host}).get("/careless/who")
    reference = Client(headers={"host": "nobody.localhost"}).get("/careless/who")
    assert (response.status_code, response.content) == (404, reference.content)
    assert dict(response.headers) == dict(reference.headers)
    assert "set-cookie" not in {name.lower() for name in response.headers}


@pytest.mark.parametrize("host", ["my_shop.localhost", "bücher.localhost"])
def test_host_with_underscore_or_idna_leads_to_its_tenant(
    host: str, acme: TenantRef, careless: None
) -> None:
    name = host.encode("idna").decode() if not host.isascii() else host
    Domain.objects.create(
        tenant_id=acme.id, domain=name, is_primary=False, verified_at="2026-01-01T00:00Z"
    )
    assert _who(host) == (200, "acme")
    assert _who(f"{name}:8000") == (200, "acme")


def test_unverified_domain_leads_nowhere(acme: TenantRef, careless: None) -> None:
    Domain.objects.create(tenant_id=acme.id, domain="shop.example", is_primary=False)
    assert _who("shop.example") == (404, "")
    Domain.objects.filter(domain="shop.example").update(verified_at="2026-01-01T00:00Z")
    cache.clear()
    assert _who("shop.example") == (200, "acme")


def test_no_header_or_parameter_chooses_the_tenant(planted: Cast, careless: None) -> None:
    globex = planted["globex"]
    for name in (
        "x-forwarded-host",
        "x-host",
        "forwarded",
        "x-original-host",
        "x-tenant",
        "x-tenant-id",
        "x-dts-schema",
        "x-dts-subdomain",
        "x-rewrite-url",
        "referer",
        "origin",
    ):
        for value in (
            globex.hostname,
            globex.schema_name,
            str(globex.uuid),
            f"host={globex.hostname}",
        ):
            assert _who("acme.localhost", **{name: value}) == (200, "acme")
    client = Client(headers={"host": "acme.localhost"})
    for name in ("tenant", "schema", "schema_name", "tenant_id", "host", "subdomain", "domain"):
        if name != "domain":  # no cookie may be called so
            client.cookies[name] = globex.schema_name
        for value in (globex.subdomain, globex.schema_name, str(globex.id), str(globex.uuid)):
            answer = client.get("/careless/who", {name: value})
            assert answer.json() == {"tenant": "acme"}


# --- 3: sessions -----------------------------------------------------------------------------------


def _clear_sessions(cast: Cast) -> None:
    for tenant in cast.values():
        with context.run_in(tenant):
            Session.objects.all().delete()


@pytest.fixture
def sessions(planted: Cast) -> Iterator[Cast]:
    """Sessions that tests make are gone afterwards."""
    yield planted
    _clear_sessions(planted)


@pytest.mark.parametrize("view", ["session", "session-async"])
def test_session_cookie_of_one_tenant_is_nothing_on_another(
    view: str, sessions: Cast, careless: None
) -> None:
    mine = Client(headers={"host": "acme.localhost"})
    assert mine.get(f"/careless/{view}", {"set": "acme-secret"}).json() == {"secret": "acme-secret"}
    assert mine.get(f"/careless/{view}").json() == {"secret": "acme-secret"}
    assert mine.get("/careless/session").json() == {"secret": "acme-secret"}
    cookie = mine.cookies[django_settings.SESSION_COOKIE_NAME]
    assert not cookie["domain"]
    theirs = Client(headers={"host": "globex.localhost"})
    theirs.cookies[django_settings.SESSION_COOKIE_NAME] = cookie.value
    assert theirs.get(f"/careless/{view}").json() == {"secret": None}


@pytest.mark.parametrize("view", ["session", "session-async"])
@pytest.mark.parametrize("place", ["row", "cache"])
def test_session_copied_into_another_tenant_is_refused(
    view: str, place: str, sessions: Cast, careless: None, caplog: Any
) -> None:
    """Even where the row or the cache entry itself got there (a restore, a clone)."""
    mine = Client(headers={"host": "acme.localhost"})
    mine.get(f"/careless/{view}", {"set": "acme-secret"})
    key = mine.cookies[django_settings.SESSION_COOKIE_NAME].value
    cache_key = f"django.contrib.sessions.cached_db{key}"
    with context.run_in(sessions["acme"]):
        row = Session.objects.values().get(session_key=key)
        entry = cache.get(cache_key)
    assert entry["secret"] == "acme-secret"
    with context.run_in(sessions["globex"]):
        if place == "row":
            Session.objects.create(**row)
        else:
            cache.set(cache_key, entry)
    theirs = Client(headers={"host": "globex.localhost"})
    theirs.cookies[django_settings.SESSION_COOKIE_NAME] = key
    assert theirs.get(f"/careless/{view}").json() == {"secret": None}
    # A row's data is signed, too, and a signature is its tenant's.
    assert ("session of another tenant" if place == "cache" else "corrupted") in caplog.text


def test_operators_session_is_nothing_in_a_tenant(sessions: Cast, careless: None) -> None:
    from shared_apps.tenants.sessions import SessionStore

    store = SessionStore()
    store["secret"] = "public-secret"
    store.save()
    assert SessionStore(store.session_key)["secret"] == "public-secret"
    client = Client(headers={"host": "acme.localhost"})
    client.cookies[django_settings.SESSION_COOKIE_NAME] = store.session_key
    assert client.get("/careless/session").json() == {"secret": None}
    store.delete()


# --- 4, 5: tokens ----------------------------------------------------------------------------------


def test_signed_value_of_one_tenant_is_refused_in_another(planted: Cast, visit: Visit) -> None:
    acme, globex = planted["acme"], planted["globex"]
    token = visit(acme, "signed", set="acme-secret")["token"]
    assert visit(acme, "signed", read=token) == {"value": "acme-secret"}
    assert visit(globex, "signed", read=token) == {"refused": "BadSignature"}
    with pytest.raises(signing.BadSignature):
        signing.loads(token)
    public = signing.dumps("public")
    assert visit(acme, "signed", read=public) == {"refused": "BadSignature"}


@pytest.mark.parametrize(
    "signer", [signing.Signer(), signing.TimestampSigner(), signing.get_cookie_signer(salt="a")]
)
def test_signer_made_before_its_tenant_is_bound_too(signer: signing.Signer, planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        signed = signer.sign("x")
        assert signer.unsign(signed) == "x"
    with context.run_in(planted["globex"]), pytest.raises(signing.BadSignature):
        signer.unsign(signed)


class _SamePerson:
    """Equal in both tenants: key, password hash, e-mail, last login."""

    pk = 1
    password = "hash"
    last_login = None
    email = "me@example.com"

    @staticmethod
    def get_email_field_name() -> str:
        return "email"


def test_reset_token_of_one_tenant_is_refused_in_another(planted: Cast, settings: Any) -> None:
    from allauth.account.forms import EmailAwarePasswordResetTokenGenerator

    for kind in (PasswordResetTokenGenerator, EmailAwarePasswordResetTokenGenerator):
        generator = PasswordResetTokenGenerator()
        generator.key_salt = kind.__name__
        person: Any = _SamePerson()
        with context.run_in(planted["acme"]):
            token = generator.make_token(person)
            assert generator.check_token(person, token)
        with context.run_in(planted["globex"]):
            assert not generator.check_token(person, token)
        assert not generator.check_token(person, token)
        # It goes on to be taken where the key was rotated.
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another" * 8
        with context.run_in(planted["acme"]):
            assert generator.check_token(person, token)
        with context.run_in(planted["globex"]):
            assert not generator.check_token(person, token)
        settings.SECRET_KEY = settings.SECRET_KEY_FALLBACKS[0]
        settings.SECRET_KEY_FALLBACKS = []
    assert issubclass(EmailAwarePasswordResetTokenGenerator, PasswordResetTokenGenerator)


# --- 16: files -------------------------------------------------------------------------------------


@pytest.fixture
def media(planted: Cast, settings: Any, tmp_path: Path) -> Path:
    """A file of each tenant under the same name, and one beside the folders."""
    settings.MEDIA_ROOT = tmp_path / "media"
    for tenant in planted.values():
        with context.run_in(tenant):
            default_storage.save("secret.txt", ContentFile(f"{tenant.subdomain}-secret".encode()))
            default_storage.save("in/photo.png", ContentFile(b"\x89PNG"))
    (tmp_path / "outside.txt").write_text("outside-secret")
    (tmp_path / "media" / "beside.txt").write_text("beside-secret")
    return tmp_path / "media"


def _fetch(tenant: TenantRef, path: str, **headers: str) -> Any:
    return Client(headers={"host": tenant.hostname, **headers}).get(path)


def test_media_of_each_tenant_under_one_name(media: Path, planted: Cast) -> None:
    for subdomain, tenant in planted.items():
        response = _fetch(tenant, "/media/secret.txt")
        assert b"".join(response.streaming_content) == f"{subdomain}-secret".encode()
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_media_by_path_tricks_is_not_found(media: Path, planted: Cast) -> None:
    acme, globex = planted["acme"], planted["globex"]
    theirs = f"{globex.uuid.hex}/secret.txt"
    (media / acme.uuid.hex / "link").symlink_to(media / globex.uuid.hex / "secret.txt")
    (media / acme.uuid.hex / "folder").symlink_to(media / globex.uuid.hex)
    assert (media / acme.uuid.hex / "folder" / "secret.txt").read_text() == "globex-secret"
    for name in (
        f"../{theirs}", f"..%2f{theirs}", f"%2e%2e/{theirs}", f"in/../../{theirs}", f"./../{theirs}",
        theirs, f"/{theirs}", str(media / theirs), f"/{media / theirs}", f"..\\{theirs}",
        "../beside.txt", "../../outside.txt", "....//beside.txt", "link", "folder/secret.txt",
        "in", "", ".", "..", "in/", "nothing.txt", "secret.txt%00.png", "a" * 300,
    ):  # fmt: skip
        response = _fetch(acme, f"/media/{name}")
        assert response.status_code == 404, name
        assert b"secret" not in response.content


def test_media_with_the_neighbours_cookie_is_ones_own(
    media: Path, planted: Cast, sessions: Cast, careless: None
) -> None:
    client = Client(headers={"host": "globex.localhost"})
    client.get("/careless/session", {"set": "x"})
    client.defaults["HTTP_HOST"] = "acme.localhost"
    response = client.get("/media/secret.txt")
    assert b"".join(response.streaming_content) == b"acme-secret"


def test_media_is_not_on_the_public_host(media: Path, planted: Cast) -> None:
    response = Client(headers={"host": django_settings.TERRACE_BASE_DOMAIN}).get(
        "/media/beside.txt"
    )
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("name", "content_type", "shown"),
    [
        ("a.png", "image/png", True),
        ("a.jpg", "image/jpeg", True),
        ("a.pdf", "application/pdf", True),
        ("a.html", "text/html", False),
        ("a.svg", "image/svg+xml", False),
        ("a.xml", "text/xml", False),
        ("a.js", "text/javascript", False),
        ("a.svgz", "application/octet-stream", False),
        ("a", "application/octet-stream", False),
        ("a.unknown", "application/octet-stream", False),
    ],
)
def test_media_that_could_run_is_a_download(
    name: str, content_type: str, shown: bool, media: Path, planted: Cast
) -> None:
    with context.run_in(planted["acme"]):
        default_storage.save(name, ContentFile(b"<script>alert(1)</script>"))
    response = _fetch(planted["acme"], f"/media/{name}")
    disposition = response["Content-Disposition"].split(";")[0]
    assert response["Content-Type"].split(";")[0] == content_type or content_type == "text/xml"
    assert disposition == ("inline" if shown else "attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    response.close()


def test_media_unchanged_is_not_sent_again(media: Path, planted: Cast) -> None:
    first = _fetch(planted["acme"], "/media/secret.txt")
    first.close()
    again = _fetch(planted["acme"], "/media/secret.txt", if_modified_since=first["Last-Modified"])
    assert again.status_code == 304


def test_upload_goes_to_the_tenants_own_folder(media: Path, planted: Cast, visit: Visit) -> None:
    visit(planted["acme"], "upload", name="new.txt", text="hello")
    assert (media / planted["acme"].uuid.hex / "new.txt").read_text() == "hello"
    assert not (media / planted["globex"].uuid.hex / "new.txt").exists()


# --- 17: cache, throttles, fragments ---------------------------------------------------------------


def test_cache_key_of_each_tenant_is_its_own(planted: Cast, visit: Visit) -> None:
    visit(planted["acme"], "cached", set="acme-secret")
    assert visit(planted["globex"], "cached") == {"secret": None}
    visit(planted["globex"], "cached", set="globex-secret")
    assert visit(planted["acme"], "cached") == {"secret": "acme-secret"}
    assert cache.get("secret") is None


def test_cache_names_with_colons_do_not_reach_across(planted: Cast) -> None:
    acme, globex = planted["acme"], planted["globex"]
    with context.run_in(globex):
        cache.set("secret", "globex-secret")
        cache.set("1:secret", "globex-secret")
    names = (
        f"{globex.uuid.hex}:1:secret", f":{globex.uuid.hex}:1:secret", f"../{globex.uuid.hex}:1:secret",
        f"terrace:{globex.uuid.hex}:1:secret", "1:secret", "*", "secret\r\nGET x",
    )  # fmt: skip
    with context.run_in(acme):
        for name in names:
            assert cache.get(name) is None
        assert cache.keys("*") == []
        assert list(cache.iter_keys("*secret*")) == []
        assert cache.delete_pattern("*") == 0
        assert cache.get_many(names) == {}
    with context.run_in(globex):
        assert sorted(cache.keys("*")) == ["1:secret", "secret"]


def test_clear_of_one_tenant_leaves_the_others(planted: Cast) -> None:
    for subdomain, tenant in planted.items():
        with context.run_in(tenant):
            cache.set("secret", subdomain)
            cache.set("secret", subdomain, version=2)
    cache.set("secret", "public")
    with context.run_in(planted["acme"]):
        cache.clear()
        assert cache.get("secret") is None
        assert cache.get("secret", version=2) is None
    with context.run_in(planted["globex"]):
        assert cache.get("secret") == "globex"
        assert cache.get("secret", version=2) == "globex"
    assert cache.get("secret") == "public"
    cache.clear()
    assert cache.get("secret") is None
    with context.run_in(planted["globex"]):
        assert cache.get("secret") == "globex"


def test_template_fragment_of_each_tenant_is_its_own(planted: Cast) -> None:
    template = Template("{% load cache %}{% cache 60 'same' %}{{ name }}{% endcache %}")
    for subdomain, tenant in planted.items():
        with context.run_in(tenant):
            assert template.render(Context({"name": subdomain})) == subdomain
            assert template.render(Context({"name": "not asked"})) == subdomain


class _OncePerMinute(AnonRateThrottle):
    rate = "1/min"


def test_throttle_of_one_tenant_does_not_hold_up_another(planted: Cast) -> None:
    request: Any = APIRequestFactory().get("/", REMOTE_ADDR="203.0.113.9")
    request.user = None
    for tenant in planted.values():
        with context.run_in(tenant):
            assert _OncePerMinute().allow_request(request, None)
            assert not _OncePerMinute().allow_request(request, None)


# --- 22: logs --------------------------------------------------------------------------------------


def test_log_lines_say_whose_they_are(planted: Cast, visit: Visit) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(TenantFilter())
    handler.setFormatter(logging.Formatter("%(tenant)s: %(message)s"))
    logger = logging.getLogger("tests.careless")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        for subdomain, tenant in planted.items():
            visit(tenant, "log", q=subdomain)
        logger.info("a line of public")
    finally:
        logger.removeHandler(handler)
        logger.setLevel("NOTSET")
    assert stream.getvalue().splitlines() == [
        f"{name}: a line of {name}" for name in ("acme", "globex", "public")
    ]


def test_every_configured_handler_says_whose_a_line_is() -> None:
    handlers = django_settings.LOGGING["handlers"]
    assert handlers
    assert all("tenant" in handler["filters"] for handler in handlers.values())


# --- 23: what an error tells -----------------------------------------------------------------------


def test_not_found_is_the_same_whether_the_neighbour_has_it_or_not(
    planted: Cast, careless: None
) -> None:
    """An object that globex has and acme has not, beside one that nobody has."""
    with context.run_in(planted["globex"]):
        Note.objects.create(id=700, text="globex-secret-700")
    try:
        client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
        theirs, nobodys = client.get("/careless/notes/700"), client.get("/careless/notes/701")
        assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    finally:
        with context.run_in(planted["globex"]):
            Note.objects.filter(id=700).delete()


@pytest.mark.parametrize("path", ["/careless/crash", "/nothing/there"])
def test_error_page_of_one_tenant_names_no_other(path: str, planted: Cast, careless: None) -> None:
    client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
    body = client.get(path).content.decode().lower()
    assert "globex" not in body
    for tenant in planted.values():
        assert tenant.schema_name not in body
        assert str(tenant.uuid) not in body


# --- Nothing is chosen for a task's or command's process ------------------------------------------


def test_reference_that_is_no_schema_of_ours_is_refused(planted: Cast) -> None:
    """It goes into SQL, so it is checked where it is made."""
    for name in (
        "public",
        "pg_catalog",
        't_a"; DROP',
        "t_",
        "T_AAAAAAAAAAAA",
        "t_aaaaaaaaaaaa\n",
        "",
    ):
        with pytest.raises(ValueError, match="schema name"):
            replace(planted["acme"], schema_name=name)


def test_environment_names_no_tenant(planted: Cast) -> None:
    """A process serves all tenants: none of them is in its environment or its connection's name."""
    with context.run_in(planted["acme"]), transaction.atomic():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SHOW application_name")
            assert "acme" not in cursor.fetchone()[0].lower()
    assert not [name for name, value in os.environ.items() if value in {"acme", "globex"} and name]


def test_async_client_is_served_like_the_sync_one(planted: Cast, careless: None) -> None:
    from asgiref.sync import async_to_sync

    for subdomain in planted:
        client = AsyncHostClient(f"{subdomain}.localhost")
        assert async_to_sync(client.get)("/careless/who").json() == {"tenant": subdomain}
