import pytest

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import sorting
from tenant_apps.articles.errors import CategoryInUse
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import People, make_article


def test_categories_and_tags_leave_lines_in_the_trail(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor = acme_people["editor"]
    news = sorting.place_category(category=Category(name="News", slug="news"), by=editor)
    clay = sorting.keep_tag(tag=Tag(name="Clay", slug="clay"), by=editor)
    clay.name = "Red clay"
    sorting.keep_tag(tag=clay, by=editor)
    sorting.keep_tag(tag=clay, by=editor)
    sorting.delete_tag(tag=clay, by=editor)
    sorting.delete_category(category=news, by=editor)
    lines = Entry.objects.filter(object_type__startswith="articles.").order_by("id")
    assert [(entry.verb, entry.actor_email) for entry in lines] == [
        (verb, "editor@acme.example")
        for verb in (
            *("category.added", "tag.added", "tag.changed", "tag.deleted"),
            "category.deleted",
        )
    ]
    assert lines[2].changes == [("name", "Clay", "Red clay")]


def test_category_with_others_below_it_stays(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    top = sorting.place_category(category=Category(name="Top", slug="top"), by=editor)
    sorting.place_category(category=Category(name="Below", slug="below", parent=top), by=editor)
    with pytest.raises(CategoryInUse, match="Move or delete them first"):
        sorting.delete_category(category=top, by=editor)
    assert Category.objects.count() == 2


def test_articles_of_a_deleted_category_stay(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    news = sorting.place_category(category=Category(name="News", slug="news"), by=editor)
    article = make_article(editor)
    article.category = news
    article.save(update_fields=["category"])
    sorting.delete_category(category=news, by=editor)
    assert Article.objects.get().category is None


@pytest.mark.parametrize("role", ["author", "member"])
def test_sorting_by_somebody_who_may_not(
    in_acme: TenantRef, acme_people: People, role: str
) -> None:
    person = acme_people[role]
    news = Category.objects.create(name="News", slug="news")
    clay = Tag.objects.create(name="Clay", slug="clay")
    for call in (
        lambda: sorting.place_category(category=Category(name="x", slug="x"), by=person),
        lambda: sorting.delete_category(category=news, by=person),
        lambda: sorting.keep_tag(tag=Tag(name="x", slug="x"), by=person),
        lambda: sorting.delete_tag(tag=clay, by=person),
    ):
        with pytest.raises(NotAllowed, match="does not let you arrange"):
            call()
    assert (Category.objects.get(), Tag.objects.get()) == (news, clay)
