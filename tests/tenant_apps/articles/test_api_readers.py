"""Comments' queue and subscribers, by the API."""

from typing import Any
from uuid import uuid4

import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import commenting
from tenant_apps.articles.commenting import Decision
from tenant_apps.articles.errors import TooManyAtOnce
from tenant_apps.articles.models import Comment, Subscriber
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article

JSON: dict[str, Any] = {"content_type": "application/json"}
QUEUE = "/api/v1/comments/"


def test_queue_shows_what_waits_unless_it_is_said(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article, other = (make_article(acme_people["editor"], title) for title in "AB")
        for state in ("pending", "approved", "rejected"):
            Comment.objects.create(article=article, name=state, body="x", sender="x", state=state)
        Comment.objects.create(article=other, name="other", body="x", sender="x")

    def names(query: str) -> list[str]:
        answer = as_role("editor").get(QUEUE + query).json()
        return [one["name"] for one in answer["results"]]

    assert names("") == ["other", "pending"]
    assert names("?state=rejected") == ["rejected"]
    assert names(f"?article={article.pk}") == ["pending"]
    assert as_role("editor").get(f"{QUEUE}?state=burnt").status_code == 400


@pytest.mark.parametrize(
    ("action", "left"),
    [("approve", ["approved"] * 2), ("reject", ["rejected"] * 2), ("remove", [])],
)
def test_many_are_decided_and_one_is_told_why_not(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, action: str, left: list[str]
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["editor"])
        made = [
            Comment.objects.create(article=article, name="A", body=str(number), sender="x")
            for number in range(2)
        ]
        gone = uuid4()
    told = {"action": action, "ids": [str(made[1].pk), str(gone), str(made[0].pk)]}
    results = as_role("editor").post(f"{QUEUE}bulk/", told, **JSON).json()["results"]
    assert [one["id"] for one in results] == told["ids"]
    assert [one["done"] for one in results] == [True, False, True]
    assert results[1]["error"] == "There is no such comment."
    with context.run_in(acme):
        assert list(Comment.objects.values_list("state", flat=True)) == left


def test_removed_comment_is_not_shown_again(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["editor"])
    comment = Comment.objects.create(
        article=article, name="A", body="", sender="x", state="removed"
    )
    (decided,) = commenting.decide_many(
        keys=[comment.pk], decision=Decision.APPROVE, by=acme_people["editor"]
    )
    assert (decided.done, decided.sentence[:24]) == (False, "This comment was removed")


def test_decisions_that_cannot_be(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(NotAllowed):
        commenting.decide_many(keys=[], decision=Decision.APPROVE, by=acme_people["author"])
    keys = [uuid4() for _ in range(commenting.MAX_AT_ONCE + 1)]
    with pytest.raises(TooManyAtOnce, match="201 comments"):
        commenting.decide_many(keys=keys, decision=Decision.APPROVE, by=acme_people["editor"])


def test_subscribers_are_listed_and_removed(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        Subscriber.objects.create(email="new@example.com", sender="x")
        Subscriber.objects.create(
            email="sure@example.com", sender="x", confirmed_at="2030-01-01T00:00:00Z"
        )
    client, path = as_role("admin"), "/api/v1/subscribers/"
    sure = client.get(f"{path}?confirmed=true").json()["results"]
    assert [one["email"] for one in sure] == ["sure@example.com"]
    assert "token" not in str(sure)
    found = client.get(f"{path}?search=new@").json()["results"]
    assert client.delete(f"{path}{found[0]['id']}/").status_code == 204
    with context.run_in(acme):
        assert [one.email for one in Subscriber.objects.all()] == ["sure@example.com"]
        assert Entry.objects.filter(verb="subscriber.removed").count() == 1
