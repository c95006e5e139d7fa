"""The tags and filters for themes."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import notifications
from tenant_apps.articles import writing
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.articles.models import Visibility
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product
from tenant_apps.users.models import User
from tests.tenant_apps.conftest import People, make_article, make_product


def shown(source: str, **context: object) -> str:
    return Template("{% load site %}" + source).render(Context(context))


ARTICLES = "{{ one.title }} {{ one.author }},"
PRODUCTS = "{{ one.title }} {{ one.lowest_price_minor }} {{ one.first_image }},"


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("tag", "each", "queries"),
    [
        ("recent_articles 5", ARTICLES, 1),
        ("article_categories", "{{ one.name }} {{ one.article_count }},", 1),
        ("product_categories", "{{ one.name }} {{ one.product_count }},", 1),
        ("featured_products 4", PRODUCTS, 3),
    ],
)
def test_tag_asks_as_much_for_three_as_for_one(
    in_acme: TenantRef,
    acme_people: People,
    django_assert_num_queries: DjangoAssertNumQueries,
    tag: str,
    each: str,
    queries: int,
    rows: int,
) -> None:
    for number in range(rows):
        article = make_article(acme_people["author"], f"Kiln {number}")
        article.category = ArticleCategory.objects.create(name=f"Kilns {number}", slug=f"k{number}")
        article.save(update_fields=["category"])
        product = make_product(f"Mug {number}")
        product.category = ProductCategory.objects.create(
            name=f"Mugs {number}", slug=f"m{number}", path=f"Mugs {number}"
        )
        product.save(update_fields=["category"])
    Product.objects.update(featured_at=timezone.now())
    source = "{% " + tag + " as found %}{% for one in found %}" + each + "{% endfor %}"
    with django_assert_num_queries(queries):
        assert shown(source, user=AnonymousUser()).count(",") == rows


def test_articles_are_those_that_the_reader_may_see(
    in_acme: TenantRef, acme_people: People
) -> None:
    article = make_article(acme_people["author"], "Secret kiln")
    writing.change_article(
        article=article, by=acme_people["author"], changes={"visibility": Visibility.MEMBERS}
    )
    source = "{% recent_articles as found %}{% for one in found %}{{ one.title }}{% endfor %}"
    assert shown(source) == shown(source, user=AnonymousUser()) == ""
    assert shown(source, user=acme_people["member"]) == "Secret kiln"


def test_limit_is_bounded(in_acme: TenantRef, acme_people: People) -> None:
    for number in range(3):
        make_article(acme_people["author"], f"Kiln {number}")
    count = "as found %}{{ found|length }}"
    assert shown("{% recent_articles 2 " + count) == "2"
    assert shown("{% recent_articles -1 " + count) == "0"
    assert shown("{% recent_articles 1000000 " + count) == "3"


def test_site_info_is_the_tenants(
    in_acme: TenantRef, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    source = "{% site_info as site %}{{ site.name }} {{ site.currency }} {{ site.url }}"
    shown(source)
    with django_assert_num_queries(0):
        assert shown(source) == "Acme EUR http://acme.localhost:8000/"


def test_unread_notifications_are_the_readers(
    in_acme: TenantRef,
    acme_people: People,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    people = [acme_people["editor"]]
    notifications.notify("invitation_accepted", sentence="Nora is in", path="/", to=people)
    source = "{% unread_notifications as count %}{{ count }}"
    with django_assert_num_queries(1):
        assert shown(source, user=acme_people["editor"]) == "1"
    assert shown(source, user=acme_people["author"]) == "0"
    with django_assert_num_queries(0):
        assert shown(source, user=AnonymousUser()) == shown(source) == "0"


def test_full_name_of_whoever(in_acme: TenantRef, acme_people: People) -> None:
    source = "{{ person|full_name }}"
    assert shown(source, person=acme_people["author"]) == "Author of Acme"
    assert shown(source, person=User(email="nora@acme.example")) == "nora"
    assert shown(source, person=AnonymousUser()) == ""
    assert shown(source, person=User(email="x@y.z", full_name="<b>")) == "&lt;b&gt;"
