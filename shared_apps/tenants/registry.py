"""What tenant apps hand to the engine at start: seeders, exporters, usage counters, who people are.

Shared apps never import tenant apps; a tenant app registers here in `AppConfig.ready()`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

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


Exporter = Callable[[], Iterable[tuple[str, Iterable[dict[str, Any]]]]]
UsageCounter = Callable[[], int]
PersonFinder = Callable[[str], UUID | int | None]


class PasswordCheck(Protocol):
    """Refuses a password that a person may not have, with Django's ValidationError."""

    def __call__(self, *, password: str, email: str, full_name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Registered:
    order: int
    name: str
    function: Any


_seeders: dict[str, _Registered] = {}
_exporters: dict[str, Exporter] = {}
_usage_counters: dict[str, UsageCounter] = {}
_person_finders: dict[str, PersonFinder] = {}
_password_checks: dict[str, PasswordCheck] = {}


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
    """Tell the key of whoever may log in with an e-mail address at the tenant that is set."""
    _person_finders[name] = function


def find_person(email: str) -> UUID | int | None:
    """The key of the person who may log in with this address at the tenant that is set."""
    found = (find(email) for find in _person_finders.values())
    return next((key for key in found if key is not None), None)


def has_person(email: str) -> bool:
    """Whether this address may log in at the tenant that is set."""
    return find_person(email) is not None


def register_password_check(name: str, function: PasswordCheck) -> None:
    """Say which passwords people may not have; asked before there is a tenant to have them in."""
    _password_checks[name] = function


def check_password(*, password: str, email: str, full_name: str) -> None:
    """Refuse a password that the owner of a new tenant may not have.

    Args:
        password: in clear text.
        email, full_name: the owner's, to compare it with.
    Raises:
        ValidationError (Django's): the sentences say what is wrong with it.
    """
    for check in _password_checks.values():
        check(password=password, email=email, full_name=full_name)


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
