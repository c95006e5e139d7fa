"""Leak list 6: every address of a tenant's site, asked on acme with what belongs to globex.

The resolver is walked, so an app that comes later is covered: where its addresses have a parameter
that FACTORIES does not know, the test says what to add.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.userkit import user_id_to_str
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.db import connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, set_urlconf
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import notifications
from tenant_apps.activity.models import (
    Entry,
    Notification,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tenant_apps.api.models import KeptAnswer
from tenant_apps.articles import publishing, subscribing, writing
from tenant_apps.articles.models import Article, Comment, Move, OldAddress, Picture, Subscriber
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.articles.models import Tag as ArticleTag
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import ImportRun, Product, ProductImage, ProductVariant, Review
from tenant_apps.products.models import State as ProductState
from tenant_apps.users import api_tokens
from tenant_apps.users.invitations import send_letter
from tenant_apps.users.models import ApiToken, Invitation, Role, SignIn, User
from tenant_apps.workspace import branding, takeout
from tenant_apps.workspace.admin import tenant_admin
from tenant_apps.workspace.models import LookRelease, TakeOut, TakeOutState
from tests.tenant_apps.users.soft_passkey import SoftPasskey

SECRET = "globex-secret"
# Larger than any key that acme has, so that a number isn't somebody's in both.
NUMBER = 9_000_001
NOBODYS_UUID = "00000000-0000-7000-8000-000000000000"
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver.

    Attributes:
        route: as it is written, from the site's root.
        parameters: the names it takes.
    """

    route: str
    parameters: tuple[str, ...]

    def filled(self, values: dict[str, str]) -> str:
        """The path with these values."""
        path = self.route
        for name, value in values.items():
            path = _replace_group(path, name, value)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match.group(1)], path)
        return "/" + path.replace("^", "").replace("$", "").replace("\\Z", "")


def _replace_group(route: str, name: str, value: str) -> str:
    """A regular expression's `(?P<name>…)` as the value; its parentheses may nest."""
    start = route.find(f"(?P<{name}>")
    if start < 0:
        return route
    depth = 0
    for position in range(start, len(route)):
        depth += {"(": 1, ")": -1}.get(route[position], 0)
        if depth == 0:
            return route[:start] + value + route[position + 1 :]
    raise AssertionError(f"{route} has a parenthesis too many.")


def addresses() -> list[Address]:
    """All addresses of the tenant's urlconf."""
    return list(_walk(get_resolver(settings.TERRACE_TENANT_URLCONF), "", ()))


def _walk(resolver: URLResolver, before: str, taken: tuple[str, ...]) -> Iterator[Address]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        matcher = pattern.pattern
        assert isinstance(matcher, RoutePattern | RegexPattern), matcher
        names = (*taken, *matcher.regex.groupindex)
        if isinstance(pattern, URLPattern):
            yield Address(route, names)
        else:
            yield from _walk(pattern, route, names)


# What globex' people have in their mail.
IN_LETTERS: dict[str, str] = {}


# --- What globex has, and acme has not -------------------------------------------------------------


@pytest.fixture
def in_globex(globex: TenantRef) -> Iterator[None]:
    """One of each thing in globex, and its name everywhere."""
    set_urlconf(settings.TERRACE_TENANT_URLCONF)  # as in a request of a tenant
    _plant(globex)
    yield
    set_urlconf(None)


