"""Shopify's product CSV: which column means what, and what a product's rows say.

Known are the exports of today ("Handle", "Variant Price", …) and the newer template ("URL handle",
"Price", …): https://help.shopify.com/en/manual/products/import-export/using-csv

A product is a run of rows with one handle. The first row has what is told of the product; each row
may add a variant, a picture, or both.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_apps.products.csv_files import unguard_cell
from tenant_apps.products.descriptions import clean_description
from tenant_apps.products.errors import WrongHeader
from tenant_apps.products.models import (
    HANDLE_LENGTH,
    MAX_OPTIONS,
    RESERVED_HANDLES,
    Product,
    ProductVariant,
    State,
)
from tenant_apps.products.money import AmountInvalid, format_number, parse_amount
from tenant_apps.slugs import slug_from

Row = tuple[int, list[str]]

# Our own column in the file of faulty rows; ignored when that file comes back.
FAULT_COLUMN = "What is wrong"
MAX_ROWS_OF_A_PRODUCT = 5_000

_NAMES: dict[str, tuple[str, ...]] = {
    "handle": ("handle", "url handle"),
    "title": ("title",),
    "description": ("body (html)", "body html", "description"),
    "vendor": ("vendor",),
    "category": ("product category", "standardized product type", "standard product type"),
    "type": ("type", "custom product type", "product type"),
    "tags": ("tags",),
    "published": ("published", "published on online store"),
    "status": ("status",),
    "option1 name": ("option1 name",),
    "option1": ("option1 value",),
    "option2 name": ("option2 name",),
    "option2": ("option2 value",),
    "option3 name": ("option3 name",),
    "option3": ("option3 value",),
    "sku": ("variant sku", "sku"),
    "grams": ("variant grams", "weight value (grams)"),
    "tracker": ("variant inventory tracker", "inventory tracker"),
    "quantity": ("variant inventory qty", "inventory quantity"),
    "policy": ("variant inventory policy", "continue selling when out of stock"),
    "price": ("variant price", "price"),
    "compare at": ("variant compare at price", "compare-at price", "compare at price"),
    "cost": ("cost per item",),
    "shipping": ("variant requires shipping", "requires shipping"),
    "taxable": ("variant taxable", "charge tax"),
    "barcode": ("variant barcode", "barcode"),
    "image": ("image src", "product image url"),
    "image position": ("image position",),
    "image alt": ("image alt text",),
    "variant image": ("variant image", "variant image url"),
    "gift card": ("gift card",),
    "seo title": ("seo title",),
    "seo description": ("seo description",),
}
_FIELD_BY_NAME = {name: field for field, names in _NAMES.items() for name in names}
_REQUIRED = {"handle": "Handle", "title": "Title", "price": "Variant Price"}
# Of a variant, and of no use here: neither fields nor worth keeping as the product's.
_IGNORED = frozenset(
    {
        *(
            "variant fulfillment service",
            "fulfillment service",
            "variant weight unit",
            "variant tax code",
        ),
        *("tax code", "weight unit for display", "option1 linked to", "option2 linked to"),
        *("option3 linked to", FAULT_COLUMN.lower()),
    }
)
_VARIANT_FIELDS = ("option1", "option2", "option3", "sku", "price", "barcode")
_TRUE = frozenset({"true", "yes", "1", "y"})
_FALSE = frozenset({"false", "no", "0", "n", ""})
_WHOLE = re.compile(r"\A[+-]?\d{1,9}(?:\.0+)?\Z", re.ASCII)
_GRAMS = re.compile(r"\A\d{1,9}(?:\.\d+)?\Z", re.ASCII)
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
    """A variant as its row has it: the model's columns that the file speaks of."""

    row_number: int
    options: tuple[str, str, str]
    values: dict[str, Any]
    quantity: int | None
    image_url: str


@dataclass(slots=True)
class ParsedProduct:
    """A product as its rows have it. What the file is silent about is None or not in `values`."""

    handle: str
    rows: list[Row]
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


