import django.db.models.deletion
import django.utils.timezone
import shared_apps.tenants.keys
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('products', '0004_import_preview'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='product',
            name='featured_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='featured since'),
        ),
        migrations.AddField(
            model_name='product',
            name='featured_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='product',
            name='review_count',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='product',
            name='review_stars',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.CreateModel(
            name='OldHandle',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('handle', models.CharField(max_length=255)),
                ('left_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='old_handles', to='products.product')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('handle',), name='products_oldhandle_handle')],
            },
        ),
        migrations.CreateModel(
            name='Review',
            fields=[
                ('id', models.UUIDField(default=shared_apps.tenants.keys.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stars', models.PositiveSmallIntegerField()),
                ('text', models.TextField(blank=True, max_length=5000)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('approved', 'Shown'), ('refused', 'Not shown')], default='waiting', max_length=8)),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('decided_at', models.DateTimeField(null=True)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='product_reviews', to=settings.AUTH_USER_MODEL)),
                ('decided_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reviews', to='products.product')),
            ],
            options={
                'ordering': ['-written_at', '-id'],
                'constraints': [
                    models.UniqueConstraint(fields=('product', 'author'), name='products_review_one_each'),
                    models.CheckConstraint(condition=models.Q(('stars__gte', 1), ('stars__lte', 5)), name='products_review_stars'),
                ],
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['written_at', 'id'], name='products_review_waiting')],
            },
        ),
    ]
