from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "tenant_apps.activity"
    verbose_name = "Activity"

    def ready(self) -> None:
        from django.contrib.admin.models import LogEntry
        from django.db.models import DO_NOTHING

        from shared_apps.tenants.registry import (
            CloneRules,
            keep_writable,
            register_clone_rules,
            register_exporter,
        )
        from tenant_apps.activity import errors, exporting
        from tenant_apps.api.problems import register_refusal

        register_exporter("activity", exporting.export_rows)
        register_refusal(errors.WebhookError)
        # Reading is no change.
        keep_writable("activity_notification", columns=["read_at"])
        # A copy of a workspace calls nobody: it would tell the source's receivers of what it does.
        register_clone_rules(
            "activity",
            CloneRules(
                never=[
                    "activity_webhookendpoint",
                    "activity_webhookevent",
                    "activity_webhookdelivery",
                    # Of what the source did; and its mails that wait are not the copy's to send.
                    "activity_notification",
                ]
            ),
        )

        # Terrace has no django_admin_log table: its history is `activity.Entry`. Without this,
        # deleting a user would look for the user's log entries there.
        LogEntry._meta.get_field("user").remote_field.on_delete = DO_NOTHING
