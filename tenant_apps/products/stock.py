"""How much there is of what. Each verb runs in the tenant's schema.

Nothing else writes `ProductVariant.stock_quantity`: with each change goes a row that says who, why,
when and how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from tenant_apps.activity import webhooks
from tenant_apps.products import stock_alerts
from tenant_apps.products.errors import StockInvalid, StockTooLow, VariantGone
from tenant_apps.products.models import MovementReason, ProductVariant, StockMovement
from tenant_apps.products.permissions import require_change
from tenant_apps.users.models import User

# Far from the end of PostgreSQL's integer.
MAX_PIECES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a variant's stock.

    Args:
        delta: how many pieces come (more than 0) or go (less than 0).
        quantity: how many pieces were counted, in place of a delta.
    """

    variant: ProductVariant
    delta: int = 0
    quantity: int | None = None


def move_stock(
    *, variant: ProductVariant, delta: int, reason: MovementReason, by: User, note: str = ""
) -> StockMovement:
    """Take pieces out of stock, or put some in.

    Movements of one variant wait for one another: of fifty that each take one of the last ten
    pieces, ten succeed.

    Args:
        delta: pieces; less than 0 where they go.
        note: 200 characters at most.
    Raises:
        NotAllowed: `by` may not change products.
        StockTooLow: fewer are there, and the variant is not sold when it is out.
        StockInvalid: the delta is 0, or the stock would be more than can be kept.
        VariantGone: it was deleted in the meantime.
    Runs in: the tenant's schema.
    """
    require_change(by)
    if not delta:
        raise StockInvalid("A movement of 0 pieces moves nothing. Write how many.", field="delta")
    moved = carry_out(moves=[Move(variant, delta=delta)], reason=reason, by=by, note=note)
    return moved[0]


def count_stock(
    *, variant: ProductVariant, quantity: int, by: User, note: str = ""
) -> StockMovement | None:
    """Note how many pieces were counted; the difference becomes a movement.

    Args:
        quantity: pieces; 0 or more, unless the variant is sold when it is out.
    Returns:
        The movement, or None where as many were counted as were known.
    Raises:
        NotAllowed, VariantGone: as move_stock.
        StockInvalid: the quantity is negative, or more than can be kept.
    Runs in: the tenant's schema.
    """
    require_change(by)
    moved = carry_out(
        moves=[Move(variant, quantity=quantity)], reason=MovementReason.COUNTED, by=by, note=note
    )
    return moved[0] if moved else None


def carry_out(
    *, moves: Sequence[Move], reason: MovementReason, by: User | None, note: str = ""
) -> list[StockMovement]:
    """Move the stock of many variants in a few statements, or of none of them.

    The caller has asked whether `by` may. The variants' rows stay locked until its transaction ends;
    `Move.variant` gets the new quantity.

    Args:
        moves: one for each variant at most.
        by: None where the platform itself acts.
    Returns:
        The movements; a variant whose stock stays as it is has none.
    Raises:
        StockTooLow, StockInvalid, VariantGone: as move_stock. Nothing is written then.
    Runs in: the tenant's schema.
    """
    by_key = {move.variant.pk: move for move in moves}
    with transaction.atomic():
        rows = _locked_rows(by_key)
        movements = []
        for key, row in rows.items():
            move = by_key[key]
            after = _quantity_after(row, move)
            delta = after - row.stock_quantity
            row.stock_quantity = move.variant.stock_quantity = after
            if delta:
                movements.append(
                    StockMovement(
                        product_id=row.product_id,
                        variant=row,
                        variant_label=str(row),
                        delta=delta,
                        quantity_after=after,
                        reason=reason,
                        note=note,
                        by=by,
                    )
                )
        moved = [rows[movement.variant_id] for movement in movements if movement.variant_id]
        _save_quantities(moved)
        StockMovement.objects.bulk_create(movements)
        webhooks.announce_many("stock.changed", movements)
        stock_alerts.note_levels(variants=moved, by=by)
    return movements


def _locked_rows(wanted: dict[UUID, Move]) -> dict[UUID, ProductVariant]:
    # In the order of their keys, so that two who lock the same rows never wait for each other.
    locked = ProductVariant.objects.select_for_update(no_key=True).order_by("pk")
    rows = {row.pk: row for row in locked.filter(pk__in=list(wanted))}
    if len(rows) < len(wanted):
        raise VariantGone("This variant was deleted in the meantime. Load the page again.")
    return rows


def _quantity_after(row: ProductVariant, move: Move) -> int:
    before = row.stock_quantity
    after = before + move.delta if move.quantity is None else move.quantity
    field = "delta" if move.quantity is None else "quantity"
    if abs(after) > MAX_PIECES:
        raise StockInvalid(
            f"{after:,} pieces are more than can be kept; {MAX_PIECES:,} is the most.", field=field
        )
    if after >= 0 or row.sells_when_out:
        return after
    if move.quantity is not None:
        raise StockInvalid("Stock cannot be negative. Write 0 or more.")
    noun = "piece is" if before == 1 else "pieces are"
    raise StockTooLow(
        f"Only {before} {noun} in stock, so {-move.delta} cannot be taken. Take fewer, or let the "
        "variant be ordered when it is out of stock."
    )


def _save_quantities(rows: list[ProductVariant]) -> None:
    if len(rows) == 1:
        rows[0].save(update_fields=["stock_quantity"])
        return
    # An upsert by key is one statement; bulk_update's CASE for each row is much slower.
    ProductVariant.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["pk"], update_fields=["stock_quantity"]
    )
