import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import sorting
from tenant_apps.articles.errors import CategoryInUse, CategoryLoop
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences


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


def test_category_is_refused_below_itself_by_verb_admin_and_api(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        top = Category.objects.create(name="Top", slug="top")
        middle = Category.objects.create(name="Middle", slug="middle", parent=top)
        low = Category.objects.create(name="Low", slug="low", parent=middle)
        top.parent = low
        with pytest.raises(CategoryLoop, match="below itself"):
            sorting.place_category(category=top, by=acme_people["editor"])
        assert Category.objects.get(slug="top").parent is None
    client = as_role("editor")
    page = client.post(
        f"/admin/articles/category/{top.pk}/change/",
        {"name": "Top", "slug": "top", "parent": low.pk},
    )
    assert "cannot stand below itself" in page.content.decode()
    for parent in ("low", "top"):
        answer = client.patch(
            f"/api/v1/article-categories/{top.pk}/",
            {"parent": parent},
            content_type="application/json",
            headers={"If-Match": "*"},
        )
        assert answer.status_code == 400
        assert "below itself" in sentences(answer)["parent"][0]


def test_categories_by_api(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    client = as_role("editor")
    address = "/api/v1/article-categories/"
    made = client.post(address, {"name": "Größe"}, content_type="application/json").json()
    assert (made["slug"], made["parent"]) == ("grosse", None)
    taken = client.post(address, {"name": "X", "slug": "grosse"}, content_type="application/json")
    assert (taken.status_code, list(sentences(taken))) == (400, ["slug"])
    below = client.post(
        address, {"name": "Below", "parent": "grosse"}, content_type="application/json"
    ).json()
    assert client.delete(f"{address}{made['id']}/").status_code == 409
    assert as_role("author").delete(f"{address}{below['id']}/").status_code == 403
    listed = as_role("visitor").get(address).json()["results"]
    assert [one["name"] for one in listed] == ["Below", "Größe"]
    assert client.delete(f"{address}{below['id']}/").status_code == 204
