"""The search of the admin: things of all kinds, each by the rules of its own list."""

import re

import pytest
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Category
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.users import roles
from tenant_apps.users.models import User
from tenant_apps.workspace.admin_search import EACH
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product

PATH = "/admin/search/"


def titles(page: bytes) -> list[str]:
    return re.findall(r'data-title="([^"]*)"', page.decode())


@pytest.fixture
def things(acme: TenantRef, acme_people: People) -> None:
    """One of each kind that the word "kiln" finds, and an article of the editor's."""
    with context.run_in(acme):
        make_article(acme_people["author"], "Kiln of the author")
        make_article(acme_people["editor"], "Kiln of the editor", published=False)
        make_product("Kiln brush")
        Category.objects.create(name="Kiln letters", slug="kiln-letters")
        ProductCategory.objects.create(name="Kiln tools", slug="kiln-tools", path="Kiln tools")
        User.objects.filter(pk=acme_people["member"].pk).update(full_name="Kilian Kiln")


@pytest.mark.parametrize(
    ("role", "found"),
    [
        ("owner", "author editor letters brush tools Kilian"),
        ("admin", "author editor letters brush tools Kilian"),
        ("editor", "author editor letters brush tools"),
        ("author", "author"),
    ],
)
@pytest.mark.parametrize("query", ["", "&extended=1"])
def test_each_role_finds_what_it_may_see(
    things: None, as_role: LoggedIn, role: str, found: str, query: str
) -> None:
    answer = as_role(role).get(f"{PATH}?s=kiln{query}")
    assert answer.status_code == 200
    words = ("author", "editor", "letters", "brush", "tools", "Kilian")
    shown = titles(answer.content)
    assert [word for word in words if any(word in title for title in shown)] == found.split()


@pytest.mark.parametrize(("role", "status"), [("member", 302), ("visitor", 302)])
def test_others_find_nothing(things: None, as_role: LoggedIn, role: str, status: int) -> None:
    answer = as_role(role).get(f"{PATH}?s=kiln")
    assert answer.status_code == status
    assert b"author" not in answer.content


def test_right_that_was_lost_is_lost_at_once(
    acme: TenantRef, acme_people: People, things: None, client_of: ClientMaker
) -> None:
    with context.run_in(acme):
        person = acme_people["member"]
        names = ["users.use_admin", "products.change_product"]
        role = roles.make_role(name="Seller", permissions=names, by=acme_people["owner"])
        User.objects.filter(pk=person.pk).update(role=role)
        client = client_of(acme)
        client.force_login(person, "tenant_apps.users.backends.EmailBackend")
    assert "Kiln brush" in titles(client.get(f"{PATH}?s=kiln").content)
    with context.run_in(acme):
        roles.change_role(
            role=role, name=role.name, permissions=["users.use_admin"], by=acme_people["owner"]
        )
    assert titles(client.get(f"{PATH}?s=kiln").content) == []


def test_neighbours_things_are_not_found(
    acme: TenantRef, globex: TenantRef, globex_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(globex):
        make_product("Kiln of globex")
        make_article(globex_people["author"], "Kiln of globex, too")
    assert titles(as_role("owner").get(f"{PATH}?s=kiln").content) == []


def test_pages_of_the_menu_are_found_by_those_who_have_them(
    acme: TenantRef, as_role: LoggedIn
) -> None:
    owner = as_role("owner").get(f"{PATH}?s=take-out").content.decode()
    assert 'href="/account/data/"' in owner
    assert titles(as_role("author").get(f"{PATH}?s=take-out").content) == []


@pytest.mark.parametrize("text", ["", "%20", "x", "%00", "%25", "_", "'; DROP", "<b>", "k" * 500])
def test_odd_text_is_no_error(things: None, as_role: LoggedIn, text: str) -> None:
    answer = as_role("owner").get(f"{PATH}?s={text}&extended=1")
    assert answer.status_code == 200
    assert "<b>" not in answer.content.decode()


@pytest.mark.parametrize("rows", [1, 50])
def test_queries_and_hits_are_bounded(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            make_article(acme_people["author"], f"Kiln {number}")
            make_product(f"Kiln brush {number}")
    client = as_role("owner")
    with django_assert_num_queries(12):
        found = titles(client.get(f"{PATH}?s=kiln").content)
    assert len(found) == 2 * min(rows, EACH)
