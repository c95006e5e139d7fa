"""The people of acme and globex, and what they write and sell."""

from collections.abc import Callable

import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import publishing, writing
from tenant_apps.articles.models import Article
from tenant_apps.products.models import Product, ProductVariant, State
from tenant_apps.users import membership, roles
from tenant_apps.users.models import Role, User
from tenant_apps.users.permissions import BUILTIN_ROLES, OWNER
from tests.conftest import ClientMaker

PASSWORD = "a long enough passphrase"

People = dict[str, User]


def _move_in(tenant: TenantRef) -> People:
    """One person of each role, beside the owner that it was made with."""
    people: People = {}
    with context.run_in(tenant):
        email = f"owner@{tenant.subdomain}.example"
        people[OWNER] = User.objects.select_related("role").get(email=email)
        people[OWNER].set_password(PASSWORD)
        people[OWNER].save(update_fields=["password"])
        for slug, name in BUILTIN_ROLES.items():
            if slug != OWNER:
                people[slug] = membership.add_person(
                    email=f"{slug}@{tenant.subdomain}.example",
                    full_name=f"{name} of {tenant.name}",
                    role=Role.objects.get(slug=slug),
                    password=PASSWORD,
                    email_confirmed=True,
                )
    return people


@pytest.fixture
def acme_people(acme: TenantRef) -> People:
    """acme's people by the slug of their role."""
    return _move_in(acme)


@pytest.fixture
def globex_people(globex: TenantRef) -> People:
    """globex's people by the slug of their role."""
    return _move_in(globex)


@pytest.fixture
def in_acme(acme_people: People, in_acme: TenantRef) -> TenantRef:
    """The whole test runs inside acme, which has people."""
    return in_acme


def make_steward(people: People) -> User:
    """Somebody with a role of the workspace's own that manages people and does nothing else. Inside
    the tenant."""
    steward = roles.make_role(
        name="Steward",
        permissions=["users.use_admin", "users.manage_people"],
        by=people[OWNER],
    )
    return membership.add_person(
        email="steward@acme.example",
        full_name="Stella Steward",
        role=steward,
        password=PASSWORD,
        email_confirmed=True,
    )


LoggedIn = Callable[[str], Client]


@pytest.fixture
def as_role(acme: TenantRef, acme_people: People, client_of: ClientMaker) -> LoggedIn:
    """`as_role("editor")`: a client that is logged in to acme; "visitor" is nobody."""

    def log_in(role: str) -> Client:
        client = client_of(acme)
        if role != "visitor":
            with context.run_in(acme):
                client.force_login(acme_people[role], "tenant_apps.users.backends.EmailBackend")
        return client

    return log_in


def make_article(by: User, title: str = "The kiln is on", *, published: bool = True) -> Article:
    """An article with text, published unless said otherwise. Inside the tenant."""
    article = writing.create_article(title=title, body="**Hot** and slow.", by=by, tags=["clay"])
    return publishing.publish_article(article=article, by=by) if published else article


def make_product(title: str = "Mug", *, price_minor: int = 1800, published: bool = True) -> Product:
    """A product with one variant. Inside the tenant."""
    from django.utils import timezone

    from tenant_apps.products.catalogue import free_handle

    product = Product.objects.create(
        title=title,
        handle=free_handle(title),
        state=State.PUBLISHED if published else State.DRAFT,
        published_at=timezone.now() if published else None,
    )
    ProductVariant.objects.create(product=product, price_minor=price_minor)
    return product
