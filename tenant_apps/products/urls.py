from django.urls import path

from tenant_apps.products import views

app_name = "products"
urlpatterns = [
    path("stock/", views.low_stock, name="stock"),
    path("stock/watch/", views.watch_stock, name="watch-stock"),
    path("products/", views.product_list, name="list"),
    # With a dot, which no handle has.
    path("products/export.csv", views.export_products, name="export"),
    path("products/import/", views.import_products, name="import"),
    path("products/import/<uuid:pk>/", views.import_run, name="import-run"),
    path("products/import/<uuid:pk>/changes/", views.import_changes, name="import-changes"),
    path("products/import/<uuid:pk>/apply/", views.apply_import, name="import-apply"),
    path("products/import/<uuid:pk>/cancel/", views.cancel_import, name="import-cancel"),
    path("products/import/<uuid:pk>/faulty-rows.csv", views.faulty_rows, name="import-faulty-rows"),
    path("products/category/", views.categories, name="categories"),
    path("products/category/<str:slug>/", views.category, name="category"),
    path("products/<str:handle>/", views.product, name="product"),
    path("products/<str:handle>/reviews/", views.product_reviews, name="reviews"),
    path("products/<str:handle>/reviews/delete/", views.delete_own_review, name="delete-review"),
]
