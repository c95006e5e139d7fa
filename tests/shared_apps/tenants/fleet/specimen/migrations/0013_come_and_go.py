from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("specimen", "0012_remove_fields")]
    operations = [
        migrations.CreateModel(
            name="Passing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("volume", models.ForeignKey(on_delete=models.CASCADE, to="specimen.volume")),
            ],
        ),
    ]
