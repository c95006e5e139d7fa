"""What a token may be for: reading or writing in one app. What its person may not do, it may not.

    articles:read, articles:write, products:read, …

An endpoint belongs to the app that its module stands in, unless it says otherwise with `scope`; GET,
HEAD and OPTIONS need `read`, all other methods `write`, which has `read` in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

READ: Final = "read"
WRITE: Final = "write"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that a token may be for.

    Args:
        name: `<app>:read` or `<app>:write`.
        label: what a person reads beside the tick box.
    """

    name: str
    label: str


_scopes: dict[str, Scope] = {}


class ScopeUnknown(ValueError):
    """A scope was named that no app has; the sentence says which there are."""


def register_scopes(app: str, *, things: str) -> None:
    """Make an app's two scopes known; call it in `AppConfig.ready()`.

    Args:
        things: what there is to read and write, as "articles and categories".
    """
    for verb, label in ((READ, f"Read {things}"), (WRITE, f"Read, add and change {things}")):
        _scopes[f"{app}:{verb}"] = Scope(f"{app}:{verb}", label)


def registered_scopes() -> list[Scope]:
    """All there are, by name."""
    return [_scopes[name] for name in sorted(_scopes)]


def check_scopes(names: Iterable[str]) -> list[str]:
    """The names, sorted and each once.

    Raises:
        ScopeUnknown: none is named, or one that no app has.
    """
    wanted = sorted(set(names))
    if not wanted:
        raise ScopeUnknown("Choose at least one thing that the token may do.")
    unknown = [name for name in wanted if name not in _scopes]
    if unknown:
        raise ScopeUnknown(
            f"There is no scope {unknown[0]!r}. There are: {', '.join(sorted(_scopes))}."
        )
    return wanted


def needed_scope(view: Any, method: str) -> str:
    """The scope that a token needs here; none where the endpoint is for everybody."""
    app = getattr(view, "scope", "")
    if app is None:
        return ""
    if not app:
        # tenant_apps.articles.api → articles
        app = type(view).__module__.split(".")[1]
    return f"{app}:{READ if method in SAFE else WRITE}"


def grants(granted: Sequence[str], needed: str) -> bool:
    """Whether what was granted covers what is needed."""
    app, _, verb = needed.partition(":")
    return not needed or needed in granted or (verb == READ and f"{app}:{WRITE}" in granted)
