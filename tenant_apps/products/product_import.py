"""Products from a file into the tenant's schema, a few hundred at a time.

A check and an import are the same code: what is in the file is laid over what is in the database,
and only an import writes the difference. Nothing is ever deleted: variants and pictures that a file
does not name stay as they are.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from tenant_apps.activity import webhooks
from tenant_apps.products import stock
from tenant_apps.products.csv_files import CsvFile
from tenant_apps.products.file_formats import read_columns
from tenant_apps.products.models import (
    Category,
    MatchBy,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
)
from tenant_apps.products.money import format_money, format_number
from tenant_apps.products.product_rows import (
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
FIRST_OF_A_PRODUCT = 6
CHANGES_OF_A_PRODUCT = 100


@dataclass(slots=True)
class Report:
    """What an import does, or would do.

    Args:
        rows: rows with anything in them, without the header.
        changes: the first products that are made or changed, each as
            `{"handle", "title", "kind", "changes"}` with changes as `[what, before, after]`.
        format: the file's.
    """

    format: str = ""

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
    on_changes: Callable[[list[dict[str, Any]]], None] = lambda _: None


def import_products(
    *,
    file: CsvFile,
    currency: str,
    by: User | None,
    writes: bool,
    skips_faulty: bool,
    listener: Listener,
    match_by: MatchBy = MatchBy.HANDLE,
) -> Report:
    """Lay a file over the tenant's products.

    Args:
        currency: of the file's prices, ISO 4217.
        by: who is noted as publisher and counter of stock; None for the command.
        writes: whether to write; otherwise this is a check.
        skips_faulty: import the products that are right. Otherwise the first faulty one ends the
        writing:
            the caller rolls its transaction back, since `Report.faulty` is not 0.
        listener: is told of problems, of faulty rows with a sentence each, of each product that is made
            or changed, and of the bytes read.
        match_by: what says that a product of the file is one that is here.
    Raises:
        ImportFileError: the file cannot be read. The caller rolls its transaction back.
    Runs in: the tenant's schema, in the caller's transaction.
    """
    columns = read_columns(file.read_header(), match_by=match_by)
    if writes:
        _prepare_for_many_rows()
    run = _Import(columns, currency=currency, by=by, writes=writes, skips_faulty=skips_faulty)
    run.match_by = match_by
    batch: list[ParsedProduct] = []
    rows = 0
    for group in group_rows(file.rows(), columns):
        batch.append(parse_product(group, columns, currency=currency, match_by=match_by))
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


class _Digests:
    """Numbers of 64 bits, at most 32 bytes for each: a set of Python's own takes a hundred."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, number: int) -> bool:
        """Whether the number is new; from then on it is not."""
        number = number or 1  # 0 is an empty slot
        is_new = self._put(number)
        self._count += is_new
        if self._count * 2 > len(self._slots):
            before, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
            for kept in before:
                if kept:
                    self._put(kept)
        return is_new

    def _put(self, number: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        at = number & mask
        while slots[at]:
            if slots[at] == number:
                return False
            at = (at + 1) & mask
        slots[at] = number
        return True


@dataclass(slots=True)
class _Found:
    """What is here already of one product of the file."""

    parsed: ParsedProduct
    product: Product | None
    # By the row's number.
    matches: dict[int, ProductVariant] = field(default_factory=dict)

    @property
    def variants(self) -> list[ProductVariant]:
        return list(self.product.variants.all()) if self.product is not None else []


class _Import:
    def __init__(
        self,
        columns: Columns,
        *,
        currency: str,
        by: User | None,
        writes: bool,
        skips_faulty: bool,
    ) -> None:
        self.form = columns.form
        self.match_by = MatchBy.HANDLE
        self.currency = currency
        self.by = by
        self.writes = writes
        self.skips_faulty = skips_faulty
        self.now = timezone.now()
        self.report = Report(format=self.form.name)
        # 8 bytes of each handle, SKU and changed product seen: all that grows with the file.
        self.seen = _Digests()
        self.categories: dict[str, Category] = {}
        self.told: list[dict[str, Any]] = []

    def take(self, batch: list[ParsedProduct], listener: Listener) -> None:
        """Compare one batch with the database, and write the difference where that is asked for."""
        for parsed in batch:
            self._refuse_repeated(parsed)
        found = self._find(batch)
        for one in found:
            self._refuse_incomplete(one)
            self._refuse_lower_price_before(one)
        self._tell(batch, listener)
        if self.report.faulty and not self.skips_faulty:
            self.writes = False
        plan = _Plan()
        for one in found:
            if not one.parsed.is_faulty:
                self._plan_product(one, plan)
        if self.told:
            listener.on_changes(self.told)
            self.told = []
        if self.writes:
            _write(plan, by=self.by)

    def _is_first(self, kind: str, text: str) -> bool:
        """Whether this stands in the file for the first time."""
        digest = hashlib.blake2b(f"{kind}:{text}".encode(), digest_size=8).digest()
        return self.seen.add(int.from_bytes(digest))

    def _refuse_repeated(self, parsed: ParsedProduct) -> None:
        if parsed.handle and not self._is_first("handle", parsed.handle):
            parsed.problems.append(
                Problem(
                    parsed.rows[0][0],
                    "Handle",
                    f'"{parsed.handle}" stood further up already. '
                    "Put all rows of a product together.",
                )
            )
        for variant in parsed.variants:
            if variant.sku and not self._is_first("sku", variant.sku):
                self._complain_of_sku(parsed, variant, "stood further up already")

    def _complain_of_sku(self, parsed: ParsedProduct, variant: ParsedVariant, fact: str) -> None:
        """A shop's export may have a SKU twice, as shops do. Where it says which variant is meant,
        or where somebody wrote the file by hand, it may not."""
        is_fatal = self.form.is_strict or self.match_by == MatchBy.SKU
        advice = "Give each variant its own." if is_fatal else "It was taken as it is."
        parsed.problems.append(
            Problem(
                variant.row_number, "SKU", f'The SKU "{variant.sku}" {fact}. {advice}', is_fatal
            )
        )

    # --- what is here already ---------------------------------------------------------------

    def _find(self, batch: list[ParsedProduct]) -> list[_Found]:
        skus = {variant.sku for parsed in batch for variant in parsed.variants} - {""}
        # SKU → variant → product.
        owners: dict[str, dict[UUID, UUID]] = {}
        for sku, key, product_key in ProductVariant.objects.filter(sku__in=skus).values_list(
            "sku", "pk", "product_id"
        ):
            owners.setdefault(sku, {})[key] = product_key
        wanted = Q(handle__in={parsed.handle for parsed in batch})
        if self.match_by == MatchBy.SKU:
            wanted |= Q(pk__in={key for keys in owners.values() for key in keys.values()})
        products = Product.objects.filter(wanted)
        if self.writes:
            # In the order of their keys, so that two imports never wait for each other; and not
            # their keys: a sale of one of them refers to it and need not wait.
            products = products.select_for_update(of=("self",), no_key=True)
        here = products.order_by("pk").select_related("category")
        loaded = list(here.prefetch_related("options", "images", "variants"))
        by_key = {product.pk: product for product in loaded}
        by_handle = {product.handle: product for product in loaded}
        found = []
        for parsed in batch:
            product = by_handle.get(parsed.handle)
            if self.match_by == MatchBy.SKU:
                product = self._by_sku(parsed, owners, by_key) or product
            one = _Found(parsed, product)
            one.matches = _match_variants(parsed.variants, one.variants, self.match_by)
            # Those that the file has rows for get their SKU from there.
            told_of = {variant.pk for variant in one.matches.values()}
            for row in parsed.variants:
                having = owners.get(row.sku, {}).keys()
                if self.match_by == MatchBy.SKU and len(having) > 1:
                    self._complain_of_sku(parsed, row, "is that of several variants here")
                elif self.match_by == MatchBy.HANDLE and having - told_of:
                    self._complain_of_sku(parsed, row, "is another variant's here")
            found.append(one)
        return found

    def _by_sku(
        self,
        parsed: ParsedProduct,
        owners: dict[str, dict[UUID, UUID]],
        by_key: dict[UUID, Product],
    ) -> Product | None:
        keys = {key for variant in parsed.variants for key in owners.get(variant.sku, {}).values()}
        if len(keys) > 1:
            titles = ", ".join(sorted(str(by_key[key]) for key in keys)[:3])
            parsed.problems.append(
                Problem(
                    parsed.rows[0][0],
                    "SKU",
                    f"The SKUs of this product belong to several here: {titles}. Put each product's "
                    "rows under a handle of its own.",
                )
            )
        return by_key[min(keys)] if keys else None

    def _refuse_incomplete(self, one: _Found) -> None:
        """What is here already keeps what a file does not name; what is new must have it."""
        parsed = one.parsed
        if parsed.is_faulty:
            return
        if one.product is None and not parsed.values.get("title"):
            sku = next((variant.sku for variant in parsed.variants if variant.sku), "")
            missing = f'No variant here has the SKU "{sku}", and a' if not parsed.handle else "A"
            parsed.problems.append(
                Problem(parsed.rows[0][0], "Title", f"{missing} new product needs a title.")
            )
        for variant in parsed.variants:
            if variant.row_number not in one.matches and "price_minor" not in variant.values:
                example = format_number(4299, self.currency)
                parsed.problems.append(
                    Problem(
                        variant.row_number,
                        "Price",
                        f"A new variant needs a price. Write it in digits, as {example}.",
                    )
                )

    def _refuse_lower_price_before(self, one: _Found) -> None:
        for wanted in one.parsed.variants:
            variant = one.matches.get(wanted.row_number)
            price = wanted.values.get("price_minor", variant.price_minor if variant else 0)
            before = wanted.values.get(
                "compare_at_minor", variant.compare_at_minor if variant else None
            )
            if before is None or before >= price:
                continue
            is_fatal = self.form.is_strict
            advice = "Write a higher one, or leave it empty." if is_fatal else "It is not shown."
            one.parsed.problems.append(
                Problem(
                    wanted.row_number,
                    "Price before" if is_fatal else "Variant Compare At Price",
                    f"The price before is lower than the price. {advice}",
                    is_fatal,
                )
            )

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

    # --- one product -----------------------------------------------------------------------

    def _plan_product(self, one: _Found, plan: _Plan) -> None:
        parsed, product = one.parsed, one.product
        is_new = product is None
        if product is None:
            product = Product(handle=parsed.handle, created_at=self.now)
            plan.new.append(product)
        values = parsed.values | self._state_values(product, parsed.state)
        if parsed.extra_names:
            values["extra"] = _laid_over(product.extra, parsed.extra, parsed.extra_names)
        if parsed.category_path:
            values["category"] = self._category(parsed.category_path)
        changes = _labelled([] if is_new else plan.change(product, values))
        if is_new:
            _set_all(product, values)
        changes += self._plan_options(parsed, product, plan, is_new=is_new)
        images = self._plan_images(parsed, product, plan, is_new=is_new)
        changes += images[1]
        changes += self._plan_variants(one, product, images[0], plan)
        kind = "created" if is_new else "updated"
        if not is_new and not changes:
            # A product whose rows stand apart, each with a SKU alone, is counted once.
            self.report.unchanged += parsed.handle != "" or self._is_first("same", str(product.pk))
            return
        if is_new or parsed.handle or self._is_first("changed", str(product.pk)):
            self.report.created += is_new
            self.report.updated += not is_new
        if not is_new:
            plan.change(product, {"updated_at": self.now})
        told = {
            "handle": product.handle,
            "title": product.title,
            "kind": kind,
            "changes": [] if is_new else changes[:CHANGES_OF_A_PRODUCT],
        }
        self.told.append(told)
        if len(self.report.changes) < FIRST_CHANGES:
            self.report.changes.append(told | {"changes": told["changes"][:FIRST_OF_A_PRODUCT]})

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
        one: _Found,
        product: Product,
        images: dict[str, ProductImage],
        plan: _Plan,
    ) -> list[list[str]]:
        changes = []
        last = max((variant.position for variant in one.variants), default=0)
        for place, wanted in enumerate(one.parsed.variants, start=1):
            variant = one.matches.get(wanted.row_number)
            values = dict(wanted.values)
            if self.form.orders_variants:
                values["position"] = place
            if wanted.options is not None:
                values |= {f"option{n}": value for n, value in enumerate(wanted.options, start=1)}
            if wanted.image_url:
                values["image_id"] = images[wanted.image_url].pk
            if one.parsed.extra_names:
                kept = variant.extra if variant is not None else {}
                values["extra"] = _laid_over(kept, wanted.extra, one.parsed.extra_names)
            if variant is None:
                last += 1
                values = {"position": last} | wanted.new_values | values
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
    wanted: list[ParsedVariant], existing: list[ProductVariant], match_by: MatchBy
) -> dict[int, ProductVariant]:
    """Which variant each row means: the one with its options, else the one with its SKU; the other
    way round where SKUs were chosen."""
    matches: dict[int, ProductVariant] = {}
    ways = (_match_by_options, _match_by_sku)
    for way in reversed(ways) if match_by == MatchBy.SKU else ways:
        taken = {variant.pk for variant in matches.values()}
        left = [row for row in wanted if row.row_number not in matches]
        matches |= way(left, [variant for variant in existing if variant.pk not in taken])
    return matches


