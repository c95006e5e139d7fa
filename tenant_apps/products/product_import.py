"""Products from a file into the tenant's schema, a few hundred at a time.

A check and an import are the same code: what is in the file is laid over what is in the database,
and only an import writes the difference. Nothing is ever deleted: variants and pictures that a file
does not name stay as they are.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, models
from django.utils import timezone

from tenant_apps.products import stock
from tenant_apps.products.csv_files import CsvFile
from tenant_apps.products.models import (
    Category,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
)
from tenant_apps.products.money import format_money
from tenant_apps.products.shopify_format import (
    Columns,
    ParsedProduct,
    ParsedVariant,
    Problem,
    Row,
    group_rows,
    parse_product,
)
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User

BATCH_ROWS = 500
FIRST_CHANGES = 20
CHANGES_OF_A_PRODUCT = 6


@dataclass(slots=True)
class Report:
    """What an import does, or would do.

    Args:
        rows: rows with anything in them, without the header.
        changes: the first products that are made or changed, each as
            `{"handle", "title", "kind", "changes"}` with changes as `[what, before, after]`.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    faulty: int = 0
    variants_created: int = 0
    variants_updated: int = 0
    problems: int = 0
    notes: int = 0
    changes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def products(self) -> int:
        return self.created + self.updated + self.unchanged + self.faulty

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"products": self.products}


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom an import tells about its way. Each function is called once a batch."""

    on_problems: Callable[[list[Problem]], None]
    on_faulty_rows: Callable[[list[tuple[Row, str]]], None]
    on_progress: Callable[[int], None]


def import_products(
    *,
    file: CsvFile,
    currency: str,
    by: User | None,
    writes: bool,
    skips_faulty: bool,
    listener: Listener,
) -> Report:
    """Lay a file over the tenant's products.

    Args:
        currency: of the file's prices, ISO 4217.
        by: who is noted as publisher and counter of stock; None for the command.
        writes: whether to write; otherwise this is a check.
        skips_faulty: import the products that are right. Otherwise the first faulty one ends the
        writing:
            the caller rolls its transaction back, since `Report.faulty` is not 0.
        listener: is told of problems, of faulty rows with a sentence each, and of the bytes read.
    Raises:
        ImportFileError: the file cannot be read. The caller rolls its transaction back.
    Runs in: the tenant's schema, in the caller's transaction.
    """
    columns = Columns(file.read_header())
    if writes:
        _prepare_for_many_rows()
    run = _Import(currency=currency, by=by, writes=writes, skips_faulty=skips_faulty)
    batch: list[ParsedProduct] = []
    rows = 0
    for group in group_rows(file.rows(), columns):
        batch.append(parse_product(group, columns, currency=currency))
        rows += len(group)
        if rows >= BATCH_ROWS:
            run.take(batch, listener)
            listener.on_progress(file.bytes_read)
            batch, rows = [], 0
    run.take(batch, listener)
    listener.on_progress(file.bytes_read)
    return run.report


def _prepare_for_many_rows() -> None:
    """Have foreign keys checked with each batch, by plans that see the tables as they are.

    PostgreSQL keeps the plan of a foreign key's check for the connection. One that was made while a
    table was small reads the whole of it for each row: 50,000 rows then take minutes at the commit.
    (https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE-MODE)
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@dataclass(slots=True)
class _Plan:
    """What one batch writes."""

    new: list[models.Model] = field(default_factory=list)
    changed: dict[type[models.Model], dict[Any, tuple[models.Model, set[str]]]] = field(
        default_factory=dict
    )
    moves: list[stock.Move] = field(default_factory=list)

    def change(self, instance: models.Model, values: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        """Set what differs, and note it: (field, before, after)."""
        differences = []
        for name, value in values.items():
            before = getattr(instance, name)
            if before != value:
                setattr(instance, name, value)
                differences.append((name, before, value))
        if differences:
            _, names = self.changed.setdefault(type(instance), {}).setdefault(
                instance.pk, (instance, set())
            )
            names.update(name for name, _, _ in differences)
        return differences


class _Import:
    def __init__(self, *, currency: str, by: User | None, writes: bool, skips_faulty: bool) -> None:
        self.currency = currency
        self.by = by
        self.writes = writes
        self.skips_faulty = skips_faulty
        self.now = timezone.now()
        self.report = Report()
        # 8 bytes of each handle seen: all that grows with the file.
        self.seen: set[bytes] = set()
        self.categories: dict[str, Category] = {}

    def take(self, batch: list[ParsedProduct], listener: Listener) -> None:
        """Compare one batch with the database, and write the difference where that is asked for."""
        for product in batch:
            self._refuse_repeated(product)
        good = [product for product in batch if not product.is_faulty]
        self._tell(batch, listener)
        if self.report.faulty and not self.skips_faulty:
            self.writes = False
        plan = _Plan()
        existing = self._existing(good)
        for parsed in good:
            self._plan_product(parsed, existing.get(parsed.handle), plan)
        if self.writes:
            _write(plan, by=self.by)

    def _refuse_repeated(self, product: ParsedProduct) -> None:
        if not product.handle:
            return
        digest = hashlib.blake2b(product.handle.encode(), digest_size=8).digest()
        if digest in self.seen:
            product.problems.append(
                Problem(
                    product.rows[0][0],
                    "Handle",
                    f'"{product.handle}" stood further up already. '
                    "Put all rows of a product together.",
                )
            )
        self.seen.add(digest)

    def _tell(self, batch: list[ParsedProduct], listener: Listener) -> None:
        problems = [problem for product in batch for problem in product.problems]
        faulty = [product for product in batch if product.is_faulty]
        self.report.rows += sum(len(product.rows) for product in batch)
        self.report.faulty += len(faulty)
        self.report.problems += sum(problem.is_fatal for problem in problems)
        self.report.notes += sum(not problem.is_fatal for problem in problems)
        if problems:
            listener.on_problems(problems)
        if faulty:
            listener.on_faulty_rows(list(_faulty_rows(faulty)))

    def _existing(self, batch: Iterable[ParsedProduct]) -> dict[str, Product]:
        products = Product.objects.filter(handle__in=[parsed.handle for parsed in batch])
        if self.writes:
            # Not their keys: a sale of one of them refers to it and need not wait for the import.
            products = products.select_for_update(of=("self",), no_key=True)
        found = products.select_related("category").prefetch_related(
            "options", "images", "variants"
        )
        return {product.handle: product for product in found}

    # --- one product -----------------------------------------------------------------------

    def _plan_product(self, parsed: ParsedProduct, product: Product | None, plan: _Plan) -> None:
        is_new = product is None
        if product is None:
            product = Product(handle=parsed.handle, created_at=self.now)
            plan.new.append(product)
        values = parsed.values | self._state_values(product, parsed.state)
        if parsed.category_path:
            values["category"] = self._category(parsed.category_path)
        changes = _labelled([] if is_new else plan.change(product, values))
        if is_new:
            _set_all(product, values)
        changes += self._plan_options(parsed, product, plan, is_new=is_new)
        images = self._plan_images(parsed, product, plan, is_new=is_new)
        changes += images[1]
        changes += self._plan_variants(parsed, product, images[0], plan, is_new=is_new)
        if is_new:
            self.report.created += 1
        elif changes:
            self.report.updated += 1
            plan.change(product, {"updated_at": self.now})
        else:
            self.report.unchanged += 1
            return
        if len(self.report.changes) < FIRST_CHANGES:
            self.report.changes.append(
                {
                    "handle": product.handle,
                    "title": product.title,
                    "kind": "created" if is_new else "updated",
                    "changes": [] if is_new else changes[:CHANGES_OF_A_PRODUCT],
                }
            )

    def _state_values(self, product: Product, state: State | None) -> dict[str, Any]:
        if state is None or state == product.state:
            return {}
        values: dict[str, Any] = {"state": state}
        if state == State.PUBLISHED:
            values |= {
                "published_at": product.published_at or self.now,
                "published_by": self.by,
                "archived_at": None,
                "archived_by": None,
            }
        if state == State.ARCHIVED:
            values |= {"archived_at": self.now, "archived_by": self.by}
        return values

    def _category(self, path: str) -> Category:
        """The category of this path, with all above it. A check makes them in memory alone."""
        if path in self.categories:
            return self.categories[path]
        category = Category.objects.filter(path=path).first()
        if category is None:
            above, _, name = path.rpartition(" > ")
            parent = self._category(above) if above else None
            category = Category(
                name=name[:120],
                path=path,
                parent=parent,
                slug=slug_from(path, max_length=140) or "category",
            )
            if self.writes:
                category.slug = _free_category_slug(category.slug)
                category.save(force_insert=True)
        self.categories[path] = category
        return category

    def _plan_options(
        self, parsed: ParsedProduct, product: Product, plan: _Plan, *, is_new: bool
    ) -> list[list[str]]:
        existing = {} if is_new else {option.position: option for option in product.options.all()}
        changes = []
        for position, name in enumerate(parsed.option_names, start=1):
            option = existing.get(position)
            if not name or (option is not None and option.name == name):
                continue
            changes.append([f"Option {position}", option.name if option else "", name])
            if option is None:
                plan.new.append(ProductOption(product=product, position=position, name=name))
            else:
                plan.change(option, {"name": name})
        return changes

    def _plan_images(
        self, parsed: ParsedProduct, product: Product, plan: _Plan, *, is_new: bool
    ) -> tuple[dict[str, ProductImage], list[list[str]]]:
        images = {} if is_new else {image.url: image for image in product.images.all()}
        changes = []
        for wanted in parsed.images:
            image = images.get(wanted.url)
            if image is None:
                image = ProductImage(
                    product=product,
                    url=wanted.url,
                    alt=wanted.alt or "",
                    position=wanted.position or len(images) + 1,
                )
                plan.new.append(image)
                images[wanted.url] = image
                changes.append(["Picture", "", wanted.url])
                continue
            values: dict[str, Any] = {}
            if wanted.alt is not None:
                values["alt"] = wanted.alt
            if wanted.position is not None:
                values["position"] = wanted.position
            changes += [
                [f"Picture's {name}", str(before), str(after)]
                for name, before, after in plan.change(image, values)
            ]
        for url in {variant.image_url for variant in parsed.variants} - set(images) - {""}:
            image = ProductImage(product=product, url=url, position=len(images) + 1)
            plan.new.append(image)
            images[url] = image
            changes.append(["Picture", "", url])
        return images, changes

    # --- its variants -----------------------------------------------------------------------

    def _plan_variants(
        self,
        parsed: ParsedProduct,
        product: Product,
        images: dict[str, ProductImage],
        plan: _Plan,
        *,
        is_new: bool,
    ) -> list[list[str]]:
        existing = [] if is_new else list(product.variants.all())
        matches = _match_variants(parsed.variants, existing)
        changes = []
        for position, wanted in enumerate(parsed.variants, start=1):
            values = wanted.values | {"position": position}
            values |= {f"option{n}": value for n, value in enumerate(wanted.options, start=1)}
            if wanted.image_url:
                values["image_id"] = images[wanted.image_url].pk
            variant = matches.get(wanted.row_number)
            if variant is None:
                variant = ProductVariant(product=product, **values)
                plan.new.append(variant)
                self.report.variants_created += 1
                label = variant.label or "Standard"
                changes.append(
                    [f"Variant {label}", "", format_money(variant.price_minor, self.currency)]
                )
                self._plan_stock(variant, wanted.quantity, plan, is_new=True)
                continue
            differences = _labelled(
                plan.change(variant, values), of=variant.label, currency=self.currency
            )
            differences += self._plan_stock(variant, wanted.quantity, plan, is_new=False)
            if differences:
                self.report.variants_updated += 1
                changes += differences
        return changes

    def _plan_stock(
        self, variant: ProductVariant, quantity: int | None, plan: _Plan, *, is_new: bool
    ) -> list[list[str]]:
        if quantity is None or quantity == variant.stock_quantity:
            return []
        before = variant.stock_quantity
        plan.moves.append(stock.Move(variant, quantity=quantity))
        if is_new:
            return []
        return _labelled([("stock_quantity", before, quantity)], of=variant.label)


def _match_variants(
    wanted: list[ParsedVariant], existing: list[ProductVariant]
) -> dict[int, ProductVariant]:
    """Which variant each row means: the one with its options, else the one with its SKU."""
    by_options = {variant.option_values: variant for variant in existing}
    matches = {
        row.row_number: by_options[row.options] for row in wanted if row.options in by_options
    }
    taken = {variant.pk for variant in matches.values()}
    by_sku = {
        variant.sku: variant for variant in existing if variant.sku and variant.pk not in taken
    }
    for row in wanted:
        sku = row.values.get("sku", "")
        if row.row_number not in matches and sku in by_sku:
            matches[row.row_number] = by_sku.pop(sku)
    return matches


def _set_all(instance: models.Model, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(instance, name, value)


def _write(plan: _Plan, *, by: User | None) -> None:
    """Write one batch: one statement for each kind of row."""
    kinds: tuple[Any, ...] = (Product, ProductOption, ProductImage, ProductVariant)
    for kind in kinds:
        kind.objects.bulk_create([row for row in plan.new if isinstance(row, kind)])
        for names, rows in _by_fields(plan.changed.get(kind, {})).items():
            # An upsert by key is one statement; bulk_update's CASE for each field is much slower.
            kind.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["pk"], update_fields=names
            )
    stock.carry_out(moves=plan.moves, reason=MovementReason.IMPORTED, by=by)


def _by_fields(
    changed: dict[Any, tuple[models.Model, set[str]]],
) -> dict[tuple[str, ...], list[models.Model]]:
    groups: dict[tuple[str, ...], list[models.Model]] = {}
    for instance, names in changed.values():
        groups.setdefault(tuple(sorted(names)), []).append(instance)
    return groups


def _free_category_slug(slug: str) -> str:
    taken = set(Category.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    number = 2
    free = slug
    while free in taken:
        free = f"{slug[:130]}-{number}"
        number += 1
    return free


def _faulty_rows(products: Iterable[ParsedProduct]) -> Iterator[tuple[Row, str]]:
    for product in products:
        sentences: dict[int, list[str]] = {}
        for problem in product.problems:
            place = f"{problem.column}: " if problem.column else ""
            sentences.setdefault(problem.row_number, []).append(f"{place}{problem.sentence}")
        for row in product.rows:
            yield row, " ".join(sentences.get(row[0], []))


def _labelled(
    differences: list[tuple[str, Any, Any]], *, of: str = "", currency: str = ""
) -> list[list[str]]:
    """Differences in words: what, before, after."""
    return [
        [
            f"{_LABELS[name]} of {of}" if of else _LABELS[name],
            _shown(name, before, currency),
            _shown(name, after, currency),
        ]
        for name, before, after in differences
        if name in _LABELS
    ]


_LABELS = {
    "title": "Title",
    "description_html": "Description",
    "vendor": "Vendor",
    "product_type": "Type",
    "category": "Category",
    "tags": "Tags",
    "seo_title": "Title for search engines",
    "seo_description": "Description for search engines",
    "is_gift_card": "Gift card",
    "extra": "Other columns",
    "state": "State",
    "position": "Order",
    "option1": "Option",
    "option2": "Option",
    "option3": "Option",
    "sku": "SKU",
    "barcode": "Barcode",
    "price_minor": "Price",
    "compare_at_minor": "Price before",
    "cost_minor": "Cost",
    "weight_grams": "Weight",
    "requires_shipping": "Shipping",
    "is_taxable": "Taxable",
    "tracks_stock": "Counting of stock",
    "stock_quantity": "Stock",
    "sells_when_out": "Order when out of stock",
    "image_id": "Picture",
}


def _shown(name: str, value: Any, currency: str) -> str:
    if value is None:
        return ""
    if name.endswith("_minor") and currency:
        return format_money(value, currency)
    if name == "extra":
        return ", ".join(f"{key}: {text}" for key, text in value.items())[:120]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)[:120]
    return str(value)[:120]
