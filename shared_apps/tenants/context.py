"""The first lock: which tenant the running code works for.

The tenant is held in a ContextVar, so each thread and each async task has its own. `run_in` and
`run_in_public` are the only ways to set it. Work that runs later (a callback, a thread) is tied to
the tenant it was made in with `carry`.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from shared_apps.tenants.errors import NoTenant

P = ParamSpec("P")
R = TypeVar("R")

# Made by us, unique for ever, never a customer's words.
SCHEMA_NAME = re.compile(r"\At_[a-z0-9]{12}\Z")


@dataclass(frozen=True, slots=True)
class TenantRef:
    """What a request or a task needs to know of its tenant, without a query.

    Args:
        schema_name: the schema's and the role's name, `t_` and 12 characters.
        subdomain: the label below the platform's base domain.
        hostname: the primary hostname, without port.
        status: one of `shared_apps.tenants.models.Status`.
    Raises:
        ValueError: the schema name is not one of ours. It goes into SQL, so it is checked here.
    """

    id: int
    uuid: UUID
    schema_name: str
    name: str
    subdomain: str
    hostname: str
    status: str

    def __post_init__(self) -> None:
        if not SCHEMA_NAME.match(self.schema_name):
            raise ValueError(
                f"{self.schema_name!r} is not a tenant's schema name (t_ and 12 of a-z, 0-9)."
            )

    def __str__(self) -> str:
        return self.subdomain


class HasRef(Protocol):
    """A row that knows its reference, as `shared_apps.tenants.models.Tenant` does."""

    @property
    def ref(self) -> TenantRef: ...


_current: ContextVar[TenantRef | None] = ContextVar("terrace_tenant", default=None)


# The tenant that is set, or None in the public schema. The ContextVar's own method, not a function
# around it: each row that a request loads asks.
current_tenant: Callable[[], TenantRef | None] = _current.get


def require_tenant() -> TenantRef:
    """The tenant that is set.

    Raises:
        NoTenant: none is.
    """
    tenant = _current.get()
    if tenant is None:
        raise NoTenant("No tenant is set. Enter one with `with context.run_in(tenant):`.")
    return tenant


@contextmanager
def run_in(tenant: TenantRef | HasRef) -> Iterator[TenantRef]:
    """Work for this tenant: its schema, its role, its cache keys and files.

    Safe in threads and async code, and nests. Any tenant in any state can be entered: whether it
    may be served is the door's question (middleware, task), not the context's.
    """
    ref = tenant if isinstance(tenant, TenantRef) else tenant.ref
    token = _current.set(ref)
    try:
        yield ref
    finally:
        _current.reset(token)


@contextmanager
def run_in_public() -> Iterator[None]:
    """Work in the public schema, also from within a tenant, until the block ends."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Tie a function to the tenant that is set now, whenever and wherever it runs.

    A coroutine function stays one, and is tied until its last await.
    """
    tenant = _current.get()
    if inspect.iscoroutinefunction(function):
        coroutine_function = function

        @functools.wraps(function)
        async def carried_coroutine(*args: Any, **kwargs: Any) -> Any:
            token = _current.set(tenant)
            try:
                return await coroutine_function(*args, **kwargs)
            finally:
                _current.reset(token)

        return cast("Callable[P, R]", carried_coroutine)

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _current.set(tenant)
        try:
            return function(*args, **kwargs)
        finally:
            _current.reset(token)

    return carried
