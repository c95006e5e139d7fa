"""Products as a CSV file, in either format, line by line: memory does not grow with the catalogue.

What is written here an import reads back unharmed: see `csv_cells.guard_cell` for formulas.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import CharField, F, Func, QuerySet

from tenant_apps.csv_cells import write_row
from tenant_apps.products.models import Product, ProductImage, ProductVariant, State
from tenant_apps.products.money import format_number
from tenant_apps.products.shopify_format import SHOPIFY
from tenant_apps.products.simple_format import SIMPLE

_PAGE = 200
_MARK = "\ufeff"  # spreadsheets take a file without it for one of their own country's

_SHOPIFY_STATES = {State.PUBLISHED: "active", State.DRAFT: "draft", State.ARCHIVED: "archived"}
_SHOPIFY_HEADER = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published"),
    *("Option1 Name", "Option1 Value", "Option2 Name", "Option2 Value"),
    *("Option3 Name", "Option3 Value", "Variant SKU", "Variant Grams"),
    *("Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy"),
    *("Variant Price", "Variant Compare At Price", "Variant Requires Shipping"),
    *("Variant Taxable", "Variant Barcode", "Image Src", "Image Position", "Image Alt Text"),
    *("Gift Card", "SEO Title", "SEO Description", "Variant Image", "Cost per item", "Status"),
)
_SIMPLE_HEADER = (
    *("handle", "title", "state", "description", "vendor", "type", "category", "tags"),
    *("option1_name", "option1", "option2_name", "option2", "option3_name", "option3"),
    *("sku", "barcode", "price", "price_before", "cost", "stock", "stock_counted"),
    *("sells_when_out", "warn_at", "weight_grams", "requires_shipping", "taxable", "gift_card"),
    *("images", "variant_image", "seo_title", "seo_description"),
)

Cells = dict[str, str]


def export_products(
    *, products: QuerySet[Product], format_name: str, currency: str
) -> Iterator[str]:
    """A file of these products, in the order that they were made in.

    Args:
        products: whichever the reader may see; its order is not kept.
        format_name: "shopify" or "simple".
        currency: of the amounts, ISO 4217.
    Returns:
        The lines, each with its end, read from the database a few hundred products at a time.
    Raises:
        KeyError: there is no such format.
    Runs in: the tenant's schema; each page of products in the caller's transaction, or in one of its
        own.
    """
    base, rows_of = _FORMATS[format_name]
    header = [*base, *_extra_names(products, base)]
    yield _MARK + write_row(header)
    for product in _in_pages(products):
        for cells in rows_of(product, currency):
            yield write_row([cells.get(name, "") for name in header])


def _in_pages(products: QuerySet[Product]) -> Iterator[Product]:
    pages = products.order_by("id").select_related("category")
    pages = pages.prefetch_related("options", "images", "variants")
    last: Any = None
    while page := list((pages.filter(pk__gt=last) if last else pages)[:_PAGE]):
        for product in page:
            yield product
            # A product and its variants hold each other: let go of them now, not when the garbage
            # collector next looks at everything.
            product.__dict__.pop("_prefetched_objects_cache", None)
        last = page[-1].pk


def _extra_names(products: QuerySet[Product], base: Iterable[str]) -> list[str]:
    """All columns of import files that Terrace has no field for, by name."""
    keys = Func(F("extra"), function="jsonb_object_keys", output_field=CharField())
    chosen = products.order_by().values("pk")
    names: set[str] = set()
    for rows in (
        Product.objects.filter(pk__in=chosen),
        ProductVariant.objects.filter(product__in=chosen),
    ):
        found: Any = rows.order_by().exclude(extra={}).annotate(key=keys)
        names.update(found.values_list("key", flat=True).distinct())
    return sorted(names - set(base))


# --- Shopify's ------------------------------------------------------------------------------------


def _shopify_rows(product: Product, currency: str) -> Iterator[Cells]:
    """A row for each variant and for each picture, side by side as Shopify writes them."""
    variants, images = list(product.variants.all()), list(product.images.all())
    by_key = {image.pk: image for image in images}
    for index in range(max(1, len(variants), len(images))):
        cells: Cells = {"Handle": product.handle}
        if index == 0:
            cells |= _shopify_product(product)
        if index < len(variants):
            cells |= _shopify_variant(variants[index], by_key, currency)
        if index < len(images):
            image = images[index]
            cells |= {
                "Image Src": image.url,
                "Image Position": str(image.position),
                "Image Alt Text": image.alt,
            }
        yield cells


def _shopify_product(product: Product) -> Cells:
    names = {option.position: option.name for option in product.options.all()}
    cells: Cells = {
        **product.extra,
        "Title": product.title,
        "Body (HTML)": product.description_html,
        "Vendor": product.vendor,
        "Product Category": product.category.path if product.category else "",
        "Type": product.product_type,
        "Tags": ", ".join(product.tags),
        "Published": _truth(product.is_published),
        "Gift Card": _truth(product.is_gift_card),
        "SEO Title": product.seo_title,
        "SEO Description": product.seo_description,
        "Status": _SHOPIFY_STATES[State(product.state)],
    }
    if not names:
        cells["Option1 Name"] = "Title"
    return cells | {f"Option{position} Name": name for position, name in names.items()}


def _shopify_variant(
    variant: ProductVariant, images: dict[Any, ProductImage], currency: str
) -> Cells:
    image = images.get(variant.image_id)
    return {
        **variant.extra,
        "Option1 Value": variant.option1 if any(variant.option_values) else "Default Title",
        "Option2 Value": variant.option2,
        "Option3 Value": variant.option3,
        "Variant SKU": _code(variant.sku),
        "Variant Grams": str(variant.weight_grams),
        "Variant Inventory Tracker": "shopify" if variant.tracks_stock else "",
        "Variant Inventory Qty": str(variant.stock_quantity),
        "Variant Inventory Policy": "continue" if variant.sells_when_out else "deny",
        "Variant Price": format_number(variant.price_minor, currency),
        "Variant Compare At Price": _amount(variant.compare_at_minor, currency),
        "Variant Requires Shipping": _truth(variant.requires_shipping),
        "Variant Taxable": _truth(variant.is_taxable),
        "Variant Barcode": _code(variant.barcode),
        "Variant Image": image.url if image else "",
        "Cost per item": _amount(variant.cost_minor, currency),
    }


# --- Terrace's own --------------------------------------------------------------------------------


def _simple_rows(product: Product, currency: str) -> Iterator[Cells]:
    """A row for each variant; what is told of the product stands in the first."""
    images = list(product.images.all())
    by_key = {image.pk: image for image in images}
    variants: list[ProductVariant | None] = list(product.variants.all())
    for index, variant in enumerate(variants or [None]):
        cells: Cells = {"handle": product.handle}
        if index == 0:
            cells |= _simple_product(product, images)
        if variant is not None:
            cells |= _simple_variant(variant, by_key, currency)
        yield cells


def _simple_product(product: Product, images: list[ProductImage]) -> Cells:
    return {
        **product.extra,
        "title": product.title,
        "state": product.state,
        "description": product.description_html,
        "vendor": product.vendor,
        "type": product.product_type,
        "category": product.category.path if product.category else "",
        "tags": ", ".join(product.tags),
        "gift_card": _yes(product.is_gift_card),
        "images": "\n".join(f"{image.url} {image.alt}".strip() for image in images),
        "seo_title": product.seo_title,
        "seo_description": product.seo_description,
        **{f"option{one.position}_name": one.name for one in product.options.all()},
    }


def _simple_variant(
    variant: ProductVariant, images: dict[Any, ProductImage], currency: str
) -> Cells:
    image = images.get(variant.image_id)
    return {
        **variant.extra,
        "option1": variant.option1,
        "option2": variant.option2,
        "option3": variant.option3,
        "sku": _code(variant.sku),
        "barcode": _code(variant.barcode),
        "price": format_number(variant.price_minor, currency),
        "price_before": _amount(variant.compare_at_minor, currency),
        "cost": _amount(variant.cost_minor, currency),
        "stock": str(variant.stock_quantity),
        "stock_counted": _yes(variant.tracks_stock),
        "sells_when_out": _yes(variant.sells_when_out),
        "warn_at": "" if variant.low_stock_at is None else str(variant.low_stock_at),
        "weight_grams": str(variant.weight_grams),
        "requires_shipping": _yes(variant.requires_shipping),
        "taxable": _yes(variant.is_taxable),
        "variant_image": image.url if image else "",
    }


def _amount(minor: int | None, currency: str) -> str:
    return "" if minor is None else format_number(minor, currency)


def _code(code: str) -> str:
    # The import takes an apostrophe off before digits, which shops put there: one that belongs to
    # the code needs another.
    return f"'{code}" if code.startswith("'") and code[1:2].isdigit() else code


def _truth(value: bool) -> str:  # noqa: FBT001 - a cell's text
    return "true" if value else "false"


def _yes(value: bool) -> str:  # noqa: FBT001 - a cell's text
    return "yes" if value else "no"


_FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Product, str], Iterator[Cells]]]] = {
    SHOPIFY.name: (_SHOPIFY_HEADER, _shopify_rows),
    SIMPLE.name: (_SIMPLE_HEADER, _simple_rows),
}
