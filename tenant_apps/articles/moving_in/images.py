"""Pictures of the site before, fetched and made the tenant's own. Runs in the tenant's schema.

Where they are, another system says: they are fetched by `tenant_apps.outbound`, from public hosts alone.
"""

import io
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import transaction

from tenant_apps import outbound
from tenant_apps.articles import pictures, writing
from tenant_apps.articles.errors import PictureRefused
from tenant_apps.articles.models import Article, MovedArticle, MovedPicture, Picture
from tenant_apps.articles.models.moving import PICTURE_ADDRESS_LENGTH
from tenant_apps.articles.moving_in.taking import Note
from tenant_apps.outbound import Limits, OutboundFailed, OutboundRefused
from tenant_apps.users.models import User

_SECONDS: Final = 20.0
_REDIRECTS: Final = 3
_OK: Final = 200
# A host that has failed so often is not asked again in this run: a site that is gone would take 20
# seconds for each of its pictures.
_FAILURES_OF_A_HOST: Final = 3
# `![words](address "title")`, the address bare or in angle brackets, as html_text writes it.
_SHOWN = re.compile(
    r"!\[(?P<words>(?:[^\]\\]|\\.)*)\]"
    r"\((?:<(?P<bracketed>https?://[^<>\n]*)>|(?P<bare>https?://[^\s()<>]+))"
    r"(?P<title>\s\"[^\"\n]*\")?\)"
)
_HOMELESS = re.compile(r"!\[(?:[^\]\\]|\\.)*\]\(<?(/[^/\s)>][^\s)>]*)")


@dataclass(slots=True)
class Fetcher:
    """Fetches pictures for one move.

    Args:
        allow: which addresses may be called.
        alive: called after each picture: one article may show a hundred slow ones.
    """

    by: User
    note: Note
    alive: Callable[[], None]
    allow: Callable[[outbound.Address], bool] = outbound.is_public
    _failures: "Counter[str]" = field(default_factory=Counter)
    _refused: set[str] = field(default_factory=set)

    def bring_pictures(self, moved: MovedArticle) -> int:
        """Fetch what one article shows, put it into its text and above it. Returns how many pictures.

        What can't be fetched stays where it is, with a note. Safe to repeat, and to break off.
        """
        article = moved.article
        found = {_address(match): _plain(match["words"]) for match in _SHOWN.finditer(article.body)}
        if moved.image_url and article.cover_id is None:
            found.setdefault(moved.image_url, article.title)
        here = {
            url: picture
            for url, words in found.items()
            if (picture := self._picture(url, words, title=article.title)) is not None
        }
        with transaction.atomic():
            row = Article.objects.select_for_update().get(pk=article.pk)
            if here:
                self._show(row, moved, here)
            MovedArticle.objects.filter(pk=moved.pk).update(pictures_done=True)
        return len(here)

    def _show(self, row: Article, moved: MovedArticle, here: dict[str, Picture]) -> None:
        updated_at = row.updated_at

        def local(match: "re.Match[str]") -> str:
            picture = here.get(_address(match))
            if picture is None:
                return match[0]
            return f"![{match['words']}]({picture.url}{match['title'] or ''})"

        body = _SHOWN.sub(local, row.body)
        writing.change_article(article=row, by=self.by, changes={"body": body})
        # Its words are those that were written then.
        Article.objects.filter(pk=row.pk).update(updated_at=updated_at)
        cover = here.get(moved.image_url)
        if cover is not None and row.cover_id is None:
            pictures.set_cover(article=row, picture=cover, by=self.by)

    def _picture(self, url: str, words: str, *, title: str) -> Picture | None:
        known = MovedPicture.objects.filter(url=url).select_related("picture").first()
        if known is not None:
            return known.picture if known.picture.is_ready else None
        if url in self._refused:
            return None
        try:
            content = self._content(url)
            return self._keep(url, content, words)
        except (OutboundRefused, OutboundFailed, PictureRefused, ValueError) as error:
            self._refused.add(url)
            self.note("picture", title, f"{url[:200]} stays where it is: {error}")
            return None
        finally:
            self.alive()

    def _content(self, url: str) -> bytes:
        if len(url) > PICTURE_ADDRESS_LENGTH:
            raise OutboundRefused("its address is too long.")
        host = urlsplit(url).hostname or ""
        if self._failures[host] >= _FAILURES_OF_A_HOST:
            raise OutboundFailed(f"{host} has not answered before.")
        most: int = settings.TERRACE_MAX_PICTURE_BYTES
        limits = Limits(max_bytes=most, seconds=_SECONDS, redirects=_REDIRECTS)
        try:
            answer = outbound.send(url, limits=limits, allow=self.allow)
        except outbound.AnswerTooLarge:
            raise
        except (OutboundFailed, OutboundRefused):
            self._failures[host] += 1
            raise
        if answer.status != _OK:
            raise OutboundFailed(f"the other side answered {answer.status}.")
        return answer.body

    def _keep(self, url: str, content: bytes, words: str) -> Picture:
        name = PurePosixPath(unquote(urlsplit(url).path)).name.replace("\x00", "")
        with transaction.atomic():
            picture = pictures.add_picture(
                file=io.BytesIO(content), file_name=name, alt=words, by=self.by
            )
            # Now, and not by the task: the text shows it by the address of its copy.
            pictures.make_copies(picture=picture)
            if not picture.is_ready:
                raise PictureRefused(picture.failure)
            MovedPicture.objects.create(url=url, picture=picture)
        return picture


def bring_all(fetcher: Fetcher, rows: "list[MovedArticle]", *, seconds: float) -> tuple[int, int]:
    """Of these articles, until so much time has passed: how many articles, and how many pictures."""
    until = time.monotonic() + seconds
    articles = fetched = 0
    for moved in rows:
        fetched += fetcher.bring_pictures(moved)
        articles += 1
        if time.monotonic() > until:
            break
    return articles, fetched


def count_shown(markdown: str) -> int:
    """How many pictures of other sites a text shows."""
    return len({_address(match) for match in _SHOWN.finditer(markdown)})


def count_homeless(markdown: str) -> int:
    """How many pictures a text shows by a path alone."""
    return len(set(_HOMELESS.findall(markdown)))


def _address(match: "re.Match[str]") -> str:
    address: str = match["bracketed"] or match["bare"]
    return address


def _plain(words: str) -> str:
    return re.sub(r"\\(.)", r"\1", words)
