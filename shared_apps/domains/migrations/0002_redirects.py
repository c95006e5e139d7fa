from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('domains', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='domain',
            name='redirects_since',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
