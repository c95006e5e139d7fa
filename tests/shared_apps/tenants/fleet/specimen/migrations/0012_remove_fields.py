from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("specimen", "0011_state_apart")]
    operations = [
        migrations.RemoveField("volume", "colour"),
        migrations.RemoveField("volume", "weight"),
    ]
