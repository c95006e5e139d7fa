"""The audit trail: who did what, to what, from where."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from tenant_apps.activity.generation import end_generation
from tenant_apps.activity.models import Entry

_ip_address: ContextVar[str | None] = ContextVar("activity_ip_address", default=None)


@contextmanager
def from_address(ip_address: str | None) -> Iterator[None]:
    """What is recorded inside came from this address; outside of any request there is none."""
    token = _ip_address.set(ip_address)
    try:
        yield
    finally:
        _ip_address.reset(token)


def record(
    *,
    verb: str,
    subject: models.Model,
    actor: AbstractBaseUser | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Entry:
    """Write one line of the trail, in the caller's transaction. Its commit ends the generation.

    Args:
        verb: `<noun>.<past participle>`, such as `article.published`.
        actor: None where the platform itself acted, by a timetable for example.
        before, after: the fields that changed, as JSON will take them; dates and keys are turned
        to text.
    Runs in: the tenant's schema.
    """
    end_generation()
    return Entry.objects.create(**_columns(verb, subject, actor, before, after))


def record_many(
    *, verb: str, subjects: Iterable[models.Model], actor: AbstractBaseUser | None
) -> list[Entry]:
    """Write one line for each object, in one statement."""
    end_generation()
    return Entry.objects.bulk_create(
        [Entry(**_columns(verb, subject, actor, None, None)) for subject in subjects]
    )


def _columns(
    verb: str,
    subject: models.Model,
    actor: AbstractBaseUser | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "verb": verb,
        "object_type": subject._meta.label_lower,
        "object_id": str(subject.pk),
        "object_label": str(subject)[:200],
        "actor_id": actor.pk if actor else None,
        "actor_email": actor.get_username() if actor else "",
        "before": as_json(before),
        "after": as_json(after),
        "ip_address": _ip_address.get(),
    }


def as_json(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values as JSON will take them: dates and keys as text."""
    return {name: _plain(value) for name, value in (values or {}).items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
