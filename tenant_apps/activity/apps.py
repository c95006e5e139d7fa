from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "tenant_apps.activity"
    verbose_name = "Activity"

    def ready(self) -> None:
        from django.contrib.admin.models import LogEntry
        from django.db.models import DO_NOTHING

        # Terrace has no django_admin_log table: its history is `activity.Entry`. Without this,
        # deleting a user would look for the user's log entries there.
        LogEntry._meta.get_field("user").remote_field.on_delete = DO_NOTHING
