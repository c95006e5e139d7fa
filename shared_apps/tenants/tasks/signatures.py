"""Ties Celery's signatures to the tenant they were made in.

A signature that is made inside a tenant keeps its signed header among its options, so chains,
groups, chords, links and errbacks of it find their tenant wherever they are published: by a worker
between two tasks, by the parent process after a lost child, on commit. Celery has no hook where a
signature is made, so the two methods are wrapped, once.
"""

import functools
from typing import Any

from celery.canvas import Signature, _chain, chord, group

from shared_apps.tenants import context
from shared_apps.tenants.tasks import header
from shared_apps.tenants.tasks.base import STAMP, PublicTask, TenantTask

_COMPOSITES = (_chain, group, chord)


def bind_signatures() -> None:
    """Stamp every signature where it is made, and honour the stamp where it is called."""
    if getattr(Signature.__init__, "_terrace", False):
        return
    original_init = Signature.__init__
    original_call = Signature.__call__

    @functools.wraps(original_init)
    def stamped_init(self: Any, task: Any = None, *args: Any, **kwargs: Any) -> None:
        original_init(self, task, *args, **kwargs)
        tenant = context.current_tenant()
        if tenant is None or isinstance(task, dict) or isinstance(self, _COMPOSITES):
            return
        if not isinstance(self._type, PublicTask):
            self["options"].setdefault(STAMP, header.sign(tenant.uuid, self["task"]))

    @functools.wraps(original_call)
    def call_inside(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Celery calls errbacks that take (request, exc, traceback) like this, in the worker.
        stamp = self["options"].get(STAMP)
        if stamp is None or not isinstance(self.type, TenantTask):
            return original_call(self, *args, **kwargs)
        with context.run_in(self.type.admitted(stamp)):
            return original_call(self, *args, **kwargs)

    stamped_init._terrace = True  # type: ignore[attr-defined]
    Signature.__init__ = stamped_init  # type: ignore[method-assign]
    Signature.__call__ = call_inside  # type: ignore[method-assign]
