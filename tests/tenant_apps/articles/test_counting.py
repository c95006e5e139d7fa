from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import clock, counting, selectors, writing
from tenant_apps.articles.models import Category, DailyViews, PopularArticle, ViewBatch
from tenant_apps.articles.tasks import write_down_views
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import LoggedIn, People, make_article


@pytest.fixture
def server() -> Iterator[Any]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


def counts(server: Any, tenant: TenantRef) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = server.hgetall(f"terrace:{tenant.uuid.hex}:1:article-views")
    return found


def test_readers_are_counted_without_a_write(
    acme: TenantRef, acme_people: People, acme_client: Client, server: Any
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    with CaptureQueriesContext(connection) as captured:
        for _ in range(3):
            acme_client.get(f"/articles/{article.slug}/")
    assert not any(
        query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
        for query in captured.captured_queries
    )
    assert list(counts(server, acme).values()) == [b"3"]
    with context.run_in(acme):
        assert write_down_views() == 3
        assert write_down_views() == 0
        assert counting.views_of(article) == 3
        assert DailyViews.objects.get().day == timezone.now().astimezone(UTC).date()
    assert counts(server, acme) == {}


def test_who_may_change_an_article_is_no_reader(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, server: Any
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    for role in ("author", "editor"):
        as_role(role).get(f"/articles/{article.slug}/")
    assert counts(server, acme) == {}
    as_role("member").get(f"/articles/{article.slug}/")
    assert list(counts(server, acme).values()) == [b"1"]


def test_counts_of_a_day_are_added_up(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    for _ in range(2):
        counting.count_view(article=article)
        counting.write_down_views()
    assert DailyViews.objects.get().views == 2


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", datetime(2026, 1, 10, 23, 59, tzinfo=UTC), date(2026, 1, 10)),
        ("Pacific/Auckland", datetime(2026, 1, 10, 10, 59, tzinfo=UTC), date(2026, 1, 10)),
        ("Pacific/Auckland", datetime(2026, 1, 10, 11, 0, tzinfo=UTC), date(2026, 1, 11)),
        ("Asia/Kathmandu", datetime(2026, 1, 10, 18, 14, tzinfo=UTC), date(2026, 1, 10)),
        ("Asia/Kathmandu", datetime(2026, 1, 10, 18, 15, tzinfo=UTC), date(2026, 1, 11)),
        ("America/New_York", datetime(2026, 1, 11, 4, 59, tzinfo=UTC), date(2026, 1, 10)),
    ],
)
def test_reader_is_counted_on_the_day_of_the_workspaces_clock(
    in_acme: TenantRef,
    acme_people: People,
    server: Any,
    zone: str,
    moment: datetime,
    day: date,
) -> None:
    article = make_article(acme_people["author"])
    Workspace.objects.update(time_zone=zone)
    cache.clear()
    key = f"terrace:{in_acme.uuid.hex}:1:article-views"
    server.hset(key, f"{clock.quarter_of(moment)}:{article.pk.hex}", 2)
    assert counting.write_down_views() == 2
    assert [(row.day, row.views) for row in DailyViews.objects.all()] == [(day, 2)]


def test_readers_whom_the_release_before_has_counted_are_kept(
    in_acme: TenantRef, acme_people: People, server: Any
) -> None:
    article = make_article(acme_people["author"])
    key = f"terrace:{in_acme.uuid.hex}:1:article-views"
    server.hset(key, f"2026-01-10:{article.pk.hex}", 3)
    counting.count_view(article=article)
    assert counting.write_down_views() == 4
    assert DailyViews.objects.get(day=date(2026, 1, 10)).views == 3


@pytest.mark.parametrize("month", [1, 7])
def test_no_quarter_of_an_hour_is_in_two_days(month: int) -> None:
    moment = datetime(2026, month, 15, tzinfo=UTC)
    split = [
        name
        for name in available_timezones()
        if (moment.astimezone(ZoneInfo(name)).utcoffset() or timedelta()) % clock.QUARTER
    ]
    assert split == []


def test_counts_are_the_tenants_own(
    acme: TenantRef, globex: TenantRef, acme_people: People, server: Any
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        counting.count_view(article=article)
    with context.run_in(globex):
        assert counting.write_down_views() == 0
        assert not DailyViews.objects.exists()
    with context.run_in(acme):
        assert counting.write_down_views() == 1


def test_interrupted_run_is_finished_once(
    in_acme: TenantRef, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the rows were written, and after: nothing is lost, nothing counted twice."""
    article = make_article(acme_people["author"])
    counting.count_view(article=article)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(counting, "_write", fail)
        with pytest.raises(InterruptedError):
            counting.write_down_views()
    counting.count_view(article=article)
    with monkeypatch.context() as patched:
        patched.setattr(counting, "_FORGET", "return redis.error_reply('gone')")
        with pytest.raises(redis.ResponseError):
            counting.write_down_views()
    assert counting.views_of(article) == 1
    assert counting.write_down_views() == 1
    assert counting.views_of(article) == 2
    assert ViewBatch.objects.count() == 2


def test_article_that_was_deleted_is_left_out(in_acme: TenantRef, acme_people: People) -> None:
    gone, stays = (make_article(acme_people["author"], title) for title in ("Gone", "Stays"))
    counting.count_view(article=gone)
    counting.count_view(article=stays)
    writing.delete_article(article=gone, by=acme_people["editor"])
    assert counting.write_down_views() == 1


def test_page_is_shown_without_redis(
    acme: TenantRef, acme_people: People, acme_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(counting, "_client", lambda: nobody)
    answer = acme_client.get(f"/articles/{article.slug}/")
    assert answer.status_code == 200
    assert "The kiln is on" in answer.content.decode()
    # It is left alone for a while, and asked again then.
    monkeypatch.setattr(nobody, "hincrby", lambda *args: pytest.fail("It was asked again."))
    assert acme_client.get(f"/articles/{article.slug}/").status_code == 200
    counting._rest.until = 0
    with context.run_in(acme), pytest.raises(redis.ConnectionError):
        counting.write_down_views()


def test_popular_is_what_was_read_most_in_the_last_weeks(
    in_acme: TenantRef, acme_people: People
) -> None:
    few, many, long_ago = (
        make_article(acme_people["author"], title) for title in ("Few", "Many", "Long ago")
    )
    old = timezone.now().date() - counting.POPULAR_FOR - timedelta(days=2)
    DailyViews.objects.create(article=long_ago, day=old, views=1000)
    for article, times in ((few, 1), (many, 2)):
        for _ in range(times):
            counting.count_view(article=article)
    counting.write_down_views()
    popular = selectors.popular_articles(5, person=AnonymousUser())
    assert [article.title for article in popular] == ["Many", "Few"]
    assert [row.views for row in PopularArticle.objects.all()] == [2, 1]


def test_related_articles_share_tags_then_the_category(
    in_acme: TenantRef, acme_people: People
) -> None:
    author = acme_people["author"]
    category = Category.objects.create(name="C", slug="c")

    def publish(title: str, tags: list[str], category: Category | None = None) -> Any:
        article = make_article(author, title)
        return writing.change_article(
            article=article, by=author, changes={"category": category}, tags=tags
        )

    article = publish("It", ["clay", "glaze"], category)
    publish("Category", ["other"], category)
    publish("Both tags", ["clay", "glaze"])
    publish("One tag", ["clay"])
    publish("Nothing", ["other"])
    related = selectors.related_articles(article, person=AnonymousUser())
    assert [one.title for one in related] == ["Both tags", "One tag", "Category"]
