"""Leak list 23: what an answer costs. It must not tell whether somebody or something is there.

A clock would tell more of the machine than of the code, so what takes the time is counted: statements
sent to PostgreSQL, and passwords hashed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.operators.models import Operator
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Status, Tenant
from tenant_apps.articles import publishing, writing
from tenant_apps.users import membership
from tenant_apps.users.models import Role, User
from tests.isolation.counting import CountingHasher

PASSWORD = "a long enough passphrase"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request took.

    Attributes:
        statements: the beginning of each that was sent to PostgreSQL.
        hashed: passwords.
        letters: mails handed over.
    """

    statements: tuple[str, ...]
    hashed: int
    letters: int


def _cost(ask: Callable[[], Any]) -> Cost:
    CountingHasher.calls.clear()
    before = len(mail.outbox)
    with CaptureQueriesContext(connection) as captured:
        ask()
    # A savepoint's name is new each time.
    statements = tuple(re.sub(r'"s\d+_x\d+"', "", str(query["sql"])[:60]) for query in captured)
    return Cost(statements, CountingHasher.calls["hashed"], len(mail.outbox) - before)


# --- Hosts -----------------------------------------------------------------------------------------


@pytest.fixture
def hosts(acme: TenantRef, globex: TenantRef) -> dict[str, str]:
    """Hosts that answer without serving anything."""
    Tenant.objects.filter(pk=acme.id).update(status=Status.ERASED)
    Tenant.objects.filter(pk=globex.id).update(status=Status.SUSPENDED)
    Domain.objects.create(tenant_id=globex.id, domain="unverified.example", is_primary=False)
    return {
        "unknown": "nobody.localhost",
        "elsewhere": "evil.example",
        "unverified": "unverified.example",
        "erased": acme.hostname,
        "suspended": globex.hostname,
    }


@pytest.mark.parametrize(("kept", "statements"), [("nothing", 1), ("in redis", 0), ("here", 0)])
def test_host_that_is_not_served_costs_the_same_whosever_it_is(
    kept: str, statements: int, hosts: dict[str, str], settings: Any
) -> None:
    settings.TERRACE_HOST_CACHE_SECONDS = 60.0
    costs = {}
    for name, host in hosts.items():
        client = Client(headers={"host": host})
        cache.clear()
        resolution._process_cache.clear()
        if kept != "nothing":
            client.get("/")
        if kept == "in redis":
            resolution._process_cache.clear()
        costs[name] = _cost(lambda client=client: client.get("/"))  # type: ignore[misc]
    assert {len(cost.statements) for cost in costs.values()} == {statements}, costs
    assert len(set(costs.values())) == 1, costs


# --- Log-in and password reset ---------------------------------------------------------------------


@pytest.fixture
def people(acme: TenantRef, globex: TenantRef, settings: Any) -> dict[str, str]:
    """Addresses of acme's people in every state, of globex' people, and of nobody."""
    settings.PASSWORD_HASHERS = ["tests.isolation.counting.CountingHasher"]
    for tenant in (acme, globex):
        with context.run_in(tenant):
            owner = User.objects.get()
            member = Role.objects.get(slug="member")
            for word in ("known", "gone", "unproven"):
                person = membership.add_person(
                    email=f"{word}@{tenant.subdomain}.example",
                    full_name=word,
                    role=member,
                    password=PASSWORD,
                    email_confirmed=word != "unproven",
                )
                if word == "gone":
                    membership.deactivate_person(person=person, by=owner)
            membership.add_person(
                email=f"without@{tenant.subdomain}.example",
                full_name="without",
                role=member,
                password=None,
                email_confirmed=True,
            )
    return {
        "nobody": "nobody@acme.example",
        "known": "known@acme.example",
        "deactivated": "gone@acme.example",
        "without a password": "without@acme.example",
        "unproven": "unproven@acme.example",
        "next door": "known@globex.example",
    }


def _costs_of_forms(
    tenant: TenantRef | None, path: str, forms: dict[str, dict[str, str]]
) -> dict[str, Cost]:
    host = tenant.hostname if tenant else django_settings.TERRACE_BASE_DOMAIN
    costs = {}
    for name, form in forms.items():
        cache.clear()  # each is the first try
        client = Client(headers={"host": host})
        client.get(path)
        costs[name] = _cost(lambda client=client, form=form: client.post(path, form))  # type: ignore[misc]
    return costs


def test_wrong_password_costs_the_same_whoever_logs_in(
    acme: TenantRef, people: dict[str, str]
) -> None:
    forms = {name: {"login": email, "password": "wrong"} for name, email in people.items()}
    costs = _costs_of_forms(acme, "/account/login/", forms)
    assert {cost.hashed for cost in costs.values()} == {1}, costs
    assert len(set(costs.values())) == 1, costs


def test_password_reset_costs_the_same_whoever_asks(
    acme: TenantRef, people: dict[str, str]
) -> None:
    forms = {name: {"email": email} for name, email in people.items()}
    costs = _costs_of_forms(acme, "/account/password/reset/", forms)
    assert {cost.hashed for cost in costs.values()} == {0}, costs
    assert len(set(costs.values())) == 1, costs


def test_wrong_password_of_an_operator_costs_the_same(
    db: None, people: dict[str, str], settings: Any
) -> None:
    Operator.objects.create_operator(
        email="operator@example.com", password=PASSWORD, full_name="Olga"
    )
    forms = {
        email: {"username": email, "password": "wrong"}
        for email in ("operator@example.com", "nobody@example.com", people["known"])
    }
    costs = _costs_of_forms(None, "/operators/login/", forms)
    assert {cost.hashed for cost in costs.values()} == {1}, costs
    assert len(set(costs.values())) == 1, costs


def test_right_password_costs_more(acme: TenantRef, people: dict[str, str]) -> None:
    """The control: what is counted does tell a difference where there is one."""
    forms = {word: {"login": people["known"], "password": word} for word in (PASSWORD, "wrong")}
    right, wrong = _costs_of_forms(acme, "/account/login/", forms).values()
    assert right.hashed == wrong.hashed == 1
    assert len(right.statements) > len(wrong.statements)


# --- Objects ---------------------------------------------------------------------------------------


def test_object_of_the_neighbour_costs_what_nobodys_does(
    acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(globex):
        owner = User.objects.get()
        article = writing.create_article(title="Globex secret", body="x", by=owner)
        publishing.publish_article(article=article, by=owner)
    client = Client(headers={"host": acme.hostname})
    costs = [
        _cost(lambda slug=slug: client.get(f"/articles/{slug}/"))  # type: ignore[misc]
        for slug in ("warm", article.slug, "nobodys-slug")
    ]
    assert costs[1] == costs[2]
    at_home = Client(headers={"host": globex.hostname})
    found = _cost(lambda: at_home.get(f"/articles/{article.slug}/"))
    assert len(found.statements) > len(costs[1].statements), "the control: it is there"
