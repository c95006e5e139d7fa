import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import writing
from tenant_apps.articles.errors import SlugTaken
from tenant_apps.articles.models import Article, OldAddress, Visibility
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences

JSON = {"content_type": "application/json"}


def move(article: Article, by: User, *slugs: str) -> None:
    for slug in slugs:
        writing.change_article(article=article, by=by, changes={"slug": slug})


def test_old_addresses_lead_to_the_newest_in_one_step(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], "First")
        move(article, acme_people["author"], "second", "third")
    for old in ("first", "second"):
        answer = acme_client.get(f"/articles/{old}/")
        assert (answer.status_code, answer.headers["Location"]) == (301, "/articles/third/")
    assert acme_client.get("/articles/third/").status_code == 200


def test_article_that_takes_its_old_address_back_is_there_again(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], "First")
        move(article, acme_people["author"], "second", "first")
        assert [old.slug for old in OldAddress.objects.all()] == ["second"]
    assert acme_client.get("/articles/first/").status_code == 200
    assert acme_client.get("/articles/second/").headers["Location"] == "/articles/first/"


def test_draft_leaves_no_old_address(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"], "First", published=False)
    move(article, acme_people["author"], "second")
    assert not OldAddress.objects.exists()


def test_address_of_the_past_is_given_to_nobody_silently(
    in_acme: TenantRef, acme_people: People
) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author, "First")
    move(article, author, "second")
    other = make_article(author, "Other")
    with pytest.raises(SlugTaken, match='"first" was the address of "First"'):
        move(other, author, "first")
    with pytest.raises(SlugTaken):
        writing.create_article(title="X", slug="first", by=author)
    assert not Article.objects.filter(slug="first").exists()
    assert writing.create_article(title="First", by=author).slug == "first-2"
    old = OldAddress.objects.get()
    with pytest.raises(NotAllowed):
        writing.give_up_address(address=old, by=acme_people["member"])
    writing.give_up_address(address=old, by=editor)
    move(other, author, "first")
    assert Entry.objects.filter(verb="article.address_given_up").exists()


def test_refusal_stands_at_the_field_of_page_and_api(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        move(make_article(acme_people["author"], "First"), acme_people["author"], "second")
        other = make_article(acme_people["author"], "Other")
    client = as_role("author")
    for slug in ("first", "second"):
        answer = client.post(
            f"/desk/{other.pk}/", {"title": "Other", "body": "x", "slug": slug, "version": 1}
        )
        assert f"{slug}" in str(answer.context["form"].errors["slug"])
        refused = client.patch(
            f"/api/v1/articles/{other.pk}/", {"slug": slug}, headers={"If-Match": "*"}, **JSON
        )
        assert refused.status_code == 400
        assert list(sentences(refused)) == ["slug"]


def test_old_address_tells_nothing_of_what_one_may_not_read(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        author = acme_people["author"]
        article = make_article(author, "First")
        move(article, author, "second")
        writing.change_article(
            article=article, by=author, changes={"visibility": Visibility.MEMBERS}
        )
    assert as_role("member").get("/articles/first/").status_code == 301
    answer = as_role("visitor").get("/articles/first/")
    assert answer.headers["Location"].startswith("/account/login/?next=/articles/first/")
    with context.run_in(acme):
        Article.objects.update(state="draft")
    assert as_role("member").get("/articles/first/").status_code == 404
    assert as_role("visitor").get("/articles/first/").status_code == 404


def test_admin_gives_an_old_address_up(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        move(make_article(acme_people["editor"], "First"), acme_people["editor"], "second")
        old = OldAddress.objects.get()
    path = f"/admin/articles/oldaddress/{old.pk}/delete/"
    assert as_role("author").post(path, {"post": "yes"}).status_code == 302
    with context.run_in(acme):
        assert OldAddress.objects.exists(), "it is somebody else's"
    as_role("editor").post(path, {"post": "yes"})
    with context.run_in(acme):
        assert not OldAddress.objects.exists()
