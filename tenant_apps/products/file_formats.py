"""Which of the formats a file is in: its header says so."""

from collections.abc import Sequence

from tenant_apps.products.errors import WrongHeader
from tenant_apps.products.models import MatchBy
from tenant_apps.products.product_rows import Columns, plain_name
from tenant_apps.products.shopify_format import SHOPIFY
from tenant_apps.products.simple_format import SIMPLE

FORMATS = {form.name: form for form in (SHOPIFY, SIMPLE)}


def read_columns(header: Sequence[str], *, match_by: MatchBy = MatchBy.HANDLE) -> Columns:
    """The columns of a file with this header. One name that Shopify alone uses makes it Shopify's.

    Raises:
        WrongHeader: columns are missing, or named twice.
    """
    names = {plain_name(name) for name in header}
    simple = {name for aliases in SIMPLE.names.values() for name in aliases}
    shopify = {name for aliases in SHOPIFY.names.values() for name in aliases} - simple
    is_simple = not names & shopify and bool(names & {"handle", "title", "name", "sku"})
    columns = Columns(header, SIMPLE if is_simple else SHOPIFY)
    if match_by == MatchBy.SKU and "sku" not in columns.index:
        raise WrongHeader(
            "Products are to be found by their SKU, and the file has no column for it. Add one, or "
            "have them found by their handle."
        )
    if match_by == MatchBy.HANDLE and not {"handle", "title"} & columns.index.keys():
        raise WrongHeader(
            'The column "Handle" is missing: products are to be found by it. Add it, or have them '
            "found by their SKU."
        )
    return columns
