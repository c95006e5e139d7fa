"""Each system check finds what it is for, and nothing in the project as it is."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import connections, models

from config import checks
from tests.isolation.conftest import superuser


def _ids(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


def _found(check: Callable[..., list[Any]], **kwargs: Any) -> list[str]:
    messages = check(**kwargs)
    for message in messages:
        assert message.hint, f"{message.id} says nothing of what to do."
    return _ids(messages)


def test_project_passes_its_own_checks(settings: Any) -> None:
    assert [one for one in _ids(run_checks()) if one.startswith("terrace.")] == []


def test_numbers_are_given_once() -> None:
    import inspect
    import re

    source = inspect.getsource(checks)
    called = re.findall(r"_(?:error|warning)\(\s*(\d+),", source)
    listed = re.findall(r"\(\s*(\d\d),\s*_(?:error|warning),", source)
    looped = re.findall(r"\((\d\d), \"\w+_COOKIE_DOMAIN\"\)", source)
    numbers = called + listed + looped
    assert len(numbers) > 30
    assert len(numbers) == len(set(numbers))


# --- Rooms -----------------------------------------------------------------------------------------


def test_app_in_both_lists_is_found(settings: Any) -> None:
    settings.SHARED_APPS = [*settings.SHARED_APPS, "tenant_apps.articles"]
    assert _found(checks.check_rooms) == ["terrace.E001", "terrace.E005"]
    settings.TERRACE_TABLES_IN_BOTH = [*settings.TERRACE_TABLES_IN_BOTH, "articles"]
    assert _found(checks.check_rooms) == ["terrace.E005"]


def test_app_in_no_list_is_found(settings: Any) -> None:
    settings.TENANT_APPS = [name for name in settings.TENANT_APPS if "articles" not in name]
    assert _found(checks.check_rooms) == ["terrace.E002"]


def test_name_of_an_app_that_is_not_in_both_is_found(settings: Any) -> None:
    settings.TERRACE_TABLES_IN_BOTH = ["sessions", "articles"]
    assert _found(checks.check_rooms) == ["terrace.E003"]


def test_app_in_the_wrong_list_is_found(settings: Any) -> None:
    settings.TENANT_APPS = [*settings.TENANT_APPS, "django.contrib.auth"]
    settings.SHARED_APPS = [name for name in settings.SHARED_APPS if name != "django.contrib.auth"]
    assert _found(checks.check_rooms) == ["terrace.E004"]


def test_user_model_in_the_public_schema_is_found(settings: Any) -> None:
    settings.AUTH_USER_MODEL = "operators.Operator"
    assert _found(checks.check_rooms) == ["terrace.E006"]


# --- Models ----------------------------------------------------------------------------------------


@pytest.fixture
def a_model() -> Iterator[Callable[..., type[models.Model]]]:
    """Make a model in an app for the time of a test."""
    made: list[str] = []

    def make(app_label: str, module: str, **fields: models.Field[Any, Any]) -> type[models.Model]:
        meta = type("Meta", (), {"app_label": app_label})
        name = f"Planted{len(made)}"
        made.append(app_label)
        return type(name, (models.Model,), {"__module__": module, "Meta": meta, **fields})

    yield make
    for app_label in made:
        planted = [name for name in apps.all_models[app_label] if name.startswith("planted")]
        for name in planted:  # and the hidden table of a many-to-many
            del apps.all_models[app_label][name]
    apps.clear_cache()


def test_foreign_key_from_tenant_to_public_is_found(a_model: Any) -> None:
    a_model("probe", "tests.isolation.probe.models",
            owner=models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+"))  # fmt: skip
    assert _found(checks.check_models) == ["terrace.E010"]


def test_foreign_key_without_constraint_is_found_too(a_model: Any) -> None:
    a_model("probe", "tests.isolation.probe.models",
            kind=models.ForeignKey("contenttypes.ContentType", models.CASCADE,
                                   related_name="+", db_constraint=False))  # fmt: skip
    assert _found(checks.check_models) == ["terrace.E010"]


def test_foreign_key_from_public_to_tenant_is_found(a_model: Any) -> None:
    a_model("tenants", "shared_apps.tenants.models",
            user=models.ForeignKey("users.User", models.CASCADE, related_name="+"))  # fmt: skip
    assert _found(checks.check_models) == ["terrace.E011"]


def test_hidden_table_of_a_many_to_many_is_found(a_model: Any) -> None:
    a_model("probe", "tests.isolation.probe.models",
            tenants=models.ManyToManyField("tenants.Tenant", related_name="+"))  # fmt: skip
    assert _found(checks.check_models) == ["terrace.E010"]


@pytest.mark.parametrize("key", [models.AutoField, models.IntegerField, models.CharField])
def test_narrow_key_is_found(key: Any, a_model: Any) -> None:
    options = {"max_length": 9} if key is models.CharField else {}
    a_model("probe", "tests.isolation.probe.models", id=key(primary_key=True, **options))
    assert _found(checks.check_models) == ["terrace.E012"]


def test_text_key_in_the_public_schema_is_allowed(a_model: Any) -> None:
    a_model("tenants", "shared_apps.tenants.models",
            id=models.CharField(primary_key=True, max_length=9))  # fmt: skip
    assert _found(checks.check_models) == []


# --- Settings --------------------------------------------------------------------------------------


def _changed_database(settings: Any, alias: str = "default", **values: Any) -> None:
    settings.DATABASES = {
        **settings.DATABASES,
        alias: {**settings.DATABASES[alias], **values},
    }


BROKEN: dict[str, Callable[[Any], None]] = {
    "E020": lambda s: setattr(s, "SESSION_COOKIE_DOMAIN", ".example.com"),
    "E021": lambda s: setattr(s, "CSRF_COOKIE_DOMAIN", ".example.com"),
    "E022": lambda s: setattr(s, "LANGUAGE_COOKIE_DOMAIN", ".example.com"),
    "E023": lambda s: setattr(s, "USE_X_FORWARDED_HOST", True),
    "E024": lambda s: setattr(
        s, "CACHES", {"default": {**s.CACHES["default"], "KEY_FUNCTION": None}}
    ),
    "E025": lambda s: setattr(
        s, "CACHES", {"default": {**s.CACHES["default"], "KEY_PREFIX": "a:b"}}
    ),
    "W026": lambda s: setattr(
        s,
        "CACHES",
        {"default": {**s.CACHES["default"], "BACKEND": "django_redis.cache.RedisCache"}},
    ),
    "E027": lambda s: _changed_database(s, "owner", ENGINE="django.db.backends.postgresql"),
    "E028": lambda s: _changed_database(s, OPTIONS={"assume_role": "somebody"}),
    "E029": lambda s: _changed_database(s, ATOMIC_REQUESTS=False),
    "E030": lambda s: _changed_database(s, USER=s.DATABASES["owner"]["USER"]),
    "W031": lambda s: setattr(s, "TERRACE_TENANT_ROLES", False),
    "E032": lambda s: setattr(s, "DATABASE_ROUTERS", []),
    "E033": lambda s: setattr(s, "PG_EXTRA_SEARCH_PATHS", ["extensions", "public"]),
    "W034": lambda s: _changed_database(s, OPTIONS={"pool": {"max_size": s.TERRACE_THREADS - 1}}),
    "E035": lambda s: setattr(
        s, "MIDDLEWARE", [name for name in s.MIDDLEWARE if "TenantMiddleware" not in name]
    ),
    "E036": lambda s: setattr(
        s, "MIDDLEWARE", ["django.contrib.sessions.middleware.SessionMiddleware", *s.MIDDLEWARE]
    ),
    "E037": lambda s: setattr(s, "SESSION_ENGINE", "django.contrib.sessions.backends.cache"),
    "E038": lambda s: setattr(
        s,
        "STORAGES",
        {**s.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}},
    ),
}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("number", BROKEN)
def test_setting_that_breaks_a_lock_is_found(number: str, settings: Any) -> None:
    BROKEN[number](settings)
    assert _found(checks.check_settings) == [f"terrace.{number}"]


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_pool_as_large_as_the_threads_is_right(settings: Any) -> None:
    _changed_database(settings, OPTIONS={"pool": {"max_size": settings.TERRACE_THREADS}})
    assert _found(checks.check_settings) == []


def test_cookies_without_host_prefix_are_found_on_deployment(settings: Any) -> None:
    assert _found(checks.check_production_cookies) == ["terrace.W039"] * 2
    settings.SESSION_COOKIE_NAME = "__Host-session"
    settings.CSRF_COOKIE_NAME = "__Host-csrf"
    assert _found(checks.check_production_cookies) == []


# --- The database ----------------------------------------------------------------------------------


@pytest.fixture
def database(committing_db: None) -> Iterator[Callable[[], list[str]]]:
    """Run the database's checks over a fresh connection."""

    def check() -> list[str]:
        connections["default"].close()
        return _found(checks.check_database, databases=["default"])

    yield check
    assert check() == []


