"""Articles under /api/v1/: the same verbs and rules as the pages."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from shared_apps.tenants.visitors import network_of
from tenant_apps.api.errors import WrongParameter
from tenant_apps.api.pagination import NewestFirst, Numbered, OldestFirst
from tenant_apps.articles import (
    commenting,
    permissions,
    pictures,
    publishing,
    revising,
    searching,
    writing,
)
from tenant_apps.articles.errors import (
    ArticleError,
    CategoryLoop,
    CommentRefused,
    DateInThePast,
    PictureRefused,
    SlugTaken,
    TooManyComments,
)
from tenant_apps.articles.filters import ArticleFilter
from tenant_apps.articles.models import Article, Comment, Picture, Revision, State
from tenant_apps.articles.serializers import (
    ArticleInput,
    ArticleSerializer,
    CommentInput,
    CommentSerializer,
    FullArticleSerializer,
    FullRevisionSerializer,
    HitSerializer,
    PictureInput,
    PictureSerializer,
    RevisionDifferenceSerializer,
    RevisionSerializer,
    ScheduleInput,
)
from tenant_apps.users.models import User

Answer = TypeVar("Answer")

# Where a page says it at a field, the API does, too; all other refusals of a verb are 409.
_FIELDS: Final[dict[type[ArticleError], str]] = {
    SlugTaken: "slug",
    DateInThePast: "at",
    CategoryLoop: "parent",
    PictureRefused: "file",
    CommentRefused: "body",
}
# What those who may change an article alone may see.
_FOR_WRITERS: Final = frozenset({"revisions", "revision", "difference", "restore"})
_AGAINST: Final = OpenApiParameter(
    "against",
    {"type": "string", "enum": ["before", "now"], "default": "before"},
    description="What it is compared with: the revision before it, or the article as it is.",
)
_SEARCHED: Final = OpenApiParameter("search", str, description="Words, in each of their forms.")


def carried_out(verb: Callable[[], Answer]) -> Answer:
    """Call a verb; where it refuses an input, say its sentence at the field.

    Raises:
        ValidationError (400): an input is at fault.
        ArticleError: as the verb; the API answers 409.
    """
    try:
        return verb()
    except ArticleError as error:
        field = next((_FIELDS[kind] for kind in type(error).__mro__ if kind in _FIELDS), None)
        if field is None:
            raise
        raise serializers.ValidationError({field: [str(error)]}) from error


def checked(form: type[serializers.Serializer[Any]], request: Request, **options: Any) -> Any:
    """What a client has said, if it can be used. Raises ValidationError (400)."""
    data = form(data=request.data, **options)
    data.is_valid(raise_exception=True)
    return data.validated_data


class NewestRevisionFirst(NewestFirst):
    ordering = "-number"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return ("-number",)


class ArticleViewSet(GenericViewSet[Article]):
    """Read for all what is published; written by those whose role allows it."""

    serializer_class = ArticleSerializer
    lookup_value_converter = "uuid"
    needs_if_match = True
    filterset_class = ArticleFilter
    # Each has an index. By `published_at`, what is published alone.
    ordering_fields = ["id", "updated_at", "published_at"]

    def get_queryset(self) -> QuerySet[Article]:
        if self.action in _FOR_WRITERS:
            return permissions.changeable_by(self.request.user).for_page()
        articles = permissions.visible_to(self.request.user)
        if self.action == "list":
            articles = articles.for_list().prefetch_related("tags")
            if "published_at" in self.request.query_params.get("ordering", ""):
                articles = articles.filter(state=State.PUBLISHED)
            return articles
        return articles.for_page()

    def list(self, request: Request) -> Response:
        """A page of articles, without their texts. In the order of `published_at` stand those that are
        published alone."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ArticleSerializer(page, many=True).data)

    @extend_schema(responses=HitSerializer(many=True), parameters=[_SEARCHED], filters=False)
    @action(detail=False, methods=["get"], pagination_class=Numbered, filter_backends=[])
    def search(self, request: Request) -> Response:
        """Published articles by their words, the best first. `is_close` says that nothing fitted, and
        these have words that are spelt alike."""
        found = searching.search_articles(
            articles=permissions.readable_by(request.user),
            query=request.query_params.get("search", ""),
        )
        # Of keys: the articles themselves are loaded a page at a time.
        keys: Any = self.paginate_queryset(cast("Any", found.keys))
        hits: Any = searching.load_hits(found, keys)
        answer = self.get_paginated_response(HitSerializer(hits, many=True).data)
        answer.data["is_close"] = found.is_close
        return answer

    @extend_schema(responses=FullArticleSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """An article with its text, in Markdown and in HTML."""
        return Response(FullArticleSerializer(self.get_object()).data)

    @extend_schema(request=ArticleInput, responses={201: FullArticleSerializer})
    def create(self, request: Request) -> Response:
        """Begin an article, as a draft."""
        permissions.require_write(request.user)
        data = dict(checked(ArticleInput, request))
        data.pop("version", None)
        article = carried_out(lambda: writing.create_article(by=self._user, **data))
        return Response(FullArticleSerializer(article).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ArticleInput, responses=FullArticleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is said, and leave the rest."""
        article = self.get_object()
        permissions.require_change(request.user, article)
        data = dict(checked(ArticleInput, request, partial=True))
        tags, version = data.pop("tags", None), data.pop("version", None)
        carried_out(
            lambda: writing.change_article(
                article=article, by=self._user, changes=data, tags=tags, version=version
            )
        )
        return self._now()

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it for good."""
        writing.delete_article(article=self.get_object(), by=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"], url_path="submit")
    def submit(self, request: Request, pk: str) -> Response:
        """Ask an editor to look at it."""
        return self._step(publishing.submit_article)

    @extend_schema(request=None, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Show it to its readers."""
        return self._step(publishing.publish_article)

    @extend_schema(request=ScheduleInput, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, pk: str) -> Response:
        """Have it published at a time ahead."""
        article = self.get_object()
        permissions.require_publish(request.user, article)
        at = checked(ScheduleInput, request)["at"]
        carried_out(lambda: publishing.schedule_article(article=article, at=at, by=self._user))
        return self._now()

    @extend_schema(request=None, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        """Take it back to draft."""
        return self._step(publishing.unpublish_article)

    @extend_schema(request=None, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Show it no more, and keep it."""
        return self._step(publishing.archive_article)

    @extend_schema(responses=RevisionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=NewestRevisionFirst, filter_backends=[])
    def revisions(self, request: Request, pk: str) -> Response:
        """What it was, the newest first; for those who may change it."""
        page = self.paginate_queryset(cast("Any", revising.revisions_of(self.get_object())))
        return self.get_paginated_response(RevisionSerializer(cast("Any", page), many=True).data)

    @extend_schema(responses=FullRevisionSerializer)
    @action(detail=True, methods=["get"], url_path="revisions/<int:number>")
    def revision(self, request: Request, pk: str, number: int) -> Response:
        """A revision with its text; for those who may change the article."""
        found = self._revision(self.get_object(), number)
        return Response(FullRevisionSerializer(found).data)

    @extend_schema(responses=RevisionDifferenceSerializer, parameters=[_AGAINST])
    @action(detail=True, methods=["get"], url_path="revisions/<int:number>/difference")
    def difference(self, request: Request, pk: str, number: int) -> Response:
        """What a revision changed; or what has changed since, `?against=now`."""
        against = request.query_params.get("against", "before")
        if against not in {"before", "now"}:
            raise WrongParameter("against", "Take before or now.")
        article = self.get_object()
        found = self._revision(article, number)
        differing = revising.compare_revision(
            article=article, revision=found, with_now=against == "now"
        )
        return Response(RevisionDifferenceSerializer(differing).data)

    @extend_schema(request=None, responses=FullArticleSerializer)
    @action(detail=True, methods=["post"], url_path="revisions/<int:number>/restore")
    def restore(self, request: Request, pk: str, number: int) -> Response:
        """Bring a revision's words back, as a new revision."""
        article = self.get_object()
        get_object_or_404(article.revisions, number=number)
        carried_out(
            lambda: revising.restore_revision(article=article, number=number, by=self._user)
        )
        return self._now()

    @extend_schema(responses=CommentSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=OldestFirst, filter_backends=[])
    def comments(self, request: Request, pk: str) -> Response:
        """What readers say, the oldest first."""
        shown = Comment.objects.shown().filter(article=self.get_object())
        page = self.paginate_queryset(cast("Any", shown))
        return self.get_paginated_response(CommentSerializer(cast("Any", page), many=True).data)

    @extend_schema(request=CommentInput, responses={201: CommentSerializer})
    @comments.mapping.post
    def comment(self, request: Request, pk: str) -> Response:
        """Say something, as a member."""
        article = self.get_object()
        permissions.require_comment(request.user, article)
        data = checked(CommentInput, request)
        answered = data.get("answers")
        answers = get_object_or_404(Comment, article=article, pk=answered) if answered else None
        try:
            comment = carried_out(
                lambda: commenting.make_comment(
                    article=article,
                    by=self._user,
                    body=data["body"],
                    network=network_of(request),
                    answers=answers,
                )
            )
        except TooManyComments as error:
            raise Throttled(commenting.WINDOW.total_seconds(), str(error)) from error
        return Response(CommentSerializer(comment).data, status=status.HTTP_201_CREATED)

    @extend_schema(request={"multipart/form-data": PictureInput}, responses=PictureSerializer)
    @action(detail=True, methods=["post"], parser_classes=[MultiPartParser])
    def cover(self, request: Request, pk: str) -> Response:
        """Give it a cover."""
        article = self.get_object()
        permissions.require_change(request.user, article)
        picture = added_picture(request)
        pictures.set_cover(article=article, picture=picture, by=self._user)
        return Response(PictureSerializer(picture).data)

    @extend_schema(request=None, responses={204: None})
    @cover.mapping.delete
    def remove_cover(self, request: Request, pk: str) -> Response:
        """Take its cover away."""
        pictures.set_cover(article=self.get_object(), picture=None, by=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _step(self, verb: Callable[..., Article]) -> Response:
        article = self.get_object()
        carried_out(lambda: verb(article=article, by=self._user))
        return self._shown(article)

    def _now(self) -> Response:
        """The article as it is kept now, with its tags."""
        return Response(FullArticleSerializer(self.get_object()).data)

    def _shown(self, article: Article) -> Response:
        """An article that a step has moved: maybe to where this person doesn't see it any more."""
        self.check_object_permissions(self.request, article)
        return Response(FullArticleSerializer(article).data)

    def _revision(self, article: Article, number: int) -> Revision:
        return get_object_or_404(article.revisions.select_related("saved_by"), number=number)

    @property
    def _user(self) -> User:
        return cast("User", self.request.user)


def added_picture(request: Request) -> Picture:
    """The picture that a request brings, let in. Raises ValidationError (400), NotAllowed."""
    permissions.require_write(request.user)
    data = checked(PictureInput, request)
    file = data["file"]
    return carried_out(
        lambda: pictures.add_picture(
            file=file, file_name=file.name, alt=data["alt"], by=cast("User", request.user)
        )
    )


class PictureViewSet(GenericViewSet[Picture]):
    """Pictures for the texts of those who write."""

    lookup_value_converter = "uuid"
    parser_classes = (MultiPartParser,)
    serializer_class = PictureSerializer

    def get_queryset(self) -> QuerySet[Picture]:
        if not permissions.can_write(self.request.user):
            return Picture.objects.none()
        return Picture.objects.all()

    def list(self, request: Request) -> Response:
        """The pictures that there are, the newest first."""
        permissions.require_write(request.user)
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(PictureSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        """A picture, and whether its copies are made."""
        return Response(PictureSerializer(self.get_object()).data)

    @extend_schema(
        request={"multipart/form-data": PictureInput}, responses={201: PictureSerializer}
    )
    def create(self, request: Request) -> Response:
        """Let a picture in. Its copies are made in a moment."""
        picture = added_picture(request)
        return Response(PictureSerializer(picture).data, status=status.HTTP_201_CREATED)
