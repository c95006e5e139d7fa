from django.apps import AppConfig


class WorkspaceConfig(AppConfig):
    name = "tenant_apps.workspace"
    verbose_name = "Workspace"

    def ready(self) -> None:
        from shared_apps.tenants.registry import (
            TENANT_NAME,
            CloneRules,
            register_clone_rules,
            register_exporter,
            register_seeder,
        )
        from tenant_apps.api.cross_origin import register_origins
        from tenant_apps.articles.clock import register_time_zone
        from tenant_apps.articles.language import register_language
        from tenant_apps.products.money import register_currency
        from tenant_apps.users.permissions import ADMIN, Permission, register_permissions
        from tenant_apps.users.scopes import register_scopes
        from tenant_apps.users.signup import register_signup_policy
        from tenant_apps.workspace import exporting, seeding, selectors

        register_permissions(
            Permission(
                "workspace.change_settings", "Change the workspace's settings", roles=(ADMIN,)
            ),
            Permission("activity.view_entry", "Read the audit trail", roles=(ADMIN,)),
            Permission(
                "workspace.take_out_data", "Download all of the workspace's data", roles=(ADMIN,)
            ),
        )
        register_signup_policy(lambda: selectors.current_workspace().signup_open)
        register_language(lambda: selectors.current_workspace().language)
        register_time_zone(lambda: selectors.current_workspace().time_zone)
        register_scopes("articles", things="articles, their categories and tags")
        register_scopes("products", things="products, their categories and stock")
        register_scopes("workspace", things="the workspace's settings and figures")
        register_origins(lambda: selectors.current_workspace().api_origins)
        register_currency(lambda: selectors.current_workspace().currency)
        register_seeder("workspace", seeding.seed_workspace, order=10)
        register_clone_rules(
            "workspace",
            CloneRules(
                settings=["workspace_workspace"],
                replaced={"workspace_workspace": {"name": TENANT_NAME}},
            ),
        )
        register_exporter("workspace", exporting.export_rows)
