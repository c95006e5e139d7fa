from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("specimen", "0005_run_sql")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE specimen_book ADD COLUMN stray integer",
            "ALTER TABLE specimen_book DROP COLUMN stray",
        ),
        AddIndexConcurrently(
            "book", models.Index(fields=["year", "pages"], name="specimen_year_pages")
        ),
        migrations.RunSQL(
            "ALTER TABLE specimen_book DROP COLUMN stray",
            "ALTER TABLE specimen_book ADD COLUMN stray integer",
        ),
    ]
