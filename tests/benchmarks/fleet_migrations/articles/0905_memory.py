from django.db import migrations, models


def nothing(apps, schema_editor):
    list(apps.get_model("articles", "Article").objects.all())


class Migration(migrations.Migration):
    dependencies = [("articles", "0904_killed")]
    operations = [
        migrations.RunPython(nothing, migrations.RunPython.noop),
        migrations.AddIndex("article", models.Index(fields=["bench_text"], name="bench_text_of")),
    ]
