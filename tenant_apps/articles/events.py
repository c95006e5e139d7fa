"""What other programs are told of articles, comments and subscribers (tenant_apps.activity.webhooks)."""

from typing import Any, Final

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity.event_types import EventType
from tenant_apps.articles.models import Article, Comment, Subscriber
from tenant_apps.links import full_url, page_path


def tell_article(article: Article) -> dict[str, Any]:
    """An article without its text: whoever wants that asks the API, as somebody who may read it."""
    path = page_path("articles:article", article.slug)
    return {
        "id": article.pk,
        "title": article.title,
        "slug": article.slug,
        "url": full_url(require_tenant(), path),
        "state": article.state,
        "visibility": article.visibility,
        "excerpt": article.excerpt or article.made_excerpt,
        "author_id": article.author_id,
        "category_id": article.category_id,
        "version": article.version,
        "published_at": article.published_at,
        "updated_at": article.updated_at,
    }


def tell_comment(comment: Comment) -> dict[str, Any]:
    """A comment with its words; not the address that its writer left."""
    article = comment.article
    path = f"{page_path('articles:article', article.slug)}#comment-{comment.pk}"
    return {
        "id": comment.pk,
        "article_id": comment.article_id,
        "article_title": article.title,
        "url": full_url(require_tenant(), path),
        "name": comment.name,
        "body": comment.body,
        "state": comment.state,
        "made_at": comment.made_at,
    }


def tell_subscriber(subscriber: Subscriber) -> dict[str, Any]:
    """Whom letters go to."""
    return {
        "id": subscriber.pk,
        "email": subscriber.email,
        "confirmed_at": subscriber.confirmed_at,
    }


EVENT_TYPES: Final = (
    EventType("article.created", "An article was begun", tell_article),
    EventType("article.updated", "An article was changed", tell_article),
    EventType("article.submitted", "An article was sent for review", tell_article),
    EventType("article.scheduled", "An article was scheduled", tell_article),
    EventType("article.published", "An article was published", tell_article),
    EventType("article.unpublished", "An article was taken back to draft", tell_article),
    EventType("article.archived", "An article was archived", tell_article),
    EventType("article.deleted", "An article was deleted", tell_article),
    EventType("comment.posted", "A comment was written", tell_comment),
    EventType("subscriber.confirmed", "Somebody subscribed to letters", tell_subscriber),
)
