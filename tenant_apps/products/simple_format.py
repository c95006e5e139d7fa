"""Terrace's own CSV of products: one row a variant, plain names.

What is told of the product stands in its first row. Rows of one product have the same handle and stand
together. Where products are found by SKU, a file may hold the SKU and what changes, and nothing else.
"""

from tenant_apps.products.product_rows import Format

SIMPLE = Format(
    name="simple",
    label="Terrace's own format",
    names={
        "handle": ("handle",),
        "title": ("title", "name"),
        "status": ("state", "status"),
        "description": ("description",),
        "vendor": ("vendor", "maker"),
        "type": ("type", "product type"),
        "category": ("category",),
        "tags": ("tags",),
        "option1 name": ("option1 name",),
        "option1": ("option1",),
        "option2 name": ("option2 name",),
        "option2": ("option2",),
        "option3 name": ("option3 name",),
        "option3": ("option3",),
        "sku": ("sku",),
        "barcode": ("barcode",),
        "price": ("price",),
        "compare at": ("price before",),
        "cost": ("cost",),
        "quantity": ("stock",),
        "counted": ("stock counted",),
        "policy": ("sells when out",),
        "warn at": ("warn at",),
        "grams": ("weight grams",),
        "shipping": ("requires shipping",),
        "taxable": ("taxable",),
        "gift card": ("gift card",),
        "images": ("images",),
        "variant image": ("variant image",),
        "seo title": ("seo title",),
        "seo description": ("seo description",),
    },
    required={},
    is_strict=True,
    orders_variants=False,
)
