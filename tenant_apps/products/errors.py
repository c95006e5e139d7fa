class ProductError(Exception):
    """Something about a product cannot be done; the sentence says why.

    Args:
        field: the input that is at fault, where it is one; forms and API say the sentence there.
    """

    field = ""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field or self.field


class WrongState(ProductError):
    """The product is not where this step starts from."""


class NoVariant(ProductError):
    """A product without a variant has no price, so it cannot be sold."""


class HandleTaken(ProductError):
    """Another product has this handle."""

    field = "handle"


class HandleReserved(ProductError):
    """The platform has a page of its own at this handle's address."""

    field = "handle"


class PriceInvalid(ProductError):
    """A price that no product can have."""

    field = "price_minor"


class CompareAtTooLow(ProductError):
    """The price before a reduction is lower than the price."""

    field = "compare_at_minor"


class SkuTaken(ProductError):
    """Another variant has this SKU."""

    field = "sku"


class OptionsTaken(ProductError):
    """Another variant of the product has the same options."""

    field = "option1"


class TooManyOptions(ProductError):
    """More options than a product may have."""

    field = "position"


class OptionsInvalid(ProductError):
    """Names of options that cannot be."""

    field = "options"


class PictureAddressInvalid(ProductError):
    """No picture can lie at this address."""

    field = "url"


class TooManyPictures(ProductError):
    """As many pictures as a product may have."""


class StockTooLow(ProductError):
    """Fewer pieces are there than are to be taken."""

    field = "delta"


class StockInvalid(ProductError):
    """A number of pieces that cannot be."""

    field = "quantity"


class VariantGone(ProductError):
    """The variant was deleted in the meantime."""


class CategoryTaken(ProductError):
    """Another category has this place and name, or this address."""


class CategoryInUse(ProductError):
    """Other categories stand below it."""


class CategoryTooDeep(ProductError):
    """The names from the root on are longer than can be kept."""

    field = "name"


class CategoryInCircle(ProductError):
    """A category would stand below itself."""

    field = "parent"


class PercentInvalid(ProductError):
    """A change of prices that cannot be."""

    field = "percent"


class TooManyAtOnce(ProductError):
    """More products than are changed at once."""

    field = "ids"


class ReviewInvalid(ProductError):
    """Stars or words that no review can have."""

    field = "stars"


class ImportFileError(ProductError):
    """A file cannot be imported at all; the sentence says why and what to do."""


class FileTooLarge(ImportFileError):
    """More bytes than are taken."""


class FileEmpty(ImportFileError):
    """Nothing in it, or nothing but a header."""


class NotUtf8(ImportFileError):
    """Bytes that are not UTF-8."""


class WrongHeader(ImportFileError):
    """Columns are missing or named twice."""


class BrokenCsv(ImportFileError):
    """Quotation marks do not add up."""


class ImportNotReady(ProductError):
    """The import is not in a state to be applied."""


class ImportCancelled(ProductError):
    """Somebody has cancelled the import while it was worked on."""
