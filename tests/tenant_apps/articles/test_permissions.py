"""Roles and actions, once for the rules and once through each door that asks them."""

import pytest
from django.contrib.auth.models import AnonymousUser

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import permissions, publishing, writing
from tenant_apps.articles.models import Article, Category, PopularArticle, Visibility
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article

ROLES = ["visitor", "member", "author", "editor", "admin", "owner"]
# What of: one's own draft, somebody's draft, somebody's published article.
#          read        change      publish     delete
RULES = {
    "visitor": ("..p", "...", "...", "..."),
    # A member cannot write: the rule is tried on a draft that was given to them.
    "member": ("..p", "...", "...", "..."),
    "author": ("o.p", "o..", "o..", "o.."),
    "editor": ("odp", "odp", "odp", "odp"),
    "admin": ("odp", "odp", "odp", "odp"),
    "owner": ("odp", "odp", "odp", "odp"),
}


@pytest.fixture
def articles(in_acme: TenantRef, acme_people: People) -> dict[str, Article]:
    """Somebody else's draft and published article."""
    somebody = acme_people["admin"]
    return {
        "d": make_article(somebody, "Somebody's draft", published=False),
        "p": make_article(somebody, "Somebody's words"),
    }


@pytest.mark.parametrize("role", ROLES)
def test_rules(acme_people: People, articles: dict[str, Article], role: str) -> None:
    person = AnonymousUser() if role == "visitor" else acme_people[role]
    objects = dict(articles)
    if role != "visitor":
        objects["o"] = Article.objects.create(
            title="Own", slug="own", body="x", author=acme_people[role]
        )
        if role == "admin":
            # Those of the fixture are the admin's own.
            Article.objects.exclude(slug="own").update(author=acme_people["owner"])
            for article in objects.values():
                article.refresh_from_db()
    checks = (
        permissions.can_read,
        permissions.can_change,
        permissions.can_publish,
        permissions.can_delete,
    )
    for check, expected in zip(checks, RULES[role], strict=True):
        allowed = {name for name, article in objects.items() if check(person, article)}
        assert allowed == set(expected.replace(".", "")), check.__name__
    visible = set(permissions.visible_to(person))
    assert visible == {objects[name] for name in RULES[role][0].replace(".", "")}
    changeable = set(permissions.changeable_by(person))
    assert changeable == {objects[name] for name in RULES[role][1].replace(".", "")}


