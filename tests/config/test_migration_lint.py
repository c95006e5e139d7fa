"""Each rule of the migration linter refuses what it is for, and lets the good way pass."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from django.contrib.postgres import operations as postgres
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    TrigramExtension,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.db.models.functions import Lower, Now

from config import migration_lint
from config.migration_lint import Source, lint_migration, read_source
from config.migration_rules import History, Labels

LABELS = Labels(shared=frozenset({"tenants", "operators"}), tenant=frozenset({"shop", "users"}))
NOT_NULL_CHECK = CheckConstraint(condition=Q(note__isnull=False), name="shop_item_has_note")
POSITIVE = CheckConstraint(condition=Q(price__gt=0), name="shop_item_price")
NOOP = migrations.RunPython.noop


def _make_key() -> str:
    return "k"


def _forwards(apps: Any, schema_editor: Any) -> None:
    """Some rows change."""


def _sql(*statements: str, reverse: Any = migrations.RunSQL.noop) -> migrations.RunSQL:
    return migrations.RunSQL(list(statements), reverse_sql=reverse)


def _add(field: models.Field[Any, Any], model: str = "item") -> migrations.AddField:
    return migrations.AddField(model, "extra", field)


def _alter(name: str, field: models.Field[Any, Any]) -> migrations.AlterField:
    return migrations.AlterField("item", name, field)


def _item(**more: models.Field[Any, Any]) -> migrations.CreateModel:
    fields = {
        "id": models.BigAutoField(primary_key=True),
        "name": models.CharField(max_length=50),
        "note": models.TextField(null=True),
        "price": models.DecimalField(max_digits=8, decimal_places=2),
        "count": models.IntegerField(default=0),
        "owner_id": models.BigIntegerField(default=1),
        **more,
    }
    return migrations.CreateModel("Item", list(fields.items()))


def _lint(*operations: Operation, app: str = "shop", **attributes: Any) -> list[str]:
    """The rules that a migration breaks in a house where items and people are there already."""
    history = History()
    for label, name, first in (
        ("users", "0001_initial", [
            migrations.CreateModel("User", [("id", models.BigAutoField(primary_key=True))])]),
        ("operators", "0001_initial", [
            migrations.CreateModel("Operator", [("id", models.BigAutoField(primary_key=True))])]),
        ("shop", "0001_initial", [_item()]),
        ("operators", "0002_item", [_item()]),
    ):  # fmt: skip
        before = migrations.Migration(name, label)
        before.operations = first
        assert lint_migration(before, history, LABELS, Source("before.py")) == []
    migration = migrations.Migration("0002_more", app)
    migration.operations = list(operations)
    for attribute, value in attributes.items():
        setattr(migration, attribute, value)
    return [one.rule for one in lint_migration(migration, history, LABELS, Source("m.py"))]


CONCURRENTLY = "CREATE INDEX CONCURRENTLY by_name ON shop_item (name)"

# What is refused, by the rule's number and a word or two.
REFUSED: dict[str, list[Operation]] = {
    "L001 no default at all": [_add(models.TextField())],
    "L001 a default in Python alone": [_add(models.IntegerField(default=0))],
    "L001 order_with_respect_to": [migrations.AlterOrderWithRespectTo("item", "price")],
    "L002 callable": [_add(models.TextField(null=True, default=_make_key))],
    "L003 number to text": [_alter("count", models.TextField(default=""))],
    "L003 32 bits to 64": [_alter("count", models.BigIntegerField(default=0))],
    "L003 shorter": [_alter("name", models.CharField(max_length=20))],
    "L003 other decimals": [_alter("price", models.DecimalField(max_digits=9, decimal_places=3))],
    "L003 collation": [_alter("name", models.CharField(max_length=50, db_collation="C"))],
    "L003 generated": [
        _add(
            models.GeneratedField(
                expression=Lower("name"), output_field=models.TextField(), db_persist=True
            )
        )
    ],
    "L003 differs by row": [_add(models.UUIDField(db_default=RandomUUID()))],
    "L003 sql": [_sql("ALTER TABLE shop_item ALTER COLUMN count TYPE bigint")],
    "L004 becomes NOT NULL": [_alter("note", models.TextField())],
    "L004 sql": [_sql("ALTER TABLE shop_item ALTER note SET NOT NULL")],
    "L005 AddIndex": [migrations.AddIndex("item", Index(fields=["name"], name="by_name"))],
    "L005 foreign key's index": [_add(models.ForeignKey("users.User", models.CASCADE, null=True))],
    "L005 db_index": [_alter("name", models.CharField(max_length=50, db_index=True))],
    "L005 inside a transaction": [
        AddIndexConcurrently("item", Index(fields=["name"], name="by_name"))
    ],
    "L005 sql": [_sql("CREATE INDEX by_name ON shop_item (name)")],
    "L006 check": [migrations.AddConstraint("item", POSITIVE)],
    "L006 unique": [
        migrations.AddConstraint("item", UniqueConstraint(fields=["name"], name="one_name"))
    ],
    "L006 unique column": [_add(models.TextField(null=True, unique=True))],
    "L006 becomes unique": [_alter("name", models.CharField(max_length=50, unique=True))],
    "L006 together": [migrations.AlterUniqueTogether("item", {("name", "count")})],
    "L006 becomes a foreign key": [
        _alter(
            "owner_id",
            models.ForeignKey("users.User", models.CASCADE, db_column="owner_id", db_index=False),
        )
    ],
    "L006 validated at once": [
        AddConstraintNotValid("item", POSITIVE),
        ValidateConstraint("item", POSITIVE.name),
    ],
    "L006 sql": [_sql("ALTER TABLE shop_item ADD CONSTRAINT c CHECK (count > 0)")],
    "L007 column": [migrations.RemoveField("item", "note")],
    "L007 table": [migrations.DeleteModel("Item")],
    "L007 sql column": [_sql("ALTER TABLE shop_item DROP COLUMN note")],
    "L007 sql table": [_sql("DROP TABLE shop_item")],
    "L008 column": [migrations.RenameField("item", "note", "remark")],
    "L008 table": [migrations.RenameModel("Item", "Thing")],
    "L008 db_table": [migrations.AlterModelTable("item", "shop_things")],
    "L008 db_column": [_alter("note", models.TextField(null=True, db_column="remark"))],
    "L008 sql": [_sql("ALTER TABLE shop_item RENAME COLUMN note TO remark")],
    "L009 a text": [migrations.RunSQL("SELECT 1", reverse_sql=migrations.RunSQL.noop)],
    "L009 two in one": [_sql("UPDATE shop_item SET count = 1; UPDATE shop_item SET count = 2")],
    "L009 backwards": [_sql("UPDATE shop_item SET count = 1", reverse="SELECT 1")],
    "L010 trigger": [_sql("CREATE TRIGGER t BEFORE UPDATE ON shop_item EXECUTE FUNCTION touch()")],
    "L010 function": [
        _sql("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$")
    ],
    "L010 block": [_sql("DO $$ BEGIN NULL; END $$")],
    "L010 type": [_sql("-- moods\nCREATE TYPE mood AS ENUM ('good')")],
    "L010 view": [_sql("CREATE MATERIALIZED VIEW seen AS SELECT 1 AS n")],
    "L010 partitions": [_sql("CREATE TABLE p (id bigint PRIMARY KEY) PARTITION BY RANGE (id)")],
    "L010 extension": [TrigramExtension()],
    "L010 backwards": [_sql("SELECT 1", reverse=["CREATE VIEW seen AS SELECT 1 AS n"])],
    "L011 qualified": [_sql("UPDATE public.shop_item SET count = 1")],
    "L011 another tenant's": [_sql("DELETE FROM t_aaaaaaaaaaaa.shop_item")],
    "L011 search_path": [_sql("SET LOCAL search_path = public")],
    "L011 role": [_sql("SET ROLE postgres")],
    "L012 python": [migrations.RunPython(_forwards)],
    "L012 sql": [migrations.RunSQL(["UPDATE shop_item SET count = 1"])],
    "L013 mixed": [_add(models.TextField(null=True)), migrations.RunPython(_forwards, NOOP)],
    "L014 no key": [_sql("CREATE TABLE plain (id bigint)")],
    "L015 model": [migrations.CreateModel("Small", [("id", models.AutoField(primary_key=True))])],
    "L015 by hand": [
        migrations.CreateModel("Small", [("id", models.IntegerField(primary_key=True))])
    ],
    "L015 sql": [_sql("CREATE TABLE plain (id serial PRIMARY KEY)")],
    "L016 to public": [
        _add(models.ForeignKey("operators.Operator", models.CASCADE, null=True, db_index=False))
    ],
    "L016 new model": [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("by", models.ForeignKey("operators.Operator", models.CASCADE)),
            ],
        )
    ],
}

# The good way: what passes.
ALLOWED: dict[str, list[Operation]] = {
    "L001 null": [_add(models.TextField(null=True))],
    "L001 db_default": [_add(models.IntegerField(default=0, db_default=0))],
    "L002 constant": [_add(models.JSONField(null=True, default=dict))],
    "L002 db_default": [_add(models.DateTimeField(default=_make_key, db_default=Now()))],
    "L003 longer": [_alter("name", models.CharField(max_length=60))],
    "L003 without limit": [_alter("name", models.TextField())],
    "L003 more digits": [_alter("price", models.DecimalField(max_digits=12, decimal_places=2))],
    "L003 words alone": [_alter("name", models.CharField("its name", max_length=50))],
    "L004 new table": [
        migrations.CreateModel(
            "Fresh",
            [("id", models.BigAutoField(primary_key=True)), ("note", models.TextField(null=True))],
        ),
        migrations.AlterField("fresh", "note", models.TextField()),
    ],
    "L005 foreign key without index": [
        _add(models.ForeignKey("users.User", models.CASCADE, null=True, db_index=False))
    ],
    "L005 new table": [
        migrations.CreateModel("Fresh", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddIndex("fresh", Index(fields=["id"], name="fresh_id")),
        migrations.AddConstraint("fresh", UniqueConstraint(fields=["id"], name="fresh_one")),
        migrations.AddField("fresh", "word", models.TextField(unique=True)),
        migrations.RemoveField("fresh", "word"),
    ],
    "L006 not valid": [AddConstraintNotValid("item", POSITIVE)],
    "L006 validate": [ValidateConstraint("item", "added_before")],
    "L006 sql": [
        _sql(
            "ALTER TABLE shop_item ADD CONSTRAINT c CHECK (count > 0) NOT VALID",
            "ALTER TABLE shop_item ADD CONSTRAINT one_name UNIQUE USING INDEX one_name_index",
        )
    ],
    "L008 the column stays": [
        _alter("note", models.TextField(null=True, db_column="note")),
        migrations.RenameField("item", "note", "remark"),
    ],
    "L008 the table stays": [
        migrations.AlterModelTable("item", "shop_item"),
        migrations.RenameModel("Item", "Thing"),
    ],
    "L009 a list": [
        _sql("UPDATE shop_item SET name = 'a;b' WHERE count = 1", "ANALYZE shop_item;")
    ],
    "L010 words in quotes": [_sql("UPDATE shop_item SET name = 'CREATE VIEW x; public.x'")],
    "L011 extensions": [
        _sql("UPDATE shop_item i SET name = i.note FROM users_user u WHERE u.id = i.owner_id"),
    ],
    "L012 nothing to undo": [migrations.RunPython(_forwards, NOOP)],
    "L013 with rows alone": [
        migrations.RunPython(_forwards, NOOP),
        _sql("UPDATE shop_item SET count = 1"),
    ],
    "L014 with a key": [
        _sql(
            "CREATE TABLE plain (id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, n int)",
            "CREATE INDEX plain_n ON plain (n)",
            "ALTER TABLE plain ADD CONSTRAINT positive CHECK (n > 0)",
        )
    ],
    "L015 uuid": [migrations.CreateModel("Big", [("id", models.UUIDField(primary_key=True))])],
    "L016 own": [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("by", models.ForeignKey("users.User", models.CASCADE)),
                ("item", models.ForeignKey("shop.Item", models.CASCADE)),
            ],
        )
    ],
    "models alone": [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("item", "note")]
        )
    ],
}


@pytest.mark.parametrize("name", REFUSED)
def test_planted_migration_is_refused(name: str) -> None:
    assert set(_lint(*REFUSED[name])) == {name[:4]}


@pytest.mark.parametrize("name", ALLOWED)
def test_good_way_passes(name: str) -> None:
    assert _lint(*ALLOWED[name]) == []


@pytest.mark.parametrize("name", ["L001 no default at all", "L005 AddIndex", "L009 a text"])
def test_shared_apps_are_held_to_the_same(name: str) -> None:
    assert _lint(*REFUSED[name], app="operators") == [name[:4]]


def test_shared_app_refers_to_no_tenants_model() -> None:
    field = models.ForeignKey("users.User", models.CASCADE, null=True, db_index=False)
    assert _lint(_add(field), app="operators") == ["L016"]


def test_both_faults_of_a_column_are_named() -> None:
    assert _lint(_add(models.TextField(default=_make_key))) == ["L001", "L002"]


def test_index_made_concurrently_stands_alone_outside_a_transaction() -> None:
    index = AddIndexConcurrently("item", Index(fields=["name"], name="by_name"))
    other = AddIndexConcurrently("item", Index(fields=["count"], name="by_count"))
    assert _lint(index, atomic=False) == []
    assert _lint(_sql(CONCURRENTLY), atomic=False) == []
    assert _lint(index, other, atomic=False) == ["L017", "L017"]
    assert _lint(_add(models.TextField(null=True)), atomic=False) == ["L017"]
    assert _lint(_sql("UPDATE shop_item SET count = 1"), atomic=False) == ["L017"]
    assert _lint(migrations.RunPython(_forwards, NOOP), atomic=False) == []


def test_not_null_is_let_pass_when_a_validated_check_has_proven_it() -> None:
    history = History()
    steps: list[tuple[list[Operation], list[str]]] = [
        ([_item()], []),
        ([AddConstraintNotValid("item", NOT_NULL_CHECK)], []),
        ([_alter("note", models.TextField())], ["L004"]),
        ([_alter("note", models.TextField(null=True))], []),
        ([ValidateConstraint("item", NOT_NULL_CHECK.name)], []),
        ([_alter("note", models.TextField())], []),
    ]
    for number, (operations, rules) in enumerate(steps):
        migration = migrations.Migration(f"{number:04}", "shop")
        migration.operations = operations
        found = lint_migration(migration, history, LABELS, Source("m.py"))
        assert [one.rule for one in found] == rules


def test_contract_is_let_pass_when_it_says_why() -> None:
    drop = migrations.RemoveField("item", "note")
    assert _lint(drop, contracts="Release 12 was the last one to read it.") == []
    assert _lint(drop, contracts="  ") == ["L007"]
    rename = migrations.RenameField("item", "count", "number")
    assert _lint(rename, contracts="Release 12 was the last one to read it.") == ["L008"]


def test_what_reaches_the_database_is_checked_not_what_the_models_say() -> None:
    halves = migrations.SeparateDatabaseAndState(
        database_operations=[migrations.AddIndex("item", Index(fields=["name"], name="by_name"))],
        state_operations=[migrations.RemoveField("item", "note")],
    )
    assert _lint(halves) == ["L005"]
    assert _lint(halves, _add(models.TextField(null=True))) == ["L005"]


def test_migration_may_allow_a_rule_with_a_reason() -> None:
    index = migrations.AddIndex("item", Index(fields=["name"], name="by_name"))
    assert _lint(index, lint_allow={"L005": "A dozen rows in every tenant."}) == []
    assert _lint(index, lint_allow={"L005": ""}) == ["L005"]
    assert _lint(index, lint_allow={"L006": "A dozen rows in every tenant."}) == ["L005"]


# --- Files --------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An app `probe` whose migrations are the files that the test writes."""
    package = tmp_path / "planted_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "probe": package.name}

    def write(name: str, operations: str, **attributes: str) -> None:
        lines = "".join(f"    {key} = {value}\n" for key, value in attributes.items())
        (package / f"{name}.py").write_text(
            "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            f"{lines}    operations = [\n{indent(dedent(operations), ' ' * 8)}    ]\n"
        )

    yield write
    for module in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[module]


