from django.db import migrations

PERMISSION = "articles.moderate_comments"


def give_editors_the_permission(apps, schema_editor):
    roles = apps.get_model("users", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(slug__in=["admin", "editor"]):
        if PERMISSION not in role.permissions:
            role.permissions = sorted([*role.permissions, PERMISSION])
            role.save(update_fields=["permissions"])


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0001_initial'),
        ('articles', '0005_comments'),
    ]

    operations = [
        migrations.RunPython(give_editors_the_permission, migrations.RunPython.noop),
    ]
