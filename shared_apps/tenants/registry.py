"""What tenant apps hand to the engine at start: seeders, exporters, usage counters.

Shared apps never import tenant apps; a tenant app registers here in `AppConfig.ready()`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared_apps.tenants.context import TenantRef


@dataclass(frozen=True, slots=True)
class OwnerDetails:
    """The person a new tenant belongs to.

    Args:
        password_hash: as Django's `make_password` gives it, or empty where none is set yet.
    """

    email: str
    full_name: str = ""
    password_hash: str = field(default="", repr=False)


class Seeder(Protocol):
    """Writes what a new tenant starts with."""

    def __call__(self, *, tenant: TenantRef, owner: OwnerDetails | None) -> None: ...


Exporter = Callable[[], Iterable[tuple[str, Iterable[Mapping[str, object]]]]]
UsageCounter = Callable[[], int]
PersonFinder = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Registered:
    order: int
    name: str
    function: Any


_seeders: dict[str, _Registered] = {}
_exporters: dict[str, Exporter] = {}
_usage_counters: dict[str, UsageCounter] = {}
_person_finders: dict[str, PersonFinder] = {}


def register_seeder(name: str, function: Seeder, *, order: int = 100) -> None:
    """Run `function` in each new tenant, inside the transaction that makes it live.

    Keep it to a few statements: a customer waits for it. Lower orders run first (users: 0).
    """
    _seeders[name] = _Registered(order, name, function)


def register_exporter(name: str, function: Exporter) -> None:
    """Give the tenant's data of one app, as (file name, rows), for take-out."""
    _exporters[name] = function


def register_usage_counter(name: str, function: UsageCounter) -> None:
    """Count what the tenant that is set uses of one thing: an integer in the thing's own unit."""
    _usage_counters[name] = function


def register_person_finder(name: str, function: PersonFinder) -> None:
    """Tell whether an e-mail address may log in at the tenant that is set."""
    _person_finders[name] = function


def has_person(email: str) -> bool:
    """Whether this address may log in at the tenant that is set."""
    return any(find(email) for find in _person_finders.values())


def seeders() -> list[tuple[str, Seeder]]:
    """The seeders in their order."""
    ordered = sorted(_seeders.values(), key=lambda entry: (entry.order, entry.name))
    return [(entry.name, entry.function) for entry in ordered]


def exporters() -> dict[str, Exporter]:
    """The exporters by name."""
    return dict(_exporters)


def usage_counters() -> dict[str, UsageCounter]:
    """The usage counters by name."""
    return dict(_usage_counters)
