from django.db import migrations


def count_pages(apps, schema_editor):
    # Without `using`, as most people write it.
    for book in apps.get_model("specimen", "Book").objects.filter(pages=None):
        book.pages = 10 * len(book.title)
        book.save(update_fields=["pages"])


def forget_pages(apps, schema_editor):
    apps.get_model("specimen", "Book").objects.update(pages=None)


class Migration(migrations.Migration):
    dependencies = [("specimen", "0003_called_default")]
    operations = [migrations.RunPython(count_pages, forget_pages)]
