"""Finding articles by their words: full text in the workspace's language, and what is close where
nothing fits. Each verb runs in the tenant's schema."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.search import (
    SearchHeadline,
    SearchQuery,
    SearchRank,
    TrigramSimilarity,
)
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Left
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from tenant_apps.articles.language import configuration_of, current_language
from tenant_apps.articles.models import Article, ArticleQuerySet, SearchEntry, SearchWord
from tenant_apps.articles.models.searching import WORD_LENGTH
from tenant_apps.articles.rendering import make_excerpt, plain_text

# Count it up where entries are made another way: all are made anew, by the hourly task.
MADE_BY: Final = 1
# So many matches are put in order, the newest ones. What fits more articles than that is too common a
# word for an order to mean anything. Of 100,000 articles, to put 50,000 in order would take half a
# second; of a word that 3,000 have, to find the newest 300 took 35 ms, the newest 100 take 20.
MAX_RANKED: Final = 100
MAX_QUERY_CHARACTERS: Final = 200
# A tsvector holds 1 MB (PostgreSQL 12.11); words beyond this are not found.
MAX_TEXT_CHARACTERS: Final = 100_000
# Extracts are looked for in the beginning of a text: ts_headline reads all that it is given.
_EXTRACT_CHARACTERS: Final = 20_000
_MAX_WORDS_MENDED: Final = 6
_WORDS_TRIED: Final = 3
_BATCH: Final = 200
_WORD = re.compile(r"[^\W_]{3,}")
# Marks that stand in no text (plain_text takes them out): turned to <mark> once the rest is escaped.
_START, _STOP = "\x02", "\x03"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Found:
    """The keys of what was found, the best first. `is_close` says that nothing fitted what was asked,
    and these have words that are spelt alike."""

    keys: list[UUID]
    is_close: bool
    query: Any = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An article that was found: its title and an extract, with the words that fit in <mark>."""

    article: Article
    title: SafeString
    extract: SafeString


def search_articles(*, articles: ArticleQuerySet, query: str) -> Found:
    """Find articles by their words.

    Words are found in each of their forms; "words in quotes" stand side by side, `or` and `-without`
    mean what they do in search engines (websearch_to_tsquery, PostgreSQL 12.3.2). Where nothing fits,
    words that are spelt alike (pg_trgm) are tried in their place.

    Args:
        articles: those that the person who asks may see. Nothing of others is in the answer, nor what
            words they have.
        query: as typed; what is longer than MAX_QUERY_CHARACTERS is cut.
    Returns:
        At most MAX_RANKED keys.
    """
    words = tidy_query(query)
    if not words:
        return Found([], is_close=False)
    configuration = configuration_of(current_language())
    asked: Any = SearchQuery(words, config=configuration, search_type="websearch")
    keys = _ranked(articles, asked)
    if keys:
        return Found(keys, is_close=False, query=asked)
    close = _spelt_alike(words, configuration)
    if close is None:
        return Found([], is_close=False)
    keys = _ranked(articles, close)
    return Found(keys, is_close=bool(keys), query=close)


def load_hits(found: Found, keys: Sequence[UUID]) -> list[Hit]:
    """The articles of one page of what was found, in its order. Two queries."""
    if not keys:
        return []
    configuration = configuration_of(current_language())
    marks: dict[str, Any] = {
        "config": configuration,
        "start_sel": _START,
        "stop_sel": _STOP,
    }
    entries = {
        entry["article_id"]: entry
        for entry in SearchEntry.objects.filter(article__in=keys).values(
            "article_id",
            marked_title=SearchHeadline("title", found.query, highlight_all=True, **marks),
            extract=SearchHeadline(
                Left("text", _EXTRACT_CHARACTERS),
                found.query,
                max_fragments=2,
                max_words=24,
                min_words=12,
                fragment_delimiter=" … ",
                **marks,
            ),
        )
    }
    articles = Article.objects.for_list().prefetch_related("tags").in_bulk(list(keys))
    return [
        Hit(
            article=articles[key],
            title=_marked(entries[key]["marked_title"]),
            extract=_marked(entries[key]["extract"]),
        )
        for key in keys
        if key in articles and key in entries
    ]