def _plant(globex: TenantRef) -> None:
    with context.run_in(globex):
        owner = User.objects.get()
        owner.full_name = SECRET
        owner.save(update_fields=["full_name"])
        category = ArticleCategory.objects.create(id=NUMBER, name=SECRET, slug=SECRET)
        ArticleTag.objects.create(id=NUMBER, name=SECRET, slug=f"{SECRET}-tag")
        article = writing.create_article(title=SECRET, body=SECRET, by=owner)
        article.category = category
        article.save(update_fields=["category"])
        article.tags.add(NUMBER)
        publishing.publish_article(article=article, by=owner)
        Comment.objects.create(article=article, name=SECRET, body=SECRET, sender="x")
        subscriber = Subscriber.objects.create(email=f"{SECRET}@example.net", sender="x")
        subscribing.send_confirmation(subscriber=subscriber)
        found = re.search(r"/subscription/([^/\s]+)/confirm", str(mail.outbox[-1].body))
        assert found is not None
        IN_LETTERS["subscription"] = found.group(1)
        Picture.objects.create(alt=SECRET)
        OldAddress.objects.create(id=NUMBER, article=article, slug=f"{SECRET}-old")
        ProductCategory.objects.create(id=NUMBER, name=SECRET, slug=SECRET)
        product = Product.objects.create(
            title=SECRET, handle=SECRET, state=ProductState.PUBLISHED, published_at=timezone.now()
        )
        ProductVariant.objects.create(product=product, price_minor=100)
        ProductImage.objects.create(product=product, url=f"https://example.com/{SECRET}.jpg")
        Review.objects.create(product=product, author=owner, stars=5, text=SECRET, state="approved")
        ImportRun.objects.create(file_name=f"{SECRET}.csv", file_bytes=1, created_by=owner)
        Move.objects.create(
            system="ghost", file_name=f"{SECRET}.json", file_bytes=1, created_by=owner
        )
        Role.objects.create(id=NUMBER, slug=SECRET, name=SECRET, permissions=[])
        invitation = Invitation.objects.create(
            email=f"{SECRET}@example.com",
            role=Role.objects.get(slug="member"),
            invited_by=owner,
            expires_at=timezone.now() + timedelta(days=1),
        )
        send_letter(invitation=invitation)
        found = re.search(r"/invitations/([^/\s]+)/", str(mail.outbox[-1].body))
        assert found is not None
        IN_LETTERS["token"] = found.group(1)
        EmailAddress.objects.create(user=owner, email=f"{SECRET}@example.org", verified=False)
        api_tokens.issue_token(
            person=owner, name=SECRET, scopes=["users:read"], lifetime=timedelta(days=1)
        )
        SignIn.objects.create(
            person=owner,
            user_agent=SECRET,
            auth_hash=owner.get_session_auth_hash(),
            expires_at=timezone.now() + timedelta(days=1),
        )
        KeptAnswer.objects.create(person_id=owner.pk, key=SECRET, fingerprint="x")
        options = {"user": {"id": str(owner.pk)}, "challenge": "eA"}
        credential = SoftPasskey(globex.hostname).create({"publicKey": options})
        Authenticator.objects.create(id=NUMBER, user=owner, type="webauthn",
                                     data={"name": SECRET, "credential": credential})  # fmt: skip
        Entry.objects.create(id=NUMBER, verb="planted", object_type="x", object_id="1",
                             object_label=SECRET)  # fmt: skip
        _plant_activity(owner)
        branding.change_look(changes={"accent": "#aa0000", "footer": SECRET}, by=owner)
        branding.publish_look(by=owner)
        branding.change_look(changes={"footer": f"{SECRET} draft"}, by=owner)
        take_out = TakeOut.objects.create(
            state=TakeOutState.READY,
            requested_by=owner,
            expires_at=timezone.now() + timedelta(days=1),
        )
        storages[takeout.STORAGE].save(f"{take_out.pk.hex}.zip", ContentFile(SECRET.encode()))
        if not default_storage.exists(f"{SECRET}.txt"):
            default_storage.save(f"{SECRET}.txt", ContentFile(SECRET.encode()))


def _plant_activity(owner: User) -> None:
    Notification.objects.all().delete()  # of what was planted above
    Notification.objects.create(person=owner, kind="x", sentence=SECRET, path=f"/{SECRET}/")
    event = WebhookEvent.objects.create(type="stock.low", data={"note": SECRET})
    endpoint = WebhookEndpoint.objects.create(
        url=f"https://{SECRET}.example/",
        description=SECRET,
        event_types=["stock.low"],
        secret="x",
    )
    WebhookDelivery.objects.create(endpoint=endpoint, event=event, failure=SECRET)


