from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from tenant_apps.activity.generation import Generation, current_generation
from tenant_apps.counted_pages import CountedPages
from tenant_apps.products import (
    import_runs,
    permissions,
    reviews,
    selectors,
    stock_alerts,
    structured_data,
)
from tenant_apps.products.csv_answers import answer_csv
from tenant_apps.products.errors import ImportFileError, ImportNotReady, ProductError
from tenant_apps.products.forms import ExportForm, ImportForm, ReviewForm, WishesForm
from tenant_apps.products.models import Category, ImportRun, Product
from tenant_apps.products.money import current_currency
from tenant_apps.products.search import Order, Wishes
from tenant_apps.users.models import User

PER_PAGE = 24
CATEGORIES_PER_PAGE = 60
RUNS_PER_PAGE = 10
PROBLEMS_PER_PAGE = 50
ALERTS_PER_PAGE = 50
CHANGES_PER_PAGE = 50
REVIEWS_ON_THE_PAGE = 5
REVIEWS_PER_PAGE = 20


@require_GET
def product_list(request: HttpRequest) -> HttpResponse:
    return _list_page(request)


@require_GET
def category(request: HttpRequest, slug: str) -> HttpResponse:
    return _list_page(request, chosen=get_object_or_404(Category, slug=slug))


@require_GET
def categories(request: HttpRequest) -> HttpResponse:
    """The tree of categories that have something on sale, a page at a time."""
    return render(
        request,
        "tenant/products/categories.html",
        {
            "section": "products",
            "page": Paginator(selectors.category_tree(), CATEGORIES_PER_PAGE).get_page(
                request.GET.get("page")
            ),
        },
    )


def _list_page(request: HttpRequest, *, chosen: Category | None = None) -> HttpResponse:
    form = WishesForm(
        {**request.GET.dict(), "q": request.GET.get("q", "")[:100]}, currency=current_currency
    )
    is_clear = form.is_valid()
    wishes = form.wishes(category=chosen)
    generation = current_generation()
    page = _pages(wishes, generation).get_page(request.GET.get("page"))
    is_front = chosen is None and not request.GET
    return render(
        request,
        "tenant/products/list.html",
        {
            "section": "products",
            "page": page,
            "category": chosen,
            "above": selectors.ancestors_of(chosen) if chosen else [],
            "below": [
                one
                for one in selectors.category_tree(chosen, generation=generation)
                if not one.depth
            ]
            if chosen
            else [],
            "featured": selectors.featured_products() if is_front else [],
            "tabs": selectors.category_tabs(chosen, generation=generation),
            "words": wishes.words,
            "wishes": wishes,
            "form": form,
            "orders": Order.choices,
            "has_wishes": bool(request.GET.keys() - {"page"}),
            "can_change": permissions.can_change(request.user),
            "can_import": permissions.can_import(request.user),
        },
        status=200 if is_clear else 422,
    )


def _pages(wishes: Wishes, generation: Generation) -> "Paginator[Product]":
    """The pages of what fits. Without wishes but for an order there are as many as on the shelf."""
    products = selectors.list_products(wishes)
    category = wishes.category
    if wishes != Wishes(category=category, order=wishes.order):
        return Paginator(products, PER_PAGE)
    return CountedPages(
        products,
        PER_PAGE,
        generation=generation,
        name=f"products:{category and category.pk}",
        counted=selectors.list_products(Wishes(category=category)),
    )


@require_GET
def product(request: HttpRequest, handle: str) -> HttpResponse:
    """A product's page; from a handle that it had before, the way to the one of today."""
    visible = permissions.visible_to(request.user)
    found = visible.for_page().filter(handle=handle).first()
    if found is None:
        moved = get_object_or_404(visible, old_handles__handle=handle)
        return redirect(moved, permanent=True)
    return _product_page(request, found)


def _product_page(
    request: HttpRequest, found: Product, *, form: ReviewForm | None = None
) -> HttpResponse:
    own = selectors.review_by(product=found, person=request.user)
    return render(
        request,
        "tenant/products/product.html",
        {
            "section": "products",
            "product": found,
            "variants": found.variants.all(),
            "above": selectors.ancestors_of(found.category) if found.category else [],
            "structured": structured_data.describe_product(
                product=found,
                currency=current_currency(),
                address=request.build_absolute_uri(found.get_absolute_url()),
            ),
            "canonical": request.build_absolute_uri(found.get_absolute_url()),
            "reviews": list(selectors.shown_reviews(found)[:REVIEWS_ON_THE_PAGE])
            if found.review_count
            else [],
            "own_review": own,
            "review_form": form or ReviewForm.of(own),
            "can_review": permissions.can_review(request.user) and found.is_published,
            "can_change": permissions.can_change(request.user),
        },
        status=422 if form is not None and form.errors else 200,
    )


def product_reviews(request: HttpRequest, handle: str) -> HttpResponse:
    """All reviews of a product, a page at a time; POST writes one's own."""
    visible = permissions.visible_to(request.user)
    found = get_object_or_404(visible.for_page(), handle=handle)
    if request.method == "POST":
        return _write_review(request, found)
    return render(
        request,
        "tenant/products/reviews.html",
        {
            "section": "products",
            "product": found,
            "page": Paginator(selectors.shown_reviews(found), REVIEWS_PER_PAGE).get_page(
                request.GET.get("page")
            ),
        },
    )


