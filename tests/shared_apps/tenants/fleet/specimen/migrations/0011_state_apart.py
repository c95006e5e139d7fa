from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0010_custom_operation")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE specimen_volume ADD COLUMN weight integer DEFAULT 7 NOT NULL",
                    "ALTER TABLE specimen_volume DROP COLUMN weight",
                )
            ],
            state_operations=[
                migrations.AddField("volume", "weight", models.IntegerField(default=7))
            ],
        ),
    ]
