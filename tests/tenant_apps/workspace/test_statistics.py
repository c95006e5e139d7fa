"""Days that are counted once they are over, by the workspace's own clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.utils import timezone

from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Article, Comment, DailyViews, Subscriber
from tenant_apps.products import stock
from tenant_apps.products.models import MovementReason, ProductVariant, Review, StockMovement
from tenant_apps.users.models import User
from tenant_apps.workspace import statistics
from tenant_apps.workspace.models import DayFigures, Workspace
from tests.tenant_apps.conftest import People, make_article, make_product

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")


def yesterday() -> date:
    return statistics.today_in(UTC_ZONE) - timedelta(days=1)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture
def busy_day(in_acme: TenantRef, acme_people: People) -> date:
    """Yesterday, with one thing of each kind, and as much on the day before."""
    day = yesterday()
    first, second = make_article(acme_people["author"]), make_article(acme_people["author"], "Two")
    Article.objects.filter(pk=first.pk).update(published_at=noon(day))
    DailyViews.objects.create(article=first, day=day, views=3)
    DailyViews.objects.create(article=second, day=day, views=40)
    DailyViews.objects.create(article=second, day=day - timedelta(days=1), views=7)
    for when in (day, day, day - timedelta(days=1)):
        Comment.objects.create(article=first, name="x", body="y", sender="z", made_at=noon(when))
    Subscriber.objects.create(email="a@b.example", sender="x", confirmed_at=noon(day))
    User.objects.exclude(pk=acme_people["owner"].pk).update(joined_at=noon(day))
    User.objects.filter(pk=acme_people["owner"].pk).update(
        joined_at=noon(day - timedelta(days=9)), last_login=noon(day)
    )
    product = make_product(price_minor=1_800)
    Review.objects.create(
        product=product, author=acme_people["member"], stars=4, written_at=noon(day)
    )
    variant = product.variants.get()
    ProductVariant.objects.filter(pk=variant.pk).update(tracks_stock=True)
    variant.refresh_from_db()
    for delta, reason in ((10, MovementReason.RECEIVED), (-3, MovementReason.SOLD)):
        stock.move_stock(variant=variant, delta=delta, reason=reason, by=acme_people["owner"])
    StockMovement.objects.update(at=noon(day))
    sold_out = make_product("Bowl").variants.get()
    ProductVariant.objects.filter(pk=sold_out.pk).update(tracks_stock=True)
    return day


def test_day_is_counted_in_all_its_figures(busy_day: date) -> None:
    counted = statistics.count_day(busy_day, UTC_ZONE)
    counted.refresh_from_db()
    assert (counted.views, counted.published, counted.comments) == (43, 1, 2)
    assert [views for _, views in counted.best] == [40, 3]
    assert (counted.joined, counted.seen, counted.people) == (4, 1, 5)
    assert (counted.subscribers_new, counted.subscribers) == (1, 1)
    assert (counted.reviews, counted.stars) == (1, 4)
    assert (counted.on_sale, counted.pieces, counted.value_minor) == (2, 7, 7 * 1_800)
    assert (counted.out_of_stock, counted.came, counted.went) == (1, 10, 3)


def test_what_nobody_knows_any_more_is_left_open(busy_day: date) -> None:
    counted = statistics.count_day(busy_day - timedelta(days=1), UTC_ZONE)
    assert (counted.views, counted.comments) == (7, 1)
    assert (counted.pieces, counted.people, counted.seen) == (None, None, None)


def test_day_counted_again_has_one_row(busy_day: date) -> None:
    statistics.count_day(busy_day, UTC_ZONE)
    Comment.objects.all().delete()
    statistics.count_day(busy_day, UTC_ZONE)
    assert DayFigures.objects.get(day=busy_day).comments == 0


def test_missed_nights_are_caught_up_from_the_first_day_on(busy_day: date) -> None:
    # The owner joined nine days before; until twenty past midnight yesterday is not over yet.
    is_over = (timezone.now() - timedelta(minutes=20)).date() > busy_day
    assert statistics.count_missing_days() == (10 if is_over else 9)
    assert statistics.count_missing_days() == 0
    DayFigures.objects.filter(day=busy_day - timedelta(days=3)).delete()
    assert statistics.count_missing_days() == 1


def test_many_missed_nights_are_caught_up_bit_by_bit(in_acme: TenantRef) -> None:
    User.objects.update(joined_at=timezone.now() - timedelta(days=500))
    assert [statistics.count_missing_days() for _ in range(7)] == [30] * 6 + [0]
    assert DayFigures.objects.count() == statistics.DAYS_KEPT_UP


def test_readers_who_were_written_down_late_are_added(busy_day: date) -> None:
    statistics.count_day(busy_day, UTC_ZONE)
    late = DailyViews.objects.get(day=busy_day, views=3)
    DailyViews.objects.filter(pk=late.pk).update(views=50)
    statistics.count_missing_days()
    row = DayFigures.objects.get(day=busy_day)
    assert (row.views, [views for _, views in row.best]) == (90, [50, 40])
    # With an article its readers are deleted; the day has had them all the same.
    Article.objects.get(pk=late.article_id).delete()
    statistics.count_missing_days()
    assert DayFigures.objects.get(day=busy_day).views == 90


def test_subscribers_who_left_are_told_by_how_many_fewer_there_are(busy_day: date) -> None:
    before = busy_day - timedelta(days=1)
    assert statistics.count_day(busy_day, UTC_ZONE).subscribers_left is None
    statistics.count_day(before, UTC_ZONE)
    DayFigures.objects.filter(day=before).update(subscribers=3)
    # Three were there, one came, one is there.
    counted = statistics.count_day(busy_day, UTC_ZONE)
    assert (counted.subscribers, counted.subscribers_left) == (1, 3)


def test_subscriber_who_came_after_midnight_is_not_yesterdays(busy_day: date) -> None:
    DayFigures.objects.create(
        day=busy_day - timedelta(days=1), subscribers=0, views=0, published=0, comments=0,
        joined=0, subscribers_new=0, reviews=0, stars=0, came=0, went=0,
    )  # fmt: skip
    Subscriber.objects.create(email="c@d.example", sender="x", confirmed_at=timezone.now())
    counted = statistics.count_day(busy_day, UTC_ZONE)
    assert (counted.subscribers, counted.subscribers_left) == (1, 0)


def test_day_begins_at_midnight_of_the_workspace(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    # Half past midnight in Berlin, when it is still the day before in UTC.
    made_at = datetime(2026, 1, 10, 0, 30, tzinfo=BERLIN)
    Comment.objects.create(article=article, name="x", body="y", sender="z", made_at=made_at)
    assert statistics.count_live(date(2026, 1, 10), BERLIN).comments == 1
    assert statistics.count_live(date(2026, 1, 9), UTC_ZONE).comments == 1
    Workspace.objects.update(time_zone="Europe/Berlin")
    cache.clear()
    assert statistics.workspace_zone() == BERLIN


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)],
)
def test_day_is_as_long_as_it_is(day: date, hours: int) -> None:
    start, end = statistics.span_of(day, BERLIN)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)
