"""What people may be told of, and who they are: apps register both in `AppConfig.ready()`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser

from tenant_apps.activity.models import Channel
from tenant_apps.activity.permissions import MANAGE_WEBHOOKS

WEBHOOK_OFF: Final = "webhook_off"


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that people may be told of.

    Args:
        name: in lower case with underscores, at most 40 characters.
        label: what a person reads beside the choice.
        permission: only who has it gets such notifications; everybody may where it is empty.
        channel: how it comes to somebody who has chosen nothing.
    """

    name: str
    label: str
    permission: str = ""
    channel: Channel = Channel.PAGE


class KindUnknown(ValueError):
    """A kind was named that nobody registered."""


# The active people whose role grants a permission.
PeopleFinder = Callable[[str], Iterable[AbstractBaseUser]]

_kinds: dict[str, Kind] = {}
_finders: list[PeopleFinder] = []


def register_kinds(*kinds: Kind) -> None:
    """Make kinds known. Registering a name twice replaces it."""
    for kind in kinds:
        _kinds[kind.name] = kind


def register_people_finder(finder: PeopleFinder) -> None:
    """Say how people are found by what their role grants. One app alone says it: the newest."""
    _finders[:] = [finder]


def find_kind(name: str) -> Kind:
    """The kind with this name. Raises KindUnknown."""
    try:
        return _kinds[name]
    except KeyError as error:
        raise KindUnknown(f'Nobody registered the kind of notification "{name}".') from error


def kinds_for(person: AbstractBaseUser) -> list[Kind]:
    """What this person may be told of, by label."""
    user: Any = person
    mine = [
        kind for kind in _kinds.values() if not kind.permission or user.has_perm(kind.permission)
    ]
    return sorted(mine, key=lambda kind: kind.label)


def people_who_may(permission: str) -> list[AbstractBaseUser]:
    """The active people whose role grants it; nobody where no app has said how they are found."""
    return [person for finder in _finders for person in finder(permission)]


register_kinds(
    Kind(
        WEBHOOK_OFF,
        "A webhook was switched off",
        permission=MANAGE_WEBHOOKS,
        channel=Channel.BOTH,
    )
)
