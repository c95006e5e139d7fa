"""Rows that a queryset keeps: each way to them is guarded, and Django has no others."""

import ast
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Prefetch, QuerySet
from django.db.models import query as django_query

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import WrongTenant
from tenant_apps.articles.models import Article, Tag
from tenant_apps.users.models import User

# What reads the kept rows in Django's query.py. Each goes through _fetch_all first, fills or forgets
# the rows, or is one of the four that the guard stands before by name.
KNOWN_READERS = {
    "QuerySet": {
        *("__init__", "__deepcopy__", "__len__", "__iter__", "__aiter__", "__bool__"),
        *("__getitem__", "count", "get", "exists", "contains"),
        *("delete", "_raw_delete", "update", "_update", "_prefetch_related_objects", "_fetch_all"),
    },
    "RawQuerySet": {
        *("__init__", "_prefetch_related_objects", "_fetch_all"),
        *("__len__", "__bool__", "__iter__", "__aiter__"),
    },
}


def _methods_that_touch_kept_rows(name: str) -> set[str]:
    tree = ast.parse(inspect.getsource(django_query))
    (cls,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return {
        method.name
        for method in cls.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(
            (isinstance(node, ast.Attribute) and node.attr == "_result_cache")
            or (isinstance(node, ast.Constant) and node.value == "_result_cache")
            for node in ast.walk(method)
        )
    }


@pytest.mark.parametrize("name", ["QuerySet", "RawQuerySet"])
def test_kept_rows_are_read_by_no_method_that_the_guard_does_not_know(name: str) -> None:
    assert _methods_that_touch_kept_rows(name) <= KNOWN_READERS[name]


def _plant(tenant: TenantRef, title: str) -> None:
    with context.run_in(tenant):
        author = User.objects.first()
        if author is None:
            from tenant_apps.users.models import Role

            role = Role.objects.create(slug=f"role-{title}", name=title)
            author = User.objects.create(email=f"{title}@example.com", full_name=title, role=role)
        article = Article.objects.create(title=title, slug=title, author=author)
        article.tags.add(Tag.objects.create(name=title, slug=title))


READERS: dict[str, Callable[[Any], object]] = {
    "iteration": list,
    "length": len,
    "truth": bool,
    "index": lambda rows: rows[0],
    "slice": lambda rows: rows[:1],
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "contains": lambda rows: rows.contains(Tag(pk=1)),
    "in": lambda rows: Tag(pk=1) in rows,
    "first": lambda rows: rows.first(),
    "repr": repr,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("reader", READERS)
def test_kept_rows_are_refused_next_door(acme: TenantRef, globex: TenantRef, reader: str) -> None:
    _plant(acme, "planted-in-acme")
    _plant(globex, "planted-in-globex")
    tags: QuerySet[Tag] = Tag.objects.order_by("name")
    with context.run_in(acme):
        assert "planted-in-acme" in [tag.name for tag in tags]
        if reader != "contains":
            READERS[reader](tags)
    with context.run_in(globex), pytest.raises(WrongTenant):
        READERS[reader](tags)


@pytest.mark.parametrize(
    "lookup", ["tags", Prefetch("tags", queryset=None)], ids=["name", "object"]
)
def test_prefetched_rows_are_refused_next_door(
    acme: TenantRef, globex: TenantRef, lookup: Any
) -> None:
    _plant(acme, "planted-in-acme")
    with context.run_in(acme):
        article = Article.objects.prefetch_related(lookup).get(title="planted-in-acme")
        tags = article.tags.all()
        assert tags._result_cache is not None, "nothing was prefetched"
    with context.run_in(globex), pytest.raises(WrongTenant):
        list(tags)
    with context.run_in(acme):
        assert [tag.name for tag in tags] == ["planted-in-acme"]
    with context.run_in(globex), pytest.raises(WrongTenant):
        list(tags)


def test_kept_rows_of_the_public_schema_are_read_in_a_tenant(acme: TenantRef) -> None:
    from shared_apps.tenants.models import Tenant

    tenants = Tenant.objects.all()
    assert len(tenants) > 0
    with context.run_in(acme):
        assert len(tenants) > 0
