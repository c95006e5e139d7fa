from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('products', '0009_product_likeness'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='productvariant',
            index=models.Index(fields=['price_minor', 'id'], name='products_variant_price'),
        ),
    ]
