"""The two kinds of task: a tenant's, and the public schema's.

A tenant's task enters its tenant in `__call__`, before any work: Celery swallows what a signal
handler raises, so a check in `task_prerun` would let the task run all the same, in public. What is
refused fails the task, once and in the log: no retry.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, overload

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Ignore
from django.db import DatabaseError, close_old_connections, transaction

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import NoTenant, TaskLosesWorkers, TenancyError
from shared_apps.tenants.tasks import header
from shared_apps.tenants.tasks.admission import admit

P = ParamSpec("P")
R = TypeVar("R")
Trace = Callable[..., Any]

# The key under which a signature keeps its tenant (signatures.py); it never reaches the broker.
STAMP = "terrace_tenant"
MAX_LOST_WORKERS = 3


class TerraceTask(DjangoTask[..., Any]):
    """What both kinds share: the transaction, and the end of a message that kills its workers.

    The body runs in a transaction unless the task says `atomic=False`. An exception rolls it back,
    so do Retry and Reject; Ignore, which `self.replace` raises, commits. `on_commit` callbacks run
    after the commit, in the schema they were made in.
    """

    abstract = True
    atomic: ClassVar[bool] = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task where it belongs: a message's as it says, a plain call's as it is."""
        request: Any = self.request_stack.top
        if request is None or request.called_directly or "terrace_entered" in request.__dict__:
            with self.place_of_call():
                return self._in_transaction(super().__call__, args, kwargs)
        request.terrace_entered = True
        request._protected = 1  # Celery's own mark: this request has its run
        headers = request.headers or {}
        if headers.get(header.LOST, 0) >= MAX_LOST_WORKERS:
            raise TaskLosesWorkers(
                f"{self.name} was given up: {MAX_LOST_WORKERS} worker processes died running it. "
                "Look for what kills it (memory, a C library), then publish it again."
            )
        with self.place_of_message(headers):
            return self._in_transaction(self.run, args, kwargs)

    def _in_transaction(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self.atomic:
            return function(*args, **kwargs)
        with transaction.atomic():
            try:
                return function(*args, **kwargs)
            except Ignore as reason:
                ignored = reason
        raise ignored

    def place_of_call(self) -> Any:
        """A context manager: where the task runs when it is called like a function."""
        raise NotImplementedError

    def place_of_message(self, headers: Mapping[str, Any]) -> Any:
        """A context manager: where the task runs for a message with these headers."""
        raise NotImplementedError

    def headers_to_send(self, headers: dict[str, Any], stamp: str | None) -> dict[str, Any]:
        """The headers of a message that is about to be published.

        Args:
            headers: the caller's, or those of the run that is retried.
            stamp: the tenant header of the signature that is published, if it was made in one.
        """
        raise NotImplementedError

    def apply_async(  # type: ignore[override] # options are passed by name, by Celery too
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Publish the task; see TerraceCelery.send_task for its tenant."""
        _keep_limits_in_order(options)
        return super().apply_async(args, kwargs, **options)

    def apply(  # type: ignore[override] # options are passed by name, by Celery too
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Run the task here and now, under the same rules as in a worker."""
        headers = dict(options.pop("headers", None) or {})
        headers = self.headers_to_send(headers, options.pop(STAMP, None))
        return super().apply(args, kwargs, headers=headers, **options)

    # Celery keeps the function that runs a message, with its hooks, callbacks and log lines, in
    # `__trace__`. It is wrapped so that these have the tenant too.
    @property
    def __trace__(self) -> Trace | None:
        return self.__dict__.get("terrace_trace")

    @__trace__.setter
    def __trace__(self, trace: Trace) -> None:
        def traced(uuid: str, args: Any, kwargs: Any, request: dict[str, Any] | None = None) -> Any:
            close_old_connections()
            try:
                with self._surroundings(request or {}):
                    return trace(uuid, args, kwargs, request)
            finally:
                close_old_connections()

        self.__dict__["terrace_trace"] = traced

    @contextmanager
    def _surroundings(self, headers: Mapping[str, Any]) -> Iterator[None]:
        try:
            place = self.place_of_message(headers)
        except (TenancyError, DatabaseError):
            place = nullcontext()  # __call__ asks again, and fails the task
        with place:
            yield


class TenantTask(TerraceTask):
    """A task of one tenant: the one it was published in.

    Celery's own tasks (celery.map, celery.chord_unlock …) are of this class too. They run in
    the tenant of their message where it names one, and in the public schema otherwise.
    """

    abstract = True
    runs_when: ClassVar[frozenset[str]] = frozenset({"active", "trial"})

    @property
    def is_celerys_own(self) -> bool:
        """Whether the task came with Celery."""
        return type(self).__module__ == "celery.app.builtins"

    def place_of_call(self) -> Any:
        """The tenant that is set.

        Raises:
            NoTenant: none is.
        """
        if not self.is_celerys_own:
            context.require_tenant()
        return nullcontext()

    def place_of_message(self, headers: Mapping[str, Any]) -> Any:
        """The message's tenant.

        Raises:
            TenantHeaderMissing, ForgedTenantHeader, TenantNotFound, TenantSuspended,
            TenantNotActive: what is wrong with it.
        """
        value = headers.get(header.TENANT)
        if self.is_celerys_own and not value:
            return context.run_in_public()
        return context.run_in(self.admitted(value))

    def admitted(self, value: str | None) -> TenantRef:
        """The tenant of a header value, checked. Raises as `place_of_message` does."""
        name = str(self.name)
        return admit(header.read(value, name), task_name=name, runs_when=self.runs_when)

    def headers_to_send(self, headers: dict[str, Any], stamp: str | None) -> dict[str, Any]:
        """With the signature's tenant, else the retried run's, else the one that is set.

        Raises:
            NoTenant: there is none of them.
        """
        tenant = context.current_tenant()
        if stamp:
            headers[header.TENANT] = stamp
        elif header.TENANT not in headers and tenant is not None:
            headers[header.TENANT] = header.sign(tenant.uuid, str(self.name))
        elif header.TENANT not in headers and not self.is_celerys_own:
            raise NoTenant(
                f"{self.name} is a tenant's task and no tenant is set. Publish it inside "
                "`with context.run_in(tenant):`, or make it a @public_task."
            )
        return headers


class PublicTask(TerraceTask):
    """A task of the public schema. It has no tenant, wherever it is published or called."""

    abstract = True

    def place_of_call(self) -> Any:
        """The public schema."""
        return context.run_in_public()

    def place_of_message(self, headers: Mapping[str, Any]) -> Any:
        """The public schema."""
        return context.run_in_public()

    def headers_to_send(self, headers: dict[str, Any], stamp: str | None) -> dict[str, Any]:
        """Without a tenant; the one that caused the work has it in its line of the queue."""
        headers.pop(header.TENANT, None)
        tenant = context.current_tenant()
        if tenant is not None:
            headers.setdefault(header.LANE, tenant.uuid.hex)
        return headers


@overload
def tenant_task(function: Callable[P, R], /) -> DjangoTask[P, R]: ...
@overload
def tenant_task(
    *,
    atomic: bool = ...,
    runs_when: frozenset[str] = ...,
    **options: Any,
) -> Callable[[Callable[P, R]], DjangoTask[P, R]]: ...
def tenant_task(function: Any = None, /, **options: Any) -> Any:
    """Make a function a task of the tenant that it is published in.

    Args:
        atomic: whether the body runs in a transaction; default true.
        runs_when: the tenant's statuses in which it runs; default `{"active", "trial"}`. A suspended
            tenant's tasks never run, whatever is said here.
        options: any of Celery's task options, e.g. `autoretry_for`, `time_limit`. With `bind=True`
            use `bound_tenant_task`.
    """
    return _decorate(TenantTask, function, options)


def bound_tenant_task(
    *, atomic: bool = True, **options: Any
) -> Callable[[Callable[Concatenate[Any, P], R]], DjangoTask[P, R]]:
    """As `tenant_task`, with the task itself as the function's first argument, for `self.retry`."""
    decorate: Callable[[Callable[Concatenate[Any, P], R]], DjangoTask[P, R]] = _decorate(
        TenantTask, None, {**options, "atomic": atomic, "bind": True}
    )
    return decorate


@overload
def public_task(function: Callable[P, R], /) -> DjangoTask[P, R]: ...
@overload
def public_task(
    *, atomic: bool = ..., **options: Any
) -> Callable[[Callable[P, R]], DjangoTask[P, R]]: ...
def public_task(function: Any = None, /, **options: Any) -> Any:
    """Make a function a task of the public schema.

    Args:
        atomic: whether the body runs in a transaction; default true.
        options: any of Celery's task options.
    """
    return _decorate(PublicTask, function, options)


def _keep_limits_in_order(options: dict[str, Any]) -> None:
    """Give a time limit a soft one before it.

    Celery looks at the hard limit when the soft one has passed: with the default soft limit of nine
    minutes, a `time_limit` of one minute would come after nine.
    """
    if options.get("time_limit"):
        options.setdefault("soft_time_limit", options["time_limit"] * 0.9)


def _decorate(base: type[TerraceTask], function: Any, options: dict[str, Any]) -> Any:
    _keep_limits_in_order(options)
    decorate: Any = shared_task(base=base, **options)
    return decorate if function is None else decorate(function)
