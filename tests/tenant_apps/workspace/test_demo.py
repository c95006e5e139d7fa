import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Article
from tenant_apps.products.models import Product, ProductVariant
from tenant_apps.users.models import User
from tenant_apps.workspace.demo import THEMES, Theme, furnish
from tests.tenant_apps.conftest import People


@pytest.mark.parametrize("theme", THEMES)
def test_demo_tenant_looks_lived_in(acme: TenantRef, acme_people: People, theme: Theme) -> None:
    with context.run_in(acme):
        for _ in range(2):
            furnish(theme=theme, owner_email="owner@acme.example", password="try it out, go on")
        assert Article.objects.published().count() >= 6
        assert Product.objects.published().count() >= 12
        assert Product.objects.count() == 13
        assert ProductVariant.objects.filter(stock_quantity=0).exists()
        emails = [person.email for person in THEMES[theme].people]
        assert User.objects.filter(email__in=emails).count() == 4


def test_demo_people_can_log_in(acme: TenantRef, acme_people: People) -> None:
    with context.run_in(acme):
        furnish(theme="globex", owner_email="owner@acme.example", password="try it out, go on")
        for person in THEMES["globex"].people:
            user = User.objects.select_related("role").get(email=person.email)
            assert user.check_password("try it out, go on")
            assert user.role.slug == person.role