class Columns:
    """Where each field stands in this file. Raises WrongHeader."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = [" ".join(name.split()) for name in header]
        self.index: dict[str, int] = {}
        self.extra: dict[str, int] = {}
        twice: list[str] = []
        for index, name in enumerate(self.header):
            field_name = _FIELD_BY_NAME.get(name.lower())
            if field_name in self.index or name in self.extra:
                twice.append(name)
            elif field_name:
                self.index[field_name] = index
            elif name and name.lower() not in _IGNORED:
                self.extra[name] = index
        self._refuse_missing()
        if any("\x00" in name for name in header):
            raise WrongHeader(
                "The header holds a NUL character, which no text may have. Remove it and choose the "
                "file again."
            )
        if twice:
            raise WrongHeader(
                f"The header names {_listed(twice)} more than once. Keep one of each and choose "
                f"the file again."
            )

    def name_of(self, field_name: str) -> str:
        """The column's name as the file has it."""
        return self.header[self.index[field_name]] if field_name in self.index else field_name

    def _refuse_missing(self) -> None:
        missing = [label for name, label in _REQUIRED.items() if name not in self.index]
        if not missing:
            return
        hint = "The first row must be the header of a Shopify product export."
        if len(self.header) == 1 and (";" in self.header[0] or "\t" in self.header[0]):
            hint = (
                "The cells seem to be parted by semicolons or tabs. "
                "Save the file with commas between them."
            )
        noun = "columns" if len(missing) > 1 else "column"
        raise WrongHeader(
            f"The {noun} {_listed(missing)} {'are' if len(missing) > 1 else 'is'} missing. {hint}"
        )


def group_rows(rows: Iterable[Row], columns: Columns) -> Iterator[list[Row]]:
    """The rows of one product at a time: neighbours with the same handle."""
    at = columns.index["handle"]
    group: list[Row] = []
    current = ""
    for row in rows:
        cells = row[1]
        handle = cells[at].strip() if at < len(cells) else ""
        full = len(group) >= MAX_ROWS_OF_A_PRODUCT
        if group and (handle != current or not handle or full):
            yield group
            group = []
        current = handle
        group.append(row)
    if group:
        yield group


def parse_product(rows: list[Row], columns: Columns, *, currency: str) -> ParsedProduct:
    """What the rows of one product say, and what is wrong with them."""
    return _Parser(rows, columns, currency).parse()


