import django.contrib.postgres.operations
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('products', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='StockAlert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.IntegerField()),
                ('warned_at', models.PositiveIntegerField()),
                ('fell_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('mailed_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stock_alerts', to='products.product')),
                ('variant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stock_alerts', to='products.productvariant')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [
                    models.Index(condition=models.Q(('ended_at', None)), fields=['-id'], name='products_stockalert_open'),
                    models.Index(condition=models.Q(('ended_at', None), ('mailed_at', None)), fields=['id'], name='products_stockalert_unsent'),
                ],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('variant',), name='products_stockalert_one_open'),
                ],
            },
        ),
        migrations.CreateModel(
            name='StockWatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name='productvariant',
            name='low_stock_at',
            field=models.PositiveIntegerField(blank=True, help_text='A warning is sent when so many pieces or fewer are left.', null=True, verbose_name='warn at'),
        ),
        migrations.RemoveConstraint(
            model_name='productvariant',
            name='products_variant_stock_not_negative',
        ),
        django.contrib.postgres.operations.AddConstraintNotValid(
            model_name='productvariant',
            constraint=models.CheckConstraint(condition=models.Q(('stock_quantity__gte', 0), ('sells_when_out', True), _connector='OR'), name='products_variant_stock_not_below_zero', violation_error_message='Stock cannot be negative. Write 0 or more.'),
        ),
    ]
