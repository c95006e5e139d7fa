import json
import re

import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products import catalogue, selectors
from tenant_apps.products.models import OldHandle, Product, ProductImage, ProductVariant
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.products.test_reviews import approved


def structured(page: str) -> dict[str, object]:
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    data: dict[str, object] = json.loads(text)
    return data


def test_product_for_search_engines(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        product = make_product()
        Product.objects.update(vendor="A </script> & B", description_html="<p>Holds  tea</p>")
        ProductImage.objects.create(product=product, url="/static/mug.svg")
        ProductVariant.objects.update(sku="M", tracks_stock=True)
        approved(acme_people)
    page = acme_client.get("/products/mug/").content.decode()
    address = f"http://{acme.hostname}/products/mug/"
    assert structured(page) == {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "Mug",
        "url": address,
        "description": "Holds tea",
        "brand": {"@type": "Brand", "name": "A </script> & B"},
        "image": [f"http://{acme.hostname}/static/mug.svg"],
        "sku": "M",
        "offers": [
            {
                "@type": "Offer",
                "url": address,
                "price": "18.00",
                "priceCurrency": "EUR",
                "availability": "https://schema.org/OutOfStock",
                "sku": "M",
            }
        ],
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": 4.0,
            "reviewCount": 1,
            "bestRating": 5,
            "worstRating": 1,
        },
    }
    assert f'<link rel="canonical" href="{address}">' in page
    assert '<meta property="og:title" content="Mug">' in page


def test_draft_tells_search_engines_nothing(acme: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        make_product(published=False)
    page = as_role("editor").get("/products/mug/").content.decode()
    assert "ld+json" not in page
    assert '<meta name="robots" content="noindex">' in page


def test_old_handle_leads_to_the_new_one(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    editor = acme_people["editor"]
    with context.run_in(acme):
        mug = make_product()
        for handle in ("cup", "beaker"):
            catalogue.change_product(product=mug, changes={"handle": handle}, by=editor)
    for old in ("mug", "cup"):
        answer = acme_client.get(f"/products/{old}/")
        assert (answer.status_code, answer["Location"]) == (301, "/products/beaker/")
    with context.run_in(acme):
        catalogue.change_product(product=mug, changes={"handle": "mug"}, by=editor)
        assert set(OldHandle.objects.values_list("handle", flat=True)) == {"cup", "beaker"}
    assert acme_client.get("/products/mug/").status_code == 200
    with context.run_in(acme):
        make_product("Cup")
    assert "Cup" in acme_client.get("/products/cup/").content.decode()


@pytest.mark.parametrize("step", ["unpublish", "delete"])
def test_old_handle_of_what_is_gone(
    acme: TenantRef, acme_people: People, acme_client: Client, step: str
) -> None:
    with context.run_in(acme):
        mug = make_product()
        catalogue.change_product(product=mug, changes={"handle": "cup"}, by=acme_people["editor"])
        verb = {"unpublish": catalogue.unpublish_product, "delete": catalogue.delete_product}[step]
        verb(product=mug, by=acme_people["editor"])
    assert acme_client.get("/products/mug/").status_code == 404


def test_sitemap_lists_what_is_on_sale(in_acme: TenantRef) -> None:
    mug = make_product()
    make_product("Secret", published=False)
    assert list(selectors.addresses_for_sitemap()) == [("mug", mug.updated_at)]
