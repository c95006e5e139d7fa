"""Finds migrations that stop a live table, or fail on Citus: `python -m config.migration_lint`.

A migration runs in every tenant while the release before it goes on working. What is allowed to a
table that the same migration makes is not allowed to one that has rows and readers. The rules, each
with the way to write it instead, are explained in docs/engineers/migrations.md. A line that means it
says so with `# migration-lint: allow L005 - reason`, on the operation or on the line above it.

    L001  a new column that is NOT NULL and has no default in the database (db_default)
    L002  a new column whose default is a function: all rows of all tenants would share one value
    L003  what rewrites the table: another type, a generated column, a default that differs by row
    L004  a column becomes NOT NULL, and no validated constraint says already that it is
    L005  an index that is not made CONCURRENTLY, or one that is made so inside a transaction
    L006  a constraint that is checked for all rows at once
    L007  a column or table is dropped, and `contracts` doesn't say why nobody reads it
    L008  a column or table gets another name in the database
    L009  RunSQL that is not a list of single statements
    L010  SQL that a tenant's schema or Citus can't take: triggers, functions, DO, types, views
    L011  SQL that names a schema, or sets search_path or a role
    L012  RunPython or RunSQL that can't be taken back
    L013  RunPython together with changes of the schema
    L014  a table without primary key
    L015  a 32-bit key
    L016  a relation between a tenant's table and one of the public schema
    L017  atomic = False with anything that would be left half done
"""

import ast
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import django
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration

from config.migration_rules import History, Labels, check_migration

ROOT = Path(__file__).resolve().parent.parent
# Whose migrations are ours; those of packages are run as they are.
ROOMS = (ROOT / "shared_apps", ROOT / "tenant_apps")
_ALLOWED = re.compile(r"#\s*migration-lint:\s*allow\s+(L\d{3})\s+-\s+\S")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One operation that breaks a rule."""

    path: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.sentence}"


@dataclass(frozen=True, slots=True)
class Source:
    """A migration's file: where it is, and in which lines each operation stands.

    `spans` are first and last line, 1 for the first; empty where `operations` is no plain list.
    """

    path: str
    lines: Sequence[str] = ()
    spans: Sequence[tuple[int, int]] = ()

    def line_of(self, number: int) -> int:
        """Where the operation of this number begins."""
        return self.spans[number][0] if number < len(self.spans) else 1

    def allows(self, number: int) -> set[str]:
        """The rules that comments on this operation, or right above it, silence."""
        if number < len(self.spans):
            first, last = self.spans[number]
            lines = self.lines[max(first - 2, 0) : last]
        else:
            lines = self.lines
        return {match[1] for line in lines for match in _ALLOWED.finditer(line)}


def read_source(path: Path, *, root: Path = ROOT) -> Source:
    """A migration's file, read without running it.

    Raises:
        SyntaxError: it is not Python.
    """
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    spans = [(node.lineno, node.end_lineno or node.lineno) for node in _operations_in(text)]
    return Source(name, text.splitlines(), spans)


def _operations_in(text: str) -> list[ast.expr]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            for statement in node.body:
                if (
                    isinstance(statement, ast.Assign)
                    and isinstance(statement.value, ast.List)
                    and any(ast.unparse(target) == "operations" for target in statement.targets)
                ):
                    return statement.value.elts
    return []


def lint_migration(
    migration: Migration, history: History, labels: Labels, source: Source
) -> list[Finding]:
    """What is wrong with one migration, but for what is allowed with a reason.

    Besides comments a migration may have `lint_allow = {"L005": "reason"}`, for its whole file.

    Args:
        history: as the migrations before it have left it; goes on past this one.
    """
    allowed = {
        rule
        for rule, reason in getattr(migration, "lint_allow", {}).items()
        if isinstance(reason, str) and reason.strip()
    }
    return sorted(
        Finding(source.path, source.line_of(problem.number), problem.rule, problem.sentence)
        for problem in check_migration(migration, history, labels)
        if problem.rule not in allowed | source.allows(problem.number)
    )


def lint_migrations(
    loader: MigrationLoader, labels: Labels, *, rooms: Sequence[Path] = ROOMS, root: Path = ROOT
) -> list[Finding]:
    """What is wrong with the migrations in these folders.

    Args:
        loader: with all migrations; those of packages are needed for the state that ours change.
        root: the findings' paths begin here.
    """
    history, findings = History(), list[Finding]()
    for migration in _in_order(loader):
        path = Path(str(sys.modules[type(migration).__module__].__file__)).resolve()
        if any(path.is_relative_to(room.resolve()) for room in rooms):
            source = read_source(path, root=root)
            findings += lint_migration(migration, history, labels, source)
        else:
            for operation in migration.operations:
                operation.state_forwards(migration.app_label, history.state)
    return sorted(findings)


def _in_order(loader: MigrationLoader) -> Iterator[Migration]:
    """Each migration after those that it depends on."""
    seen = set()
    for leaf in sorted(loader.graph.leaf_nodes()):
        for key in loader.graph.forwards_plan(leaf):
            if key not in seen:
                seen.add(key)
                yield loader.graph.nodes[key]


def project_labels() -> Labels:
    """Where this project's tables stand. Needs the apps to be ready."""
    from django.apps import apps
    from django.conf import settings

    def labels(names: list[str]) -> frozenset[str]:
        return frozenset(config.label for config in apps.get_app_configs() if config.name in names)

    return Labels(shared=labels(settings.SHARED_APPS), tenant=labels(settings.TENANT_APPS))


def main(output: TextIO = sys.stdout) -> int:
    """Print what is wrong; the exit status is 1 where something is."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    findings = lint_migrations(MigrationLoader(None, ignore_no_migrations=True), project_labels())
    for finding in findings:
        output.write(f"{finding}\n")
    if findings:
        output.write(
            f"{len(findings)} operation(s) would stop a live table or fail on Citus. "
            "docs/engineers/migrations.md has the way to write each one.\n"
        )
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
