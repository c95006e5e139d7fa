class ProductError(Exception):
    """Something about a product cannot be done; the sentence says why."""


class WrongState(ProductError):
    """The product is not where this step starts from."""


class NoVariant(ProductError):
    """A product without a variant has no price, so it cannot be sold."""


class HandleTaken(ProductError):
    """Another product has this handle."""


class HandleReserved(ProductError):
    """The platform has a page of its own at this handle's address."""


class CategoryTaken(ProductError):
    """Another category has this place and name, or this address."""


class CategoryInUse(ProductError):
    """Other categories stand below it."""


class CategoryTooDeep(ProductError):
    """The names from the root on are longer than can be kept."""


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
