"""What a file of another system says, in one shape whatever system it was."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

PUBLISHED: Final = "published"
SCHEDULED: Final = "scheduled"
DRAFT: Final = "draft"
State = Literal["published", "scheduled", "draft"]


class FileInvalid(ValueError):
    """The file is not what it was said to be, or is broken. The sentence says where and what to do."""


@dataclass(frozen=True, slots=True)
class WriterRecord:
    """Somebody who wrote articles there. `key` is what articles name them by."""

    key: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class TermRecord:
    """A category or a tag. `parent` is the slug of the category above, empty at the root."""

    kind: Literal["category", "tag"]
    name: str
    slug: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class CommentRecord:
    """What a reader wrote. `parent_key` is empty where it answers the article."""

    key: str
    parent_key: str
    name: str
    email: str
    text: str
    written_at: datetime
    is_approved: bool


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """An article or a page.

    Args:
        key: the other system's own number or uuid: what makes a second import find it again.
        addresses: paths that it was found by there, with query, so that they can lead to it here.
        html: the text as it is shown there; `is_plain` where its paragraphs are blank lines.
        writer: a WriterRecord's key, or a name where the file lists no writers.
        image_url: of the picture above it, empty for none.
        needs_password: shown there to those who know a word.
    """

    key: str
    title: str
    slug: str
    addresses: Sequence[str]
    html: str
    excerpt: str
    writer: str
    state: State
    created_at: datetime | None
    published_at: datetime | None
    updated_at: datetime | None
    categories: Sequence[TermRecord] = ()
    tags: Sequence[TermRecord] = ()
    comments: Sequence[CommentRecord] = ()
    image_url: str = ""
    is_page: bool = False
    is_plain: bool = False
    members_only: bool = False
    needs_password: bool = False


@dataclass(frozen=True, slots=True)
class LeftOutRecord:
    """Something that is not taken over, and why."""

    what: str
    title: str
    why: str


@dataclass(slots=True)
class SourceFile:
    """All that a file says besides its articles, which come one by one.

    Args:
        attachments: pictures and files by the other system's number: their addresses.
    """

    system: str
    title: str = ""
    address: str = ""
    writers: dict[str, WriterRecord] = field(default_factory=dict)
    terms: list[TermRecord] = field(default_factory=list)
    attachments: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOutRecord] = field(default_factory=list)


def path_of(address: str) -> str:
    """The path and query of a full address, without the host; "/" for the site itself."""
    rest = address.partition("://")[2] or address
    slash = rest.find("/") if "://" in address else 0
    path = rest[slash:] if slash >= 0 else "/"
    return path.partition("#")[0] or "/"
