"""What lists of products, reviews and the like can be narrowed down by."""

from decimal import Decimal
from typing import Any

from django.db.models import F
from django_filters.rest_framework import (
    CharFilter,
    ChoiceFilter,
    FilterSet,
    NumberFilter,
    UUIDFilter,
)

from tenant_apps.api.errors import WrongParameter
from tenant_apps.api.filters import MomentFilter, YesNoFilter
from tenant_apps.products.models import (
    Category,
    ImportState,
    ProductQuerySet,
    ReviewState,
    State,
)
from tenant_apps.products.money import AmountInvalid, current_currency, read_amount
from tenant_apps.products.search import Order, Wishes, find_products

# What `wishes` reads together: a price from and a price to are one variant's.
_TOGETHER = ("search", "category", "price_from", "price_to", "in_stock")


class ProductFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    search = CharFilter(
        method="together", max_length=100, label="Words, or a SKU; the newest first."
    )
    state = ChoiceFilter(choices=State.choices)
    category = CharFilter(
        method="together", label="The slug of a category; those below it belong to it."
    )
    vendor = CharFilter(field_name="vendor")
    price_from = CharFilter(
        method="together", max_length=30, label="In the currency of the answer, as 18.50."
    )
    price_to = CharFilter(
        method="together", max_length=30, label="In the currency of the answer, as 18.50."
    )
    in_stock = YesNoFilter(method="together", label="Whether it must be there to be bought.")
    featured = YesNoFilter(method="which_are_featured")
    rating_from = NumberFilter(
        method="rated", min_value=1, max_value=5, label="The least stars on average, 1 to 5."
    )
    published_from = MomentFilter(field_name="published_at", lookup_expr="gte")
    published_to = MomentFilter(field_name="published_at", lookup_expr="lte")
    updated_from = MomentFilter(field_name="updated_at", lookup_expr="gte")
    updated_to = MomentFilter(field_name="updated_at", lookup_expr="lte")

    def filter_queryset(self, products: ProductQuerySet) -> ProductQuerySet:
        """As django-filter's, and then what is looked for together."""
        products = super().filter_queryset(products)
        told = {name: self.form.cleaned_data.get(name) for name in _TOGETHER}
        if not any(told.values()):
            return products
        return find_products(products, _wishes(told))

    def together(self, products: ProductQuerySet, name: str, value: Any) -> ProductQuerySet:
        return products

    def which_are_featured(
        self,
        products: ProductQuerySet,
        name: str,
        featured: bool,  # noqa: FBT001 (django-filter's signature)
    ) -> ProductQuerySet:
        return products.filter(featured_at__isnull=not featured)

    def rated(self, products: ProductQuerySet, name: str, stars: Decimal) -> ProductQuerySet:
        # Without a division: products without reviews have no average.
        return products.filter(review_count__gt=0, review_stars__gte=F("review_count") * stars)


class ReviewFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    state = ChoiceFilter(choices=ReviewState.choices)
    product = UUIDFilter(field_name="product_id", label="The id of a product.")
    stars = NumberFilter(min_value=1, max_value=5, decimal_places=0)


class ImportRunFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    state = ChoiceFilter(choices=ImportState.choices)


class ImportProblemFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    is_fatal = YesNoFilter()


def _wishes(told: dict[str, Any]) -> Wishes:
    amounts: dict[str, int | None] = {}
    for name in ("price_from", "price_to"):
        amounts[name] = None
        if told[name]:
            try:
                amounts[name] = read_amount(told[name], currency=current_currency())[0]
            except AmountInvalid as error:
                raise WrongParameter(name, str(error)) from error
    lowest, highest = amounts["price_from"], amounts["price_to"]
    if lowest is not None and highest is not None and lowest > highest:
        raise WrongParameter("price_to", "The highest price is lower than the lowest.")
    category = None
    if slug := told["category"]:
        category = Category.objects.filter(slug=slug).first()
        if category is None:
            raise WrongParameter("category", f'There is no category "{slug[:40]}".')
    return Wishes(
        words=told["search"] or "",
        category=category,
        price_from=lowest,
        price_to=highest,
        in_stock=bool(told["in_stock"]),
        order=Order.NEWEST,
    )
