"""One management command in many tenants, some at a time."""

import io
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.core.management import CommandError, call_command, get_commands
from django.db import connections

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenancyError

logger = logging.getLogger(__name__)

_OF_ALL_TENANTS: Final = "`{}` looks after all tenants itself: call it without `run`."
# Django asks the router where a table is migrated, and in a tenant the answer is nowhere: they would
# do nothing and say nothing.
_FIXTURES: Final = (
    "`{}` does nothing in a tenant. `manage.py tenants export` writes all of its rows."
)
_UNFIT: Final = {
    **dict.fromkeys(
        (
            "bootstrap_database",
            "fleet",
            "makemigrations",
            "migrate",
            "migrate_schemas",
            "runserver",
            "tenants",
        ),
        _OF_ALL_TENANTS,
    ),
    "dumpdata": _FIXTURES,
    "loaddata": _FIXTURES,
}


class CommandUnfit(TenancyError):
    """There is no such command, or it is none to be run in a tenant."""


class State(StrEnum):
    """How the command ended in one tenant."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "not begun"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the command in one tenant. `output` is what it wrote to its stdout and stderr."""

    tenant: str
    state: State
    output: str = ""
    error: str = ""
    seconds: float = 0.0


def run_in_tenants(
    *,
    tenants: Sequence[TenantRef],
    command: str,
    arguments: Sequence[str] = (),
    parallel: int = 4,
    on_done: Callable[[Outcome], object] = lambda outcome: None,
) -> list[Outcome]:
    """Run a management command in each tenant, in a thread of its own. One failing stops no other.

    After Ctrl-C the command is begun nowhere else, and where it runs it goes on to its end.

    Args:
        arguments: the command's own, as on the command line.
        parallel: how many at once; each has a connection of its own.
        on_done: is told of each that has ended, in the caller's thread.
    Returns:
        One outcome a tenant, in the order of `tenants`.
    Raises:
        CommandUnfit: there is no such command, or it is not for a tenant.
        ValueError: `parallel` is less than 1.
    Runs in: each tenant's schema.
    """
    if parallel < 1:
        raise ValueError("At least one has to run at a time: give --parallel 1 or more.")
    if command in _UNFIT:
        raise CommandUnfit(_UNFIT[command].format(command))
    if command not in get_commands():
        raise CommandUnfit(f"There is no command {command!r}. `manage.py help` lists them.")
    outcomes: dict[TenantRef, Outcome] = {}
    with ThreadPoolExecutor(parallel, thread_name_prefix="tenant") as pool:
        begun: dict[Future[Outcome], TenantRef] = {
            pool.submit(context.carry(_run), tenant, command, arguments): tenant
            for tenant in tenants
        }
        try:
            for future in as_completed(begun):
                outcomes[begun[future]] = future.result()
                on_done(outcomes[begun[future]])
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
    for future, tenant in begun.items():
        if tenant not in outcomes and future.done() and not future.cancelled():
            outcomes[tenant] = future.result()
    return [outcomes.get(tenant, Outcome(str(tenant), State.STOPPED)) for tenant in tenants]


def _run(tenant: TenantRef, command: str, arguments: Sequence[str]) -> Outcome:
    began = time.monotonic()
    said = io.StringIO()
    error = ""
    try:
        with context.run_in(tenant):
            call_command(command, *arguments, stdout=said, stderr=said, no_color=True)
    except CommandError as refused:
        error = str(refused)
    except SystemExit as ended:
        error = f"It ended with {ended.code}." if ended.code else ""
    except Exception as failed:
        # Whatever a command raises: it is one line of the summary, and the others go on.
        logger.exception("%s failed in %s", command, tenant)
        error = f"{type(failed).__name__}: {failed}"
    finally:
        connections.close_all()
    return Outcome(
        tenant=str(tenant),
        state=State.FAILED if error else State.DONE,
        output=said.getvalue(),
        error=error,
        seconds=time.monotonic() - began,
    )
