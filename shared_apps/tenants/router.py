"""Django's database router: which tables belong where, and the context checked for each query."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django_tenants.routers import TenantSyncRouter

from shared_apps.tenants import context
from shared_apps.tenants.errors import NoTenant, WrongSchema, WrongTenant

_OWNER = "owner"  # schemas.OWNER, which can't be imported before the models are


@lru_cache(maxsize=1)
def _labels() -> tuple[frozenset[str], frozenset[str]]:
    """App labels of the public schema and of the tenants'."""

    def labels(names: list[str]) -> frozenset[str]:
        return frozenset(
            config.label
            for config in apps.get_app_configs()
            if config.name in names
            or f"{type(config).__module__}.{type(config).__qualname__}" in names
        )

    return labels(settings.SHARED_APPS), labels(settings.TENANT_APPS)


def tenant_app_labels() -> frozenset[str]:
    """The labels of the apps whose tables stand in tenants' schemas."""
    return _labels()[1]


def is_tenant_model(model: type[Model]) -> bool:
    """Whether the model's table stands in tenants' schemas."""
    return model._meta.app_label in _labels()[1]


def is_shared_model(model: type[Model]) -> bool:
    """Whether the model's table stands in the public schema."""
    return model._meta.app_label in _labels()[0]


def is_foreign(made_in: UUID | None, tenant: context.TenantRef) -> bool:
    """Whether an object or queryset with this stamp belongs to another tenant.

    A tenant's uuid is nearly always the same object; UUID's own comparison is slower by far.
    """
    return made_in is not None and made_in is not tenant.uuid and made_in != tenant.uuid


# Migrations run over the owner's connection; a data migration rarely says `using`.
_routed_to_owner: ContextVar[bool] = ContextVar("terrace_routed_to_owner", default=False)


@contextmanager
def routed_to_owner() -> Iterator[None]:
    """Send every query without `using` over the owner's connection, to the schema it is set to.

    For migrations alone: the context's checks don't apply, since no tenant is set.
    """
    token = _routed_to_owner.set(True)
    try:
        yield
    finally:
        _routed_to_owner.reset(token)


class TenantRouter(TenantSyncRouter):  # type: ignore[misc]
    """Refuses, by name, a query that the locks would only let fail."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Check the context; the connection is Django's choice, save in a migration."""
        return self._check(model, hints)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Check the context; the connection is Django's choice, save in a migration."""
        return self._check(model, hints)

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool | None:
        """Refuse to tie objects of two tenants together."""
        tenants = [getattr(obj._state, "tenant", None) for obj in (first, second)]
        if None not in tenants and tenants[0] != tenants[1]:
            raise WrongTenant(
                f"A {type(first).__name__} and a {type(second).__name__} of different tenants "
                "can't refer to each other."
            )
        return None

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """Tables of the public schema and of tenants, each in their place alone."""
        allowed: bool | None = super().allow_migrate(db, app_label, model_name, **hints)
        return allowed

    def _check(self, model: type[Model], hints: dict[str, Any]) -> str | None:
        shared, tenant_labels = _labels()
        label = model._meta.app_label
        tenant = context.current_tenant()
        if label in tenant_labels:
            if tenant is None:
                if _routed_to_owner.get():
                    return _OWNER
                if label in shared:
                    return None
                raise NoTenant(
                    f"{model.__name__} is tenant data and no tenant is set. "
                    "Enter one with `with context.run_in(tenant):`."
                )
            # Both: a related manager's queryset is made here, for an object that may be from elsewhere.
            instance = hints.get("instance")
            made_in = getattr(instance._state, "tenant", None) if instance is not None else None
            if is_foreign(hints.get("terrace_tenant"), tenant) or is_foreign(made_in, tenant):
                raise WrongTenant(
                    f"A query or object of {model.__name__} that was made in another tenant is "
                    f"used in {tenant}. Make it anew inside this tenant."
                )
        elif tenant is not None and label in shared:
            raise WrongSchema(
                f"{model.__name__} is in the public schema, which a tenant can't see. "
                "Wrap the query in `with context.run_in_public():`."
            )
        elif tenant is None and _routed_to_owner.get():
            return _OWNER
        return None
