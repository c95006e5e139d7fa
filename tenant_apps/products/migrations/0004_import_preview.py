import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('products', '0003_stock_not_below_zero'),
    ]

    operations = [
        migrations.AddField(
            model_name='importrun',
            name='match_by',
            field=models.CharField(choices=[('handle', 'its handle'), ('sku', 'a SKU of its variants')], db_default='handle', default='handle', max_length=6, verbose_name='find a product by'),
        ),
        migrations.AddField(
            model_name='productvariant',
            name='extra',
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False),
        ),
        migrations.CreateModel(
            name='ImportChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('handle', models.CharField(max_length=255)),
                ('title', models.CharField(max_length=255)),
                ('is_new', models.BooleanField()),
                ('changes', models.JSONField(default=list)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='products.importrun')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
    ]
