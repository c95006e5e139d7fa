from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('articles', '0011_moved_site_address'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='article',
            index=models.Index(condition=models.Q(('state', 'published')), fields=['category', '-published_at', '-id'], include=('visibility',), name='articles_article_of_category'),
        ),
    ]
