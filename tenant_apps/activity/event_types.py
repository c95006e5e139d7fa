"""What can happen in a workspace that other programs may be told of: the one list of it.

An app registers its types in `AppConfig.ready()`, each with the verb that says what an event of it
tells. The page, the API and the list in docs/tenants/webhooks.md are made from here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tenant_apps.activity.errors import EventTypeUnknown

TEST: Final = "webhook.test"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event.

    Args:
        name: `<noun>.<past participle>`, such as `article.published`.
        label: what a person reads beside the tick box.
        tell: what it happened to → the event's `data`, as JSON will take it. Called inside of the
            transaction, and only where an endpoint wants such events.
    """

    name: str
    label: str
    tell: Callable[[Any], Mapping[str, Any]]


_types: dict[str, EventType] = {}


def register_event_types(*types: EventType) -> None:
    """Make types known. Registering a name twice replaces it."""
    for one in types:
        _types[one.name] = one


def registered_event_types() -> list[EventType]:
    """All there are, by name."""
    return [_types[name] for name in sorted(_types)]


def find_event_type(name: str) -> EventType:
    """The type with this name. Raises EventTypeUnknown."""
    try:
        return _types[name]
    except KeyError as error:
        raise EventTypeUnknown(
            f'There is no event "{name}". There are: {", ".join(sorted(_types))}.'
        ) from error


def check_event_types(names: Iterable[str]) -> list[str]:
    """The names, sorted and each once.

    Raises:
        EventTypeUnknown: none is named, or one that nobody registered.
    """
    wanted = sorted(set(names))
    if not wanted:
        raise EventTypeUnknown("Choose at least one kind of event.")
    return [find_event_type(name).name for name in wanted]
