from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('products', '0012_product_updated'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('state', 'published')), fields=['category', '-published_at', '-id'], name='products_product_of_category'),
        ),
    ]
