"""POST sent twice, done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.api import kept_answers
from tenant_apps.api.models import KeptAnswer
from tenant_apps.articles import writing
from tenant_apps.articles.models import Article
from tests.conftest import ClientMaker
from tests.tenant_apps.api.conftest import JSON
from tests.tenant_apps.conftest import LoggedIn, People


def post(client: Client, key: str, title: str = "Once", **more: Any) -> Any:
    return client.post(
        "/api/v1/articles/", {"title": title}, headers={"Idempotency-Key": key, **more}, **JSON
    )


def test_second_request_gets_the_first_ones_answer(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("author")
    first, second = post(client, "k-1"), post(client, "k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert second["Content-Type"] == first["Content-Type"] == "application/json"
    with context.run_in(acme):
        assert Article.objects.count() == 1
    assert post(client, "k-2").json()["id"] != first.json()["id"]


def test_key_belongs_to_a_person_and_a_workspace(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    globex_people: People,
    as_role: LoggedIn,
    client_of: ClientMaker,
) -> None:
    post(as_role("author"), "k")
    assert "Idempotency-Replayed" not in post(as_role("editor"), "k")
    other = client_of(globex)
    with context.run_in(globex):
        other.force_login(globex_people["author"], "tenant_apps.users.backends.EmailBackend")
    assert "Idempotency-Replayed" not in post(other, "k")
    with context.run_in(globex):
        assert KeptAnswer.objects.count() == 1


def test_key_on_another_body_is_refused(as_role: LoggedIn) -> None:
    client = as_role("author")
    post(client, "k")
    answer = post(client, "k", title="Other words")
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("idempotency-key-reused")


def test_refused_request_keeps_nothing_and_may_be_mended(
    acme: TenantRef, as_role: LoggedIn
) -> None:
    client = as_role("author")
    assert post(client, "k", title="").status_code == 400
    assert post(as_role("member"), "k").status_code == 403
    with context.run_in(acme):
        assert KeptAnswer.objects.count() == 0
    assert post(client, "k", title="Mended").status_code == 201


def test_broken_request_keeps_nothing(
    acme: TenantRef, as_role: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_role("author")
    client.raise_request_exception = False

    def break_down(**rest: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(writing, "create_article", break_down)
        assert post(client, "k").status_code == 500
    assert post(client, "k").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_key_that_is_none(as_role: LoggedIn, key: str) -> None:
    answer = post(as_role("author"), key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


def test_key_with_quotes_is_the_same(as_role: LoggedIn) -> None:
    client = as_role("author")
    post(client, '"k"')
    assert post(client, "k")["Idempotency-Replayed"] == "true"


def test_key_after_a_day_is_a_new_one(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("author")
    first = post(client, "k")
    with context.run_in(acme):
        KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
        # What a commit would have freed: a test has none.
        cache.clear()
        assert post(client, "k").json()["id"] != first.json()["id"]
        KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
        assert kept_answers.delete_expired() == 1


def test_secret_that_is_shown_once_is_kept_nowhere(acme: TenantRef, as_role: LoggedIn) -> None:
    data = {"name": "x", "scopes": ["users:read"], "days": 7}
    for _ in range(2):
        answer = as_role("author").post(
            "/api/v1/me/tokens/", data, headers={"Idempotency-Key": "k"}, **JSON
        )
        assert answer.status_code == 201
    with context.run_in(acme):
        assert KeptAnswer.objects.count() == 0


def test_second_request_while_the_first_runs(
    cast: dict[str, TenantRef], committing_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two real transactions: the second is told to wait, and afterwards gets the first's answer."""
    from tenant_apps.users.models import User

    acme = cast["acme"]
    with context.run_in(acme):
        owner = User.objects.select_related("role").get(email="owner@acme.example")
    begun, may_end = threading.Event(), threading.Event()
    create = writing.create_article

    def slowly(**given: Any) -> Any:
        begun.set()
        assert may_end.wait(timeout=30)
        return create(**given)

    monkeypatch.setattr(writing, "create_article", slowly)
    clients = [Client(headers={"host": acme.hostname}) for _ in range(2)]
    with context.run_in(acme):
        for client in clients:
            client.force_login(owner, "tenant_apps.users.backends.EmailBackend")
    answers: dict[str, Any] = {}

    def ask_first() -> None:
        try:
            answers["first"] = post(clients[0], "k")
        finally:
            connection.close()

    first = threading.Thread(target=ask_first)
    try:
        first.start()
        assert begun.wait(timeout=30)
        running = post(clients[1], "k")
        assert running.status_code == 409
        assert running.json()["type"].endswith("still-running")
        assert running["Retry-After"] == "1"
        may_end.set()
        first.join()
        again = post(clients[1], "k")
        assert again.content == answers["first"].content
        assert again["Idempotency-Replayed"] == "true"
    finally:
        may_end.set()
        first.join()
        from django.contrib.sessions.models import Session

        from tenant_apps.activity.models import Entry
        from tenant_apps.users.models import SignIn

        with context.run_in(acme):
            for model in (Article, KeptAnswer, SignIn, Session, Entry):
                model._base_manager.all().delete()