def _key_of(model: type[models.Model]) -> str:
    """The key of a row of globex that no row of acme has."""
    rows = model._base_manager.all()
    if isinstance(model._meta.pk, models.BigAutoField):
        rows = rows.filter(pk=NUMBER)
    row = rows.first()
    assert row is not None, (
        f"globex has no {model._meta.label} for the walk: add one to in_globex in {__file__}."
    )
    return str(row.pk)


def _object_id(route: str) -> str:
    """The admin's addresses say their model: admin/<app>/<model>/<object_id>/…"""
    _, app_label, model_name, *_ = route.split("/")
    return _key_of(apps.get_model(app_label, model_name))


def _pk(route: str) -> str:
    for beginning, model in (
        ("api/v1/articles/", Article),
        ("api/v1/article-categories/", ArticleCategory),
        ("api/v1/comments/", Comment),
        ("api/v1/pictures/", Picture),
        ("api/v1/tags/", ArticleTag),
        ("api/v1/old-addresses/", OldAddress),
        ("api/v1/subscribers/", Subscriber),
        ("api/v1/product-imports/", ImportRun),
        ("desk/pictures/", Picture),
        ("desk/comments/", Comment),
        ("^desk/comments/", Comment),
        ("desk/move-in/", Move),
        ("desk/", Article),
        ("^desk/", Article),
        ("api/v1/products/", Product),
        ("api/v1/product-categories/", ProductCategory),
        ("api/v1/reviews/", Review),
        ("products/import/", ImportRun),
        ("account/2fa/webauthn/keys/", Authenticator),
        ("account/devices/", SignIn),
        ("account/notifications/", Notification),
        ("api/v1/me/notifications/", Notification),
        ("account/webhooks/deliveries/", WebhookDelivery),
        ("account/webhooks/", WebhookEndpoint),
        ("api/v1/webhooks/<uuid:endpoint_id>/", WebhookDelivery),
        ("api/v1/webhooks/", WebhookEndpoint),
        ("account/tokens/", ApiToken),
        ("api/v1/me/sign-ins/", SignIn),
        ("api/v1/me/tokens/", ApiToken),
        ("api/v1/people/", User),
        ("api/v1/invitations/", Invitation),
        ("api/v1/roles/", Role),
    ):
        if route.startswith(beginning):
            return _key_of(model)
    pytest.fail(f"What is the pk of {route}? Add its beginning to _pk in {__file__}.")


def _slug(route: str) -> str:
    return f"{SECRET}-tag" if route.startswith("articles/tag/") else SECRET


def _name(route: str) -> str:
    if "media" in route:
        return f"{SECRET}.txt"
    return "approve" if "comments" in route else "archive"


def _token(route: str) -> str:
    if route.startswith("account/notifications/"):
        return notifications.leave_token(User.objects.get().pk)
    if route.startswith("subscription/"):
        is_way_out = route.endswith("leave/")
        return (
            subscribing.leave_token(Subscriber.objects.get())
            if is_way_out
            else IN_LETTERS["subscription"]
        )
    return _take_out_token() if "account/data" in route else IN_LETTERS["token"]


# For each name of a parameter: what globex has (by the route), and what nobody has.
FACTORIES: dict[str, tuple[Callable[[str], str], str]] = {
    "object_id": (_object_id, NOBODYS_UUID),
    "pk": (_pk, NOBODYS_UUID),
    "slug": (_slug, "nobodys"),
    "number": (lambda route: "1", "1"),
    "version": (lambda route: LookRelease.objects.get().style, "000000000000"),
    "handle": (lambda route: SECRET, "nobodys"),
    "endpoint_id": (lambda route: _key_of(WebhookEndpoint), NOBODYS_UUID),
    "image_id": (lambda route: _key_of(ProductImage), NOBODYS_UUID),
    "variant_id": (lambda route: _key_of(ProductVariant), NOBODYS_UUID),
    "token": (_token, "nobodys"),
    "name": (_name, "archive"),
    "url": (lambda route: SECRET, "nobodys"),
    "app_label": (lambda route: "articles", "articles"),
    "key": (
        lambda route: _confirmation_key() if "confirm" in route else _reset()[1],
        "nobodys-key",
    ),
    "uidb36": (lambda route: _reset()[0], "1"),
}
# One row in each tenant with the same key: acme's own is what acme gets.
SAME_IN_EACH = ("admin/workspace/workspace/",)
# Neither shows an object by its parameter.
WITHOUT_OBJECT = ("admin/(?P<url>", "admin/^(?P<app_label>")


