from django.urls import URLPattern, path

from tenant_apps.products import api

urlpatterns: list[URLPattern] = [
    path(
        "products/<uuid:pk>/variants/<uuid:variant_id>/movements/",
        api.MovementsView.as_view(),
        name="product-movements",
    ),
]
