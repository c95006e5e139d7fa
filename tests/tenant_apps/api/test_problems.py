"""Every error in one shape (RFC 9457), whoever answers it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Tenant
from tenant_apps.articles import permissions as article_permissions
from tenant_apps.articles.errors import WrongState
from tests.tenant_apps.api.conftest import JSON
from tests.tenant_apps.conftest import LoggedIn, People, make_article


def problem_in(answer: Any, status: int, name: str) -> dict[str, Any]:
    """What the answer tells, after its shape was looked at."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["type"] == f"urn:terrace:problem:{name}"
    assert told["status"] == status
    assert told["title"]
    assert told["detail"].endswith((".", ")", "?")), told
    assert told["instance"] == f"urn:uuid:{answer['X-Request-ID']}"
    return told


def test_field_errors_say_where(as_role: LoggedIn) -> None:
    answer = as_role("author").post("/api/v1/articles/", {"tags": ["a", "x" * 61]}, **JSON)
    told = problem_in(answer, 400, "invalid-input")
    assert [(one["pointer"], one["code"]) for one in told["errors"]] == [
        ("#/title", "required"),
        ("#/tags/1", "max_length"),
    ]
    assert told["errors"][0]["detail"] == "This field is required."


def test_body_that_is_no_json(as_role: LoggedIn) -> None:
    answer = as_role("author").post("/api/v1/articles/", "{", **JSON)
    problem_in(answer, 400, "unreadable-request")


def test_stranger_is_challenged(acme_people: People, acme_client: Client) -> None:
    answer = acme_client.post("/api/v1/articles/", {"title": "x"}, **JSON)
    problem_in(answer, 401, "not-authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_role_that_does_not_cover_it(as_role: LoggedIn) -> None:
    answer = as_role("member").post("/api/v1/articles/", {"title": "x"}, **JSON)
    told = problem_in(answer, 403, "not-allowed")
    assert told["detail"] == "Your role does not let you write articles."


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v2/articles/",
        "/api/v1/nothing/",
        "/api/v1/articles/nothing/",
        "/api/v1/articles/00000000-0000-7000-8000-000000000000/",
    ],
)
def test_unknown_path(
    acme_people: People, acme_client: Client, settings: Any, debug: bool, path: str
) -> None:
    settings.DEBUG = debug
    told = problem_in(acme_client.get(path), 404, "not-found")
    assert told["detail"] == "There is nothing at this address."


def test_missing_slash_leads_on_with_method_and_body(
    acme_people: People, as_role: LoggedIn
) -> None:
    answer = as_role("author").post("/api/v1/articles?a=1", {"title": "x"}, **JSON)
    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/articles/?a=1")
    followed = as_role("author").post("/api/v1/articles", {"title": "x"}, follow=True, **JSON)
    assert followed.status_code == 201


def test_method_that_is_not_there(as_role: LoggedIn) -> None:
    problem_in(as_role("owner").delete("/api/v1/articles/"), 405, "method-not-allowed")


def test_body_of_another_kind(as_role: LoggedIn) -> None:
    answer = as_role("author").post("/api/v1/articles/", "x", content_type="text/plain")
    problem_in(answer, 415, "unsupported-media-type")


def test_answer_of_another_kind(acme_people: People, acme_client: Client) -> None:
    answer = acme_client.get("/api/v1/articles/", headers={"accept": "text/csv"})
    problem_in(answer, 406, "not-acceptable")


def test_body_that_is_too_large(as_role: LoggedIn, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = as_role("author").post("/api/v1/articles/", {"title": "x" * 20}, **JSON)
    problem_in(answer, 413, "too-large")


def test_step_that_cannot_be_taken_now(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["editor"])
    answer = as_role("editor").post(f"/api/v1/articles/{article.pk}/publish/")
    problem_in(answer, 409, "conflict")


def test_apps_own_error_needs_no_catching(
    acme: TenantRef, as_role: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app's error that was registered, and one made from it."""
    from tenant_apps.api import problems

    class Broken(WrongState):
        pass

    def refuse(person: Any) -> Any:
        raise Broken("Not today.")

    problems.register_refusal(WrongState)
    try:
        monkeypatch.setattr(article_permissions, "visible_to", refuse)
        answer = as_role("editor").get("/api/v1/articles/")
    finally:
        del problems._refusals[WrongState]
    assert problem_in(answer, 409, "conflict")["detail"] == "Not today."


def test_what_nobody_foresaw(
    acme: TenantRef, as_role: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(person: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(article_permissions, "visible_to", break_down)
    client = as_role("editor")
    client.raise_request_exception = False
    told = problem_in(client.get("/api/v1/articles/"), 500, "broken")
    assert "ZeroDivision" not in str(told)


def test_too_many_requests(
    acme_people: People, acme_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenant_apps.api.throttling import VisitorThrottle

    monkeypatch.setattr(VisitorThrottle, "get_rate", lambda self: "2/min")
    answers = [acme_client.get("/api/v1/articles/") for _ in range(3)]
    assert [answer["RateLimit-Policy"] for answer in answers] == ['"anon";q=2;w=60'] * 3
    assert [answer["RateLimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
    problem_in(answers[-1], 429, "too-many-requests")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_workspace_that_is_closed(acme: TenantRef, acme_client: Client) -> None:
    Tenant.objects.filter(pk=acme.id).update(status="suspended")
    told = problem_in(acme_client.get("/api/v1/articles/"), 403, "workspace-suspended")
    assert told["workspace_status"] == "suspended"


def test_nul_is_refused_in_every_parameter(acme_people: People, acme_client: Client) -> None:
    told = problem_in(acme_client.get("/api/v1/articles/?page_size=%00"), 400, "invalid-parameter")
    assert told["errors"][0]["parameter"] == "page_size"


def test_every_endpoint_has_the_manners() -> None:
    """Where an endpoint has permissions of its own, those of the manners must be among them."""
    from rest_framework.permissions import BasePermission

    from tenant_apps.api.lost_updates import LostUpdates, OnceOnly
    from tenant_apps.users.api import _LogInView

    seen = 0
    for pattern in get_resolver("tenant_apps.workspace.api_urls").url_patterns:
        view = getattr(pattern.callback, "cls", None)
        if view is None or issubclass(view, _LogInView):
            continue
        seen += 1
        classes: list[type[BasePermission]] = pattern.callback.initkwargs.get(
            "permission_classes", view.permission_classes
        )
        assert LostUpdates in classes, view
        assert classes[-1] is OnceOnly, view
        assert hasattr(pattern.callback, "__wrapped__"), f"{view} stands outside of with_manners"
    assert seen > 15
