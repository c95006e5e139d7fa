"""Stamps objects, querysets and their rows with the tenant they were made in.

The router (router.py), `refuse_foreign` and `_check_kept` compare the stamp with the tenant that is
set. It is done here for every model of TENANT_APPS, those of other people's apps too, so that no
base class can be forgotten.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.db.models import DEFERRED, Model, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet

from shared_apps.tenants import context
from shared_apps.tenants.errors import WrongTenant
from shared_apps.tenants.router import is_foreign, is_shared_model, is_tenant_model


def install() -> None:
    """Guard all models of tenant apps. Called once, when all apps are ready."""
    for model in apps.get_models(include_auto_created=True):
        if is_tenant_model(model):
            _guard(model)
    _stamp_querysets()
    _stamp_kept_rows()


def _guard(model: type[Model]) -> None:
    if "_terrace_guarded" in model.__dict__:
        return
    from_db = model.from_db.__func__  # type: ignore[attr-defined]
    save_base = model.save_base
    prepare = model._prepare_related_fields_for_save  # type: ignore[attr-defined]

    @functools.wraps(save_base)
    def stamped_save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        save_base(self, *args, **kwargs)
        _stamp(self)

    @functools.wraps(prepare)
    def refuse_foreign(self: Model, operation_name: str, *args: Any, **kwargs: Any) -> None:
        made_in = getattr(self._state, "tenant", None)
        tenant = context.current_tenant()
        if made_in is not None and (tenant is None or made_in != tenant.uuid):
            raise WrongTenant(
                f"This {type(self).__name__} belongs to another tenant than {tenant or 'public'}. "
                "Load it in the tenant in which it is saved."
            )
        prepare(self, operation_name, *args, **kwargs)
        if operation_name == "bulk_create":  # which never comes to save_base
            _stamp(self)

    own = from_db is not Model.from_db.__func__  # type: ignore[attr-defined]
    stamped = _stamped(from_db) if own else _stamped_as_django_does
    model.from_db = classmethod(stamped)  # type: ignore[assignment]
    model.save_base = stamped_save_base  # type: ignore[method-assign]
    model._prepare_related_fields_for_save = refuse_foreign  # type: ignore[attr-defined]
    model._terrace_guarded = True  # type: ignore[attr-defined]


def _stamped(from_db: Any) -> Any:
    """A model's own from_db, whose object gets the stamp afterwards."""

    @functools.wraps(from_db)
    def stamped_from_db(cls: type[Model], db: Any, field_names: Any, values: Any) -> Model:
        instance: Model = from_db(cls, db, field_names, values)
        _stamp(instance)
        return instance

    return stamped_from_db


def _stamped_as_django_does(
    cls: type[Model],
    db: Any,
    field_names: Any,
    values: Any,
    current_tenant: Any = context.current_tenant,
) -> Model:
    """Model.from_db and the stamp in one call: a request makes a hundred objects this way.

    The rows of a query have their columns in one list; where some are deferred, the picker that
    puts a row's values in their places is kept for it. tests/shared_apps/tenants/test_guards.py
    holds the outcome against Django's own.
    """
    if len(values) != len(cls._meta.concrete_fields):
        picker = cls.__dict__.get("_terrace_picker")
        if picker is None or picker[0] is not field_names:
            picker = (field_names, _picker(cls, field_names))
            cls._terrace_picker = picker  # type: ignore[attr-defined]
        values = picker[1]((*values, DEFERRED))
    instance = cls(*values)
    state: Any = instance._state
    state.adding = False
    state.db = db
    tenant = current_tenant()
    if tenant is not None:
        state.tenant = tenant.uuid
    return instance


def _picker(cls: type[Model], field_names: Sequence[str]) -> Callable[[Any], Any]:
    """Takes a row's values, and DEFERRED behind them, to the places of the model's fields."""
    places = {name: place for place, name in enumerate(field_names)}
    deferred = len(field_names)
    taken = [places.get(field.attname, deferred) for field in cls._meta.concrete_fields]
    if len(taken) == 1:
        return lambda row: (row[taken[0]],)
    return operator.itemgetter(*taken)


def _stamp(instance: Model) -> None:
    tenant = context.current_tenant()
    if tenant is not None:
        instance._state.tenant = tenant.uuid  # type: ignore[attr-defined]


