from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("articles", "0902_row_by_row")]
    operations = [
        migrations.AddConstraint(
            "article",
            models.CheckConstraint(condition=models.Q(bench__gte=0), name="bench_not_negative"),
        )
    ]
