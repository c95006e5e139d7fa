"""Finds code that the three locks can't see: `python -m config.tenant_lint [paths]`.

The locks stand between the code and the database. What code keeps for itself, in a process that
serves all tenants, they can't guard: these rules do. A line that means it says so with
`# tenant-lint: allow T001 - reason`.

    T001  a cache of the process (lru_cache, cache, cached) on a function that touches tenant data
    T002  a query made at import: a queryset on a class or in a module, choices, a default
    T003  a thread, timer or executor that is given a function without context.carry
    T004  connection.set_schema, set_tenant and django-tenants' own contexts
    T005  the owner's connection (using("owner"), connections["owner"]) outside shared_apps/tenants
    T006  a connection that is not Django's (psycopg.connect, pgconn) outside shared_apps/tenants
"""

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
# Where tenants' data is handled. Tests plant what must be found.
ROOMS = ("config", "shared_apps", "tenant_apps")

_CACHES = frozenset({"lru_cache", "cache", "cached", "cachedmethod", "memoize"})
_MANAGERS = frozenset({"objects", "_default_manager", "_base_manager"})
# Touching any of these makes a function's answer a tenant's.
_TENANT_WORDS = frozenset({"require_tenant", "current_tenant", "run_in", "default_storage"})
_SWITCHES = frozenset({"set_schema", "set_tenant", "set_schema_to_public"})
_SWITCHING_CONTEXTS = frozenset({"schema_context", "tenant_context", "tenant_context_decorator"})
_STARTERS = {"Thread": "target", "Timer": "function"}
_ALLOWED = re.compile(r"#\s*tenant-lint:\s*allow\s+(T\d{3})\s+-\s+\S")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line that breaks a rule."""

    path: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.sentence}"


def lint_source(source: str, path: str) -> list[Finding]:
    """What is wrong in one module.

    Args:
        source: the module's text.
        path: from the tree's root, with forward slashes; decides which rules apply.
    Raises:
        SyntaxError: it is not Python.
    """
    lines = source.splitlines()
    found = _Visitor(path).findings_in(ast.parse(source, path))
    return sorted(finding for finding in found if not _is_allowed(finding, lines))


def lint_paths(paths: Iterable[Path], root: Path = ROOT) -> list[Finding]:
    """What is wrong in these files and folders; migrations are left out."""
    findings: list[Finding] = []
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if "migrations" not in file.parts:
                name = file.resolve().relative_to(root).as_posix()
                findings += lint_source(file.read_text(encoding="utf-8"), name)
    return findings


def _is_allowed(finding: Finding, lines: Sequence[str]) -> bool:
    match = _ALLOWED.search(lines[finding.line - 1])
    return match is not None and match.group(1) == finding.rule


class _Visitor(ast.NodeVisitor):
    def __init__(self, path: str) -> None:
        self.path = path
        self.is_engine = path.startswith("shared_apps/tenants/")
        self.depth = 0  # how many functions we are in: 0 runs at import
        self.found: set[Finding] = set()
        self.carried: set[str] = set()

    def findings_in(self, tree: ast.Module) -> set[Finding]:
        for node in ast.walk(tree):
            # `work = carry(work)` and `@carry` make a name fit for a thread.
            if isinstance(node, ast.Assign) and _is_carried(node.value):
                self.carried |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        self.visit(tree)
        return self.found

    def _report(self, node: ast.AST, rule: str, sentence: str) -> None:
        self.found.add(Finding(self.path, getattr(node, "lineno", 1), rule, sentence))

    # --- Functions: their decorators and defaults run at import, their bodies don't -------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        cached = next(
            (word for word in map(_called_name, node.decorator_list) if word in _CACHES), ""
        )
        if cached and _touches_tenant_data(node):
            self._report(
                node.decorator_list[0],
                "T001",
                f"{node.name} is kept by {cached} for the whole process and touches tenant data: "
                "the first tenant's answer would be everybody's. Use django.core.cache, whose keys "
                "carry the tenant.",
            )
        for part in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
            if part is not None:
                self.visit(part)
        self.depth += 1
        for statement in node.body:
            self.visit(statement)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's name

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    # --- Expressions ------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        name = _called_name(node)
        self._check_import_time(node, name)
        self._check_threads(node, name)
        self._check_switches(node, name)
        self._check_connections(node, name)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if (
            not self.is_engine
            and _last_name(node.value) == "connections"
            and _constant(node.slice) == "owner"
        ):
            self._report_owner(node)
        self.generic_visit(node)

    def _check_import_time(self, node: ast.Call, name: str) -> None:
        if self.depth or name == "none" or not _goes_through_manager(node.func):
            return  # .none() asks nothing and keeps nothing
        self._report(
            node,
            "T002",
            f"This queryset ({name}) is made at import, where no tenant is set, and would keep the "
            "rows of the first tenant that reads it. Make it in a function.",
        )

    def _check_threads(self, node: ast.Call, name: str) -> None:
        given: ast.expr | None = None
        if name in _STARTERS:
            wanted = _STARTERS[name]
            given = next((word.value for word in node.keywords if word.arg == wanted), None)
            if given is None and len(node.args) > 1:
                given = node.args[1]
        elif name == "submit" and isinstance(node.func, ast.Attribute) and node.args:
            given = node.args[0]
        elif name == "run_in_executor" and len(node.args) > 1:
            given = node.args[1]
        if given is None or _is_carried(given):
            return
        if isinstance(given, ast.Name) and given.id in self.carried:
            return
        self._report(
            node,
            "T003",
            f"{name} starts work in another thread, which has no tenant. Give it "
            "context.carry(function).",
        )

    def _check_switches(self, node: ast.Call, name: str) -> None:
        if self.is_engine:
            return
        is_switch = name in _SWITCHES and isinstance(node.func, ast.Attribute)
        if is_switch or name in _SWITCHING_CONTEXTS:
            self._report(
                node,
                "T004",
                f"{name} goes past the context. Use `with context.run_in(tenant):`.",
            )

    def _check_connections(self, node: ast.Call, name: str) -> None:
        if self.is_engine:
            return
        names_owner = any(_constant(argument) == "owner" for argument in node.args) or any(
            word.arg == "using" and _constant(word.value) == "owner" for word in node.keywords
        )
        if names_owner and (
            name in {"using", "db_manager", "atomic", "get_connection"}
            or any(word.arg == "using" for word in node.keywords)
        ):
            self._report_owner(node)
        if ast.unparse(node.func) in {"psycopg.connect", "psycopg.AsyncConnection.connect"}:
            self._report(
                node,
                "T006",
                "A connection of its own has no locks. Use django.db.connection.",
            )

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "pgconn" and not self.is_engine:
            self._report(
                node, "T006", "pgconn goes past the locks. Use django.db.connection.cursor()."
            )
        self.generic_visit(node)

    def _report_owner(self, node: ast.AST) -> None:
        self._report(
            node,
            "T005",
            "The owner's connection has neither role nor lock: it sees every tenant. It is for "
            "shared_apps/tenants alone.",
        )


def _called_name(node: ast.AST) -> str:
    return _last_name(node.func if isinstance(node, ast.Call) else node)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _goes_through_manager(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in _MANAGERS:
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _is_carried(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called_name(node) in {"carry", "copy_context"}


def _touches_tenant_data(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    words = {
        _last_name(node)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    follows_tenant = any(
        isinstance(node, ast.Attribute) and node.attr == "tenant" for node in ast.walk(function)
    )
    arguments = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
    reads_rows = bool(words & _MANAGERS) or "cursor" in words or "get_user_model" in words
    # `self` and `cls`: a cached method keeps its model instance, and all instances, for ever.
    reads_rows = reads_rows or follows_tenant
    return reads_rows or bool(words & _TENANT_WORDS) or bool(arguments & {"request", "self", "cls"})


def main(arguments: Sequence[str], output: TextIO = sys.stdout) -> int:
    """Print what is wrong; the exit status is 1 where something is."""
    paths = [Path(argument) for argument in arguments] or [ROOT / room for room in ROOMS]
    findings = lint_paths(paths)
    for finding in findings:
        output.write(f"{finding}\n")
    if findings:
        output.write(f"{len(findings)} line(s) would let tenants meet.\n")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
