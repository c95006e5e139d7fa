"""Articles under /api/v1/: the same verbs and rules as the pages."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, Throttled
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from shared_apps.tenants.visitors import network_of
from tenant_apps.articles import (
    commenting,
    permissions,
    pictures,
    publishing,
    revising,
    searching,
    sorting,
    writing,
)
from tenant_apps.articles.errors import (
    ArticleError,
    CategoryLoop,
    DateInThePast,
    PictureRefused,
    SlugTaken,
    TooManyComments,
)
from tenant_apps.articles.forms import MAX_BODY_CHARACTERS
from tenant_apps.articles.models import (
    Article,
    Category,
    Comment,
    CommentState,
    Picture,
    Revision,
    Visibility,
)
from tenant_apps.articles.models.comments import COMMENT_LENGTH
from tenant_apps.articles.rendering import render_markdown
from tenant_apps.slugs import slug_from
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


class Numbered(PageNumberPagination):
    """For what has an order of its own: pages by number."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class OldestFirst(NewestFirst):
    ordering = "id"


class NewestRevisionFirst(NewestFirst):
    ordering = "-number"


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "full_name"]


class PictureSerializer(serializers.ModelSerializer[Picture]):
    """A picture, once its copies are made."""

    url = serializers.SerializerMethodField()
    srcset = serializers.SerializerMethodField()
    markdown = serializers.SerializerMethodField()

    class Meta:
        model = Picture
        fields = [
            *("id", "state", "failure", "alt", "width", "height", "url", "srcset", "markdown"),
        ]

    def get_url(self, picture: Picture) -> str | None:
        return picture.url if picture.is_ready else None

    def get_srcset(self, picture: Picture) -> str | None:
        return picture.srcset if picture.is_ready else None

    def get_markdown(self, picture: Picture) -> str | None:
        return picture.markdown if picture.is_ready else None


class PictureInput(serializers.Serializer[Any]):
    """A picture, and what it shows."""

    file = serializers.FileField()
    alt = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class ArticleSerializer(serializers.ModelSerializer[Article]):
    """An article in a list."""

    author = PersonSerializer(read_only=True)
    category: serializers.SlugRelatedField[Category] = serializers.SlugRelatedField(
        "slug", read_only=True
    )
    cover = PictureSerializer(read_only=True)
    tags: Any = serializers.SlugRelatedField("name", many=True, read_only=True)
    path = serializers.CharField(source="get_absolute_url", read_only=True)
    summary = serializers.CharField(
        read_only=True, help_text="The excerpt, or the first words where nobody has written one."
    )

    class Meta:
        model = Article
        fields = [
            *("id", "title", "slug", "path", "excerpt", "summary", "author", "category", "tags"),
            *("cover", "state", "visibility", "published_at", "created_at", "updated_at"),
        ]


class FullArticleSerializer(ArticleSerializer):
    """An article with its text, in Markdown and in HTML."""

    html = serializers.SerializerMethodField()

    class Meta(ArticleSerializer.Meta):
        fields = [*ArticleSerializer.Meta.fields, "body", "html", "version", "scheduled_for"]

    def get_html(self, article: Article) -> str:
        return render_markdown(article.body)


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """A revision in a list."""

    saved_by = PersonSerializer(read_only=True)

    class Meta:
        model = Revision
        fields = ["number", "title", "excerpt", "saved_at", "saved_by", "restored_from"]


class FullRevisionSerializer(RevisionSerializer):
    """A revision with its text, in Markdown."""

    class Meta(RevisionSerializer.Meta):
        fields = [*RevisionSerializer.Meta.fields, "body"]


class HitSerializer(serializers.Serializer[searching.Hit]):
    """An article that was found, and where: HTML with the words that fit in <mark>."""

    article = ArticleSerializer(read_only=True)
    title_html = serializers.CharField(source="title", read_only=True)
    extract_html = serializers.CharField(source="extract", read_only=True)


class CommentSerializer(serializers.ModelSerializer[Comment]):
    """A comment as readers see it: no address of anybody."""

    class Meta:
        model = Comment
        fields = ["id", "answers", "name", "body", "state", "made_at"]
        read_only_fields = fields


class QueuedCommentSerializer(CommentSerializer):
    """A comment as moderators see it."""

    class Meta(CommentSerializer.Meta):
        fields = [*CommentSerializer.Meta.fields, "article", "email"]
        read_only_fields = fields


class CommentInput(serializers.Serializer[Any]):
    """What a member says."""

    body = serializers.CharField(max_length=COMMENT_LENGTH)
    answers = serializers.UUIDField(required=False, allow_null=True)


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
    visibility = serializers.ChoiceField(Visibility.choices, required=False)
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


