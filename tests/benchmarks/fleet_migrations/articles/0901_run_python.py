from django.db import migrations
from django.db.models.functions import Length


def measure(apps, schema_editor):
    apps.get_model("articles", "Article").objects.update(bench=Length("title"))


class Migration(migrations.Migration):
    dependencies = [("articles", "0900_field_and_index")]
    operations = [migrations.RunPython(measure, migrations.RunPython.noop)]
