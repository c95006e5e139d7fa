from django.apps import AppConfig


class ProductsConfig(AppConfig):
    name = "tenant_apps.products"
    verbose_name = "Products"

    def ready(self) -> None:
        from shared_apps.tenants.registry import register_exporter, register_usage_counter
        from tenant_apps.activity.event_types import register_event_types
        from tenant_apps.activity.notification_kinds import Kind, register_kinds
        from tenant_apps.activity.streams import register_source
        from tenant_apps.api.problems import register_refusal
        from tenant_apps.products import events, exporting, import_runs, selectors
        from tenant_apps.products.errors import ProductError
        from tenant_apps.users.permissions import ADMIN, EDITOR, Permission, register_permissions

        editors = (ADMIN, EDITOR)
        register_permissions(
            Permission("products.change_product", "Add and change products", roles=editors),
            Permission("products.publish_product", "Publish and archive products", roles=editors),
            Permission("products.delete_product", "Delete products", roles=editors),
            Permission("products.import_products", "Import products from files", roles=editors),
            Permission("products.moderate_reviews", "Moderate reviews", roles=editors),
        )
        register_event_types(*events.EVENT_TYPES)
        register_kinds(
            Kind("review_waiting", "A review waits for you", "products.moderate_reviews"),
            Kind("stock_low", "Stock fell low", "products.change_product"),
            Kind("import_ended", "Your import has ended", "products.import_products"),
        )
        register_source("imports", import_runs.news_of)
        register_refusal(ProductError)
        register_usage_counter("products", selectors.count_products)
        register_exporter("products", exporting.export_rows)