def test_database_is_not_asked_unless_told(db: None) -> None:
    assert checks.check_database() == []
    assert checks.check_database(databases=["owner"]) == []


# What opens a door, what closes it again, and who finds it.
OPENED = {
    "E054": (
        "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC",
    ),
    "E055": (
        "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC",
        "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
    ),
    "E056": ("GRANT USAGE ON SCHEMA public TO PUBLIC", "REVOKE USAGE ON SCHEMA public FROM PUBLIC"),
    "E057": (
        "GRANT TEMPORARY ON DATABASE {name} TO PUBLIC",
        "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
    ),
    "E058": (
        "GRANT UPDATE ON pg_catalog.pg_settings TO PUBLIC",
        "REVOKE UPDATE ON pg_catalog.pg_settings FROM PUBLIC",
    ),
    "E059": (
        "CREATE SCHEMA t_zzzzzzzzzzzz; GRANT USAGE ON SCHEMA t_zzzzzzzzzzzz TO terrace_app",
        "DROP SCHEMA t_zzzzzzzzzzzz",
    ),
    "E060": ("CREATE TABLE public.keyless (a int)", "DROP TABLE public.keyless"),
    "E062": (
        "CREATE TABLE extensions.articles_article (id int)",
        "DROP TABLE extensions.articles_article",
    ),
}


