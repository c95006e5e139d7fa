from django.db import migrations, models


def longest_first(apps, schema_editor):
    shelves = apps.get_model("specimen", "Shelf").objects.using(schema_editor.connection.alias)
    for shelf in shelves.all():
        shelf.volume_set.update(note=f"{shelf.volume_set.count()} on {shelf.name}")


class Migration(migrations.Migration):
    dependencies = [("specimen", "0013_squashed_0014_gone")]
    operations = [
        migrations.AddField("shelf", "height", models.IntegerField(default=1)),
        migrations.RunPython(longest_first, migrations.RunPython.noop),
        migrations.RemoveField("shelf", "height"),
    ]
