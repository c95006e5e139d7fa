from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0006_not_atomic")]
    operations = [
        migrations.RenameField("book", "title", "heading"),
        migrations.AlterField("book", "heading", models.CharField(max_length=200)),
        migrations.AlterField("book", "pages", models.BigIntegerField(default=1)),
    ]
