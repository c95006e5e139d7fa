from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0007_alter_fields")]
    operations = [
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("word", models.CharField(max_length=30, unique=True)),
            ],
        ),
        migrations.AddField("book", "labels", models.ManyToManyField(to="specimen.tag")),
        migrations.AddConstraint(
            "book",
            models.CheckConstraint(
                condition=models.Q(pages__gte=0), name="specimen_pages_not_negative"
            ),
        ),
        migrations.AddConstraint(
            "book",
            models.UniqueConstraint(fields=["shelf", "heading"], name="specimen_once_a_shelf"),
        ),
    ]
