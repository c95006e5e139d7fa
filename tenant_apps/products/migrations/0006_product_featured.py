from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('products', '0005_reviews_featured_handles'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('featured_at__isnull', False)), fields=['-featured_at'], name='products_product_featured'),
        ),
    ]
