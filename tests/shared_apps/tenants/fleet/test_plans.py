"""Which tables, by name, a replayed migration's record hangs on."""

import pytest
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from shared_apps.tenants.fleet.plans import _tables_near

_ID = ("id", models.BigAutoField(primary_key=True))
_HOUSE = [
    migrations.CreateModel("Author", [_ID]),
    migrations.CreateModel("Shelf", [_ID]),
    migrations.CreateModel(
        "Book",
        [
            _ID,
            ("title", models.CharField(max_length=9)),
            ("shelf", models.ForeignKey("library.Shelf", models.CASCADE)),
            ("authors", models.ManyToManyField("library.Author")),
        ],
    ),
    migrations.CreateModel("Copy", [_ID, ("book", models.ForeignKey("Book", models.CASCADE))]),
]
_ALL = {"library_author", "library_shelf", "library_book", "library_book_authors", "library_copy"}


def _touched(*operations: Operation) -> set[str]:
    before = ProjectState()
    for operation in _HOUSE:
        operation.state_forwards("library", before)
    migration = migrations.Migration("0002", "library")
    migration.operations = list(operations)
    after = migration.mutate_state(before, preserve=True)
    return _tables_near(migration, before, after)


@pytest.mark.parametrize(
    ("operation", "tables"),
    [
        (
            migrations.AddField("shelf", "room", models.IntegerField(default=0)),
            {"library_shelf"},
        ),
        (
            migrations.AddField("shelf", "owner", models.ForeignKey("Author", models.CASCADE)),
            {"library_shelf", "library_author"},
        ),
        (
            migrations.AddField("shelf", "next", models.ForeignKey("self", models.CASCADE)),
            {"library_shelf"},
        ),
        (
            migrations.AddField("copy", "readers", models.ManyToManyField("library.Author")),
            {"library_copy", "library_copy_readers", "library_author"},
        ),
        (
            migrations.AddIndex("book", models.Index(fields=["title"], name="t")),
            {"library_book", "library_book_authors"},
        ),
        (
            migrations.CreateModel(
                "Loan", [_ID, ("copy", models.ForeignKey("library.Copy", models.CASCADE))]
            ),
            {"library_loan", "library_copy"},
        ),
        (
            migrations.AlterField("author", "id", models.AutoField(primary_key=True)),
            {"library_author", "library_book", "library_book_authors"},
        ),
        (
            migrations.RenameModel("Shelf", "Rack"),
            {"library_shelf", "library_rack", "library_book", "library_book_authors"},
        ),
        (migrations.RunSQL("SELECT 1"), _ALL),
        (migrations.AlterModelOptions("book", {"ordering": ["title"]}), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_near_an_operation(operation: Operation, tables: set[str]) -> None:
    assert _touched(operation) == tables


def test_parts_of_an_operation_for_the_database_alone_count() -> None:
    raw = migrations.SeparateDatabaseAndState(database_operations=[migrations.RunSQL("SELECT 1")])
    assert _touched(raw) == _ALL