@login_required
def _write_review(request: HttpRequest, found: Product) -> HttpResponse:
    user = cast("User", request.user)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return _product_page(request, found, form=form)
    try:
        reviews.write_review(product=found, by=user, **form.cleaned_data)
    except ProductError as error:
        form.add_error(error.field or None, str(error))
        return _product_page(request, found, form=form)
    messages.success(request, "Thank you. Your review is shown once somebody has read it.")
    return redirect(found)


@login_required
@require_POST
def delete_own_review(request: HttpRequest, handle: str) -> HttpResponse:
    found = get_object_or_404(permissions.visible_to(request.user), handle=handle)
    own = selectors.review_by(product=found, person=request.user)
    if own is not None:
        reviews.delete_review(review=own, by=cast("User", request.user))
        messages.success(request, "Your review is deleted.")
    return redirect(found)


@login_required
@require_GET
def low_stock(request: HttpRequest) -> HttpResponse:
    """What has fallen low, and whether one gets letters about it."""
    user = cast("User", request.user)
    permissions.require_change(user)
    return render(
        request,
        "tenant/products/stock.html",
        {
            "section": "products",
            "is_watching": stock_alerts.is_watching(user),
            "page": Paginator(selectors.low_in_stock(), ALERTS_PER_PAGE).get_page(
                request.GET.get("page")
            ),
        },
    )


@login_required
@require_POST
def watch_stock(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    permissions.require_change(user)
    if request.POST.get("watch") == "yes":
        stock_alerts.watch_stock(by=user)
        messages.success(request, "You get a letter when something runs low.")
    else:
        stock_alerts.stop_watching_stock(by=user)
        messages.success(request, "You get no more letters about stock.")
    return redirect("products:stock")


@login_required
@require_GET
def export_products(request: HttpRequest) -> HttpResponseBase:
    """All products as a file, or those of a state or a category (`?format=`, `?state=`, …)."""
    permissions.require_change(request.user)
    form = ExportForm(request.GET)
    if not form.is_valid():
        messages.error(request, form.sentence())
        return redirect("products:list")
    return answer_csv(**form.chosen())


@login_required
def import_products(request: HttpRequest) -> HttpResponse:
    """Choose a file; the imports before it."""
    user = cast("User", request.user)
    permissions.require_import(user)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if request.method == "POST" and form.is_valid():
        file = form.uploaded()
        try:
            run = import_runs.start_import(
                file_name=file.name or "products.csv",
                pieces=lambda: _pieces_of(file),
                skips_faulty=form.cleaned_data["skips_faulty"],
                match_by=form.cleaned_data["match_by"],
                by=user,
            )
        except ImportFileError as error:
            form.add_error("file", str(error))
        else:
            return redirect(run)
    return render(
        request,
        "tenant/products/import.html",
        {
            "section": "products",
            "form": form,
            "page": Paginator(
                ImportRun.objects.select_related("created_by"), RUNS_PER_PAGE
            ).get_page(request.GET.get("page")),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_GET
def import_run(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How an import stands. htmx asks for its inner part alone, again and again while it works."""
    permissions.require_import(request.user)
    run = get_object_or_404(ImportRun.objects.select_related("created_by"), pk=pk)
    problems = Paginator(run.problems.all(), PROBLEMS_PER_PAGE).get_page(request.GET.get("page"))
    inner = bool(request.headers.get("HX-Request"))
    return render(
        request,
        "tenant/products/includes/import_status.html"
        if inner
        else "tenant/products/import_run.html",
        {
            "section": "products",
            "run": run,
            "percent": import_runs.progress_percent(run) if run.is_working else 100,
            "page": problems,
            "can_apply": import_runs.can_apply(run),
        },
    )


@login_required
@require_GET
def import_changes(request: HttpRequest, pk: UUID) -> HttpResponse:
    """All that an import makes or changes, field by field, a page at a time."""
    permissions.require_import(request.user)
    run = get_object_or_404(ImportRun, pk=pk)
    return render(
        request,
        "tenant/products/import_changes.html",
        {
            "section": "products",
            "run": run,
            "page": Paginator(run.changes.all(), CHANGES_PER_PAGE).get_page(
                request.GET.get("page")
            ),
        },
    )


@login_required
@require_POST
def apply_import(request: HttpRequest, pk: UUID) -> HttpResponse:
    permissions.require_import(request.user)
    run = get_object_or_404(ImportRun, pk=pk)
    try:
        import_runs.request_import(run=run, by=cast("User", request.user))
    except ImportNotReady as error:
        messages.error(request, str(error))
    return redirect(run)


@login_required
@require_POST
def cancel_import(request: HttpRequest, pk: UUID) -> HttpResponse:
    permissions.require_import(request.user)
    run = get_object_or_404(ImportRun, pk=pk)
    try:
        import_runs.cancel_import(run=run, by=cast("User", request.user))
    except ImportNotReady as error:
        messages.error(request, str(error))
    return redirect(run)


@login_required
@require_GET
def faulty_rows(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The rows of the faulty products as a file that can be mended and sent again."""
    permissions.require_import(request.user)
    run = get_object_or_404(ImportRun, pk=pk)
    return StreamingHttpResponse(
        (line.encode() for line in import_runs.faulty_rows_as_csv(run)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="faulty-rows.csv"'},
    )


def _pieces_of(file: "UploadedFile[Any]") -> Iterator[bytes]:
    file.seek(0)
    yield from file.chunks(import_runs.CHUNK_BYTES)
