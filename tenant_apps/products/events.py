"""What other programs are told of products, stock and reviews (tenant_apps.activity.webhooks)."""

from typing import Any, Final

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity.event_types import EventType
from tenant_apps.links import full_url, page_path
from tenant_apps.products.models import Product, Review, StockAlert, StockMovement


def tell_product(product: Product) -> dict[str, Any]:
    """A product without its variants: they are asked for at the API."""
    path = page_path("products:product", product.handle)
    return {
        "id": product.pk,
        "title": product.title,
        "handle": product.handle,
        "url": full_url(require_tenant(), path),
        "state": product.state,
        "category_id": product.category_id,
        "published_at": product.published_at,
        "updated_at": product.updated_at,
    }


def tell_movement(movement: StockMovement) -> dict[str, Any]:
    """How much of a variant came or went, and how much is left."""
    return {
        "movement_id": movement.pk,
        "product_id": movement.product_id,
        "variant_id": movement.variant_id,
        "variant": movement.variant_label,
        "delta": movement.delta,
        "quantity": movement.quantity_after,
        "reason": movement.reason,
        "note": movement.note,
        "at": movement.at,
    }


def tell_alert(alert: StockAlert) -> dict[str, Any]:
    """Of which variant little is left."""
    return {
        "product_id": alert.product_id,
        "variant_id": alert.variant_id,
        "variant": str(alert.variant),
        "quantity": alert.quantity,
        "warned_at": alert.warned_at,
    }


def tell_review(review: Review) -> dict[str, Any]:
    """What somebody thinks of a product."""
    return {
        "id": review.pk,
        "product_id": review.product_id,
        "author_id": review.author_id,
        "stars": review.stars,
        "text": review.text,
        "state": review.state,
        "written_at": review.written_at,
    }


EVENT_TYPES: Final = (
    EventType("product.created", "A product was added", tell_product),
    EventType("product.updated", "A product or a part of it was changed", tell_product),
    EventType("product.published", "A product was put on sale", tell_product),
    EventType("product.unpublished", "A product was taken back to draft", tell_product),
    EventType("product.archived", "A product was archived", tell_product),
    EventType("product.deleted", "A product was deleted", tell_product),
    EventType("stock.changed", "Stock came or went", tell_movement),
    EventType("stock.low", "Stock fell low", tell_alert),
    EventType("review.posted", "A review was written", tell_review),
)
