"""Stamps survive what Django does with objects and querysets."""

import copy
import hashlib
import inspect
import pickle

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.db.models.manager import BaseManager

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import WrongTenant
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.router import is_tenant_model
from tests.isolation.probe.models import Note


def test_every_model_of_a_tenant_app_is_guarded() -> None:
    models = [
        model for model in apps.get_models(include_auto_created=True) if is_tenant_model(model)
    ]
    assert len(models) > 15
    assert [model for model in models if "_terrace_guarded" not in model.__dict__] == []
    assert "_terrace_guarded" not in Tenant.__dict__


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))],  # noqa: S301 - our own
)
def test_copied_object_stays_its_tenants(
    duplicate: object, acme: TenantRef, globex: TenantRef
) -> None:
    assert callable(duplicate)
    with context.run_in(acme):
        note = duplicate(Note.objects.create(text="x"))
        note.save()
    with context.run_in(globex), pytest.raises(WrongTenant):
        note.save()


def test_pickled_queryset_keeps_its_rows_to_its_tenant(acme: TenantRef, globex: TenantRef) -> None:
    """As a cache of the platform might keep it."""
    with context.run_in(acme):
        Note.objects.create(text="acme-secret")
        pickled = pickle.dumps(Note.objects.all())
        assert [note.text for note in pickle.loads(pickled)] == ["acme-secret"]  # noqa: S301
    with context.run_in(globex), pytest.raises(WrongTenant):
        list(pickle.loads(pickled))  # noqa: S301


def test_deep_copy_of_a_queryset_asks_anew(acme: TenantRef) -> None:
    with context.run_in(acme):
        queryset = Note.objects.all()
        assert list(queryset) == []
        Note.objects.create(text="x")
        assert len(copy.deepcopy(queryset)) == 1


def test_rows_of_the_platform_may_be_read_anywhere(acme: TenantRef) -> None:
    tenants = Tenant.objects.filter(pk=acme.id)
    assert len(tenants) == 1
    with context.run_in(acme):
        assert [tenant.pk for tenant in tenants] == [acme.id]


def test_same_tenant_in_another_state_is_the_same(acme: TenantRef) -> None:
    """Its status may change while its rows are read."""
    from dataclasses import replace

    with context.run_in(acme):
        queryset = Note.objects.all()
        note = Note.objects.create(text="x")
        list(queryset)
    with context.run_in(replace(acme, status="read_only", name="Other")):
        assert list(queryset) == [note]
        note.save()


def test_table_in_both_places_is_whoever_asks(acme: TenantRef) -> None:
    Session.objects.create(session_key="public", expire_date="2099-01-01T00:00Z")
    with context.run_in(acme):
        assert Session.objects.filter(session_key="public").count() == 0
    assert Session.objects.filter(session_key="public").count() == 1


# functools.wraps keeps it.
_django_get_queryset = BaseManager.get_queryset.__wrapped__  # type: ignore[attr-defined]


def _as_django_loads(note: Note, *fields: str) -> dict[str, object]:
    names = list(fields)
    values = [getattr(note, name) for name in names]
    made = Model.from_db.__func__(Note, "default", names, values)  # type: ignore[attr-defined]
    return {**made.__dict__, "_state": made._state.__dict__}


@pytest.mark.parametrize("fields", [("id", "text", "parent_id"), ("id", "text"), ("id",)])
def test_loaded_object_is_what_django_makes_of_the_row(
    fields: tuple[str, ...], in_acme: TenantRef
) -> None:
    Note.objects.create(text="x")
    note = Note.objects.get()
    loaded = Note.objects.only(*fields).get()
    stamp = {"tenant": in_acme.uuid}
    expected = _as_django_loads(note, *fields)
    assert {**loaded.__dict__, "_state": loaded._state.__dict__} == {
        **expected,
        "_state": {**expected["_state"], **stamp},  # type: ignore[dict-item]
    }


@pytest.mark.parametrize(
    ("rewritten", "source"),
    [(Model.from_db, "eba347895d11fa79"), (_django_get_queryset, "4ea006e57f22075e")],
)
def test_django_does_as_it_did_what_is_written_anew_in_guards(
    rewritten: object, source: str
) -> None:
    """Read both again when this fails."""
    text = inspect.getsource(rewritten)  # type: ignore[arg-type]
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == source
