from django.db import migrations


class Migration(migrations.Migration):
    replaces = [("specimen", "0013_come_and_go"), ("specimen", "0014_gone")]
    dependencies = [("specimen", "0012_remove_fields")]
    operations = []
