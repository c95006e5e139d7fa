"""What a tenant keeps of articles, a room of its own for each thing."""

from tenant_apps.articles.models.addresses import OldAddress
from tenant_apps.articles.models.articles import (
    RESERVED_SLUGS,
    SLUG_LENGTH,
    Article,
    ArticleQuerySet,
    Category,
    State,
    Tag,
    Visibility,
)
from tenant_apps.articles.models.comments import Comment, CommentState
from tenant_apps.articles.models.counts import DailyViews, PopularArticle, ViewBatch
from tenant_apps.articles.models.moving import (
    LeftOut,
    Move,
    MovedAddress,
    MovedArticle,
    MovedPicture,
    MoveState,
    System,
)
from tenant_apps.articles.models.pictures import Picture, PictureState
from tenant_apps.articles.models.revisions import WORDS, KeptWords, Revision
from tenant_apps.articles.models.searching import SearchEntry, SearchWord
from tenant_apps.articles.models.subscribers import Announcement, Delivery, Subscriber

__all__ = [
    "RESERVED_SLUGS",
    "SLUG_LENGTH",
    "WORDS",
    "Announcement",
    "Article",
    "ArticleQuerySet",
    "Category",
    "Comment",
    "CommentState",
    "DailyViews",
    "Delivery",
    "KeptWords",
    "LeftOut",
    "Move",
    "MoveState",
    "MovedAddress",
    "MovedArticle",
    "MovedPicture",
    "OldAddress",
    "Picture",
    "PictureState",
    "PopularArticle",
    "Revision",
    "SearchEntry",
    "SearchWord",
    "State",
    "Subscriber",
    "System",
    "Tag",
    "ViewBatch",
    "Visibility",
]