class _Parser:
    def __init__(self, rows: list[Row], columns: Columns, currency: str) -> None:
        self.columns = columns
        self.currency = currency
        self.product = ParsedProduct(handle="", rows=rows)
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
            if index == 0 or any(self.text(name) for name in _VARIANT_FIELDS):
                self._parse_variant()
        self._name_options()
        return self.product

    def has(self, name: str) -> bool:
        return name in self.columns.index

    def text(self, name: str) -> str:
        index = self.columns.index.get(name)
        if index is None or index >= len(self.cells):
            return ""
        return unguard_cell(self.cells[index].strip())

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
        if not self.text("title"):
            self.complain("title", "A product's first row needs a title.")
        for name, attribute in (
            ("title", "title"),
            ("vendor", "vendor"),
            ("type", "product_type"),
            ("seo title", "seo_title"),
            ("seo description", "seo_description"),
        ):
            if self.has(name):
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
        extra = {
            name: cell
            for name, index in self.columns.extra.items()
            if index < len(self.cells) and (cell := self.cells[index].strip())
        }
        if self.columns.extra:
            product.values["extra"] = extra
        product.state = self._state()

    def _handle(self) -> str:
        text = self.text("handle")
        if not text:
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
        if status in {"draft", "archived"}:
            return State(status)
        if status not in {"", "active", "unlisted"}:
            self.complain(
                "status", f'"{status[:40]}" is none of active, draft, archived. Write one of these.'
            )
        if self.text("published"):
            return State.PUBLISHED if self._truth("published", default=True) else State.DRAFT
        if status == "unlisted":
            return State.DRAFT
        return State.PUBLISHED if status == "active" else None

    # --- pictures ------------------------------------------------------------------------------

    def _parse_image(self) -> None:
        url = self._url("image")
        if not url:
            return
        position = self._whole("image position") if self.text("image position") else None
        alt = self.text("image alt")[:512] if self.has("image alt") else None
        if all(image.url != url for image in self.product.images):
            self.product.images.append(
                ParsedImage(
                    url=url, alt=alt, position=position if position and position > 0 else None
                )
            )

    def _url(self, name: str) -> str:
        url = self.text(name)
        if not url:
            return ""
        if not url.lower().startswith(("https://", "http://")) or len(url) > _MAX_URL or " " in url:
            self.complain(
                name,
                f'"{url[:60]}" is not the address of a picture. It must begin with https:// or http://.',
            )
            return ""
        return url

    # --- variants ------------------------------------------------------------------------------

    def _parse_variant(self) -> None:
        values: dict[str, Any] = {}
        if self.text("price"):
            values["price_minor"] = self._amount("price")
        else:
            example = format_number(4299, self.currency)
            self.complain("price", f"The price is empty. Write it in digits, as {example}.")
        for name, attribute in (("compare at", "compare_at_minor"), ("cost", "cost_minor")):
            if self.has(name):
                values[attribute] = self._amount(name) if self.text(name) else None
        for name in ("sku", "barcode"):
            if self.has(name):
                # Shopify writes an apostrophe before codes, so that spreadsheets keep their zeros.
                values[name] = self._fitting(name, ProductVariant, name).removeprefix("'")
        values |= self._handling()
        variant = ParsedVariant(
            row_number=self.number,
            options=self._options(),
            values=values,
            quantity=self._quantity(),
            image_url=self._url("variant image"),
        )
        twin = next((v for v in self.product.variants if v.options == variant.options), None)
        if twin is None:
            self.product.variants.append(variant)
        else:
            self.complain(
                "option1",
                f"The row has the same options as row {twin.row_number}. Each variant of a "
                f"product differs "
                "in at least one.",
            )

    def _handling(self) -> dict[str, Any]:
        """Weight, shipping, tax, and how stock is treated."""
        values: dict[str, Any] = {}
        if self.has("grams"):
            values["weight_grams"] = self._grams()
        if self.has("tracker"):
            values["tracks_stock"] = bool(self.text("tracker"))
        if self.has("policy"):
            values["sells_when_out"] = self.text("policy").lower() in _TRUE | {"continue"}
        for name, attribute in (("shipping", "requires_shipping"), ("taxable", "is_taxable")):
            if self.text(name):
                values[attribute] = self._truth(name, default=True)
        return values

    def _options(self) -> tuple[str, str, str]:
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
            if any(variant.options[position - 1] for variant in self.product.variants)
        ]
        self.product.option_names = [
            (self.text(f"option{position} name") or f"Option {position}")[:255]
            if position in used
            else ""
            for position in range(1, MAX_OPTIONS + 1)
        ]

    def _quantity(self) -> int | None:
        if not self.text("quantity"):
            return None
        quantity = self._whole("quantity")
        if quantity is not None and quantity < 0:
            self.complain(
                "quantity", f"Stock cannot be negative: {quantity} was taken as 0.", is_fatal=False
            )
            return 0
        return quantity

    # --- cells -------------------------------------------------------------------------------

    def _amount(self, name: str) -> int:
        try:
            return parse_amount(self.text(name), currency=self.currency)
        except AmountInvalid as error:
            self.complain(name, str(error))
            return 0

    def _whole(self, name: str) -> int | None:
        text = self.text(name)
        if not _WHOLE.match(text):
            self.complain(name, f'"{text[:40]}" is not a whole number. Write it in digits, as 12.')
            return None
        return int(text.split(".")[0])

    def _grams(self) -> int:
        text = self.text("grams") or "0"
        if not _GRAMS.match(text):
            self.complain(
                "grams", f'"{text[:40]}" is not a weight in grams. Write it in digits, as 250.'
            )
            return 0
        return round(float(text))

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


def _tags(text: str) -> list[str]:
    by_key: dict[str, str] = {}
    for tag in (part.strip()[:255] for part in text.split(",")):
        if tag:
            by_key.setdefault(tag.lower(), tag)
    return list(by_key.values())


def _listed(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
