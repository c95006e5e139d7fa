"""One change to many products, each for itself, with what came of it. In the tenant's schema."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models, transaction

from tenant_apps.products import catalogue
from tenant_apps.products.errors import PercentInvalid, ProductError, TooManyAtOnce
from tenant_apps.products.models import Category, Product
from tenant_apps.products.permissions import require_change, require_publish
from tenant_apps.users.models import User

MAX_AT_ONCE = 500


class BulkAction(models.TextChoices):
    """What can be done to many products at once."""

    PUBLISH = "publish", "Publish"
    UNPUBLISH = "unpublish", "Take back to draft"
    ARCHIVE = "archive", "Archive"
    FEATURE = "feature", "Feature"
    UNFEATURE = "unfeature", "Feature no more"
    CHANGE_PRICES = "change_prices", "Change prices by percent"
    SET_CATEGORY = "set_category", "Put into a category"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one product. `sentence` says why nothing did."""

    key: UUID
    title: str
    done: bool
    sentence: str = ""


def change_many(
    *,
    keys: Sequence[UUID],
    action: BulkAction,
    by: User,
    percent: Decimal | None = None,
    category: Category | None = None,
) -> list[Result]:
    """Carry one verb out on each product. One that is refused leaves the others as they are.

    Args:
        keys: of products, 500 at most; one that is given twice is changed once.
        percent: for CHANGE_PRICES, as `catalogue.change_prices` takes it.
        category: for SET_CATEGORY; None takes the products out of theirs.
    Returns:
        A result for each product, in the order of the keys.
    Raises:
        NotAllowed: `by` may not do this to products.
        TooManyAtOnce, PercentInvalid: nothing is done to any.
    """
    changes = action in {BulkAction.CHANGE_PRICES, BulkAction.SET_CATEGORY}
    (require_change if changes else require_publish)(by)
    keys = list(dict.fromkeys(keys))
    if len(keys) > MAX_AT_ONCE:
        raise TooManyAtOnce(
            f"{len(keys):,} products are more than are changed at once; {MAX_AT_ONCE} is the most."
        )
    if action == BulkAction.CHANGE_PRICES and percent is None:
        raise PercentInvalid("Write by how many percent the prices change.")
    verb = _verb(action, by=by, percent=percent, category=category)
    products = Product.objects.in_bulk(keys)
    # In the order of their keys, so that two at once never wait for each other.
    results = {key: _carry_out(key, products.get(key), verb) for key in sorted(keys)}
    return [results[key] for key in keys]


def _verb(
    action: BulkAction, *, by: User, percent: Decimal | None, category: Category | None
) -> Callable[[Product], Any]:
    plain: dict[BulkAction, Callable[..., Product]] = {
        BulkAction.PUBLISH: catalogue.publish_product,
        BulkAction.UNPUBLISH: catalogue.unpublish_product,
        BulkAction.ARCHIVE: catalogue.archive_product,
        BulkAction.FEATURE: catalogue.feature_product,
        BulkAction.UNFEATURE: catalogue.unfeature_product,
    }
    if action in plain:
        return lambda product: plain[action](product=product, by=by)
    if action == BulkAction.CHANGE_PRICES:
        return lambda product: catalogue.change_prices(
            product=product, percent=percent or Decimal(0), by=by
        )
    return lambda product: catalogue.change_product(
        product=product, changes={"category": category}, by=by
    )


def _carry_out(key: UUID, product: Product | None, verb: Callable[[Product], Any]) -> Result:
    if product is None:
        return Result(key, "", done=False, sentence="There is no such product.")
    title = str(product)
    try:
        with transaction.atomic():
            verb(product)
    except ProductError as error:
        return Result(key, title, done=False, sentence=str(error))
    return Result(key, title, done=True)