def _stamp_querysets() -> None:
    """Every queryset of a tenant model begins in BaseManager.get_queryset; its hints go with it.

    A raw queryset is made from one of these, without its hints.
    """
    original = BaseManager.get_queryset
    original_raw = QuerySet.raw
    if getattr(original, "_terrace", False):
        return
    current_tenant = context.current_tenant

    @functools.wraps(original)
    def get_queryset(self: Any) -> QuerySet[Model]:
        tenant = current_tenant()
        model = self.model
        stamped = model.__dict__.get("_terrace_stamped")
        if stamped is None:
            stamped = model._terrace_stamped = _is_stamped(model)
        if tenant is None or not stamped:
            return original(self)
        # As Django's own line, with one hint more.
        hints = {**self._hints, "terrace_tenant": tenant.uuid}
        queryset: QuerySet[Model] = self._queryset_class(model=model, using=self._db, hints=hints)
        return queryset

    @functools.wraps(original_raw)
    def raw(self: QuerySet[Model], *args: Any, **kwargs: Any) -> Any:
        queryset = original_raw(self, *args, **kwargs)
        queryset._hints = {**queryset._hints, **self._hints}  # type: ignore[attr-defined]
        # Django has asked the router already.
        queryset._db = kwargs.get("using") or self._db  # type: ignore[attr-defined]
        return queryset

    get_queryset._terrace = True  # type: ignore[attr-defined]
    BaseManager.get_queryset = get_queryset  # type: ignore[method-assign, assignment]
    QuerySet.raw = raw  # type: ignore[method-assign, assignment]


def _is_stamped(model: type[Model]) -> bool:
    return is_tenant_model(model) and not is_shared_model(model)


def _stamp_kept_rows() -> None:
    """The rows that a queryset keeps are read in the tenant they were asked for.

    A queryset on a class or in a module is made once; what the first tenant read into it would be
    shown to all that follow. `_fetch_all` stands before every way to the kept rows save the four of
    _PAST_FETCH_ALL; tests/shared_apps/tenants/test_kept_rows.py pins that for Django's release.
    """
    for kind in (QuerySet, RawQuerySet):
        _check_before_fetch(kind)
    for name in _PAST_FETCH_ALL:
        _check_before(QuerySet, name)


_UNREAD = object()
_PAST_FETCH_ALL = ("__getitem__", "count", "exists", "contains")


def _check_before_fetch(kind: Any) -> None:
    original = kind._fetch_all
    if getattr(original, "_terrace", False):
        return
    current_tenant = context.current_tenant

    @functools.wraps(original)
    def fetch_all(self: Any) -> None:
        tenant = current_tenant()
        if self._result_cache is None:
            original(self)
            self._terrace_rows_of = tenant
            return
        rows_of = self.__dict__.get("_terrace_rows_of", _UNREAD)
        if rows_of is not tenant:
            # prefetch_related fills many querysets, in the tenant in which it makes them.
            here = rows_of is _UNREAD and tenant is not None
            if not here or self._hints.get("terrace_tenant") is not tenant.uuid:  # type: ignore[union-attr]
                _check_kept(self)
        if not self._prefetch_done:
            original(self)

    fetch_all._terrace = True  # type: ignore[attr-defined]
    kind._fetch_all = fetch_all


def _check_before(kind: Any, name: str) -> None:
    original = getattr(kind, name)
    if getattr(original, "_terrace", False):
        return

    @functools.wraps(original)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._result_cache is not None:
            _check_kept(self)
        return original(self, *args, **kwargs)

    checked._terrace = True  # type: ignore[attr-defined]
    setattr(kind, name, checked)


def _check_kept(queryset: Any) -> None:
    reader = context.current_tenant()
    rows_of = queryset.__dict__.get("_terrace_rows_of", _UNREAD)
    if rows_of is reader:
        return
    if rows_of is _UNREAD:
        # Filled by prefetch_related, in the tenant in which it was made a moment before.
        made_in = queryset._hints.get("terrace_tenant")
        same = made_in is None or (reader is not None and not is_foreign(made_in, reader))
        if same:
            queryset._terrace_rows_of = reader
    else:
        same = bool(rows_of and reader and rows_of.schema_name == reader.schema_name)
    if not same and queryset.model is not None and is_tenant_model(queryset.model):
        owner = "another tenant" if rows_of is _UNREAD else rows_of or "the public schema"
        raise WrongTenant(
            f"This queryset keeps rows of {queryset.model.__name__} that were read in {owner}, and "
            f"is read in {reader or 'the public schema'}. Make it where it is used, not on a class "
            "or module."
        )
