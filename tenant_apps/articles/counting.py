"""How often articles are read, without a write for each reader: counts stand in Redis, under the
tenant's own key, and a task writes them down. Each verb runs in the tenant's schema."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from redis.exceptions import RedisError

from shared_apps.tenants.keys import uuid7
from tenant_apps.articles.clock import begin_of, current_zone, quarter_of
from tenant_apps.articles.models import Article, DailyViews, PopularArticle, ViewBatch

POPULAR_FOR: Final = timedelta(days=30)
MAX_POPULAR: Final = 50
# A batch that was written is remembered this long: longer than Redis may be away.
_BATCHES_KEPT: Final = timedelta(days=7)
_COUNTS: Final = "article-views"
_TAKEN: Final = "article-views-taken"
_BATCH_FIELD: Final = b"batch"
# Deletes what was taken if it is still this batch: another worker may have taken the next one.
_FORGET: Final = (
    "if redis.call('hget', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('del', KEYS[1]) end"
)

# A Redis that is away is tried for seconds, which no reader should wait for again and again.
_REST_SECONDS: Final = 10


@dataclass
class _Rest:
    """Until when, by the process's own clock, Redis is left alone."""

    until: float = 0.0


_rest = _Rest()
logger = logging.getLogger(__name__)


def count_view(*, article: Article) -> None:
    """Count one more reader. Without Redis nobody is counted, and the page is shown all the same."""
    client = _client()
    if client is None or time.monotonic() < _rest.until:
        return
    # Not the day: to know which one it is here, each reader's request would read the settings first.
    field = f"{quarter_of(timezone.now())}:{article.pk.hex}"
    try:
        client.hincrby(cache.make_key(_COUNTS), field, 1)
    except RedisError as error:
        _rest.until = time.monotonic() + _REST_SECONDS
        logger.warning("Views are not counted for %s seconds: %s", _REST_SECONDS, error)


def write_down_views() -> int:
    """Add what was counted to the days' rows, and find anew what is popular. Returns how many views.

    Not inside a transaction: a batch is taken out of Redis, written in one transaction and then
    forgotten. Where the task dies in between, the next one finds the batch and whether it was written.
    Raises:
        RedisError: the counts can't be asked for; they stay where they are.
    """
    client = _client()
    if client is None:
        return 0
    written = 0
    # What an interrupted run has taken, then what was counted since.
    for _ in range(2):
        batch, counts = _take(client)
        if batch is None:
            continue
        written += _write(batch, counts)
        client.eval(_FORGET, 1, cache.make_key(_TAKEN), _BATCH_FIELD, batch.hex)
    return written


def _client() -> Any:
    """Redis itself: Django's cache has no hashes. None where the cache is another."""
    redis_cache: Any = cache
    own = getattr(redis_cache, "client", None)
    return None if own is None else own.get_client(write=True)


def _take(client: Any) -> tuple[UUID | None, Mapping[bytes, bytes]]:
    taken = cache.make_key(_TAKEN)
    if not client.exists(taken):
        if not client.exists(cache.make_key(_COUNTS)):
            return None, {}
        client.renamenx(cache.make_key(_COUNTS), taken)
    client.hsetnx(taken, _BATCH_FIELD, uuid7().hex)
    found: dict[bytes, bytes] = client.hgetall(taken)
    return UUID(found.pop(_BATCH_FIELD).decode()), found


def _write(batch: UUID, counts: Mapping[bytes, bytes]) -> int:
    zone = current_zone()
    views: Counter[tuple[UUID, date]] = Counter()
    for field, count in counts.items():
        when, _, key = field.decode().partition(":")
        # With hyphens it is a day (UTC), as the release before has counted it.
        day = (
            date.fromisoformat(when) if "-" in when else begin_of(int(when)).astimezone(zone).date()
        )
        views[UUID(key), day] += int(count)
    with transaction.atomic():
        _, is_new = ViewBatch.objects.get_or_create(id=batch)
        if not is_new:
            return 0
        ViewBatch.objects.filter(written_at__lt=timezone.now() - _BATCHES_KEPT).delete()
        # An article may have been deleted since; one that is there stays until this is committed.
        there = set(
            Article.objects.filter(pk__in={key for key, _ in views})
            .order_by("id")
            .select_for_update(no_key=True)
            .values_list("pk", flat=True)
        )
        rows = sorted((key, day, count) for (key, day), count in views.items() if key in there)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO articles_dailyviews (article_id, day, views) VALUES (%s, %s, %s)"
                " ON CONFLICT (article_id, day)"
                " DO UPDATE SET views = articles_dailyviews.views + EXCLUDED.views",
                rows,
            )
        _find_popular(timezone.now().astimezone(zone).date() - POPULAR_FOR)
    return sum(count for _, _, count in rows)


def _find_popular(since: date) -> None:
    most = (
        DailyViews.objects.filter(day__gte=since)
        .order_by()
        .values_list("article_id")
        .annotate(total=Sum("views"))
        .order_by("-total", "article_id")[:MAX_POPULAR]
    )
    rows = [
        PopularArticle(article_id=key, place=place, views=total)
        for place, (key, total) in enumerate(most, start=1)
    ]
    PopularArticle.objects.all().delete()
    PopularArticle.objects.bulk_create(rows)


def views_of(article: Article) -> int:
    """How often an article was opened, as far as it is written down."""
    return DailyViews.objects.filter(article=article).aggregate(total=Sum("views"))["total"] or 0
