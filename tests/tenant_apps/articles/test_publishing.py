from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import publishing
from tenant_apps.articles.errors import DateInThePast, NothingToPublish, WrongState
from tenant_apps.articles.models import Article, State
from tests.tenant_apps.conftest import People, make_article

STEPS: dict[str, Callable[..., Article]] = {
    "submit": publishing.submit_article,
    "publish": publishing.publish_article,
    "unpublish": publishing.unpublish_article,
    "archive": publishing.archive_article,
}
# Where each step leads from each state; a state that is not named refuses it.
WAYS = {
    "submit": {"draft": "in_review"},
    "publish": {
        "draft": "published",
        "in_review": "published",
        "scheduled": "published",
        "archived": "published",
    },
    "unpublish": {"in_review": "draft", "scheduled": "draft", "published": "draft"},
    "archive": {"published": "archived"},
}


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("step", STEPS)
def test_step_starts_where_it_may(
    in_acme: TenantRef, acme_people: People, step: str, state: str
) -> None:
    editor = acme_people["editor"]
    article = make_article(editor, published=False)
    now = timezone.now()
    Article.objects.update(state=state, published_at=now, scheduled_for=now)
    if state in WAYS[step]:
        STEPS[step](article=article, by=editor)
    else:
        with pytest.raises(WrongState, match="this step starts from"):
            STEPS[step](article=article, by=editor)
    assert Article.objects.get().state == WAYS[step].get(state, state)


def test_publication_says_when_and_by_whom(in_acme: TenantRef, acme_people: People) -> None:
    before = timezone.now()
    make_article(acme_people["editor"])
    article = Article.objects.get()
    assert before <= article.published_at <= timezone.now()  # type: ignore[operator]
    assert article.published_by == acme_people["editor"]
    assert Entry.objects.about(article).first().changes == [("state", "draft", "published")]  # type: ignore[union-attr]


def test_date_of_the_first_publication_stays(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    article = make_article(editor)
    first = article.published_at
    publishing.archive_article(article=article, by=editor)
    publishing.publish_article(article=article, by=editor)
    assert Article.objects.get().published_at == first


@pytest.mark.parametrize("body", ["", "   \n\t"])
def test_article_without_a_text_is_not_published(
    in_acme: TenantRef, acme_people: People, body: str
) -> None:
    article = make_article(acme_people["editor"], published=False)
    article.body = body
    with pytest.raises(NothingToPublish, match="has no text yet"):
        publishing.publish_article(article=article, by=acme_people["editor"])
    assert Article.objects.get().state == State.DRAFT


def test_schedule_in_the_past(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["editor"], published=False)
    with pytest.raises(DateInThePast, match="Choose a later one"):
        publishing.schedule_article(
            article=article, at=timezone.now() - timedelta(seconds=1), by=acme_people["editor"]
        )


def test_scheduled_article_is_published_when_its_time_has_come(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor = acme_people["editor"]
    soon, later = (
        make_article(editor, "Soon", published=False),
        make_article(editor, "Later", published=False),
    )
    at = timezone.now() + timedelta(hours=1)
    for article in (soon, later):
        publishing.schedule_article(article=article, at=at, by=editor)
    assert publishing.publish_due_articles() == 0
    due = timezone.now() - timedelta(minutes=3)
    Article.objects.filter(pk=soon.pk).update(scheduled_for=due)
    assert publishing.publish_due_articles() == 1
    soon.refresh_from_db()
    assert soon.is_published
    assert soon.published_at == due
    assert soon.published_by == editor
    assert publishing.publish_due_articles() == 0


def test_verb_judges_the_row_and_not_what_was_loaded(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor = acme_people["editor"]
    article = make_article(editor, published=False)
    stale = Article.objects.get()
    publishing.publish_article(article=article, by=editor)
    with pytest.raises(WrongState):
        publishing.publish_article(article=stale, by=editor)
    assert Entry.objects.filter(verb="article.published").count() == 1


def test_database_refuses_a_published_article_without_a_date(
    in_acme: TenantRef, acme_people: People
) -> None:
    make_article(acme_people["editor"], published=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        Article.objects.update(state=State.PUBLISHED, published_at=None)
