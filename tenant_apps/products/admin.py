"""Products in the workspace's admin: another door to `catalogue`, `stock` and the import."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db.models import Count, Field, Min, QuerySet, Sum, Value
from django.forms.models import BaseModelFormSet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextInputWidget

from tenant_apps.activity.admin import TrailAdmin
from tenant_apps.products import catalogue, permissions
from tenant_apps.products.errors import ProductError
from tenant_apps.products.models import (
    Category,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
)
from tenant_apps.products.money import (
    AmountInvalid,
    current_currency,
    format_money,
    format_number,
    parse_amount,
)
from tenant_apps.users.models import User


class AmountField(forms.CharField):
    """An amount in a currency, written as people write it and kept in minor units."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, *, currency: str, **options: Any) -> None:
        super().__init__(**options)
        self.currency = currency

    def prepare_value(self, value: Any) -> Any:
        return format_number(value, self.currency) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return parse_amount(str(text), currency=self.currency)
        except AmountInvalid as error:
            raise forms.ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class PartOfProduct(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Rows that belong to a product, for those who may change it."""

    extra = 0
    tab = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)


class VariantFormSet(PaginationInlineFormSet):  # type: ignore[misc]  # unfold has no types
    """A product that is on sale keeps a variant."""

    def clean(self) -> None:
        super().clean()
        left = [
            form
            for form in self.forms
            if (form in self.initial_forms or form.has_changed())
            and not self._should_delete_form(form)
        ]
        if self.instance.is_published and not left:
            raise forms.ValidationError(
                "The product is on sale and would have no variant, so no price. Take it back to "
                "draft first, or add another variant."
            )


class VariantInline(PartOfProduct):
    model = ProductVariant
    formset = VariantFormSet
    verbose_name_plural = "Variants"
    fields = (
        *("option1", "option2", "option3", "sku", "price_minor", "compare_at_minor"),
        *("tracks_stock", "stock_quantity", "position"),
    )
    ordering = ("position", "id")

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in {"price_minor", "compare_at_minor", "cost_minor"}:
            return AmountField(
                currency=_currency(request),
                label=db_field.verbose_name,
                required=not db_field.null,
            )
        if db_field.name == "stock_quantity":
            kwargs["min_value"] = 0
            kwargs["error_messages"] = {"min_value": "Stock cannot be negative. Write 0 or more."}
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class OptionInline(PartOfProduct):
    model = ProductOption
    verbose_name_plural = "Options"
    fields = ("position", "name")
    max_num = 3


class ImageInline(PartOfProduct):
    model = ProductImage
    verbose_name_plural = "Pictures"
    fields = ("url", "alt", "position")


class ProductAdmin(TrailAdmin):
    verbs_keep_the_trail = True
    domain_errors = (ProductError,)
    list_display = ("title", "shown_state", "product_type", "vendor", "shown_price", "shown_stock")
    list_filter = ("state", "category")
    list_per_page = 30
    show_full_result_count = False
    search_fields = ("title", "handle", "vendor")
    # The model's own, which a query with sums over variants drops.
    ordering = ("title", "id")
    fieldsets = (
        (None, {"fields": ("title", "description_html", "category", "tags")}),
        ("What it is", {"fields": ("vendor", "product_type", "is_gift_card")}),
        ("Where it is found", {"fields": ("handle", "seo_title", "seo_description")}),
        ("State", {"fields": ("shown_state", "published_at", "published_by", "updated_at")}),
    )
    add_fieldsets = (
        (
            None,
            {"fields": ("title", "description_html", "category", "tags", "vendor", "product_type")},
        ),
    )
    readonly_fields = ("shown_state", "published_at", "published_by", "updated_at")
    inlines = (VariantInline, OptionInline, ImageInline)
    actions = ("publish", "unpublish", "archive")
    actions_submit_line = ("save_and_publish",)
    list_before_template = "tenant/admin/products_before.html"

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "tags":
            kwargs["widget"] = UnfoldAdminTextInputWidget
            kwargs["help_text"] = "With commas between them."
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State", ordering="state", label={"Published": "success", "Archived": "warning"}
    )
    def shown_state(self, product: Product) -> str:
        return product.get_state_display()

    @display(description="Price", ordering="lowest_price")  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_price(self, product: Any) -> str:
        if product.lowest_price is None:
            return "none"
        return format_money(product.lowest_price, product.currency)

    @display(description="Stock", ordering="stock")  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_stock(self, product: Any) -> str:
        noun = "variant" if product.variant_count == 1 else "variants"
        return f"{product.stock or 0} in {product.variant_count} {noun}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        queryset: QuerySet[Product] = super().get_queryset(request)
        return queryset.annotate(
            lowest_price=Min("variants__price_minor"),
            stock=Sum("variants__stock_quantity"),
            variant_count=Count("variants"),
            # Read once a list, not once a row; never kept on this object, which all tenants share.
            currency=Value(_currency(request)),
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_change(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_change(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_delete(request.user)

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        by = cast("User", request.user)
        if not change:
            catalogue.add_product(product=obj, by=by)
            return
        product = Product.objects.get(pk=obj.pk)
        catalogue.change_product(
            product=product,
            changes={name: form.cleaned_data[name] for name in form.changed_data},
            by=by,
        )
        obj.__dict__.update(product.__dict__)

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: "BaseModelFormSet[Any, Any]",
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        kept = formset.save(commit=False)
        catalogue.change_parts(
            product=form.instance,
            kept=kept,
            removed=formset.deleted_objects,
            by=cast("User", request.user),
        )

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        catalogue.delete_product(product=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda p: catalogue.delete_product(product=p, by=by), "deleted"
        )

    @action(description="Save and publish")  # type: ignore[untyped-decorator]  # unfold has no types
    def save_and_publish(self, request: HttpRequest, product: Product) -> None:
        if not product.is_published:
            catalogue.publish_product(product=product, by=cast("User", request.user))
            self.message_user(request, f'"{product}" is on sale.', messages.SUCCESS)

    @action(description="Publish the chosen products")  # type: ignore[untyped-decorator]  # unfold has no types
    def publish(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda p: catalogue.publish_product(product=p, by=by), "published"
        )

    @action(description="Take the chosen products back to draft")  # type: ignore[untyped-decorator]  # unfold has no types
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset,
            lambda p: catalogue.unpublish_product(product=p, by=by),
            "back to draft",
        )

    @action(description="Archive the chosen products")  # type: ignore[untyped-decorator]  # unfold has no types
    def archive(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda p: catalogue.archive_product(product=p, by=by), "archived"
        )


class CategoryAdmin(TrailAdmin):
    verbs_keep_the_trail = True
    domain_errors = (ProductError,)
    list_display = ("name", "path", "slug")
    search_fields = ("name", "path")
    prepopulated_fields = {"slug": ("name",)}
    fields = ("name", "parent", "slug")
    autocomplete_fields = ("parent",)
    model = Category

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_change(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_change(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_change(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_delete(request.user)

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        catalogue.place_category(category=obj, by=cast("User", request.user))

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        catalogue.delete_category(category=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda c: catalogue.delete_category(category=c, by=by), "deleted"
        )


def _currency(request: HttpRequest) -> str:
    """The tenant's currency, read once a request and kept on it."""
    found: str | None = getattr(request, "products_currency", None)
    if found is None:
        found = current_currency()
        request.products_currency = found  # type: ignore[attr-defined]
    return found
