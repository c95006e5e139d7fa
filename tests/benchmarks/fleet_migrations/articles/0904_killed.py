from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("articles", "0903_check")]
    operations = [
        migrations.AddField("article", "bench_text", models.CharField(max_length=9, default="x"))
    ]
