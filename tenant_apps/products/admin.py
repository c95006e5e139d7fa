"""Products in the workspace's admin: another door to `catalogue`, `stock` and the import."""

from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import EmptyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Field, Min, Q, QuerySet, Sum, Value
from django.forms.models import BaseModelFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import Truncator
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tenant_apps.activity.admin import TrailAdmin
from tenant_apps.products import bulk, catalogue, permissions, reviews, selectors, stock
from tenant_apps.products.errors import ProductError
from tenant_apps.products.models import (
    Category,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    Review,
)
from tenant_apps.products.money import (
    AmountInvalid,
    current_currency,
    format_money,
    format_number,
    parse_amount,
)
from tenant_apps.products.search import matching_keys
from tenant_apps.users.models import User

MOVEMENTS_PER_PAGE = 50
REFUSALS_SHOWN = 20


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


class VariantForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """One row of a product's variants; the verb's rules, said at the field."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        price = cleaned.get("price_minor")
        if price is not None:
            self._say_at_field(
                lambda: catalogue.check_prices(
                    price_minor=price, compare_at_minor=cleaned.get("compare_at_minor")
                )
            )
        sku = cleaned.get("sku", "")
        if sku and "sku" in self.changed_data:
            owner = catalogue.find_sku_owner(sku=sku, besides=self.instance.pk)
            if owner is not None:
                self.add_error("sku", f"{owner.product}, {owner} has this SKU already.")
        stock_left = cleaned.get("stock_quantity")
        if stock_left is not None and stock_left < 0 and not cleaned.get("sells_when_out"):
            self.add_error("stock_quantity", "Stock cannot be negative. Write 0 or more.")
        return cleaned

    def _say_at_field(self, rule: Callable[[], None]) -> None:
        try:
            rule()
        except ProductError as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))


class VariantFormSet(PaginationInlineFormSet):  # type: ignore[misc]  # unfold has no types
    """A product that is on sale keeps a variant, and no two variants share a SKU."""

    def clean(self) -> None:
        super().clean()
        self._refuse_repeated_skus()
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

    def _refuse_repeated_skus(self) -> None:
        seen: dict[str, Any] = {}
        for form in self.forms:
            sku = getattr(form, "cleaned_data", {}).get("sku", "")
            if not sku or self._should_delete_form(form):
                continue
            if seen.setdefault(sku, form) is not form and (
                "sku" in form.changed_data or "sku" in seen[sku].changed_data
            ):
                form.add_error("sku", "Another row has this SKU already. Choose another one.")


class VariantInline(PartOfProduct):
    model = ProductVariant
    form = VariantForm
    formset = VariantFormSet
    verbose_name_plural = "Variants"
    fields = (
        *("option1", "option2", "option3", "sku", "price_minor", "compare_at_minor"),
        *("tracks_stock", "stock_quantity", "low_stock_at", "sells_when_out", "position"),
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


class MovementForm(forms.Form):
    """Pieces that come or go."""

    variant: "forms.ModelChoiceField[ProductVariant]" = forms.ModelChoiceField(
        ProductVariant.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label=None,
    )
    reason = forms.ChoiceField(
        choices=[choice for choice in MovementReason.choices if choice[0] != "imported"],
        initial=MovementReason.RECEIVED,
        widget=UnfoldAdminSelectWidget,
        help_text="Counted: write how many there are. Otherwise how many come, or with a minus how "
        "many go.",
    )
    pieces = forms.IntegerField(
        min_value=-stock.MAX_PIECES,
        max_value=stock.MAX_PIECES,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    note = forms.CharField(max_length=200, required=False, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any = None, *, product: Product, **options: Any) -> None:
        super().__init__(data, **options)
        variants: Any = self.fields["variant"]
        variants.queryset = product.variants.all()
        variants.label_from_instance = lambda v: f"{v}: {v.stock_quantity} in stock"

    def carry_out(self, by: User) -> bool:
        """Move what the form says; False where the verb refuses, with its sentence at the field."""
        told = self.cleaned_data
        try:
            if told["reason"] == MovementReason.COUNTED:
                stock.count_stock(
                    variant=told["variant"], quantity=told["pieces"], by=by, note=told["note"]
                )
            else:
                stock.move_stock(
                    variant=told["variant"],
                    delta=told["pieces"],
                    reason=MovementReason(told["reason"]),
                    by=by,
                    note=told["note"],
                )
        except ProductError as error:
            self.add_error("pieces", str(error))
            return False
        return True


class BulkForm(forms.Form):
    """One change to all chosen products."""

    change = forms.ChoiceField(choices=bulk.BulkAction.choices, widget=UnfoldAdminSelectWidget)
    percent = forms.DecimalField(
        required=False,
        max_digits=7,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget,
        help_text="For prices: -10 makes everything a tenth cheaper.",
    )
    category: "forms.ModelChoiceField[Category]" = forms.ModelChoiceField(
        Category.objects.none(), required=False, widget=UnfoldAdminSelectWidget, empty_label="none"
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        categories: Any = self.fields["category"]
        categories.queryset = Category.objects.all()
        categories.label_from_instance = lambda category: category.path

    def carry_out(self, keys: Sequence[UUID], by: User) -> list[bulk.Result] | None:
        """What came of each; None where nothing can be done, with the sentence at the field."""
        told = self.cleaned_data
        try:
            return bulk.change_many(
                keys=keys,
                action=bulk.BulkAction(told["change"]),
                percent=told["percent"],
                category=told["category"],
                by=by,
            )
        except ProductError as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
            return None


class ProductAdmin(TrailAdmin):
    verbs_keep_the_trail = True
    domain_errors = (ProductError,)
    list_display = (
        *("title", "shown_state", "product_type", "vendor", "shown_price", "shown_stock"),
        "is_featured",
    )
    list_filter = ("state", "category", ("featured_at", EmptyFieldListFilter))
    list_per_page = 30
    show_full_result_count = False
    search_fields = ("title", "handle", "vendor")
    # The model's own, which a query with sums over variants drops.
    ordering = ("title", "id")
    fieldsets = (
        (None, {"fields": ("title", "description_html", "category", "tags")}),
        ("What it is", {"fields": ("vendor", "product_type", "is_gift_card")}),
        ("Where it is found", {"fields": ("handle", "seo_title", "seo_description")}),
        (
            "State",
            {
                "fields": (
                    *("shown_state", "published_at", "published_by", "updated_at"),
                    *("featured_at", "featured_by"),
                )
            },
        ),
    )
    add_fieldsets = (
        (
            None,
            {"fields": ("title", "description_html", "category", "tags", "vendor", "product_type")},
        ),
    )
    readonly_fields = (
        *("shown_state", "published_at", "published_by", "updated_at"),
        *("featured_at", "featured_by"),
    )
    inlines = (VariantInline, OptionInline, ImageInline)
    actions = ("publish", "unpublish", "archive", "change_chosen")
    actions_submit_line = ("save_and_publish",)
    actions_detail = ("stock",)
    actions_list = ("export",)
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

    @display(description="Featured", ordering="featured_at", boolean=True)  # type: ignore[untyped-decorator]  # unfold has no types
    def is_featured(self, product: Product) -> bool:
        return product.is_featured

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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        """What the page finds, and handles by their beginning."""
        words = search_term.replace("\x00", "").strip()[:100]
        if not words:
            return queryset, False
        keys = matching_keys(Product.objects.all(), words)
        return queryset.filter(Q(pk__in=keys) | Q(handle__startswith=words)), False

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
        # A page that was open while something was sold says an old number: what nobody typed
        # is no count.
        uncounted = [
            row.instance
            for row in formset.forms
            if "stock_quantity" not in row.changed_data and not row.instance._state.adding
        ]
        catalogue.change_parts(
            product=form.instance,
            kept=kept,
            removed=formset.deleted_objects,
            uncounted=uncounted,
            by=cast("User", request.user),
        )

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        catalogue.delete_product(product=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda p: catalogue.delete_product(product=p, by=by), "deleted"
        )

    @action(description="Export", url_path="export", icon="download")  # type: ignore[untyped-decorator]  # unfold has no types
    def export(self, request: HttpRequest) -> HttpResponse:
        """The page's own door: all products in Shopify's format."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('products:export')}?format=shopify")

    @action(description="Stock", url_path="stock", icon="inventory")  # type: ignore[untyped-decorator]  # unfold has no types
    def stock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What moved the product's stock, and a form that moves it."""
        product = self.get_object(request, object_id)
        if product is None:
            raise Http404
        if not self.has_change_permission(request, product):
            raise PermissionDenied
        variants = {str(variant.pk): variant for variant in product.variants.all()}
        chosen = variants.get(request.GET.get("variant", ""))
        form = MovementForm(
            request.POST if request.method == "POST" else None,
            product=product,
            initial={"variant": chosen},
        )
        if (
            request.method == "POST"
            and form.is_valid()
            and form.carry_out(cast("User", request.user))
        ):
            self.message_user(request, "The stock is noted.", messages.SUCCESS)
            return HttpResponseRedirect(request.get_full_path())
        movements = selectors.movements_of(product=product, variant=chosen)
        page = Paginator(movements, MOVEMENTS_PER_PAGE).get_page(request.GET.get("p"))
        return TemplateResponse(
            request,
            "tenant/admin/stock.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Stock of {product}",
                "opts": self.opts,
                "object": product,
                "back": reverse("admin:products_product_change", args=[product.pk]),
                "form": form,
                "variants": variants.values(),
                "chosen": chosen,
                "page": page,
                "page_range": page.paginator.get_elided_page_range(page.number),
            },
            status=422 if form.errors else 200,
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

    @action(description="Change the chosen products: prices, category, in front …")  # type: ignore[untyped-decorator]  # unfold has no types
    def change_chosen(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        """Ask what is to change, then change it and say what came of each product."""
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: bulk.MAX_AT_ONCE + 1])
        form = BulkForm(request.POST if "carry_out" in request.POST else None)
        if form.is_bound and form.is_valid():
            results = form.carry_out(keys, cast("User", request.user))
            if results is not None:
                self._tell_results(request, results)
                return None
        return TemplateResponse(
            request,
            "tenant/admin/products_bulk.html",
            {
                **self.admin_site.each_context(request),
                "title": "Change the chosen products",
                "opts": self.opts,
                "form": form,
                "keys": keys,
            },
            status=422 if form.errors else 200,
        )

    def _tell_results(self, request: HttpRequest, results: list[bulk.Result]) -> None:
        done = sum(result.done for result in results)
        if done:
            self.message_user(request, f"{done} changed.", messages.SUCCESS)
        refused = [result for result in results if not result.done]
        for result in refused[:REFUSALS_SHOWN]:
            self.message_user(request, f"{result.title}: {result.sentence}", messages.ERROR)
        if len(refused) > REFUSALS_SHOWN:
            rest = len(refused) - REFUSALS_SHOWN
            self.message_user(request, f"… and {rest} more were not changed.", messages.ERROR)