def tidy_query(query: str) -> str:
    """What was typed, without what no word has, and not too long."""
    return " ".join(_CONTROL.sub(" ", query).split())[:MAX_QUERY_CHARACTERS]


def index_article(*, article: Article) -> None:
    """Make the article's words findable, in the caller's transaction. Safe to repeat."""
    _index([article], configuration_of(current_language()))


def request_refresh(*, articles: QuerySet[Article]) -> None:
    """Have these articles' entries made anew by a task once this transaction is committed; until then
    they are found as before. One statement, however many they are. Safe to repeat."""
    from tenant_apps.articles.tasks import refresh_search

    if SearchEntry.objects.filter(article__in=articles.order_by().values("pk")).update(made_by=0):
        refresh_search.delay_on_commit()


def refresh_index() -> int:
    """Make the entries anew that are missing, that another release has made, or that are in another
    language than the workspace is now. Returns how many. Safe to repeat, and to break off."""
    configuration = configuration_of(current_language())
    stale = Article.objects.filter(
        Q(search_entry=None)
        | ~Q(search_entry__configuration=configuration)
        | Q(search_entry__made_by__lt=MADE_BY)
    )
    done = 0
    while True:
        with transaction.atomic():
            batch = list(
                stale.select_for_update(of=("self",), skip_locked=True)
                .order_by("id")
                .prefetch_related("tags")[:_BATCH]
            )
            _index(batch, configuration)
            # Made with the entry since this release; older articles get theirs here.
            for article in batch:
                article.made_excerpt = make_excerpt(article.body)
            Article.objects.bulk_update(batch, ["made_excerpt"])
        done += len(batch)
        if len(batch) < _BATCH:
            return done


def _index(articles: Sequence[Article], configuration: str) -> None:
    entries = [_entry_of(article, configuration) for article in articles]
    SearchEntry.objects.bulk_create(
        entries,
        update_conflicts=True,
        unique_fields=["article"],
        update_fields=["configuration", "title", "labels", "text", "made_by"],
    )
    words = {
        word
        for entry in entries
        for text in (entry.title, entry.labels, entry.text)
        for word in _WORD.findall(text.lower())
        if len(word) <= WORD_LENGTH
    }
    # In order: two that save the same new words at once would wait for each other for ever.
    SearchWord.objects.bulk_create(
        [SearchWord(word=word) for word in sorted(words)], ignore_conflicts=True, batch_size=1000
    )


def _entry_of(article: Article, configuration: str) -> SearchEntry:
    labels = " ".join([*(tag.name for tag in article.tags.all()), article.excerpt])
    return SearchEntry(
        article=article,
        configuration=configuration,
        title=_CONTROL.sub(" ", article.title),
        labels=_CONTROL.sub(" ", labels),
        text=_CONTROL.sub(" ", plain_text(article.body))[:MAX_TEXT_CHARACTERS],
        made_by=MADE_BY,
    )


def _ranked(articles: ArticleQuerySet, query: Any) -> list[UUID]:
    newest = (
        articles.filter(search_entry__vector=query)
        .order_by("-published_at", "-id")
        .values("pk")[:MAX_RANKED]
    )
    rank = SearchRank(F("vector"), query, normalization=1)
    entries = SearchEntry.objects.filter(article__in=newest).annotate(rank=rank)
    ordered = entries.order_by("-rank", "-article__published_at", "-article_id")
    return list(ordered.values_list("article_id", flat=True))


def _spelt_alike(words: str, configuration: str) -> Any:
    """A query of each word or one that is spelt like it; None where there is nothing to try."""
    query: Any = None
    for word in list(dict.fromkeys(_WORD.findall(words.lower())))[:_MAX_WORDS_MENDED]:
        alike = (
            SearchWord.objects.filter(word__trigram_similar=word)
            .annotate(likeness=TrigramSimilarity("word", word))
            .order_by("-likeness", "word")
            .values_list("word", flat=True)[:_WORDS_TRIED]
        )
        either: Any = SearchQuery(word, config=configuration)
        for other in alike:
            either = either | SearchQuery(other, config=configuration)
        query = either if query is None else query & either
    return query


def _marked(text: str) -> SafeString:
    html = escape(text).replace(_START, "<mark>").replace(_STOP, "</mark>")
    return mark_safe(html)  # noqa: S308 (escaped in the line before)
