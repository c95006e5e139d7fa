"""Migrations of tenant apps that fill columns, with rows from before them."""

import pytest
from psycopg import sql

from shared_apps.tenants import context, migrating, provisioning
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.schemas import owner_transaction
from tenant_apps.products.models import Product, ProductVariant, StockMovement

pytestmark = pytest.mark.usefixtures("committed")
BEFORE = migrating.Target("products", "0001_initial")
OLD_MOVEMENT = sql.SQL(
    "INSERT INTO {table} (delta, quantity_after, reason, note, at, variant_id)"
    " VALUES (3, 3, 'counted', '', now(), {variant})"
)


def test_movements_from_before_get_their_product_and_label() -> None:
    tenant = provisioning.provision_tenant(
        name="Initech", subdomain="initech", owner=None, request_id=uuid7()
    )
    with context.run_in(tenant):
        mug = Product.objects.create(title="Mug", handle="mug")
        variants = [
            ProductVariant.objects.create(product=mug, price_minor=1, **options)
            for options in ({}, {"option1": "Red", "option3": "Large"})
        ]
    migrating.migrate_schema(tenant.schema_name, BEFORE)
    table = sql.Identifier(tenant.schema_name, "products_stockmovement")
    with owner_transaction() as owner:
        for variant in variants:
            owner.execute(OLD_MOVEMENT.format(table=table, variant=sql.Literal(variant.pk)))
    assert migrating.migrate_tenants().failed == {}
    with context.run_in(tenant):
        moved = StockMovement.objects.order_by("pk").values_list("product", "variant_label")
        assert list(moved) == [(mug.pk, "Standard"), (mug.pk, "Red / Large")]
        assert [variant.label or "Standard" for variant in variants] == [row[1] for row in moved]
