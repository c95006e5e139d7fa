"""Every page answers, for everybody who may see it."""

import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product

PAGES = ["/", "/articles/", "/products/", "/account/login/", "/account/password/reset/"]
OWNERS_PAGES = [
    *("/desk/", "/desk/new/", "/products/import/", "/account/", "/account/leave/"),
    *("/account/password/change/", "/account/email/", "/account/data/", "/admin/"),
    *("/admin/articles/article/", "/admin/articles/article/add/", "/admin/articles/category/"),
    *("/admin/articles/category/add/", "/admin/articles/tag/", "/admin/articles/tag/add/"),
    *("/admin/products/product/", "/admin/products/product/add/", "/admin/products/category/"),
    *("/admin/products/category/add/", "/admin/users/user/", "/admin/users/invitation/"),
    *("/admin/users/invitation/add/", "/admin/users/role/", "/admin/users/role/add/"),
    *("/admin/activity/entry/", "/admin/workspace/workspace/1/change/", "/admin/search/?s=art"),
]


@pytest.mark.parametrize("path", PAGES)
def test_page_answers_visitors_of_an_empty_workspace(as_role: LoggedIn, path: str) -> None:
    assert as_role("visitor").get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES[:3], *OWNERS_PAGES])
def test_page_answers_the_owner(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, path: str
) -> None:
    with context.run_in(acme):
        make_article(acme_people["author"])
        make_product()
    response = as_role("owner").get(path)
    assert response.status_code == 200, response


@pytest.mark.parametrize("path", OWNERS_PAGES)
def test_owners_page_sends_visitors_to_the_login(as_role: LoggedIn, path: str) -> None:
    response = as_role("visitor").get(path, follow=True)
    assert response.redirect_chain[-1][0].startswith("/account/login/?next=/")
    assert response.status_code == 200
