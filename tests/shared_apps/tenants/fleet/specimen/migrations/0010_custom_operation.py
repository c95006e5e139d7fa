from django.db import migrations, models

from tests.shared_apps.tenants.fleet.specimen.operations import WriteNote


class Migration(migrations.Migration):
    dependencies = [("specimen", "0009_rename_models")]
    operations = [
        migrations.AddField("volume", "note", models.TextField(default="", blank=True)),
        WriteNote("one of"),
    ]
