import pytest

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import writing
from tenant_apps.articles.errors import EditConflict, SlugTaken
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import People, make_article


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("The kiln is on", "the-kiln-is-on"),
        ("Größen & Maße", "grossen-masse"),
        ("Ça va? Œuvre", "ca-va-oeuvre"),
        ("日本の陶器", "日本の陶器"),
        ("!!!", "article"),
        ("x" * 300, "x" * 120),
        ("../../etc/passwd", "etcpasswd"),
    ],
)
def test_slug_is_made_from_the_title(
    in_acme: TenantRef, acme_people: People, title: str, slug: str
) -> None:
    assert writing.free_slug(title) == slug


def test_slug_gets_a_number_where_it_is_taken(in_acme: TenantRef, acme_people: People) -> None:
    slugs = [make_article(acme_people["author"], "Same").slug for _ in range(3)]
    assert slugs == ["same", "same-2", "same-3"]


def test_slug_of_another_article_is_refused(in_acme: TenantRef, acme_people: People) -> None:
    author = acme_people["author"]
    make_article(author, "One")
    two = make_article(author, "Two")
    with pytest.raises(SlugTaken, match='has the address "one" already'):
        writing.create_article(title="Three", slug="one", by=author)
    with pytest.raises(SlugTaken):
        writing.change_article(article=two, by=author, changes={"slug": "one"})
    assert Article.objects.filter(slug="one").count() == 1


def test_second_writer_overwrites_nothing_unseen(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author)
    opened = article.version
    writing.change_article(
        article=article, by=author, changes={"body": "The author's words"}, version=opened
    )
    with pytest.raises(EditConflict, match="Somebody else has saved this article"):
        writing.change_article(
            article=Article.objects.get(),
            by=editor,
            changes={"body": "The editor's words"},
            version=opened,
        )
    assert Article.objects.get().body == "The author's words"


def test_change_of_nothing_writes_nothing(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    lines = Entry.objects.count()
    writing.change_article(
        article=article, by=acme_people["author"], changes={"title": article.title}
    )
    assert Entry.objects.count() == lines
    assert Article.objects.get().version == article.version


def test_change_is_in_the_trail_with_before_and_after(
    in_acme: TenantRef, acme_people: People
) -> None:
    article = make_article(acme_people["author"], "Old")
    writing.change_article(article=article, by=acme_people["editor"], changes={"title": "New"})
    entry = Entry.objects.about(article).first()
    assert entry is not None
    assert (entry.verb, entry.actor_email) == ("article.changed", "editor@acme.example")
    assert entry.changes == [("title", "Old", "New")]


def test_change_of_tags_alone_counts_and_is_in_the_trail(
    in_acme: TenantRef, acme_people: People
) -> None:
    author = acme_people["author"]
    article = make_article(author)
    opened = article.version
    writing.change_article(article=article, by=author, changes={}, tags=["CLAY"])
    assert Article.objects.get().version == opened, "the same tag: nothing has changed"
    writing.change_article(article=article, by=author, changes={}, tags=["glaze"])
    assert Article.objects.get().version == opened + 1
    entry = Entry.objects.about(article).first()
    assert entry is not None
    assert entry.changes == [("tags", ["clay"], ["glaze"])]


def test_state_cannot_be_changed_by_writing(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"], published=False)
    with pytest.raises(ValueError, match="not \\['state'\\]"):
        writing.change_article(
            article=article, by=acme_people["author"], changes={"state": "published"}
        )


def test_tags_are_one_in_any_case(in_acme: TenantRef, acme_people: People) -> None:
    author = acme_people["author"]
    first = writing.create_article(title="A", by=author, tags=["Clay", "clay ", "glaze"])
    second = writing.create_article(title="B", by=author, tags=["CLAY", ""])
    assert Tag.objects.count() == 2
    assert set(first.tags.all()) >= set(second.tags.all())


def test_member_cannot_write(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(NotAllowed, match="does not let you write"):
        writing.create_article(title="A", by=acme_people["member"])


def test_category_below_itself_is_refused(in_acme: TenantRef) -> None:
    from django.core.exceptions import ValidationError

    top = Category.objects.create(name="Top", slug="top")
    below = Category.objects.create(name="Below", slug="below", parent=top)
    top.parent = below
    with pytest.raises(ValidationError, match="cannot stand below itself"):
        top.full_clean()
