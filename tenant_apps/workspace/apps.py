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
        from tenant_apps.activity.notification_kinds import Kind, register_kinds
        from tenant_apps.activity.permissions import MANAGE_WEBHOOKS
        from tenant_apps.api.cross_origin import register_origins
        from tenant_apps.articles.clock import register_time_zone
        from tenant_apps.articles.language import register_language
        from tenant_apps.products.money import register_currency
        from tenant_apps.sender import Sender, register_sender
        from tenant_apps.users.permissions import ADMIN, Permission, register_permissions
        from tenant_apps.users.scopes import register_scopes
        from tenant_apps.users.signup import register_signup_policy
        from tenant_apps.workspace import exporting, seeding
        from tenant_apps.workspace.kept_row import known_workspace

        register_permissions(
            Permission(
                "workspace.change_settings", "Change the workspace's settings", roles=(ADMIN,)
            ),
            Permission("activity.view_entry", "Read the audit trail", roles=(ADMIN,)),
            Permission(MANAGE_WEBHOOKS, "Manage webhooks", roles=(ADMIN,)),
            Permission(
                "workspace.take_out_data", "Download all of the workspace's data", roles=(ADMIN,)
            ),
            # For owners, unless they give them to a role of their own.
            Permission("workspace.change_look", "Change how the site looks, and publish it"),
            Permission("workspace.close_site", "Close the site for visitors, and open it again"),
        )
        register_kinds(Kind("take_out_ended", "Your take-out has ended", "workspace.take_out_data"))
        register_signup_policy(lambda: known_workspace().signup_open)
        register_language(lambda: known_workspace().language)
        register_time_zone(lambda: known_workspace().time_zone)
        register_scopes("articles", things="articles, their categories and tags")
        register_scopes("products", things="products, their categories and stock")
        register_scopes("activity", things="webhooks and what was sent to them")
        register_scopes("workspace", things="the workspace's settings and figures")
        register_origins(lambda: known_workspace().api_origins)
        register_currency(lambda: known_workspace().currency)
        register_sender(
            lambda: Sender(
                known_workspace().mail_from_name or known_workspace().name,
                known_workspace().mail_reply_to,
            )
        )
        register_seeder("workspace", seeding.seed_workspace, order=10)
        register_clone_rules(
            "workspace",
            CloneRules(
                settings=["workspace_workspace"],
                replaced={"workspace_workspace": {"name": TENANT_NAME}},
            ),
        )
        register_exporter("workspace", exporting.export_rows)
