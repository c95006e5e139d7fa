"""Reads Ghost's own export: one JSON document, the tables of its database.

https://ghost.org/docs/migration/ghost/ names the parts; posts carry HTML beside the editor's own
formats (mobiledoc, lexical), which only Ghost can render.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, Final

from tenant_apps.articles.moving_in.records import (
    DRAFT,
    PUBLISHED,
    SCHEDULED,
    ArticleRecord,
    FileInvalid,
    LeftOutRecord,
    SourceFile,
    State,
    TermRecord,
    WriterRecord,
)

# The document is read whole: Ghost writes it so that it can be, and itself reads it whole.
MAX_BYTES: Final = 200 * 1024 * 1024
_STATES: Final[dict[str, State]] = {
    "published": PUBLISHED,
    "scheduled": SCHEDULED,
    "draft": DRAFT,
    "sent": PUBLISHED,
}
_UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")
_SITE: Final = "__GHOST_URL__"


def read_ghost_file(file: IO[bytes], source: SourceFile) -> Iterator[ArticleRecord]:
    """The posts and pages of an export, in the file's order; the rest goes into `source`.

    Args:
        file: opened for bytes, at its beginning.
    Raises:
        FileInvalid: not an export of Ghost, or broken.
    """
    tables = _tables_of(file)
    for user in tables["users"]:
        source.writers[_word(user, "id")] = WriterRecord(
            key=_word(user, "id"), name=_word(user, "name"), email=_word(user, "email").lower()
        )
    for setting in tables["settings"]:
        if _word(setting, "key") == "title":
            source.title = _word(setting, "value")
    tags = {
        _word(tag, "id"): TermRecord("tag", _word(tag, "name"), _word(tag, "slug"))
        for tag in tables["tags"]
        # Names that begin with # are Ghost's internal tags: readers never see them.
        if not _word(tag, "name").startswith("#")
    }
    source.terms += tags.values()
    tags_of = _ordered(tables["posts_tags"], "post_id", "tag_id")
    writers_of = _ordered(tables["posts_authors"], "post_id", "author_id")
    images = {_word(meta, "post_id"): meta for meta in tables["posts_meta"]}
    for post in tables["posts"]:
        key = _word(post, "id")
        chosen = [tags[tag] for tag in tags_of[key] if tag in tags]
        writer = next(iter(writers_of[key]), _word(post, "author_id"))
        record = _article(post, tags=chosen, writer=writer, meta=images.get(key, {}), source=source)
        if record is not None:
            yield record


def _tables_of(file: IO[bytes]) -> defaultdict[str, list[dict[str, Any]]]:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FileInvalid(
            f"The file has more than {MAX_BYTES // 1024 // 1024} MB. Export in parts: in Ghost, "
            "members and posts can be exported apart."
        )
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileInvalid(
            f"The file is not UTF-8 (byte {error.start}). Send it as Ghost gave it."
        ) from error
    except json.JSONDecodeError as error:
        raise FileInvalid(
            f"The file is broken at line {error.lineno}, character {error.colno}. Export it again; "
            "a download that was cut short ends like this."
        ) from error
    except RecursionError as error:
        raise FileInvalid(
            "This is no export of Ghost: it is nested deeper than any. Export it again."
        ) from error
    exports = document.get("db") if isinstance(document, dict) else None
    first = exports[0] if isinstance(exports, list) and exports else document
    tables = first.get("data") if isinstance(first, dict) else None
    if not isinstance(tables, dict) or not isinstance(tables.get("posts"), list):
        raise FileInvalid(
            "This is no export of Ghost: it has no posts. In Ghost choose Settings, Import/Export, "
            "Export content, and send the .json file."
        )
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, rows in tables.items():
        if isinstance(rows, list):
            found[name] = [row for row in rows if isinstance(row, dict)]
    return found


def _article(
    post: dict[str, Any],
    *,
    tags: list[TermRecord],
    writer: str,
    meta: dict[str, Any],
    source: SourceFile,
) -> ArticleRecord | None:
    title, status = _word(post, "title"), _word(post, "status") or "draft"
    is_page = _word(post, "type") == "page" or bool(post.get("page"))
    html = _word(post, "html")
    if status not in _STATES:
        why = f"Its state “{status}” is not known."
        source.left_out.append(LeftOutRecord("post", title, why))
        return None
    if not html and (_word(post, "mobiledoc") or _word(post, "lexical")):
        why = "The file has it in the editor's own format alone. Open and save it in Ghost first."
        source.left_out.append(LeftOutRecord("post", title, why))
        return None
    slug = _word(post, "slug")
    state = _STATES[status]
    created = _moment(post, "created_at")
    return ArticleRecord(
        key=_word(post, "uuid") or _word(post, "id"),
        title=title,
        slug=slug,
        addresses=(f"/{slug}/",) if slug else (),
        html=html.replace(_SITE, ""),
        excerpt=_word(post, "custom_excerpt"),
        writer=writer,
        state=state,
        created_at=created,
        published_at=_moment(post, "published_at") if state != DRAFT else None,
        updated_at=_moment(post, "updated_at"),
        tags=tuple(tags),
        image_url=(_word(post, "feature_image") or _word(meta, "feature_image")).replace(_SITE, ""),
        is_page=is_page,
        members_only=_word(post, "visibility") not in {"", "public"},
    )


def _ordered(rows: list[dict[str, Any]], one: str, other: str) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _number(row.get("sort_order"))):
        found[_word(row, one)].append(_word(row, other))
    return found


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _word(row: dict[str, Any], name: str) -> str:
    """A text without what JSON can say and PostgreSQL can't keep: NUL and halves of a surrogate pair."""
    value = row.get(name)
    return _UNKEPT.sub("", str(value)) if value is not None else ""


def _moment(row: dict[str, Any], name: str) -> datetime | None:
    """A moment in UTC: ISO 8601 now, milliseconds since 1970 in the exports of Ghost 0.x. None where it
    is none, or outside of the years that dates have."""
    value = row.get(name)
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(str(value)) if value else None
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
    except (ValueError, OverflowError, OSError):
        return None
