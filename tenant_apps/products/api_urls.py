from django.urls import URLPattern, path

from tenant_apps.products import api

urlpatterns: list[URLPattern] = [
    path("products/<uuid:pk>/variants/", api.VariantsView.as_view(), name="product-variants"),
    path(
        "products/<uuid:pk>/variants/<uuid:variant_id>/",
        api.VariantView.as_view(),
        name="product-variant",
    ),
    path("products/<uuid:pk>/reviews/", api.ProductReviewsView.as_view(), name="product-reviews"),
    path(
        "products/<uuid:pk>/variants/<uuid:variant_id>/movements/",
        api.MovementsView.as_view(),
        name="product-movements",
    ),
]
