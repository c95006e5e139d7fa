"""The workspace's row, kept in the cache: every request asks for it, and it changes once a month.

A generation stands beside it. Whoever changes the row sets another generation once that is committed, so a
request that read the row before and keeps it afterwards keeps it under a generation that nobody asks for.
Without Redis the row is read from the database.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.core.cache import cache
from django.db import transaction

from tenant_apps.workspace.models import Workspace

_ROW: Final = "workspace:row"
_GENERATION: Final = "workspace:generation"
# How long a row is shown that was changed past the verbs: by a restore, or by hand.
_SECONDS: Final = 60
_GENERATION_SECONDS: Final = 24 * 3600

_in_request: ContextVar[Workspace | None] = ContextVar("workspace_in_request", default=None)


def known_workspace() -> Workspace:
    """The workspace's row for whoever reads it: the same one throughout a request, and up to a minute old.

    Whoever changes it reads `selectors.current_workspace`.
    Runs in: the tenant's schema. No query where the cache has it.
    """
    held = _in_request.get()
    return held if held is not None else read_workspace()


@contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Whatever asks inside gets this row."""
    token = _in_request.set(workspace)
    try:
        yield
    finally:
        _in_request.reset(token)


def forget_workspace() -> None:
    """Have everybody read the row again, once the caller's transaction is committed."""
    transaction.on_commit(_begin_generation)


def _begin_generation() -> str:
    generation = secrets.token_hex(8)
    cache.set(_GENERATION, generation, _GENERATION_SECONDS)
    return generation


def read_workspace() -> Workspace:
    """The row from the cache, or from the database where the cache has none that is good.

    Runs in: the tenant's schema.
    """
    names = [field.attname for field in Workspace._meta.concrete_fields]
    # The names are part of the key: two releases that run side by side keep a row each.
    key = f"{_ROW}:{len(names)}:{'.'.join(names)}"
    found: dict[str, Any] = cache.get_many([_GENERATION, key])
    generation = found.get(_GENERATION)
    kept = found.get(key)
    if generation is not None and kept is not None and kept[0] == generation:
        return Workspace.from_db("default", names, kept[1])
    if generation is None:
        generation = _begin_generation()
    workspace = Workspace.objects.get()
    values = [getattr(workspace, name) for name in names]
    cache.set(key, (generation, values), _SECONDS)
    return workspace
