from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("specimen", "0008_constraints_and_many")]
    operations = [
        migrations.RenameModel("Book", "Volume"),
        migrations.RenameModel("Tag", "Label"),
        migrations.AlterModelTable("Label", "specimen_tag"),
    ]
