"""What articles are found by."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Case, When
from django.db.models.expressions import Combinable

from tenant_apps.articles.language import CONFIGURATIONS, SIMPLE
from tenant_apps.articles.models.articles import Article

WORD_LENGTH = 40


def _weighted(configuration: str) -> Combinable:
    """The title counts most, then tags and excerpt, then the text."""
    vector: Combinable = (
        SearchVector("title", config=configuration, weight="A")
        + SearchVector("labels", config=configuration, weight="B")
        + SearchVector("text", config=configuration, weight="C")
    )
    return vector


def _vector() -> Case:
    # A generated column may use immutable functions alone (PostgreSQL 5.4): to_tsvector is one
    # where its configuration is a constant, so there is a branch for each.
    return Case(
        *(
            When(configuration=name, then=_weighted(name))
            for name in sorted(set(CONFIGURATIONS.values()))
        ),
        default=_weighted(SIMPLE),
        output_field=SearchVectorField(),
    )


class SearchEntry(models.Model):
    """An article's words without the marks of Markdown, and PostgreSQL's vector over them.

    A table of its own: the text that is searched and shown with its matches is another than the one
    that is written, and a generated column would have been a rewrite of every tenant's articles.
    """

    article = models.OneToOneField(
        Article, primary_key=True, on_delete=models.CASCADE, related_name="search_entry"
    )
    configuration = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    labels = models.TextField(blank=True)
    text = models.TextField(blank=True)
    # The release of `searching` that has made it: an older one's entry is made anew.
    made_by = models.PositiveSmallIntegerField()
    vector = models.GeneratedField(
        expression=_vector(), output_field=SearchVectorField(), db_persist=True
    )

    class Meta:
        verbose_name_plural = "search entries"
        indexes = [GinIndex(fields=["vector"], name="articles_searchentry_vector")]

    def __str__(self) -> str:
        return self.title


class SearchWord(models.Model):
    """A word that an article has, or had: what a word that was typed wrong is compared with. It is
    shown to nobody: drafts have words too."""

    word = models.CharField(max_length=WORD_LENGTH)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["word"], name="articles_searchword_word")]
        indexes = [
            GinIndex(
                fields=["word"], opclasses=["gin_trgm_ops"], name="articles_searchword_trigrams"
            )
        ]

    def __str__(self) -> str:
        return self.word
