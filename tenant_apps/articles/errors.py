class ArticleError(Exception):
    """Something about an article cannot be done; the sentence says why."""


class WrongState(ArticleError):
    """The article is not where this step starts from."""


class NothingToPublish(ArticleError):
    """The article has no text."""


class DateInThePast(ArticleError):
    """A date that has to lie ahead does not."""


class SlugTaken(ArticleError):
    """Another article has this address."""


class CategoryInUse(ArticleError):
    """Other categories stand below it."""


class CategoryLoop(ArticleError):
    """A category would stand below itself."""


class EditConflict(ArticleError):
    """Somebody else saved this article in the meantime."""


class WordsUnmerged(ArticleError):
    """Marks of a merge are left in the text."""


class CommentRefused(ArticleError):
    """A comment can't be kept as it is."""


class TooManyComments(ArticleError):
    """A sender, or all of them together, have said too much lately."""


class FormTooFast(ArticleError):
    """A form was sent faster than people type."""


class FormTooOld(ArticleError):
    """A form was shown too long ago, or somewhere else."""


class SubscriptionInvalid(ArticleError):
    """A link of a letter belongs to no subscription here, or is too old."""


class TooManySubscriptions(ArticleError):
    """One network has asked letters for too many addresses."""


class SameTag(ArticleError):
    """A tag would be merged into itself."""


class TagGone(ArticleError):
    """The tag was deleted in the meantime."""


class TooManyAtOnce(ArticleError):
    """More than are decided at once."""


class PictureRefused(ArticleError):
    """A file is no picture that may be let in."""


class MoveNotReady(ArticleError):
    """A file of another system can't be taken over now."""


class SiteInvalid(ArticleError):
    """There can be no site at the address that another system's is said to have."""
