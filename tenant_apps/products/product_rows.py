"""Products as the rows of a file have them, whichever format the file is in.

A product is a run of rows. The first row has what is told of the product; each row may add a variant,
a picture, or both. `Format` says which column means what; `shopify_format` and `simple_format` are the
two that there are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_apps.csv_cells import unguard_cell
from tenant_apps.products.descriptions import clean_description
from tenant_apps.products.errors import WrongHeader
from tenant_apps.products.models import (
    HANDLE_LENGTH,
    MAX_OPTIONS,
    RESERVED_HANDLES,
    MatchBy,
    Product,
    ProductVariant,
    State,
)
from tenant_apps.products.money import AmountInvalid, format_number, read_amount
from tenant_apps.slugs import slug_from

Row = tuple[int, list[str]]

# Our own column in the file of faulty rows; ignored when that file comes back.
FAULT_COLUMN = "What is wrong"
MAX_ROWS_OF_A_PRODUCT = 5_000

# Of a variant, though its name does not say so.
_OF_VARIANTS = frozenset({"fulfillment service", "tax code", "weight unit for display"})
_OPTION_TOO_MANY = re.compile(r"\Aoption ?([4-9]|\d\d)( name| value)?\Z")
_VARIANT_FIELDS = ("option1", "option2", "option3", "sku", "price", "barcode")
# Spreadsheets write their own language's words.
_TRUE = frozenset({"true", "yes", "1", "y", "wahr", "vrai", "verdadero", "vero"})
_FALSE = frozenset({"false", "no", "0", "n", "", "falsch", "faux", "falso"})
_STATES = {
    "active": State.PUBLISHED,
    "published": State.PUBLISHED,
    "draft": State.DRAFT,
    "unlisted": State.DRAFT,
    "archived": State.ARCHIVED,
}
_WHOLE = re.compile(r"\A[+-]?(?:\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.0+)?\Z", re.ASCII)
_GRAMS = re.compile(r"\A\d{1,9}(?:[.,]\d+)?\Z", re.ASCII)
_MAX_URL = 2_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one row, in words for its author.

    Args:
        row_number: as a spreadsheet counts; the header is row 1.
        is_fatal: whether it keeps the product out; otherwise it is only to be known.
    """

    row_number: int
    column: str
    sentence: str
    is_fatal: bool = True


@dataclass(slots=True)
class ParsedImage:
    """A picture that a product's rows name. `position` and `alt` are None where the row is
    silent."""

    url: str
    alt: str | None
    position: int | None


@dataclass(slots=True)
class ParsedVariant:
    """A variant as its row has it: the model's columns that the file speaks of.

    Args:
        options: None where the file has no columns for them.
        new_values: what a variant gets besides where the row makes it.
        extra: cells of columns that Terrace has no field for, by their names.
    """

    row_number: int
    options: tuple[str, str, str] | None
    values: dict[str, Any]
    quantity: int | None
    image_url: str
    new_values: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def sku(self) -> str:
        sku: str = self.values.get("sku", "")
        return sku


