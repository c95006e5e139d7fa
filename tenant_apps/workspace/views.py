from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tenant_apps.articles.permissions import can_write
from tenant_apps.articles.selectors import latest_articles
from tenant_apps.products.permissions import can_import
from tenant_apps.products.selectors import latest_products

ARTICLES_SHOWN = 4
PRODUCTS_SHOWN = 8


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    articles = latest_articles(ARTICLES_SHOWN)
    return render(
        request,
        "tenant/workspace/home.html",
        {
            "section": "home",
            "lead_article": articles[0] if articles else None,
            "articles": articles[1:],
            "products": latest_products(PRODUCTS_SHOWN),
            "can_write": can_write(request.user),
            "can_import": can_import(request.user),
        },
    )