class ScheduleInput(serializers.Serializer[Any]):
    """When an article is to be published."""

    at = serializers.DateTimeField(help_text="With its time zone, as 2030-01-31T08:00:00+01:00.")


# What those who may change an article alone may see.
_FOR_WRITERS = frozenset({"revisions", "revision", "restore"})


class ArticleViewSet(GenericViewSet[Article]):
    """Read for all what is published; written by those whose role allows it."""

    pagination_class = NewestFirst
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Article]:
        if self.action in _FOR_WRITERS:
            return permissions.changeable_by(self.request.user).for_page()
        articles = permissions.visible_to(self.request.user)
        if self.action == "list":
            return articles.for_list().prefetch_related("tags")
        return articles.for_page()

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ArticleSerializer(page, many=True).data)

    @action(detail=False, methods=["get"])
    def search(self, request: Request) -> Response:
        """Published articles by their words (`q`), the best first."""
        found = searching.search_articles(
            articles=permissions.readable_by(request.user), query=request.query_params.get("q", "")
        )
        pages = Numbered()
        # Of keys: the articles themselves are loaded a page at a time.
        keys: Any = pages.paginate_queryset(found.keys, request, self)
        hits: Any = searching.load_hits(found, keys)
        answer = pages.get_paginated_response(HitSerializer(hits, many=True).data)
        answer.data["is_close"] = found.is_close
        return answer

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
    def schedule(self, request: Request, pk: str) -> Response:
        """Have it published at a time ahead."""
        article = self.get_object()
        data = ScheduleInput(data=request.data)
        data.is_valid(raise_exception=True)
        at = data.validated_data["at"]
        self._carried_out(
            lambda: publishing.schedule_article(article=article, at=at, by=self._user)
        )
        return Response(FullArticleSerializer(article).data)

    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        return self._step(publishing.unpublish_article)

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        return self._step(publishing.archive_article)

    @action(detail=True, methods=["get"])
    def revisions(self, request: Request, pk: str) -> Response:
        """What it was, the newest first; for those who may change it."""
        pages = NewestRevisionFirst()
        page = pages.paginate_queryset(revising.revisions_of(self.get_object()), request, self)
        return pages.get_paginated_response(RevisionSerializer(page, many=True).data)

    @action(detail=True, methods=["get"], url_path="revisions/<int:number>")
    def revision(self, request: Request, pk: str, number: int) -> Response:
        found = get_object_or_404(
            self.get_object().revisions.select_related("saved_by"), number=number
        )
        return Response(FullRevisionSerializer(found).data)

    @action(detail=True, methods=["post"], url_path="revisions/<int:number>/restore")
    def restore(self, request: Request, pk: str, number: int) -> Response:
        article = self.get_object()
        get_object_or_404(article.revisions, number=number)
        self._carried_out(
            lambda: revising.restore_revision(article=article, number=number, by=self._user)
        )
        return Response(FullArticleSerializer(self.get_object()).data)

    @action(detail=True, methods=["get", "post"])
    def comments(self, request: Request, pk: str) -> Response:
        """What readers say, the oldest first; and saying something, for members."""
        article = self.get_object()
        if request.method == "POST":
            return self._comment(request, article)
        pages = OldestFirst()
        shown = Comment.objects.shown().filter(article=article)
        page = pages.paginate_queryset(shown, request, self)
        return pages.get_paginated_response(CommentSerializer(page, many=True).data)

    @action(detail=True, methods=["post", "delete"], parser_classes=[MultiPartParser])
    def cover(self, request: Request, pk: str) -> Response:
        """Give it a cover (multipart: file, alt), or take it away."""
        article = self.get_object()
        permissions.require_change(request.user, article)
        if request.method == "DELETE":
            pictures.set_cover(article=article, picture=None, by=self._user)
            return Response(status=status.HTTP_204_NO_CONTENT)
        picture = _added_picture(request)
        pictures.set_cover(article=article, picture=picture, by=self._user)
        return Response(PictureSerializer(picture).data)

    def _comment(self, request: Request, article: Article) -> Response:
        data = CommentInput(data=request.data)
        data.is_valid(raise_exception=True)
        answered = data.validated_data.get("answers")
        answers = _answered(article, answered)
        try:
            comment = commenting.make_comment(
                article=article,
                by=self._user,
                body=data.validated_data["body"],
                network=network_of(request),
                answers=answers,
            )
        except TooManyComments as error:
            raise Throttled(commenting.WINDOW.total_seconds(), str(error)) from error
        except ArticleError as error:
            raise serializers.ValidationError({"body": [str(error)]}) from error
        return Response(CommentSerializer(comment).data, status=status.HTTP_201_CREATED)

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
        except SlugTaken as error:
            raise serializers.ValidationError({"slug": [str(error)]}) from error
        except DateInThePast as error:
            raise serializers.ValidationError({"at": [str(error)]}) from error
        except ArticleError as error:
            raise Conflict(str(error)) from error

    @property
    def _user(self) -> User:
        return cast("User", self.request.user)


