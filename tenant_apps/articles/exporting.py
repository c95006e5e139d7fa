"""What a take-out holds of articles."""

from collections.abc import Iterable, Iterator, Mapping

from django.db.models import F

from tenant_apps.articles.models import (
    Article,
    Category,
    Comment,
    DailyViews,
    MovedAddress,
    OldAddress,
    Picture,
    Revision,
    Subscriber,
    Tag,
)

_CHUNK = 500


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield (
        "articles",
        Article.objects.order_by("id")
        .values(
            *("id", "title", "slug", "excerpt", "body", "state", "version", "created_at"),
            "visibility",
            "cover_id",
            *("updated_at", "submitted_at", "scheduled_for", "published_at", "archived_at"),
            author_email=F("author__email"),
            category_slug=F("category__slug"),
        )
        .iterator(_CHUNK),
    )
    yield (
        "categories",
        Category.objects.order_by("id")
        .values("id", "name", "slug", parent_slug=F("parent__slug"))
        .iterator(_CHUNK),
    )
    yield "tags", Tag.objects.order_by("id").values("id", "name", "slug").iterator(_CHUNK)
    yield (
        "article-tags",
        Article.tags.through.objects.order_by("id")
        .values("article_id", tag_slug=F("tag__slug"))
        .iterator(_CHUNK),
    )
    yield (
        "article-revisions",
        Revision.objects.order_by("id")
        .values(
            *("article_id", "number", "title", "excerpt", "body", "saved_at", "restored_from"),
            saved_by_email=F("saved_by__email"),
        )
        .iterator(_CHUNK),
    )
    yield (
        "article-old-addresses",
        OldAddress.objects.order_by("id")
        .values("article_id", "slug", "replaced_at")
        .iterator(_CHUNK),
    )
    yield (
        "moved-addresses",
        MovedAddress.objects.order_by("id")
        .values(
            *("address", "article_id"), category_slug=F("category__slug"), tag_slug=F("tag__slug")
        )
        .iterator(_CHUNK),
    )
    yield (
        "article-views",
        DailyViews.objects.order_by("id").values("article_id", "day", "views").iterator(_CHUNK),
    )
    yield (
        "comments",
        Comment.objects.order_by("id")
        .values("id", "article_id", "answers_id", "name", "email", "body", "state", "made_at")
        .iterator(_CHUNK),
    )
    yield (
        "subscribers",
        Subscriber.objects.order_by("id")
        .values("id", "email", "asked_at", "confirmed_at")
        .iterator(_CHUNK),
    )
    yield (
        "pictures",
        Picture.objects.order_by("id")
        .values("id", "file_name", "alt", "state", "width", "height", "added_at")
        .iterator(_CHUNK),
    )
