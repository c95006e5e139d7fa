from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("specimen", "0013_come_and_go")]
    operations = [migrations.DeleteModel("Passing")]