@dataclass(slots=True)
class ParsedProduct:
    """A product as its rows have it. What the file is silent about is None or not in `values`.

    Args:
        handle: empty where the row names a variant's SKU alone.
        extra_names: all columns of the file that Terrace has no field for.
    """

    handle: str
    rows: list[Row]
    extra: dict[str, str] = field(default_factory=dict)
    extra_names: frozenset[str] = frozenset()
    values: dict[str, Any] = field(default_factory=dict)
    state: State | None = None
    category_path: str | None = None
    option_names: list[str] = field(default_factory=list)
    variants: list[ParsedVariant] = field(default_factory=list)
    images: list[ParsedImage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_faulty(self) -> bool:
        return any(problem.is_fatal for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Format:
    """Which column of a file means what.

    Args:
        names: what the parser asks for → how files call it, the best name first.
        required: the columns without which nothing can be read → how to call them in a sentence.
        is_strict: whether a doubtful cell keeps the product out. A file that another system wrote is
            taken as it is where that loses nothing, with a note.
        orders_variants: whether the rows' order is the variants' order.
    """

    name: str
    label: str
    names: Mapping[str, tuple[str, ...]]
    required: Mapping[str, str]
    is_strict: bool
    orders_variants: bool

    def field_of(self, name: str) -> tuple[str, int] | None:
        """What a column of this name holds, and how good a name it is (0 is the best)."""
        for known, names in self.names.items():
            if name in names:
                return known, names.index(name)
        return None


def plain_name(name: str) -> str:
    """A column's name as it is compared: capitals, underscores and spaces make no difference."""
    return " ".join(name.replace("_", " ").lower().split())


class Columns:
    """Where each field stands in this file. Raises WrongHeader."""

    def __init__(self, header: Sequence[str], form: Format) -> None:
        self.form = form
        self.header = [" ".join(name.split()) for name in header]
        self.index: dict[str, int] = {}
        self.extra: dict[str, int] = {}
        self.variant_extra: dict[str, int] = {}
        rank: dict[str, int] = {}
        twice: list[str] = []
        for index, name in enumerate(self.header):
            plain = plain_name(name)
            known = form.field_of(plain)
            if _OPTION_TOO_MANY.match(plain):
                raise WrongHeader(
                    f'The header names "{name}", and a product has {MAX_OPTIONS} options at most. '
                    "Take the column out and choose the file again."
                )
            if known is None:
                self._keep_extra(name, plain, index)
            elif known[0] not in self.index:
                self.index[known[0]], rank[known[0]] = index, known[1]
            elif rank[known[0]] == known[1]:
                twice.append(name)
            else:  # an older and a newer name for the same thing: the better one holds
                worse = index
                if known[1] < rank[known[0]]:
                    worse, self.index[known[0]] = self.index[known[0]], index
                    rank[known[0]] = known[1]
                self._keep_extra(self.header[worse], plain_name(self.header[worse]), worse)
        self._refuse(twice)

    def name_of(self, field_name: str) -> str:
        """The column's name as the file has it."""
        return self.header[self.index[field_name]] if field_name in self.index else field_name

    def cell(self, field_name: str, cells: Sequence[str]) -> str:
        """What a row has in this field, or nothing."""
        index = self.index.get(field_name)
        if index is None or index >= len(cells):
            return ""
        return unguard_cell(cells[index].strip())

    def _keep_extra(self, name: str, plain: str, index: int) -> None:
        if not plain or plain == plain_name(FAULT_COLUMN):
            return
        of_variant = plain.startswith("variant ") or plain in _OF_VARIANTS
        kept = self.variant_extra if of_variant else self.extra
        free, number = name, 2
        while free in kept:
            free = f"{name} ({number})"
            number += 1
        kept[free] = index

    def _refuse(self, twice: Sequence[str]) -> None:
        missing = [label for name, label in self.form.required.items() if name not in self.index]
        if missing:
            noun = "columns" if len(missing) > 1 else "column"
            raise WrongHeader(
                f"The {noun} {_listed(missing)} {'are' if len(missing) > 1 else 'is'} missing. The "
                "first row must be the header of a Shopify product export, or of Terrace's own format."
            )
        if any("\x00" in name for name in self.header):
            raise WrongHeader(
                "The header holds a NUL character, which no text may have. Remove it and choose the "
                "file again."
            )
        if twice:
            raise WrongHeader(
                f"The header names {_listed(twice)} more than once. Keep one of each and choose "
                f"the file again."
            )


def group_rows(rows: Iterable[Row], columns: Columns) -> Iterator[list[Row]]:
    """The rows of one product at a time: neighbours with the same handle, or else the same title.

    In a Shopify export a row with neither goes on with the product above it. In Terrace's own format it
    stands for itself: its SKU says what it means.
    """
    group: list[Row] = []
    current = ""
    for row in rows:
        key = _key_of(row[1], columns, current)
        full = len(group) >= MAX_ROWS_OF_A_PRODUCT
        if group and (key != current or not key or full):
            yield group
            group = []
        current = key
        group.append(row)
    if group:
        yield group


def _key_of(cells: Sequence[str], columns: Columns, current: str) -> str:
    handle = columns.cell("handle", cells)
    if handle:
        return f"handle:{handle}"
    title = columns.cell("title", cells)
    if title:
        return f"title:{title}"
    return "" if columns.form.is_strict else current


def parse_product(
    rows: list[Row],
    columns: Columns,
    *,
    currency: str,
    match_by: MatchBy = MatchBy.HANDLE,
) -> ParsedProduct:
    """What the rows of one product say, and what is wrong with them."""
    return _Parser(rows, columns, currency, match_by).parse()


class _Parser:
    def __init__(self, rows: list[Row], columns: Columns, currency: str, match_by: MatchBy) -> None:
        self.columns = columns
        self.currency = currency
        self.match_by = match_by
        self.is_strict = columns.form.is_strict
        self.product = ParsedProduct(
            handle="",
            rows=rows,
            extra_names=frozenset({*columns.extra, *columns.variant_extra}),
        )
        self.number = 0
        self.cells: list[str] = []

    def parse(self) -> ParsedProduct:
        for index, (number, cells) in enumerate(self.product.rows):
            self.number, self.cells = number, cells
            if not self._check_shape():
                continue
            if index == 0:
                self._parse_product()
            self._parse_image()
            if index == 0 or self.is_strict or any(self.text(name) for name in _VARIANT_FIELDS):
                self._parse_variant(is_first=index == 0)
        self._name_options()
        return self.product

    def has(self, name: str) -> bool:
        return name in self.columns.index

    def text(self, name: str) -> str:
        return self.columns.cell(name, self.cells)

    def complain(self, name: str, sentence: str, *, is_fatal: bool = True) -> None:
        column = self.columns.name_of(name) if name else ""
        self.product.problems.append(Problem(self.number, column, sentence, is_fatal))

    def _check_shape(self) -> bool:
        if len(self.cells) > len(self.columns.header) and any(
            self.cells[len(self.columns.header) :]
        ):
            self.complain(
                "",
                f"The row has {len(self.cells)} cells and the header {len(self.columns.header)}. "
                "A cell with a comma in it probably lacks its quotation marks.",
            )
            return False
        if any("\x00" in cell for cell in self.cells):
            self.complain("", "The row holds a NUL character, which no text may have. Remove it.")
            return False
        return True

    # --- the product, from its first row ---------------------------------------------------

    def _parse_product(self) -> None:
        product = self.product
        product.handle = self._handle()
        if not self.text("title") and (self.has("title") and not self.is_strict):
            self.complain("title", "A product's first row needs a title.")
        for name, attribute in (
            ("title", "title"),
            ("vendor", "vendor"),
            ("type", "product_type"),
            ("seo title", "seo_title"),
            ("seo description", "seo_description"),
        ):
            if self.has(name) and (name != "title" or self.text(name)):
                product.values[attribute] = self._fitting(name, Product, attribute)
        if self.has("description"):
            product.values["description_html"] = clean_description(self.text("description"))
        if self.has("tags"):
            product.values["tags"] = _tags(self.text("tags"))
        if self.has("gift card"):
            product.values["is_gift_card"] = self._truth("gift card", default=False)
        if self.text("category"):
            product.category_path = " > ".join(
                part for part in (part.strip() for part in self.text("category").split(">")) if part
            )[:500]
        product.extra = self._extra(self.columns.extra)
        product.state = self._state()

    def _extra(self, names: Mapping[str, int]) -> dict[str, str]:
        return {
            name: unguard_cell(cell)
            for name, index in names.items()
            if index < len(self.cells) and (cell := self.cells[index].strip())
        }

    def _handle(self) -> str:
        text = self.text("handle") or self.text("title")
        if not text:
            if self.match_by != MatchBy.SKU or not self.text("sku"):
                self.complain(
                    "handle", "The handle is empty. It says which product the row belongs to."
                )
            return ""
        handle = slug_from(text, max_length=HANDLE_LENGTH)
        if not handle:
            self.complain(
                "handle",
                f'"{text[:40]}" has neither letters nor digits. Give the product a handle.',
            )
        elif handle in RESERVED_HANDLES:
            self.complain(
                "handle", f'"{handle}" is the address of another page. Choose another handle.'
            )
        return handle

    def _state(self) -> State | None:
        status = self.text("status").lower()
        if status and status not in _STATES:
            words = "draft, published, archived" if self.is_strict else "active, draft, archived"
            self.complain("status", f'"{status[:40]}" is none of {words}. Write one of these.')
        state = _STATES.get(status)
        if state in {None, State.PUBLISHED} and self.text("published"):
            return State.PUBLISHED if self._truth("published", default=True) else State.DRAFT
        return state

    # --- pictures ------------------------------------------------------------------------------

    def _parse_image(self) -> None:
        if self.has("images"):
            self._parse_images()
        url = self._url("image", self.text("image"))
        if not url:
            return
        position = self._whole("image position") if self.text("image position") else None
        alt = self.text("image alt")[:512] if self.has("image alt") else None
        self._add_image(url, alt, position if position and position > 0 else None)

    def _parse_images(self) -> None:
        """One picture a line: its address and, after a space, what it shows."""
        for line in self.text("images").splitlines():
            address, _, alt = line.strip().partition(" ")
            url = self._url("images", address)
            if url:
                self._add_image(url, alt.strip()[:512], len(self.product.images) + 1)

    def _add_image(self, url: str, alt: str | None, position: int | None) -> None:
        if all(image.url != url for image in self.product.images):
            self.product.images.append(ParsedImage(url=url, alt=alt, position=position))

    def _url(self, name: str, text: str) -> str:
        if not text:
            return ""
        # As web pages write it: whichever of http and https the page has.
        url = f"https:{text}" if text.startswith("//") else text
        url = url.replace(" ", "%20")
        begins = ("https://", "http://", "/") if self.is_strict else ("https://", "http://")
        if url.lower().startswith(begins) and len(url) <= _MAX_URL:
            return url
        left_out = "" if self.is_strict else " It was left out."
        self.complain(
            name,
            f'"{text[:60]}" is not the address of a picture. It must begin with https:// or http://.'
            f"{left_out}",
            is_fatal=self.is_strict,
        )
        return ""

    # --- variants ------------------------------------------------------------------------------

    def _parse_variant(self, *, is_first: bool) -> None:
        variant = ParsedVariant(
            row_number=self.number,
            options=self._options(),
            values=self._prices(),
            quantity=None,
            image_url=self._url("variant image", self.text("variant image")),
            extra=self._extra(self.columns.variant_extra),
        )
        for name in ("sku", "barcode"):
            if self.has(name):
                variant.values[name] = self._code(name)
        variant.values |= self._handling()
        variant.quantity = self._quantity(variant)
        if self.is_strict and variant.quantity is not None:
            variant.new_values["tracks_stock"] = True
        if not is_first:
            variant.extra |= self._extra(self.columns.extra)
        twin = next((v for v in self.product.variants if _are_twins(v, variant)), None)
        if twin is None:
            self.product.variants.append(variant)
        else:
            self.complain(
                "option1",
                f"The row has the same options as row {twin.row_number}. Each variant of a "
                f"product differs "
                "in at least one.",
            )

    def _prices(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.text("price"):
            values["price_minor"] = self._amount("price")
        elif not self.is_strict:
            example = format_number(4299, self.currency)
            self.complain("price", f"The price is empty. Write it in digits, as {example}.")
        for name, attribute in (("compare at", "compare_at_minor"), ("cost", "cost_minor")):
            if self.has(name):
                values[attribute] = self._amount(name) if self.text(name) else None
        # Shopify's way to say that there is none.
        if not self.is_strict and values.get("compare_at_minor") == 0:
            values["compare_at_minor"] = None
        return values

    def _code(self, name: str) -> str:
        code = self._fitting(name, ProductVariant, name)
        # Shopify writes an apostrophe before codes, so that spreadsheets keep their zeros.
        return code[1:] if code.startswith("'") and code[1:2].isdigit() else code

    def _handling(self) -> dict[str, Any]:
        """Weight, shipping, tax, and how stock is treated."""
        values: dict[str, Any] = {}
        if self.has("grams"):
            values["weight_grams"] = self._grams()
        if self.has("tracker"):
            values["tracks_stock"] = bool(self.text("tracker"))
        if self.text("counted"):
            values["tracks_stock"] = self._truth("counted", default=False)
        if self.has("policy"):
            values["sells_when_out"] = self.text("policy").lower() in _TRUE | {"continue"}
        if self.has("warn at"):
            warn_at = self._whole("warn at") if self.text("warn at") else None
            values["low_stock_at"] = None if warn_at is None else max(0, warn_at)
        for name, attribute in (("shipping", "requires_shipping"), ("taxable", "is_taxable")):
            if self.text(name):
                values[attribute] = self._truth(name, default=True)
        return values

    def _options(self) -> tuple[str, str, str] | None:
        if not any(self.has(f"option{n}") for n in (1, 2, 3)):
            return None
        values = tuple(self._fitting(f"option{n}", ProductVariant, f"option{n}") for n in (1, 2, 3))
        # Shopify's way to say that a product comes in one form only.
        return ("", "", "") if values == ("Default Title", "", "") else values  # type: ignore[return-value]  # three, as range(1, 4)

    def _name_options(self) -> None:
        if not self.product.rows:
            return
        self.number, self.cells = self.product.rows[0]
        used = [
            position
            for position in range(1, MAX_OPTIONS + 1)
            if any(
                variant.options and variant.options[position - 1]
                for variant in self.product.variants
            )
        ]
        self.product.option_names = [
            (self.text(f"option{position} name") or f"Option {position}")[:255]
            if position in used
            else ""
            for position in range(1, MAX_OPTIONS + 1)
        ]

    def _quantity(self, variant: ParsedVariant) -> int | None:
        if not self.text("quantity"):
            return None
        quantity = self._whole("quantity")
        if quantity is None or quantity >= 0 or variant.values.get("sells_when_out"):
            return quantity
        if self.is_strict:
            self.complain("quantity", "Stock cannot be negative. Write 0 or more.")
        else:
            self.complain(
                "quantity", f"Stock cannot be negative: {quantity} was taken as 0.", is_fatal=False
            )
        return 0

    # --- cells -------------------------------------------------------------------------------

    def _amount(self, name: str) -> int:
        try:
            minor, note = read_amount(self.text(name), currency=self.currency)
        except AmountInvalid as error:
            self.complain(name, str(error))
            return 0
        if note:
            self.complain(name, note, is_fatal=False)
        return minor

    def _whole(self, name: str) -> int | None:
        text = self.text(name)
        if not _WHOLE.match(text):
            self.complain(name, f'"{text[:40]}" is not a whole number. Write it in digits, as 12.')
            return None
        return int(text.split(".")[0].replace(",", ""))

    def _grams(self) -> int:
        text = self.text("grams") or "0"
        if not _GRAMS.match(text):
            self.complain(
                "grams", f'"{text[:40]}" is not a weight in grams. Write it in digits, as 250.'
            )
            return 0
        return round(float(text.replace(",", ".")))

    def _truth(self, name: str, *, default: bool) -> bool:
        text = self.text(name).lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        self.complain(name, f'"{text[:40]}" is neither true nor false. Write one of these.')
        return default

    def _fitting(self, name: str, model: type[Product | ProductVariant], attribute: str) -> str:
        text = self.text(name)
        limit = getattr(model._meta.get_field(attribute), "max_length", None)
        if limit is not None and len(text) > limit:
            self.complain(
                name,
                f"The cell has {len(text):,} characters; {limit} is the most that fits. Shorten it.",
            )
            return text[:limit]
        return text


def _are_twins(one: ParsedVariant, other: ParsedVariant) -> bool:
    """Whether two rows of a product mean the same variant; where options are not told, the SKU says."""
    if one.options is None:
        return other.sku == one.sku
    return one.options == other.options


def _tags(text: str) -> list[str]:
    by_key: dict[str, str] = {}
    for tag in (part.strip()[:255] for part in text.split(",")):
        if tag:
            by_key.setdefault(tag.lower(), tag)
    return list(by_key.values())


def _listed(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
