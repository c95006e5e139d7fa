import django.db.models.deletion
from django.db import migrations, models

# What `ProductVariant.__str__` gives.
FILL = """
UPDATE products_stockmovement AS movement
SET product_id = variant.product_id,
    variant_label = COALESCE(
        NULLIF(
            CONCAT_WS(
                ' / ',
                NULLIF(variant.option1, ''),
                NULLIF(variant.option2, ''),
                NULLIF(variant.option3, '')
            ),
            ''
        ),
        'Standard'
    )
FROM products_productvariant AS variant
WHERE variant.id = movement.variant_id
"""


class Migration(migrations.Migration):
    dependencies = [("products", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="stockmovement",
            name="variant",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="movements",
                to="products.productvariant",
            ),
        ),
        migrations.AddField(
            model_name="stockmovement",
            name="variant_label",
            field=models.CharField(blank=True, default="", max_length=800),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="stockmovement",
            name="product",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="movements",
                to="products.product",
            ),
        ),
        migrations.RunSQL([FILL], migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="stockmovement",
            name="product",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="movements",
                to="products.product",
            ),
        ),
    ]
