"""What search engines read of a product (https://schema.org/Product), as JSON-LD."""

import json
from typing import Any

from django.utils.html import strip_tags
from django.utils.safestring import SafeString, mark_safe

from tenant_apps.products.models import Product, ProductVariant
from tenant_apps.products.money import format_number

_DESCRIPTION_CHARACTERS = 5_000
# As Django's json_script: nothing in the text ends the element that it stands in.
_ESCAPES = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


def describe_product(*, product: Product, currency: str, address: str) -> SafeString:
    """A product as JSON-LD: name, pictures, an offer for each variant, its rating.

    Args:
        product: with `for_page`.
        currency: of its prices, ISO 4217.
        address: of its page, with scheme and host.
    Returns:
        JSON that may stand in a script element as it is.
    """
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product.title,
        "url": address,
    }
    description = product.seo_description or strip_tags(product.description_html)
    optional = {
        "description": " ".join(description.split())[:_DESCRIPTION_CHARACTERS],
        "category": product.category.path if product.category else "",
        "brand": {"@type": "Brand", "name": product.vendor} if product.vendor else None,
        "image": [_absolute(image.url, address) for image in product.images.all()],
        "offers": [
            _offer(variant, currency=currency, address=address)
            for variant in product.variants.all()
        ],
    }
    data |= {name: value for name, value in optional.items() if value}
    variants = list(product.variants.all())
    if len(variants) == 1 and variants[0].sku:
        data["sku"] = variants[0].sku
    if product.rating is not None:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": product.rating,
            "reviewCount": product.review_count,
            "bestRating": 5,
            "worstRating": 1,
        }
    text = json.dumps(data, ensure_ascii=False).translate(_ESCAPES)
    return mark_safe(text)  # noqa: S308 - escaped in the line above


def _offer(variant: ProductVariant, *, currency: str, address: str) -> dict[str, Any]:
    stock = "OutOfStock" if variant.is_sold_out else "InStock"
    if variant.tracks_stock and variant.stock_quantity <= 0 and variant.sells_when_out:
        stock = "BackOrder"
    offer: dict[str, Any] = {
        "@type": "Offer",
        "url": address,
        "price": format_number(variant.price_minor, currency),
        "priceCurrency": currency,
        "availability": f"https://schema.org/{stock}",
    }
    if variant.label:
        offer["name"] = variant.label
    if variant.sku:
        offer["sku"] = variant.sku
    return offer


def _absolute(url: str, address: str) -> str:
    """A picture on this host by its full address."""
    return "/".join(address.split("/", 3)[:3]) + url if url.startswith("/") else url