@pytest.mark.parametrize("number", OPENED)
def test_opened_door_of_the_database_is_found(
    number: str, database: Callable[[], list[str]]
) -> None:
    name = connections["default"].settings_dict["NAME"]
    opens, closes = (sql.format(name=f'"{name}"').encode() for sql in OPENED[number])
    with superuser() as unlocked:
        unlocked.execute(opens)
        try:
            assert database() == [f"terrace.{number}"]
        finally:
            unlocked.execute(closes)


# A login that may too much, and who finds it. Each is a role of its own: the real one is shared.
LOGINS = {
    "SUPERUSER NOINHERIT": ["terrace.E050", "terrace.W061"],
    "BYPASSRLS NOINHERIT": ["terrace.E050", "terrace.W061"],
    "CREATEROLE NOINHERIT": ["terrace.E050", "terrace.W061"],
    "INHERIT": ["terrace.E051", "terrace.W061"],
    "NOINHERIT": ["terrace.W061"],
}


@pytest.mark.parametrize("attributes", LOGINS)
def test_login_that_may_too_much_is_found(
    attributes: str, database: Callable[[], list[str]], worker_id: str
) -> None:
    assert _checked_as(f"careless_{worker_id}", attributes, database) == LOGINS[attributes]


def test_login_that_owns_something_is_found(
    database: Callable[[], list[str]], worker_id: str
) -> None:
    role = f"careless_{worker_id}"
    owning = f"CREATE SCHEMA owned AUTHORIZATION {role}"
    found = _checked_as(role, "NOINHERIT", database, owning)
    assert found == ["terrace.E052", "terrace.W061"]


def _checked_as(
    role: str, attributes: str, database: Callable[[], list[str]], more: str = ""
) -> list[str]:
    settings_dict = connections["default"].settings_dict
    real = settings_dict["USER"], settings_dict["PASSWORD"]
    with superuser() as unlocked:
        name = settings_dict["NAME"]
        password = "careless"
        unlocked.execute(f"CREATE ROLE {role} LOGIN {attributes} PASSWORD '{password}'".encode())
        unlocked.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {role}'.encode())
        try:
            unlocked.execute(more.encode())
            settings_dict.update(USER=role, PASSWORD=password)
            return database()
        finally:
            settings_dict.update(USER=real[0], PASSWORD=real[1])
            connections["default"].close()
            unlocked.execute(f"DROP OWNED BY {role} CASCADE".encode())
            unlocked.execute(f"DROP ROLE {role}".encode())


def test_superusers_are_not_the_applications(committing_db: None) -> None:
    """The tests' own connection is locked as a real one is."""
    with superuser() as unlocked:
        row = unlocked.execute(
            "SELECT rolsuper, rolinherit FROM pg_roles WHERE rolname = %s",
            [connections["default"].settings_dict["USER"]],
        ).fetchone()
    assert row == (False, False)
    assert isinstance(unlocked, psycopg.Connection)
