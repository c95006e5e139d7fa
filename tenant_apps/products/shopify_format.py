"""Shopify's product CSV: which column means what.

Known are the exports of today ("Handle", "Variant Price", …) and the newer template ("URL handle",
"Price", …): https://help.shopify.com/en/manual/products/import-export/using-csv
"""

from tenant_apps.products.product_rows import Format

SHOPIFY = Format(
    name="shopify",
    label="Shopify's format",
    names={
        "handle": ("handle", "url handle"),
        "title": ("title",),
        "description": ("body (html)", "body html", "description"),
        "vendor": ("vendor",),
        "category": ("product category", "standardized product type", "standard product type"),
        "type": ("type", "custom product type", "product type"),
        "tags": ("tags",),
        "published": ("published", "published on online store"),
        "status": ("status",),
        "option1 name": ("option1 name",),
        "option1": ("option1 value",),
        "option2 name": ("option2 name",),
        "option2": ("option2 value",),
        "option3 name": ("option3 name",),
        "option3": ("option3 value",),
        "sku": ("variant sku", "sku"),
        "grams": ("variant grams", "weight value (grams)"),
        "tracker": ("variant inventory tracker", "inventory tracker"),
        "quantity": ("variant inventory qty", "inventory quantity"),
        "policy": ("variant inventory policy", "continue selling when out of stock"),
        "price": ("variant price", "price"),
        "compare at": ("variant compare at price", "compare-at price", "compare at price"),
        "cost": ("cost per item",),
        "shipping": ("variant requires shipping", "requires shipping"),
        "taxable": ("variant taxable", "charge tax"),
        "barcode": ("variant barcode", "barcode"),
        "image": ("image src", "product image url"),
        "image position": ("image position",),
        "image alt": ("image alt text",),
        "variant image": ("variant image", "variant image url"),
        "gift card": ("gift card",),
        "seo title": ("seo title",),
        "seo description": ("seo description",),
    },
    required={"handle": "Handle", "title": "Title", "price": "Variant Price"},
    is_strict=False,
    orders_variants=True,
)
