"""Articles under /api/v1/: the same verbs and rules as the pages."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.articles import permissions, publishing, writing
from tenant_apps.articles.errors import ArticleError
from tenant_apps.articles.forms import MAX_BODY_CHARACTERS
from tenant_apps.articles.models import Article, Category
from tenant_apps.articles.rendering import render_markdown
from tenant_apps.users.models import User


class Conflict(APIException):
    """The request was understood, and the article is not where it could be carried out."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class NewestFirst(CursorPagination):
    # UUIDv7: the key's order is the order of making, unique and never null.
    ordering = "-id"
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "full_name"]


class ArticleSerializer(serializers.ModelSerializer[Article]):
    """An article in a list."""

    author = PersonSerializer(read_only=True)
    category: serializers.SlugRelatedField[Category] = serializers.SlugRelatedField(
        "slug", read_only=True
    )
    tags: Any = serializers.SlugRelatedField("name", many=True, read_only=True)
    path = serializers.CharField(source="get_absolute_url", read_only=True)

    class Meta:
        model = Article
        fields = [
            *("id", "title", "slug", "path", "excerpt", "author", "category", "tags"),
            *("state", "published_at", "created_at", "updated_at"),
        ]


class FullArticleSerializer(ArticleSerializer):
    """An article with its text, in Markdown and in HTML."""

    html = serializers.SerializerMethodField()

    class Meta(ArticleSerializer.Meta):
        fields = [*ArticleSerializer.Meta.fields, "body", "html", "version", "scheduled_for"]

    def get_html(self, article: Article) -> str:
        return render_markdown(article.body)


class ArticleInput(serializers.Serializer[Any]):
    """What a client may say of an article."""

    title = serializers.CharField(max_length=200)
    body = serializers.CharField(
        max_length=MAX_BODY_CHARACTERS, allow_blank=True, required=False, trim_whitespace=False
    )
    excerpt = serializers.CharField(max_length=300, allow_blank=True, required=False)
    slug = serializers.SlugField(max_length=120, allow_unicode=True, required=False)
    category: ClassVar[Any] = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=30, required=False
    )
    version = serializers.IntegerField(
        required=False,
        help_text="The version that the change starts from; refused where it is old.",
    )

    def get_fields(self) -> dict[str, Any]:
        """With this tenant's categories: a queryset on the class would belong to no tenant."""
        fields = super().get_fields()
        category: Any = fields["category"]
        category.queryset = Category.objects.all()
        return fields


class ArticleViewSet(GenericViewSet[Article]):
    """Read for all what is published; written by those whose role allows it."""

    pagination_class = NewestFirst
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Article]:
        articles = permissions.visible_to(self.request.user)
        if self.action == "list":
            return articles.for_list().prefetch_related("tags")
        return articles.for_page()

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ArticleSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(FullArticleSerializer(self.get_object()).data)

    def create(self, request: Request) -> Response:
        data = self._checked(request, partial=False)
        data.pop("version", None)
        article = self._carried_out(lambda: writing.create_article(by=self._user, **data))
        return Response(FullArticleSerializer(article).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        article = self.get_object()
        data = self._checked(request, partial=True)
        tags, version = data.pop("tags", None), data.pop("version", None)
        self._carried_out(
            lambda: writing.change_article(
                article=article, by=self._user, changes=data, tags=tags, version=version
            )
        )
        return Response(FullArticleSerializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        writing.delete_article(article=self.get_object(), by=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        return self._step(publishing.publish_article)

    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        return self._step(publishing.unpublish_article)

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        return self._step(publishing.archive_article)

    def _step(self, verb: Any) -> Response:
        article = self.get_object()
        self._carried_out(lambda: verb(article=article, by=self._user))
        return Response(FullArticleSerializer(article).data)

    def _checked(self, request: Request, *, partial: bool) -> dict[str, Any]:
        data = ArticleInput(data=request.data, partial=partial)
        data.is_valid(raise_exception=True)
        return dict(data.validated_data)

    def _carried_out(self, verb: Any) -> Any:
        try:
            return verb()
        except ArticleError as error:
            raise Conflict(str(error)) from error

    @property
    def _user(self) -> User:
        return cast("User", self.request.user)