def _confirmation_key() -> str:
    from allauth.account.models import EmailConfirmationHMAC

    return str(EmailConfirmationHMAC(EmailAddress.objects.get(verified=False)).key)


def _take_out_token() -> str:
    return takeout.download_token(TakeOut.objects.get())


def _reset() -> tuple[str, str]:
    from allauth.account import app_settings
    from allauth.account.utils import user_pk_to_url_str
    from django.utils.module_loading import import_string

    user = User.objects.get()
    generator = import_string(settings.ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR)()
    assert app_settings.PASSWORD_RESET_TOKEN_GENERATOR is type(generator)
    return user_pk_to_url_str(user), str(generator.make_token(user))


def _values(address: Address, globex: TenantRef) -> tuple[dict[str, str], dict[str, str]]:
    """globex' values and nobody's."""
    theirs, nobodys = {}, {}
    for name in address.parameters:
        assert name in FACTORIES, (
            f"/{address.route} has a parameter {name!r} that this walk does not know. Add it to "
            f"FACTORIES in {__file__}: what globex has under it, and what nobody has."
        )
        make, nobody = FACTORIES[name]
        with context.run_in(globex):
            theirs[name] = make(address.route)
        nobodys[name] = f"{nobody}.txt" if address.route.startswith("media") else nobody
        if name == "name" and "comments" in address.route:
            nobodys[name] = theirs[name]
        if f"<int:{name}>" in address.route:
            nobodys[name] = str(NUMBER + 1)
    return theirs, nobodys


# --- The walk --------------------------------------------------------------------------------------


def _owner_of(tenant: TenantRef) -> Client:
    client = Client(headers={"host": tenant.hostname}, raise_request_exception=False)
    with context.run_in(tenant):
        owner = User.objects.get()
        client.force_login(owner, "tenant_apps.users.backends.EmailBackend")
        # As if the owner had just shown once more who it is, which second factors ask for.
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [
            {"method": "password", "at": time.time(), "reauthenticated": True}
        ]
        session["account_authentication_methods_user"] = user_id_to_str(owner)
        session.save()
    return client


def _ask(
    client: Client, method: str, path: str, *, watched: "Snapshot | None" = None
) -> tuple[int, str, str]:
    """Status, Location and body, with what differs in each answer taken out. Undone afterwards.

    Args:
        watched: of the neighbour, which must be the same after the request and before it is undone.
    """
    cookies = client.cookies.copy()  # of a session whose row is undone, too
    with transaction.atomic():
        response: HttpResponse = getattr(client, method)(path)
        body = b"".join(response) if response.streaming else response.content
        if watched is not None:
            assert watched.changes() == {}, f"{method} {path} changed the neighbour"
        transaction.set_rollback(True)
    client.cookies = cookies
    location = response.headers.get("Location", "")
    return response.status_code, location, body.decode(errors="replace")