def _match_by_options(
    wanted: list[ParsedVariant], existing: list[ProductVariant]
) -> dict[int, ProductVariant]:
    by_options = {variant.option_values: variant for variant in existing}
    if len(wanted) == len(existing) == 1 and wanted[0].options is None and not wanted[0].sku:
        return {wanted[0].row_number: existing[0]}
    return {
        row.row_number: by_options[row.options or ("", "", "")]
        for row in wanted
        if (row.options or ("", "", "")) in by_options
        and not (row.options is None and row.sku and by_options[("", "", "")].sku)
    }


def _match_by_sku(
    wanted: list[ParsedVariant], existing: list[ProductVariant]
) -> dict[int, ProductVariant]:
    by_sku = {variant.sku: variant for variant in existing if variant.sku}
    return {row.row_number: by_sku.pop(row.sku) for row in wanted if row.sku in by_sku}


def _laid_over(kept: dict[str, str], told: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    """Cells without a field of their own: what the file has columns for is the file's."""
    return {name: cell for name, cell in kept.items() if name not in names} | told


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
    made = [row for row in plan.new if isinstance(row, Product)]
    webhooks.announce_many("product.created", made)
    changed: list[models.Model] = [row for row, _ in plan.changed.get(Product, {}).values()]
    webhooks.announce_many("product.updated", changed)
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
    "low_stock_at": "Warn at",
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