def _answered(article: Article, key: Any) -> Comment | None:
    return get_object_or_404(Comment, article=article, pk=key) if key else None


class CategorySerializer(serializers.ModelSerializer[Category]):
    """A category; `parent` is the slug of the one above it."""

    slug = serializers.SlugField(max_length=120, allow_unicode=True, required=False)
    parent: Any = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )

    class Meta:
        model = Category
        fields = ["id", "name", "slug", "parent"]

    def get_fields(self) -> dict[str, Any]:
        """With this tenant's categories: a queryset on the class would belong to no tenant."""
        fields: dict[str, Any] = super().get_fields()
        fields["parent"].queryset = Category.objects.all()
        return fields


class CategoryViewSet(GenericViewSet[Category]):
    """The categories of articles: read by all, arranged by those whose role allows it."""

    pagination_class = Numbered
    lookup_value_converter = "int"
    serializer_class = CategorySerializer

    def get_queryset(self) -> QuerySet[Category]:
        return Category.objects.select_related("parent")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(CategorySerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(CategorySerializer(self.get_object()).data)

    def create(self, request: Request) -> Response:
        permissions.require_arrange(request.user)
        return Response(self._placed(request, Category()), status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: int) -> Response:
        permissions.require_arrange(request.user)
        return Response(self._placed(request, self.get_object()))

    def destroy(self, request: Request, pk: int) -> Response:
        permissions.require_arrange(request.user)
        try:
            sorting.delete_category(category=self.get_object(), by=cast("User", request.user))
        except ArticleError as error:
            raise Conflict(str(error)) from error
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _placed(self, request: Request, category: Category) -> Any:
        is_new = category._state.adding
        data = CategorySerializer(data=request.data, partial=not is_new)
        data.is_valid(raise_exception=True)
        for name, value in data.validated_data.items():
            setattr(category, name, value)
        category.slug = category.slug or slug_from(category.name, max_length=120) or "category"
        try:
            sorting.place_category(category=category, by=cast("User", request.user))
        except CategoryLoop as error:
            raise serializers.ValidationError({"parent": [str(error)]}) from error
        except SlugTaken as error:
            raise serializers.ValidationError({"slug": [str(error)]}) from error
        return CategorySerializer(category).data


def _added_picture(request: Request) -> Picture:
    data = PictureInput(data=request.data)
    data.is_valid(raise_exception=True)
    file = data.validated_data["file"]
    try:
        return pictures.add_picture(
            file=file,
            file_name=file.name,
            alt=data.validated_data["alt"],
            by=cast("User", request.user),
        )
    except PictureRefused as error:
        raise serializers.ValidationError({"file": [str(error)]}) from error


class PictureViewSet(GenericViewSet[Picture]):
    """Pictures for the texts of those who write."""

    lookup_value_converter = "uuid"
    parser_classes = (MultiPartParser,)
    serializer_class = PictureSerializer

    def get_queryset(self) -> QuerySet[Picture]:
        if not permissions.can_write(self.request.user):
            return Picture.objects.none()
        return Picture.objects.all()

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(PictureSerializer(self.get_object()).data)

    def create(self, request: Request) -> Response:
        """Let a picture in (multipart: file, alt). Its copies are made in a moment."""
        picture = _added_picture(request)
        return Response(PictureSerializer(picture).data, status=status.HTTP_201_CREATED)


class CommentViewSet(GenericViewSet[Comment]):
    """The moderators' queue: `?state=pending` and the like; nobody else finds anything here."""

    pagination_class = NewestFirst
    lookup_value_converter = "uuid"
    serializer_class = QueuedCommentSerializer

    def get_queryset(self) -> QuerySet[Comment]:
        if not permissions.can_moderate(self.request.user):
            return Comment.objects.none()
        return Comment.objects.select_related("article")

    def list(self, request: Request) -> Response:
        permissions.require_moderate(request.user)
        state = request.query_params.get("state", CommentState.PENDING)
        page = self.paginate_queryset(self.get_queryset().filter(state=state))
        return self.get_paginated_response(QueuedCommentSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(QueuedCommentSerializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        commenting.remove_comment(comment=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        return self._moderate(commenting.approve_comment)

    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        return self._moderate(commenting.reject_comment)

    def _moderate(self, verb: Any) -> Response:
        comment = self.get_object()
        try:
            verb(comment=comment, by=cast("User", self.request.user))
        except ArticleError as error:
            raise Conflict(str(error)) from error
        return Response(QueuedCommentSerializer(comment).data)
