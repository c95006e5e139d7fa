from uuid import uuid4

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0002_add_field_and_index")]
    operations = [migrations.AddField("book", "ticket", models.UUIDField(default=uuid4))]
