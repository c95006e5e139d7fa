"""What lists of articles, comments and the like can be narrowed down by."""

from django_filters.rest_framework import (
    CharFilter,
    ChoiceFilter,
    FilterSet,
    UUIDFilter,
)

from tenant_apps.api.errors import WrongParameter
from tenant_apps.api.filters import MomentFilter, YesNoFilter
from tenant_apps.articles import searching, selectors
from tenant_apps.articles.models import (
    ArticleQuerySet,
    Category,
    CommentState,
    OldAddress,
    State,
    Tag,
    Visibility,
)
from tenant_apps.articles.models.subscribers import SubscriberQuerySet


class ArticleFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    search = CharFilter(method="with_words", label="Words, in each of their forms; newest first.")
    state = ChoiceFilter(choices=State.choices)
    visibility = ChoiceFilter(choices=Visibility.choices)
    category = CharFilter(
        method="in_category", label="The slug of a category; those below it belong to it."
    )
    tag = CharFilter(method="with_tag", label="The slug of a tag.")
    author = UUIDFilter(field_name="author_id", label="The id of a person.")
    published_from = MomentFilter(field_name="published_at", lookup_expr="gte")
    published_to = MomentFilter(field_name="published_at", lookup_expr="lte")
    updated_from = MomentFilter(field_name="updated_at", lookup_expr="gte")
    updated_to = MomentFilter(field_name="updated_at", lookup_expr="lte")

    def with_words(self, articles: ArticleQuerySet, name: str, words: str) -> ArticleQuerySet:
        found = searching.search_articles(articles=articles, query=words)
        return articles.filter(pk__in=found.keys)

    def in_category(self, articles: ArticleQuerySet, name: str, slug: str) -> ArticleQuerySet:
        category = Category.objects.filter(slug=slug).first()
        if category is None:
            raise WrongParameter(name, f'There is no category "{slug[:40]}".')
        return articles.filter(category__in=selectors.with_descendants(category))

    def with_tag(self, articles: ArticleQuerySet, name: str, slug: str) -> ArticleQuerySet:
        tag = Tag.objects.filter(slug=slug).first()
        if tag is None:
            raise WrongParameter(name, f'There is no tag "{slug[:40]}".')
        return articles.filter(tags=tag)


class CommentFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    state = ChoiceFilter(choices=CommentState.choices, label="Those that wait, unless it is said.")
    article = UUIDFilter(field_name="article_id", label="The id of an article.")


class OldAddressFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    article = UUIDFilter(field_name="article_id", label="The id of an article.")

    class Meta:
        model = OldAddress
        fields = ["slug", "article"]


class SubscriberFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    confirmed = YesNoFilter(method="who_confirmed", label="Whether they get letters.")

    def who_confirmed(
        self,
        subscribers: SubscriberQuerySet,
        name: str,
        confirmed: bool,  # noqa: FBT001 (django-filter's signature)
    ) -> SubscriberQuerySet:
        return subscribers.filter(confirmed_at__isnull=not confirmed)
