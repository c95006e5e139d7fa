from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("specimen", "0004_run_python")]
    operations = [
        migrations.RunSQL(
            [
                "CREATE INDEX specimen_upper ON specimen_book (upper(title)) -- '100%' by hand",
                ("UPDATE specimen_book SET colour = %s WHERE colour = ''", ["50% grey; or so"]),
            ],
            [
                "DROP INDEX specimen_upper",
                ("UPDATE specimen_book SET colour = '' WHERE colour = %s", ["50% grey; or so"]),
            ],
        ),
    ]
