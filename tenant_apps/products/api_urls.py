from django.urls import URLPattern, path

from tenant_apps.products import api_parts, api_shop

_PRODUCT = "products/<uuid:pk>"
_VARIANT = f"{_PRODUCT}/variants/<uuid:variant_id>"
urlpatterns: list[URLPattern] = [
    path(f"{_PRODUCT}/variants/", api_parts.VariantsView.as_view(), name="product-variants"),
    path(f"{_VARIANT}/", api_parts.VariantView.as_view(), name="product-variant"),
    path(f"{_VARIANT}/movements/", api_parts.MovementsView.as_view(), name="product-movements"),
    path(f"{_PRODUCT}/options/", api_parts.OptionsView.as_view(), name="product-options"),
    path(f"{_PRODUCT}/images/", api_parts.ImagesView.as_view(), name="product-images"),
    path(
        f"{_PRODUCT}/images/<uuid:image_id>/", api_parts.ImageView.as_view(), name="product-image"
    ),
    path(f"{_PRODUCT}/reviews/", api_shop.ProductReviewsView.as_view(), name="product-reviews"),
]