class Snapshot:
    """All that a tenant has: for each table how many rows and a hash over them, and its files."""

    def __init__(self, tenant: TenantRef) -> None:
        self._tenant = tenant
        self._seen = self._look()

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Tables and files that are other than they were: name → (before, now)."""
        now = self._look()
        return {
            name: (self._seen.get(name), now.get(name))
            for name in sorted(self._seen.keys() | now.keys())
            if self._seen.get(name) != now.get(name)
        }

    def _look(self) -> dict[str, Any]:
        with context.run_in(self._tenant), connection.cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{table}', count(*), md5(string_agg(one::text, ',' ORDER BY one::text))"
                    f' FROM "{table}" AS one'
                    for table in _tables()
                )
            )
            seen: dict[str, Any] = {name: (count, rows) for name, count, rows in cursor.fetchall()}
            folder = Path(default_storage.path("."))
            files = [path for path in folder.rglob("*") if path.is_file()]
            return seen | {str(path): path.read_bytes() for path in files}


def _tables() -> list[str]:
    """Every table of a tenant but django_migrations."""
    return sorted(
        {
            model._meta.db_table
            for name in settings.TENANT_APPS
            for model in apps.get_app_config(name.rpartition(".")[2]).get_models(
                include_auto_created=True
            )
            if model._meta.managed and not model._meta.proxy
        }
    )


PARAMETERISED = [address for address in addresses() if address.parameters]


def test_walk_finds_the_tenants_addresses() -> None:
    routes = {address.route for address in addresses()}
    assert len(PARAMETERISED) > 40
    assert {"articles/<str:slug>/", "products/<str:handle>/", "media/<path:name>"} <= routes
    assert any(route.startswith("admin/users/user/<path:object_id>") for route in routes)
    assert any(route.startswith("api/v1/") for route in routes)


@pytest.mark.parametrize("person", ["owner", "visitor"])
@pytest.mark.parametrize("address", PARAMETERISED, ids=lambda address: address.route)
def test_address_with_the_neighbours_object_is_not_found(
    address: Address, person: str, acme: TenantRef, globex: TenantRef, in_globex: None
) -> None:
    """As if nobody had such an object, whatever the method; and globex' rows stay as they are."""
    theirs, nobodys = _values(address, globex)
    client = _owner_of(acme) if person == "owner" else Client(headers={"host": acme.hostname})
    before = Snapshot(globex)
    for method in METHODS:
        asked = _ask(client, method, address.filled(theirs), watched=before)
        assert SECRET not in asked[2].replace(address.filled(theirs), ""), method
        if asked[0] in {404, 405} or address.route.startswith(SAME_IN_EACH):
            continue
        reference = _ask(client, method, address.filled(nobodys))
        assert asked[0] == reference[0], (method, asked, reference)
        if not address.route.startswith(WITHOUT_OBJECT) and method == "get":
            _assert_not_found(address, person, asked)


@pytest.mark.parametrize("kept", ["row", "relation", "file"])
def test_snapshot_sees_what_a_request_changes_at_the_neighbours(
    kept: str, acme: TenantRef, globex: TenantRef, in_globex: None, settings: Any
) -> None:
    """The control of the test above: a view that writes next door is caught before it is undone."""
    settings.TERRACE_TENANT_URLCONF = "tests.isolation.careless"
    before = Snapshot(globex)
    assert before.changes() == {}
    path = f"/careless/next-door?tenant={globex.subdomain}&change={kept}"
    with pytest.raises(AssertionError, match="changed the neighbour"):
        _ask(Client(headers={"host": acme.hostname}), "get", path, watched=before)
    # Its transaction was undone; its file was not.
    assert set(before.changes()) == ({_next_door_file(globex)} if kept == "file" else set())
    if kept == "file":
        Path(_next_door_file(globex)).unlink()


def _next_door_file(tenant: TenantRef) -> str:
    """Where the careless view keeps the tenant's file."""
    with context.run_in(tenant):
        return default_storage.path("next-door.txt")


def _assert_not_found(address: Address, person: str, asked: tuple[int, str, str]) -> None:
    status, location, _ = asked
    if status in {401, 403, 404, 405}:
        return
    if address.route.startswith("admin/"):
        # Django's admin sends a stranger to the log-in, and the owner back with a message.
        assert (status, person) in {(302, "owner"), (302, "visitor")}, asked
        return
    # Log-in first; or allauth's pages, which say that the link is not (or no longer) good.
    is_log_in = status == 302 and "/account/login/" in location
    assert is_log_in or address.route.startswith(("account/", "invitations/")), asked


