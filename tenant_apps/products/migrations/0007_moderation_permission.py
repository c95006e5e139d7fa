from django.db import migrations

PERMISSION = "products.moderate_reviews"


def give_moderators_the_permission(apps, schema_editor):
    roles = apps.get_model("users", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(slug__in=["admin", "editor"], builtin=True):
        if PERMISSION not in role.permissions:
            role.permissions = sorted([*role.permissions, PERMISSION])
            role.save(update_fields=["permissions"])


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0001_initial'),
        ('products', '0006_product_featured'),
    ]

    operations = [
        migrations.RunPython(give_moderators_the_permission, migrations.RunPython.noop),
    ]