class ReviewAdmin(TrailAdmin):
    """The queue of reviews: read, approved or refused, never written here."""

    verbs_keep_the_trail = True
    domain_errors = (ProductError,)
    list_display = ("product", "stars", "shown_text", "author", "shown_state", "written_at")
    list_filter = ("state", "stars")
    list_select_related = ("product", "author")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("text", "product__title", "author__full_name")
    ordering = ("-written_at", "-id")
    actions = ("approve", "refuse")
    fields = (
        "product",
        "author",
        "stars",
        "text",
        "state",
        "written_at",
        "decided_at",
        "decided_by",
    )
    readonly_fields = fields

    @display(description="Text")  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_text(self, review: Review) -> str:
        return Truncator(review.text).chars(90)

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State", ordering="state", label={"Waiting": "warning", "Shown": "success"}
    )
    def shown_state(self, review: Review) -> str:
        return review.get_state_display()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_moderate(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_moderate(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_moderate(request.user)

    def delete_model(self, request: HttpRequest, obj: Review) -> None:
        reviews.delete_review(review=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda r: reviews.delete_review(review=r, by=by), "deleted"
        )

    @action(description="Show the chosen reviews")  # type: ignore[untyped-decorator]  # unfold has no types
    def approve(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        by = cast("User", request.user)
        self.for_each(request, queryset, lambda r: reviews.approve_review(review=r, by=by), "shown")

    @action(description="Do not show the chosen reviews")  # type: ignore[untyped-decorator]  # unfold has no types
    def refuse(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda r: reviews.refuse_review(review=r, by=by), "not shown"
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
