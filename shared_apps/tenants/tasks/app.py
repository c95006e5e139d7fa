"""Celery's application class with Terrace's rules: who may register, what every message carries."""

from typing import Any

from celery import Celery
from celery.app.registry import TaskRegistry

from shared_apps.tenants import context
from shared_apps.tenants.errors import ForeignTaskBase
from shared_apps.tenants.tasks import header
from shared_apps.tenants.tasks.base import (
    STAMP,
    PublicTask,
    TenantTask,
    TerraceTask,
)
from shared_apps.tenants.tasks.signatures import bind_signatures


class GuardedRegistry(TaskRegistry):
    """Refuses tasks that would run without the check of their tenant."""

    def __setitem__(self, name: str, task: Any) -> None:
        """Register a task.

        Raises:
            ForeignTaskBase: its class is not ours, or has its own `__call__`.
        """
        ours = isinstance(task, TenantTask | PublicTask)
        if not ours or type(task).__call__ is not TerraceTask.__call__:
            raise ForeignTaskBase(
                f"{name} has the base class {type(task).__mro__[1].__qualname__}, which does not "
                "enter its tenant. Make it with @tenant_task or @public_task, or let its base "
                "inherit TenantTask and leave __call__ alone."
            )
        super().__setitem__(name, task)


class TerraceCelery(Celery):
    """Celery, where a task without a word on it is a tenant's."""

    registry_cls = GuardedRegistry  # type: ignore[assignment] # the stubs say str; Celery takes both

    def __init__(self, main: str) -> None:
        super().__init__(main, task_cls=TenantTask)
        bind_signatures()

    def send_task(  # type: ignore[override] # options are passed by name, by Celery too
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Publish a message. `apply_async`, `delay`, retries, canvases and beat all end here.

        Raises:
            NoTenant: it is a tenant's task, and there is no tenant.
        """
        stamp = options.pop(STAMP, None)
        headers = dict(options.get("headers") or {})
        registered: GuardedRegistry = self._tasks  # type: ignore[attr-defined] # .tasks finalizes
        task = options.get("task_type") or registered.get(name)
        tenant = context.current_tenant()
        if isinstance(task, TerraceTask):
            headers = task.headers_to_send(headers, stamp)
        # Else it is a task that only the workers know.
        elif stamp:
            headers.setdefault(header.TENANT, stamp)
        elif tenant is not None:
            headers.setdefault(header.TENANT, header.sign(tenant.uuid, name))
        return super().send_task(name, args, kwargs, **{**options, "headers": headers})
