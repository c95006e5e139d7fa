"""What a group of schemas has to do, planned once: which migrations, which way, replayed or run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as default_of
from typing import Any, Final

from django.contrib.postgres import operations as postgres_operations
from django.db import migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import ModelOperation
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.utils import resolve_relation

Key = tuple[str, str]

# What these send depends on names alone, so that the record of one schema is right for its equals.
# Of exactly these classes: a subclass may do anything.
REPLAYABLE: Final = frozenset(
    {
        migrations.AddConstraint,
        migrations.AddField,
        migrations.AddIndex,
        migrations.AlterConstraint,
        migrations.AlterField,
        migrations.AlterIndexTogether,
        migrations.AlterModelManagers,
        migrations.AlterModelOptions,
        migrations.AlterModelTable,
        migrations.AlterModelTableComment,
        migrations.AlterOrderWithRespectTo,
        migrations.AlterUniqueTogether,
        migrations.CreateModel,
        migrations.DeleteModel,
        migrations.RemoveConstraint,
        migrations.RemoveField,
        migrations.RemoveIndex,
        migrations.RenameField,
        migrations.RenameIndex,
        migrations.RenameModel,
        migrations.RunSQL,
        migrations.SeparateDatabaseAndState,
        postgres_operations.AddConstraintNotValid,
        postgres_operations.AddIndexConcurrently,
        postgres_operations.RemoveIndexConcurrently,
        postgres_operations.ValidateConstraint,
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: everything, or one app up or down to one migration, as in Django's command."""

    app_label: str = ""
    migration_name: str = ""
    fake: bool = False
    fake_initial: bool = False

    @property
    def is_latest(self) -> bool:
        """Whether it is all that this code brings."""
        return not self.app_label

    def __str__(self) -> str:
        return f"{self.app_label} {self.migration_name}".strip() or "latest"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration of a plan.

    Args:
        key: (app, name).
        backwards: whether it is taken back.
        why_run: why it has to run in each tenant; empty where its record can be replayed.
    """

    migration: Any
    backwards: bool
    why_run: str

    @property
    def key(self) -> Key:
        return (self.migration.app_label, self.migration.name)

    @property
    def atomic(self) -> bool:
        return bool(self.migration.atomic)

    def __str__(self) -> str:
        arrow = "back " if self.backwards else ""
        how = f"in each tenant: {self.why_run}" if self.why_run else "replayed"
        atomic = "" if self.atomic else ", not atomic"
        return f"{arrow}{'.'.join(self.key)} ({how}{atomic})"


# One operation with the states before and after it, rendered once for all tenants.
Prepared = tuple[Operation, ProjectState, ProjectState]


@dataclass
class Plan:
    """The steps of one group, in the order in which Django runs them.

    Args:
        tables: names of the tables whose shape the replayed steps hang on, in any tenant.
        marks: squashed migrations that are only to be marked as applied.
    """

    steps: list[Step]
    tables: list[str]
    marks: list[Key] = default_of(default_factory=list)
    prepared: dict[Key, list[Prepared]] = default_of(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do at all."""
        return not self.steps and not self.marks


class Planner:
    """Plans for the schema that the owner's connection is set to.

    Args:
        connection: Django's connection of the owner, with its schema set.
    Raises:
        django.db.migrations.exceptions.InconsistentMigrationHistory: a migration is applied before
            one that it depends on.
    """

    def __init__(self, connection: Any, target: Target) -> None:
        self._executor = MigrationExecutor(connection)
        self._executor.loader.check_consistent_history(connection)
        self._target = target
        self.targets = targets_of(self._executor, target)
        self._plan = self._executor.migration_plan(self.targets)
        # migration_plan may have built the graph anew (a replaced migration as target).
        self._full = self._executor.migration_plan(
            self._executor.loader.graph.leaf_nodes(), clean_start=True
        )

    def plan(self) -> Plan:
        """The steps, and the tables that they may touch."""
        chosen = {migration for migration, _ in self._plan}
        backwards = bool(self._plan) and self._plan[0][1]
        steps = []
        tables: set[str] = set()
        for migration, before, after in self._states():
            if migration not in chosen:
                continue
            why_run = _why_run(migration, before, after, backwards=backwards)
            steps.append(Step(migration, backwards, why_run))
            if not why_run:  # what runs in each tenant looks at that tenant's own tables
                tables |= _tables_near(migration, before, after)
        if backwards:
            order = [migration for migration, _ in self._plan]
            steps.sort(key=lambda step: order.index(step.migration))
        return Plan(steps, sorted(tables), self._marks())

    def prepare(self, plan: Plan) -> None:
        """Render the states of what runs in each tenant, before the processes are forked."""
        wanted = {step.migration for step in plan.steps if step.why_run}
        for migration, before, _ in self._states():
            if migration in wanted:
                key = (migration.app_label, migration.name)
                backwards = next(s.backwards for s in plan.steps if s.key == key)
                plan.prepared[key] = _prepare(migration, before, backwards=backwards)

    def _states(self) -> Iterator[tuple[Any, ProjectState, ProjectState]]:
        """Each migration of the graph that is applied or planned, with the state on either side."""
        loader = self._executor.loader
        applied = {
            loader.graph.nodes[key]
            for key in loader.applied_migrations
            if key in loader.graph.nodes
        }
        chosen = {migration for migration, _ in self._plan}
        state = ProjectState(real_apps=loader.unmigrated_apps)
        for migration, _ in self._full:
            if migration in chosen:
                after = migration.mutate_state(state, preserve=True)
                yield migration, state, after
                state = after
            elif migration in applied:
                migration.mutate_state(state, preserve=False)

    def _marks(self) -> list[Key]:
        """Squashed migrations all of whose parts are applied, and which are not marked so."""
        applied = set(self._executor.recorder.applied_migrations())
        return [
            key
            for key, migration in self._executor.loader.replacements.items()
            if key not in applied and all(part in applied for part in migration.replaces)
        ]