NOTE = """\
    migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]),
"""
INDEX = """\
    migrations.RunSQL([], reverse_sql=[]),
    migrations.AddIndex(
        "note",{comment}
        models.Index(fields=["id"], name="by_id"),
    ),
"""


def _lint_files(tmp_path: Path) -> list[str]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    labels = Labels(shared=frozenset(), tenant=frozenset({"probe"}))
    found = migration_lint.lint_migrations(loader, labels, rooms=[tmp_path], root=tmp_path)
    return [str(one) for one in found]


def test_finding_names_file_line_and_rule(shop: Any, tmp_path: Path) -> None:
    shop("0001_initial", NOTE)
    shop("0002_index", INDEX.format(comment=""), dependencies='[("probe", "0001_initial")]')
    [found] = _lint_files(tmp_path)
    assert found.startswith("planted_migrations/0002_index.py:8: L005 The index by_id")


@pytest.mark.parametrize(
    ("comment", "is_allowed"),
    [
        ("  # migration-lint: allow L005 - a dozen rows", True),
        ("  # migration-lint: allow L006 - a dozen rows", False),
        ("  # migration-lint: allow L005", False),
        ("  # migration-lint: allow L005 -", False),
        ("  # migration-lint: allow all - a dozen rows", False),
    ],
)
def test_comment_allows_one_rule_with_a_reason(
    shop: Any, tmp_path: Path, comment: str, is_allowed: bool
) -> None:
    shop("0001_initial", NOTE)
    shop("0002_index", INDEX.format(comment=comment), dependencies='[("probe", "0001_initial")]')
    assert bool(_lint_files(tmp_path)) is not is_allowed