@pytest.mark.parametrize("address", PARAMETERISED, ids=lambda address: address.route)
def test_address_with_ones_own_object_is_another_thing(
    address: Address, globex: TenantRef, in_globex: None
) -> None:
    """The control: on globex the same values are found, so what acme was asked for was real."""
    if address.route.startswith((*SAME_IN_EACH, *WITHOUT_OBJECT)):
        return
    theirs, nobodys = _values(address, globex)
    # The links in letters are for people who aren't logged in.
    is_letter = address.route.startswith("account/") and "2fa" not in address.route
    client = Client(headers={"host": globex.hostname}) if is_letter else _owner_of(globex)
    for method in ("get", "post"):
        asked = _ask(client, method, address.filled(theirs))
        reference = _ask(client, method, address.filled(nobodys))
        same_but_for_the_key = asked[2].replace(theirs.get("object_id", "\0"), "") == reference[
            2
        ].replace(NOBODYS_UUID, "")
        if asked[:2] != reference[:2] or not same_but_for_the_key:
            return
        if asked[0] == 403:  # not even the owner may: other addresses show that the row is there
            return
    pytest.fail(f"{address.route} answers for globex' own object as for nobody's: {asked[:2]}")


@pytest.mark.parametrize(
    "address", [one for one in addresses() if not one.parameters], ids=lambda address: address.route
)
def test_list_shows_nothing_of_the_neighbour(
    address: Address, acme: TenantRef, globex: TenantRef, in_globex: None
) -> None:
    """Lists, searches, autocompletes, feeds, exports: as the owner, with the neighbour's words."""
    client = _owner_of(acme)
    # A part of the word: the page may say what was searched for.
    for name in ("", "q", "s", "search", "term"):
        _, _, body = _ask(
            client, "get", address.filled({}) + (f"?{name}={SECRET[:-1]}" if name else "")
        )
        assert SECRET not in body, name
        assert "owner@globex" not in body


def test_search_finds_the_word_at_home(globex: TenantRef, in_globex: None) -> None:
    """The control of the test above."""
    client = _owner_of(globex)
    found = [
        address.route
        for address in addresses()
        if not address.parameters
        and SECRET in _ask(client, "get", address.filled({}) + f"?q={SECRET[:-1]}")[2]
    ]
    assert len(found) > 5, found


# --- Autocompletes ---------------------------------------------------------------------------------


def _autocompletes() -> list[tuple[str, str, str]]:
    """What Django's autocomplete view answers for: app, model and field of each relation that leads
    to a model which the tenant's admin can search, whether a form asks for it or not."""
    admins = tenant_admin._registry
    sources = {*admins, *(inline.model for admin in admins.values() for inline in admin.inlines)}
    searched = {model for model, admin in admins.items() if admin.search_fields}
    return sorted(
        (model._meta.app_label, model._meta.model_name, field.name)
        for model in sources
        for field in (*model._meta.fields, *model._meta.many_to_many)
        if field.remote_field is not None and field.remote_field.model in searched
    )


AUTOCOMPLETES = _autocompletes()


def _complete(client: Client, place: tuple[str, str, str], term: str) -> tuple[int, str]:
    names = dict(zip(("app_label", "model_name", "field_name"), place, strict=True))
    asked = _ask(client, "get", f"/admin/autocomplete/?{urlencode({**names, 'term': term})}")
    return asked[0], asked[2]


def test_every_autocomplete_field_is_walked() -> None:
    declared = {
        (one.model._meta.app_label, one.model._meta.model_name, name)
        for admin in tenant_admin._registry.values()
        for one in (admin, *admin.inlines)
        for name in one.autocomplete_fields
    }
    assert len(declared) >= 3
    assert declared <= set(AUTOCOMPLETES)


@pytest.mark.parametrize("place", AUTOCOMPLETES, ids=".".join)
def test_autocomplete_offers_nothing_of_the_neighbour(
    place: tuple[str, str, str], acme: TenantRef, globex: TenantRef, in_globex: None
) -> None:
    at_home, next_door = _owner_of(globex), _owner_of(acme)
    for term in ("", SECRET[:-1], SECRET):
        status, body = _complete(at_home, place, term)
        assert (status, SECRET in body) == (200, True), "the control: it is found at home"
        status, body = _complete(next_door, place, term)
        assert status == 200
        assert SECRET not in body
