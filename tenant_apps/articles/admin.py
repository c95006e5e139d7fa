"""Articles in the workspace's admin: another door to `writing` and `publishing`."""

from typing import Any, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.decorators import action, display

from tenant_apps.activity.admin import TrailAdmin
from tenant_apps.articles import (
    commenting,
    permissions,
    publishing,
    searching,
    sorting,
    subscribing,
    writing,
)
from tenant_apps.articles.errors import ArticleError
from tenant_apps.articles.forms import ArticleAdminForm
from tenant_apps.articles.models import Article, Category, Comment, OldAddress, Subscriber, Tag
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User


class ArticleAdmin(TrailAdmin):
    """Authors find their own here, editors everybody's."""

    form = ArticleAdminForm
    verbs_keep_the_trail = True
    domain_errors = (ArticleError, NotAllowed)
    list_display = ("title", "author", "category", "shown_state", "published_at", "updated_at")
    list_filter = ("state", "visibility", "category", "author")
    list_select_related = ("author", "category")
    list_per_page = 30
    show_full_result_count = False
    search_fields = ("title", "excerpt")
    date_hierarchy = None
    autocomplete_fields = ("tags",)
    fieldsets = (
        (None, {"fields": ("title", "body", "excerpt")}),
        ("Where it is found", {"fields": ("slug", "category", "tags", "visibility")}),
        (
            "State",
            {
                "fields": (
                    *("author", "shown_state", "published_at", "published_by", "updated_at"),
                    "history_of_words",
                )
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("title", "body", "excerpt", "category", "tags", "visibility")}),
    )
    readonly_fields = (
        *("author", "shown_state", "published_at", "published_by", "updated_at"),
        "history_of_words",
    )
    actions = ("publish", "unpublish", "archive")
    actions_submit_line = ("save_and_publish",)

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State",
        ordering="state",
        label={
            "Published": "success",
            "In review": "info",
            "Scheduled": "info",
            "Archived": "warning",
        },
    )
    def shown_state(self, article: Article) -> str:
        return article.get_state_display()

    @display(description="Words")  # type: ignore[untyped-decorator]  # unfold has no types
    def history_of_words(self, article: Article) -> str:
        if article._state.adding:
            return ""
        address = reverse("articles:history", args=[article.pk])
        return format_html('<a href="{}">What they were, and who changed them</a>', address)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Article]:
        return permissions.changeable_by(request.user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Article], search_term: str
    ) -> tuple[QuerySet[Article], bool]:
        """By the same search as visitors', among what this person may change."""
        if not search_term:
            return queryset, False
        found = searching.search_articles(
            articles=permissions.changeable_by(request.user), query=search_term
        )
        return queryset.filter(pk__in=found.keys), False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_write(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Article | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_write(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Article | None = None) -> bool:
        if not isinstance(obj, Article):
            return permissions.can_write(request.user)
        return permissions.can_change(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Article | None = None) -> bool:
        if obj is None:
            return permissions.can_write(request.user)
        return permissions.can_delete(request.user, obj)

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        by = cast("User", request.user)
        own = {
            name: form.cleaned_data[name]
            for name in form.cleaned_data
            if name in writing.CHANGEABLE
        }
        tags = form.cleaned_data["tags"]
        if not change:
            begun = writing.create_article(by=by, tags=tags, **own)
            # The admin goes on with its own object: let it be the one that was kept.
            obj.__dict__.update(begun.__dict__)
            return
        article = Article.objects.select_related("author", "category").get(pk=obj.pk)
        writing.change_article(
            article=article,
            by=by,
            changes=own,
            tags=tags,
            version=form.cleaned_data["seen_version"],
        )
        obj.__dict__.update(article.__dict__)

    def delete_model(self, request: HttpRequest, obj: Article) -> None:
        writing.delete_article(article=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset,
            lambda article: writing.delete_article(article=article, by=by),
            "deleted",
        )

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        # Unfold asks without the object once more when the button was pressed; the verb knows it.
        if object_id is None:
            return permissions.can_publish_own(request.user)
        article = self.get_object(request, str(object_id))
        return article is not None and permissions.can_publish(request.user, article)

    @action(description="Save and publish", permissions=["publish"])  # type: ignore[untyped-decorator]  # unfold has no types
    def save_and_publish(self, request: HttpRequest, article: Article) -> None:
        if not article.is_published:
            publishing.publish_article(article=article, by=cast("User", request.user))
            self.message_user(request, f'"{article}" is published.', messages.SUCCESS)

    @action(description="Publish the chosen articles")  # type: ignore[untyped-decorator]  # unfold has no types
    def publish(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda a: publishing.publish_article(article=a, by=by), "published"
        )

    @action(description="Take the chosen articles back to draft")  # type: ignore[untyped-decorator]  # unfold has no types
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset,
            lambda a: publishing.unpublish_article(article=a, by=by),
            "back to draft",
        )

    @action(description="Archive the chosen articles")  # type: ignore[untyped-decorator]  # unfold has no types
    def archive(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda a: publishing.archive_article(article=a, by=by), "archived"
        )


