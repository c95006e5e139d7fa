from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "tenant_apps.activity"
    verbose_name = "Activity"

    def ready(self) -> None:
        from django.contrib.admin.models import LogEntry
        from django.db.models import DO_NOTHING

        from shared_apps.tenants.registry import register_exporter
        from tenant_apps.activity import exporting

        register_exporter("activity", exporting.export_rows)

        # Terrace has no django_admin_log table: its history is `activity.Entry`. Without this,
        # deleting a user would look for the user's log entries there.
        LogEntry._meta.get_field("user").remote_field.on_delete = DO_NOTHING
