"""What the API tells of articles, and what it may be told."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tenant_apps.articles import searching
from tenant_apps.articles.commenting import MAX_AT_ONCE, Decision
from tenant_apps.articles.differences import Difference
from tenant_apps.articles.forms import MAX_BODY_CHARACTERS
from tenant_apps.articles.models import (
    Article,
    Category,
    Comment,
    OldAddress,
    Picture,
    Revision,
    Subscriber,
    Tag,
    Visibility,
)
from tenant_apps.articles.models.comments import COMMENT_LENGTH
from tenant_apps.articles.rendering import kept_html
from tenant_apps.users.serializers import NamedPersonSerializer


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

    author = NamedPersonSerializer(read_only=True)
    category: serializers.SlugRelatedField[Category] = serializers.SlugRelatedField(
        "slug", read_only=True, allow_null=True
    )
    cover = PictureSerializer(read_only=True, allow_null=True)
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
        return kept_html(article.body)


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """A revision in a list."""

    saved_by = NamedPersonSerializer(read_only=True, allow_null=True)

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


@extend_schema_serializer(component_name="ArticleCategory")
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


@extend_schema_serializer(component_name="ArticleCategoryBranch")
class CategoryBranchSerializer(serializers.Serializer[Any]):
    """A category in the tree: how deep it stands, and how much there is to read in it and below it."""

    id = serializers.IntegerField(source="category.id", read_only=True)
    name = serializers.CharField(source="category.name", read_only=True)
    slug = serializers.CharField(source="category.slug", read_only=True)
    parent: Any = serializers.CharField(source="parent_slug", read_only=True, allow_null=True)
    depth = serializers.IntegerField(read_only=True)
    article_count = serializers.IntegerField(read_only=True)


class TagSerializer(serializers.ModelSerializer[Tag]):
    """A tag."""

    class Meta:
        model = Tag
        fields = ["id", "name", "slug"]
        read_only_fields = fields


class TagInput(serializers.Serializer[Any]):
    """What a client may say of a tag."""

    name = serializers.CharField(max_length=60)
    slug = serializers.SlugField(max_length=120, allow_unicode=True, required=False)


class MergeInput(serializers.Serializer[Any]):
    """The tag that is to have another one's articles."""

    into = serializers.IntegerField(min_value=1, help_text="The id of the tag that stays.")


class OldAddressSerializer(serializers.ModelSerializer[OldAddress]):
    """An address that leads to an article which stands elsewhere now."""

    article: Any = serializers.PrimaryKeyRelatedField(read_only=True)
    leads_to = serializers.CharField(source="article.get_absolute_url", read_only=True)

    class Meta:
        model = OldAddress
        fields = ["id", "slug", "article", "leads_to", "replaced_at"]


class SubscriberSerializer(serializers.ModelSerializer[Subscriber]):
    """Who gets letters; whoever has not confirmed yet gets none."""

    class Meta:
        model = Subscriber
        fields = ["id", "email", "asked_at", "confirmed_at"]
        read_only_fields = fields


class BulkCommentInput(serializers.Serializer[Any]):
    """One decision on many comments."""

    action = serializers.ChoiceField(choices=Decision.choices)
    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_AT_ONCE)


class DecidedSerializer(serializers.Serializer[Any]):
    """What came of one comment. `error` says why nothing did."""

    id = serializers.UUIDField(source="key", read_only=True)
    done = serializers.BooleanField(read_only=True)
    error = serializers.CharField(source="sentence", read_only=True)


class BulkDecidedSerializer(serializers.Serializer[Any]):
    results = DecidedSerializer(many=True, read_only=True)


class PieceSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(read_only=True)
    changed = serializers.BooleanField(read_only=True)


class LineSerializer(serializers.Serializer[Any]):
    """A line of a comparison; `skipped` stands for so many unchanged lines that are left out."""

    kind = serializers.ChoiceField(["same", "removed", "added"], read_only=True)
    pieces = PieceSerializer(many=True, read_only=True)
    skipped = serializers.IntegerField(read_only=True)


class TextDifferenceSerializer(serializers.Serializer[Difference]):
    """What was added to a text and removed from it, by lines and the words in them."""

    added = serializers.IntegerField(read_only=True)
    removed = serializers.IntegerField(read_only=True)
    lines = LineSerializer(many=True, read_only=True)


class RevisionDifferenceSerializer(serializers.Serializer[Any]):
    """What differs between a revision and another one, or the article as it is."""

    number = serializers.IntegerField(read_only=True)
    against = serializers.CharField(
        read_only=True, help_text="The other revision's number, `now`, or nothing for the first."
    )
    title = TextDifferenceSerializer(read_only=True)
    excerpt = TextDifferenceSerializer(read_only=True)
    body = TextDifferenceSerializer(read_only=True)