def test_comment_on_another_operation_allows_nothing(shop: Any, tmp_path: Path) -> None:
    shop("0001_initial", NOTE)
    operations = "# migration-lint: allow L005 - a dozen rows\n" + dedent(INDEX.format(comment=""))
    shop("0002_index", operations, dependencies='[("probe", "0001_initial")]')
    assert len(_lint_files(tmp_path)) == 1


def test_operations_that_are_no_plain_list_are_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "0002.py"
    path.write_text("class Migration:\n    operations = made()  # migration-lint: allow L005 - x\n")
    source = read_source(path)
    assert (source.spans, source.line_of(0), source.allows(0)) == ([], 1, {"L005"})


def test_this_projects_migrations_pass() -> None:
    output = io.StringIO()
    assert migration_lint.main(output) == 0, output.getvalue()
    assert output.getvalue() == ""


def test_this_projects_migrations_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = migration_lint.lint_migration

    def looking(migration: Any, *others: Any) -> Any:
        seen.append((migration.app_label, migration.name))
        return original(migration, *others)

    monkeypatch.setattr(migration_lint, "lint_migration", looking)
    migration_lint.main(io.StringIO())
    assert ("tenants", "0003_provisioning") in seen
    assert ("mfa", "0001_initial") in seen  # rewritten by us
    assert ("sessions", "0001_initial") not in seen


def test_command_prints_what_is_wrong_and_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = migration_lint.Finding("a.py", 3, "L005", "Wrong.")
    monkeypatch.setattr(migration_lint, "lint_migrations", lambda *_: [found])
    output = io.StringIO()
    assert migration_lint.main(output) == 1
    assert output.getvalue().startswith("a.py:3: L005 Wrong.\n1 operation(s)")


def test_every_rule_is_planted_explained_and_documented() -> None:
    root = Path(migration_lint.__file__).resolve().parent.parent
    page = (root / "docs" / "engineers" / "migrations.md").read_text()
    explained = {line.split()[0] for line in (migration_lint.__doc__ or "").splitlines()
                 if line.startswith("    L0")}  # fmt: skip
    planted = {name[:4] for name in REFUSED} | {"L017"}
    assert planted == explained
    assert {rule for rule in explained if f"### {rule} " in page} == explained


def test_subclasses_come_before_their_bases() -> None:
    """Else a base's rule would be asked in their place."""
    from config.migration_rules import _CHECKS

    kinds = [kind for kind, _ in _CHECKS]
    for number, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[number + 1 :]), kind
    assert postgres.AddIndexConcurrently in kinds
