import django.contrib.postgres.operations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('products', '0002_stock_alerts'),
    ]

    operations = [
        django.contrib.postgres.operations.ValidateConstraint(
            model_name='productvariant',
            name='products_variant_stock_not_below_zero',
        ),
    ]