@pytest.mark.parametrize("role", ROLES)
def test_articles_for_members_are_read_by_members_alone(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    """In the page, lists, categories, search, API, feeds and sitemap alike."""
    with context.run_in(acme):
        category = Category.objects.create(name="Workshop", slug="workshop")
        article = make_article(acme_people["admin"], "Secretive kiln")
        writing.change_article(
            article=article,
            by=acme_people["admin"],
            changes={"visibility": Visibility.MEMBERS, "category": category},
        )
        beside = make_article(acme_people["admin"], "Beside it")
        person = AnonymousUser() if role == "visitor" else acme_people[role]
        is_member = role != "visitor"
        assert permissions.can_read(person, article) is is_member
        assert (article in permissions.visible_to(person)) is is_member
        PopularArticle.objects.create(article=article, place=1, views=9)
    client = as_role(role)
    for path in (
        "/",
        "/articles/",
        "/articles/category/workshop/",
        "/articles/tag/clay/",
        "/articles/?q=secretive",
        "/articles/?q=secretiv",
        f"/articles/{beside.slug}/",
        "/api/v1/articles/",
        "/api/v1/articles/search/?search=kiln",
    ):
        assert ("Secretive" in client.get(path).content.decode()) is is_member, path
    listed = client.get("/articles/category/").content.decode()
    assert ("/articles/category/workshop/" in listed) is is_member
    page = client.get(f"/articles/{article.slug}/")
    assert page.status_code == (200 if is_member else 302)
    api = client.get(f"/api/v1/articles/{article.pk}/")
    assert api.status_code == (200 if is_member else 404)
    # The same for everybody: a feed reader and a search engine are nobody.
    for path in ("/articles/feed.rss", "/articles/feed.atom", "/sitemap-articles.xml"):
        body = client.get(path).content.decode()
        assert "beside" in body
        assert "secretive" not in body.lower(), path


@pytest.mark.parametrize("role", ROLES[1:])
def test_verbs_ask_the_rules(acme_people: People, articles: dict[str, Article], role: str) -> None:
    person = acme_people[role]
    Article.objects.update(author=acme_people["owner" if role == "admin" else "admin"])
    draft = Article.objects.get(pk=articles["d"].pk)
    calls = {
        "d1": lambda: writing.change_article(article=draft, by=person, changes={"title": "New"}),
        "d2": lambda: publishing.publish_article(article=draft, by=person),
        "d3": lambda: writing.delete_article(article=draft, by=person),
    }
    may_all = role in {"editor", "admin", "owner"}
    for call in calls.values():
        if may_all:
            call()
        else:
            with pytest.raises(NotAllowed, match="Your role does not let you"):
                call()
    assert Article.objects.filter(pk=draft.pk).exists() is not may_all


@pytest.mark.parametrize("role", ROLES)
def test_pages_ask_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        draft = make_article(acme_people["author"], "Draft", published=False)
        words = make_article(acme_people["author"], "Words")
    client = as_role(role)
    of_author = role in {"author", "editor", "admin", "owner"}
    assert client.get(f"/articles/{words.slug}/").status_code == 200
    assert client.get(f"/articles/{draft.slug}/").status_code == (200 if of_author else 404)
    expected = 200 if of_author else 302 if role == "visitor" else 404
    assert client.get(f"/desk/{draft.pk}/").status_code == expected
    client.post(f"/desk/{draft.pk}/publish/")
    client.post(f"/desk/{words.pk}/delete/")
    with context.run_in(acme):
        assert Article.objects.get(pk=draft.pk).is_published is of_author
        gone = not Article.objects.filter(pk=words.pk).exists()
    # An author deletes nothing that was read already.
    assert gone is (role in {"editor", "admin", "owner"})


@pytest.mark.parametrize("role", ROLES)
def test_api_asks_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        draft = make_article(acme_people["editor"], "Draft", published=False)
    client = as_role(role)
    may_all = role in {"editor", "admin", "owner"}
    assert client.get(f"/api/v1/articles/{draft.pk}/").status_code == (200 if may_all else 404)
    begun = client.post(
        "/api/v1/articles/", {"title": "By API", "body": "x"}, content_type="application/json"
    )
    stranger = role == "visitor"
    assert begun.status_code == (201 if may_all or role == "author" else 401 if stranger else 403)
    changed = client.patch(
        f"/api/v1/articles/{draft.pk}/",
        {"title": "New"},
        content_type="application/json",
        headers={"If-Match": "*"},
    )
    refused = 401 if stranger else 404
    assert changed.status_code == (200 if may_all else refused)
    published = client.post(f"/api/v1/articles/{draft.pk}/publish/")
    assert published.status_code == (200 if may_all else refused)


@pytest.mark.parametrize("role", ["author", "editor"])
def test_admin_asks_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        own = make_article(acme_people["author"], "By the author", published=False)
        other = make_article(acme_people["admin"], "By the admin", published=False)
    client = as_role(role)
    listed = client.get("/admin/articles/article/").content.decode()
    assert "By the author" in listed
    assert ("By the admin" in listed) is (role == "editor")
    assert client.get(f"/admin/articles/article/{own.pk}/change/").status_code == 200
    theirs = client.get(f"/admin/articles/article/{other.pk}/change/")
    assert theirs.status_code == (200 if role == "editor" else 302)
    client.post(
        "/admin/articles/article/",
        {"action": "publish", "_selected_action": [str(own.pk), str(other.pk)]},
    )
    with context.run_in(acme):
        assert Article.objects.get(pk=own.pk).is_published
        assert Article.objects.get(pk=other.pk).is_published is (role == "editor")


def test_member_has_no_way_into_the_admin(as_role: LoggedIn) -> None:
    answer = as_role("member").get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "does not open the admin" in answer.content.decode()