class SortingAdmin(TrailAdmin):
    """Categories and tags, for those who may arrange them."""

    verbs_keep_the_trail = True
    domain_errors = (ArticleError,)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_arrange(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Writers look them up in the article's form.
        return permissions.can_arrange(request.user) or permissions.can_write(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_arrange(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_arrange(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_arrange(request.user)


class CategoryAdmin(SortingAdmin):
    model = Category
    list_display = ("name", "parent", "slug")
    list_select_related = ("parent",)
    search_fields = ("name",)
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("parent",)

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        sorting.place_category(category=obj, by=cast("User", request.user))

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        sorting.delete_category(category=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda c: sorting.delete_category(category=c, by=by), "deleted"
        )


class TagAdmin(SortingAdmin):
    model = Tag
    list_display = ("name", "slug")
    search_fields = ("name",)
    prepopulated_fields = {"slug": ("name",)}

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        sorting.keep_tag(tag=obj, by=cast("User", request.user))

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        sorting.delete_tag(tag=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> None:
        by = cast("User", request.user)
        self.for_each(request, queryset, lambda t: sorting.delete_tag(tag=t, by=by), "deleted")


class OldAddressAdmin(TrailAdmin):
    """Addresses that lead to where an article is now. They are made by changing a slug."""

    verbs_keep_the_trail = True
    domain_errors = (ArticleError, NotAllowed)
    list_display = ("slug", "article", "replaced_at")
    list_select_related = ("article",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("slug",)
    fields = readonly_fields = ("slug", "article", "replaced_at", "replaced_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OldAddress]:
        return OldAddress.objects.filter(
            article__in=permissions.changeable_by(request.user)
        ).select_related("article")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_write(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_write(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if isinstance(obj, OldAddress):
            return permissions.can_change(request.user, obj.article)
        return permissions.can_write(request.user)

    def delete_model(self, request: HttpRequest, obj: OldAddress) -> None:
        writing.give_up_address(address=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[OldAddress]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda a: writing.give_up_address(address=a, by=by), "given up"
        )


class CommentAdmin(TrailAdmin):
    """What readers say: read, approved, rejected and removed here; changed by nobody."""

    verbs_keep_the_trail = True
    domain_errors = (ArticleError, NotAllowed)
    list_display = ("name", "article", "shown_body", "state", "made_at")
    list_filter = ("state",)
    list_select_related = ("article",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name", "email", "body")
    fields = readonly_fields = (
        *("article", "name", "email", "body", "state", "made_at", "moderated_at"),
        "moderated_by",
    )
    actions = ("approve", "reject")

    @display(description="Comment")  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_body(self, comment: Comment) -> str:
        return Truncator(comment.body).chars(90)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_moderate(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_moderate(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_moderate(request.user)

    def delete_model(self, request: HttpRequest, obj: Comment) -> None:
        commenting.remove_comment(comment=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda c: commenting.remove_comment(comment=c, by=by), "removed"
        )

    @action(description="Show the chosen comments")  # type: ignore[untyped-decorator]  # unfold has no types
    def approve(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda c: commenting.approve_comment(comment=c, by=by), "shown"
        )

    @action(description="Reject the chosen comments")  # type: ignore[untyped-decorator]  # unfold has no types
    def reject(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request, queryset, lambda c: commenting.reject_comment(comment=c, by=by), "rejected"
        )


class SubscriberAdmin(TrailAdmin):
    """Who gets letters about new articles. They come and go by themselves."""

    verbs_keep_the_trail = True
    domain_errors = (ArticleError, NotAllowed)
    list_display = ("email", "asked_at", "confirmed_at")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("email",)
    fields = readonly_fields = ("email", "asked_at", "confirmed_at")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_manage_subscribers(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_manage_subscribers(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return permissions.can_manage_subscribers(request.user)

    def delete_model(self, request: HttpRequest, obj: Subscriber) -> None:
        subscribing.remove_subscriber(subscriber=obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset,
            lambda one: subscribing.remove_subscriber(subscriber=one, by=by),
            "removed",
        )