def targets_of(executor: MigrationExecutor, target: Target) -> list[tuple[str, str | None]]:
    """The nodes of the graph that a target means, as Django's executor takes them.

    Raises:
        KeyError, AmbiguityError: the app has no migration of this name, or several.
    """
    graph = executor.loader.graph
    if target.is_latest:
        return list(graph.leaf_nodes())
    if target.migration_name == "zero":
        return [(target.app_label, None)]
    if target.migration_name:
        found = executor.loader.get_migration_by_prefix(target.app_label, target.migration_name)
        return [(target.app_label, found.name)]
    return list(graph.leaf_nodes(target.app_label))


# --- Which steps can be replayed -----------------------------------------------------------------


def _why_run(migration: Any, before: ProjectState, after: ProjectState, *, backwards: bool) -> str:
    for operation in _flattened(migration.operations):
        why = _why_operation(operation, migration.app_label, before, after, backwards=backwards)
        if why:
            return why
    return ""


def _flattened(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        if type(operation) is migrations.SeparateDatabaseAndState:
            yield from _flattened(operation.database_operations)


def _why_operation(
    operation: Operation,
    app_label: str,
    before: ProjectState,
    after: ProjectState,
    *,
    backwards: bool,
) -> str:
    if type(operation) is migrations.RunPython:
        return "RunPython"
    if type(operation) not in REPLAYABLE:
        return f"{type(operation).__name__} is not one of Django's operations"
    fields = list(_fields_given_values(operation, app_label, before, after, backwards=backwards))
    called = next((field for field in fields if _is_called(field)), None)
    return f"the default of {called.name} is called" if called is not None else ""


def _fields_given_values(
    operation: Operation,
    app_label: str,
    before: ProjectState,
    after: ProjectState,
    *,
    backwards: bool,
) -> Iterator[Any]:
    """The fields whose default is written into rows that are there."""
    adds = migrations.RemoveField if backwards else migrations.AddField
    if not isinstance(operation, adds | migrations.AlterField):
        return
    state = before if backwards else after
    model = state.models.get((app_label, operation.model_name_lower))
    known = model.fields.get(operation.name) if model else None
    # The operation's own word too: the field may be renamed or removed again in the same migration.
    for field in (known, getattr(operation, "field", None)):
        if field is not None:
            yield field


def _is_called(field: Any) -> bool:
    """Whether each row's or each tenant's value would be another one."""
    now = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return bool(now) or (field.has_default() and callable(field.default))


# --- Which tables they touch -----------------------------------------------------------------------

# What these send hangs on the model's own table alone, and on what a new field refers to.
_OF_ONE_TABLE: Final = (
    migrations.AddConstraint,
    migrations.AddField,
    migrations.AddIndex,
    migrations.AlterConstraint,
    migrations.AlterIndexTogether,
    migrations.AlterModelTableComment,
    migrations.AlterUniqueTogether,
    migrations.CreateModel,
    migrations.RemoveConstraint,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    postgres_operations.AddConstraintNotValid,
    postgres_operations.ValidateConstraint,
)
_OF_THE_STATE_ALONE: Final = (migrations.AlterModelManagers, migrations.AlterModelOptions)


def _tables_near(migration: Any, before: ProjectState, after: ProjectState) -> set[str]:
    """The tables, by name, whose shape a replayed migration's record hangs on.

    An index or a new field looks at its own table and at what the field refers to. Whatever else
    names a model may look at the tables that refer to it, too; raw SQL at any of the app's.
    """
    label = migration.app_label
    found: set[str] = set()
    for operation in _flattened(migration.operations):
        if isinstance(operation, _OF_THE_STATE_ALONE):
            continue
        names = _models_named(operation)
        for state in (before, after):
            if not names:
                found |= _tables_around({key for key in state.models if key[0] == label}, state)
            elif isinstance(operation, _OF_ONE_TABLE):
                found |= _own_tables({(label, name) for name in names}, state)
                found |= _own_tables(set(_targets_of(operation, label, names)), state)
            else:
                found |= _tables_around({(label, name) for name in names}, state)
    return found


def _models_named(operation: Operation) -> set[str]:
    """The lower-case names of the models that an operation is about; none for raw SQL."""
    names: tuple[str, ...] = ("model_name",)  # a field's operation has the field's name as `name`
    if isinstance(operation, ModelOperation):
        names = ("name", "old_name", "new_name")
    return {str(getattr(operation, name)).lower() for name in names if hasattr(operation, name)}


def _own_tables(keys: set[Key], state: ProjectState) -> set[str]:
    """The models' tables, those of their many-to-many fields too."""
    found: set[str] = set()
    for key in keys & state.models.keys():
        found |= _tables_of(state.models[key])
    return found


def _targets_of(operation: Operation, label: str, names: set[str]) -> Iterator[Key]:
    """The models that a new field, or a new model's fields, refer to."""
    fields = [getattr(operation, "field", None), *dict(getattr(operation, "fields", [])).values()]
    for field in fields:
        for name in names:
            yield from _referred_to_by(field, (label, name))


def _tables_around(keys: set[Key], state: ProjectState) -> set[str]:
    """The models' tables, those that they refer to, and those that refer to them."""
    found = _own_tables(keys, state)
    for key, model in state.models.items():
        targets = set(_referred_to(key, model))
        if key in keys:
            found |= _own_tables(targets, state)
        elif targets & keys:
            found |= _tables_of(model)
    return found


def _referred_to(key: Key, model: ModelState) -> Iterator[Key]:
    """(app label, lower-case model name) of what the model's fields refer to."""
    for field in model.fields.values():
        yield from _referred_to_by(field, key)


def _referred_to_by(field: Any, owner: Key) -> Iterator[Key]:
    target = getattr(getattr(field, "remote_field", None), "model", None)
    if target is not None:
        yield resolve_relation(target, *owner)


def _tables_of(model: ModelState) -> set[str]:
    table = str(model.options.get("db_table") or f"{model.app_label}_{model.name_lower}")
    fields: dict[str, Any] = model.fields
    joined = {
        str(field.db_table or f"{table}_{name}")
        for name, field in fields.items()
        if field.many_to_many and not _has_own_through(field)
    }
    return {table, *joined}


def _has_own_through(field: Any) -> bool:
    through = field.remote_field.through
    return through is not None and not getattr(
        getattr(through, "_meta", None), "auto_created", False
    )


# --- What runs in each tenant ------------------------------------------------------------------------


def _prepare(migration: Any, before: ProjectState, *, backwards: bool) -> list[Prepared]:
    """The migration's operations with rendered states, in the order in which they run."""
    prepared: list[Prepared] = []
    state = before.clone()
    _render(state)
    for operation in migration.operations:
        following = state.clone()  # with the models rendered so far
        operation.state_forwards(migration.app_label, following)
        _render(following)
        prepared.append((operation, state, following))
        state = following
    if backwards:
        return [(operation, new, old) for operation, old, new in reversed(prepared)]
    return prepared


def _render(state: ProjectState) -> None:
    """Render now, whole, so that no tenant pays for it again (RunPython clears delayed states)."""
    state.clear_delayed_apps_cache()
    state.apps  # noqa: B018 - rendering is what it does
    state.is_delayed = False


def run_prepared(
    prepared: Sequence[Prepared],
    migration: Any,
    schema_editor: Any,
    *,
    backwards: bool,
    in_transaction: Callable[[], Any],
) -> None:
    """Run a migration's operations in the schema that the editor's connection is set to.

    As django.db.migrations.Migration.apply and unapply do, with states that are there already.

    Args:
        in_transaction: makes a transaction for an operation that wants one in a migration that has
            none.
    """
    for operation, old, new in prepared:
        run = operation.database_backwards if backwards else operation.database_forwards
        wants = operation.atomic or (migration.atomic and operation.atomic is not False)
        if not schema_editor.atomic_migration and wants:
            with in_transaction():
                run(migration.app_label, schema_editor, old, new)
        else:
            run(migration.app_label, schema_editor, old, new)
