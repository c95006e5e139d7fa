from django.db import migrations, models

from tests.benchmarks.fleet_migrations.articles import LEAF


class Migration(migrations.Migration):
    dependencies = [("articles", LEAF)]
    operations = [
        migrations.AddField("article", "bench", models.IntegerField(default=0, db_index=True))
    ]
