from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('products', '0010_variant_price'),
    ]

    operations = [
        migrations.AlterField(
            model_name='importrun',
            name='state',
            field=models.CharField(
                choices=[
                    ('checking', 'Being checked'),
                    ('checked', 'Checked'),
                    ('importing', 'Being imported'),
                    ('imported', 'Imported'),
                    ('refused', 'Refused'),
                    ('failed', 'Stopped by an error'),
                    ('cancelled', 'Cancelled'),
                ],
                default='checking',
                max_length=10,
            ),
        ),
    ]
