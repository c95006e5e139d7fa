from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0001_initial")]
    operations = [
        migrations.AddField("book", "year", models.IntegerField(default=1900, db_index=True)),
    ]
