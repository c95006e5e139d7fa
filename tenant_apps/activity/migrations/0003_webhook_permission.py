from django.db import migrations

PERMISSION = "activity.manage_webhooks"


def give_admins_the_permission(apps, schema_editor):
    roles = apps.get_model("users", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(slug="admin"):
        if PERMISSION not in role.permissions:
            role.permissions = sorted([*role.permissions, PERMISSION])
            role.save(update_fields=["permissions"])


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0001_initial'),
        ('activity', '0002_webhooks'),
    ]

    operations = [
        migrations.RunPython(give_admins_the_permission, migrations.RunPython.noop),
    ]
