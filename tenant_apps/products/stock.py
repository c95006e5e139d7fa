"""How much there is of what. Each verb runs in the tenant's schema."""

from django.db import transaction

from tenant_apps.products.models import MovementReason, ProductVariant, StockMovement
from tenant_apps.products.permissions import require_change
from tenant_apps.users.models import User


def count_stock(
    *, variant: ProductVariant, quantity: int, by: User, note: str = ""
) -> ProductVariant:
    """Note how many pieces were counted; the difference becomes a movement.

    Args:
        quantity: pieces, 0 or more.
    Raises:
        NotAllowed: `by` may not change products.
        ValueError: the quantity is negative.
    """
    require_change(by)
    if quantity < 0:
        raise ValueError("Stock cannot be negative.")
    with transaction.atomic():
        before = (
            ProductVariant.objects.select_for_update()
            .values_list("stock_quantity", flat=True)
            .get(pk=variant.pk)
        )
        variant.stock_quantity = quantity
        if quantity == before:
            return variant
        variant.save(update_fields=["stock_quantity"])
        StockMovement.objects.create(
            product_id=variant.product_id,
            variant=variant,
            variant_label=str(variant),
            delta=quantity - before,
            quantity_after=quantity,
            reason=MovementReason.COUNTED,
            note=note,
            by=by,
        )
    return variant
