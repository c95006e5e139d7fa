"""System checks: each way to break one of the three locks has a number and a hint.

`manage.py check` runs those of the settings and models, `manage.py check --database default` those
of the database, too. docs/security.md says what the locks are.

Numbers: 001-019 rooms and models, 020-039 settings, 050-069 the database. They are never given to
another check.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.cache.backends.base import BaseCache
from django.core.checks import CheckMessage
from django.core.files.storage import Storage
from django.db import connections, models
from django.utils.module_loading import import_string

from shared_apps.tenants import context
from shared_apps.tenants.postgresql.bootstrap import DANGEROUS_AND_PUBLIC
from shared_apps.tenants.storage import TenantFileStorage

TAG = "terrace"
DOCS = "See docs/security.md."

_ENGINE = "shared_apps.tenants.postgresql"
_ROUTER = "shared_apps.tenants.router.TenantRouter"
_MIDDLEWARE = "shared_apps.domains.middleware.TenantMiddleware"
_SESSIONS = "shared_apps.tenants.sessions"
_KEY_FUNCTION = "shared_apps.tenants.cache.make_key"
_CACHE = "shared_apps.tenants.cache.TenantRedisCache"
# They answer before a tenant is known, and read neither a session nor a table.
_MAY_STAND_BEFORE = frozenset(
    {
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "config.tracing.tracing_middleware",
    }
)
# django_session's key is the cookie's value.
_NATURAL_KEYS = frozenset({"sessions.Session"})
_WIDE_KEYS = (models.BigAutoField, models.BigIntegerField, models.UUIDField)


def register_checks() -> None:
    """Register all. Called once, when the apps are ready."""
    for check in (check_rooms, check_models, check_settings):
        checks.register(check, TAG)
    checks.register(check_production_cookies, TAG, deploy=True)
    checks.register(check_database, checks.Tags.database)


def _error(number: int, text: str, hint: str) -> CheckMessage:
    return checks.Error(text, hint=hint, id=f"terrace.E{number:03}")


def _warning(number: int, text: str, hint: str) -> CheckMessage:
    return checks.Warning(text, hint=hint, id=f"terrace.W{number:03}")


# --- Rooms: which app stands where ---------------------------------------------------------------


def check_rooms(**kwargs: Any) -> list[CheckMessage]:
    """Each app with tables is in exactly one list, and in the right one."""
    return [*_misplaced_apps(), *_wrong_lists()]


def _names(config: AppConfig) -> set[str]:
    return {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}


def _is_in(config: AppConfig, listed: Iterable[str]) -> bool:
    return not _names(config).isdisjoint(listed)


def _misplaced_apps() -> Iterator[CheckMessage]:
    on_purpose = set(settings.TERRACE_TABLES_IN_BOTH)
    for config in apps.get_app_configs():
        shared = _is_in(config, settings.SHARED_APPS)
        tenant = _is_in(config, settings.TENANT_APPS)
        has_tables = any(model._meta.managed for model in config.get_models())
        if shared and tenant and has_tables and config.label not in on_purpose:
            yield _error(
                1,
                f"{config.name} is in SHARED_APPS and in TENANT_APPS: its tables stand in both "
                "places, and a query goes to the one or the other as the context has it.",
                "Take it out of one list. Where both are meant, name its label in "
                "TERRACE_TABLES_IN_BOTH.",
            )
        listed = shared or tenant or _is_in(config, settings.TABLELESS_APPS)
        if has_tables and not listed:
            yield _error(
                2,
                f"{config.name} has models and is in none of SHARED_APPS, TENANT_APPS and "
                "TABLELESS_APPS: its tables would be made nowhere.",
                "Add it to TENANT_APPS for customers' data, to SHARED_APPS for the platform's.",
            )
        if config.label in on_purpose and not (shared and tenant):
            yield _error(
                3,
                f"TERRACE_TABLES_IN_BOTH names {config.label}, which is not in both lists.",
                "Take it out of TERRACE_TABLES_IN_BOTH.",
            )


def _wrong_lists() -> Iterator[CheckMessage]:
    for name in settings.TENANT_APPS:
        if name.startswith(("shared_apps.", "django.contrib.auth", "django.contrib.contenttypes")):
            yield _error(
                4,
                f"{name} is in TENANT_APPS.",
                "Shared apps, permissions and content types stand in the public schema: put it in "
                "SHARED_APPS. Tenants' roles name their permissions themselves.",
            )
    for name in settings.SHARED_APPS:
        if name.startswith("tenant_apps."):
            yield _error(
                5,
                f"{name} is in SHARED_APPS: customers' rows would stand together in one table.",
                "Put it in TENANT_APPS.",
            )
    for setting, wanted, where in (
        ("AUTH_USER_MODEL", "TENANT_APPS", settings.TENANT_APPS),
        ("TENANT_MODEL", "SHARED_APPS", settings.SHARED_APPS),
        ("TENANT_DOMAIN_MODEL", "SHARED_APPS", settings.SHARED_APPS),
    ):
        config = apps.get_app_config(getattr(settings, setting).split(".")[0])
        if not _is_in(config, where):
            yield _error(
                6,
                f"{setting} is {getattr(settings, setting)}, whose app is not in {wanted}.",
                f"Put {config.name} in {wanted}.",
            )


# --- Models --------------------------------------------------------------------------------------


def check_models(**kwargs: Any) -> list[CheckMessage]:
    """No foreign key between a tenant and the public schema; wide keys everywhere."""
    messages: list[CheckMessage] = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            messages += _foreign_keys(model)
            messages += _key(model)
    return messages


def _stands_in(model: type[models.Model]) -> tuple[bool, bool]:
    config = model._meta.app_config
    return _is_in(config, settings.SHARED_APPS), _is_in(config, settings.TENANT_APPS)


def _foreign_keys(model: type[models.Model]) -> Iterator[CheckMessage]:
    shared, tenant = _stands_in(model)
    for field in model._meta.local_fields:
        target = field.related_model
        if not isinstance(target, type) or not issubclass(target, models.Model):
            continue
        target_shared, target_tenant = _stands_in(target)
        if tenant and not target_tenant:
            yield _error(
                10,
                f"{model._meta.label}.{field.name} refers from a tenant's schema to "
                f"{target._meta.label}, which is not in it.",
                "Keep the key's value in a plain column (UUIDField, BigIntegerField) and look it up "
                "in `with context.run_in_public():`.",
            )
        if shared and not target_shared:
            yield _error(
                11,
                f"{model._meta.label}.{field.name} refers from the public schema to "
                f"{target._meta.label}, of which every tenant has its own.",
                "Keep the tenant and the key's value in plain columns, without a constraint.",
            )


def _key(model: type[models.Model]) -> Iterator[CheckMessage]:
    shared, tenant = _stands_in(model)
    ours = tenant or (shared and model.__module__.startswith("shared_apps."))
    if not ours or model._meta.label in _NATURAL_KEYS:
        return
    key: Any = model._meta.pk
    while isinstance(key, models.ForeignKey):  # a parent's or a one-to-one's key
        key = key.target_field
    # A platform's row may be named by a text that never changes, such as a schema's name.
    if isinstance(key, _WIDE_KEYS) or (shared and isinstance(key, models.CharField)):
        return
    yield _error(
        12,
        f"{model._meta.label}'s primary key is a {type(key).__name__}.",
        "Use BigAutoField, or UUIDField(default=uuid7) where users see the key: 32 bits run out, "
        "and a sharded database needs keys that can be moved.",
    )


# --- Settings ------------------------------------------------------------------------------------


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """The settings that the locks hang on."""
    return [
        message
        for part in (_cookies, _caches, _databases, _pool, _request_path, _storage)
        for message in part()
    ]


def _cookies() -> Iterator[CheckMessage]:
    for number, name in (
        (20, "SESSION_COOKIE_DOMAIN"),
        (21, "CSRF_COOKIE_DOMAIN"),
        (22, "LANGUAGE_COOKIE_DOMAIN"),
    ):
        if getattr(settings, name):
            yield _error(
                number,
                f"{name} is set: browsers would send one tenant's cookie to the others.",
                f"Leave {name} unset, so that each cookie stays on its host.",
            )
    if settings.USE_X_FORWARDED_HOST:
        yield _error(
            23,
            "USE_X_FORWARDED_HOST is on: a header could name another host than the one served.",
            "Switch it off and let the proxy pass the Host header on.",
        )


def _caches() -> Iterator[CheckMessage]:
    for alias, cache in settings.CACHES.items():
        backend: Any = import_string(cache["BACKEND"])
        if cache["BACKEND"] == "django.core.cache.backends.dummy.DummyCache":
            continue
        if cache.get("KEY_FUNCTION") != _KEY_FUNCTION:
            yield _error(
                24,
                f"The cache {alias!r} has not the tenant's KEY_FUNCTION: tenants would read each "
                "other's entries.",
                f'Set "KEY_FUNCTION": "{_KEY_FUNCTION}".',
            )
        if ":" in cache.get("KEY_PREFIX", ""):
            yield _error(
                25,
                f"The KEY_PREFIX of the cache {alias!r} has a colon, which parts the key's fields.",
                "Use letters and digits.",
            )
        if issubclass(backend, BaseCache) and backend.clear is not import_string(_CACHE).clear:
            yield _warning(
                26,
                f"clear() of the cache {alias!r} empties all tenants' entries.",
                f'Use "BACKEND": "{_CACHE}".',
            )


def _databases() -> Iterator[CheckMessage]:
    for alias, database in settings.DATABASES.items():
        if database.get("ENGINE") != _ENGINE:
            yield _error(
                27,
                f"The database {alias!r} has the ENGINE {database.get('ENGINE')!r}.",
                f'Use "{_ENGINE}": it sets schema and role for each transaction.',
            )
        if database.get("OPTIONS", {}).get("assume_role"):
            yield _error(
                28,
                f"OPTIONS of the database {alias!r} have assume_role.",
                "Remove it: the login role takes the tenant's role for each transaction.",
            )
    default = settings.DATABASES.get("default", {})
    owner = settings.DATABASES.get("owner", {})
    if default and not default.get("ATOMIC_REQUESTS"):
        yield _error(
            29,
            "ATOMIC_REQUESTS of the database 'default' is off: a request's statements would each "
            "have a transaction, and a lock, of their own.",
            'Set "ATOMIC_REQUESTS": True; take out a view with @transaction.non_atomic_requests.',
        )
    if default and owner and default.get("USER") == owner.get("USER"):
        yield _error(
            30,
            "DATABASE_URL and DATABASE_ADMIN_URL log in as the same role: the application would own "
            "every tenant's tables.",
            "Give DATABASE_URL the application's role; `manage.py bootstrap_database` makes both "
            "(docs/operators/installing.md).",
        )
    if not settings.TERRACE_TENANT_ROLES:
        yield _warning(
            31,
            "TERRACE_TENANT_ROLES is off: two locks are left, and injected SQL that names another "
            "tenant's schema is answered.",
            "Switch it on. Leave it off only where a managed database allows no roles.",
        )
    if settings.DATABASE_ROUTERS[:1] != [_ROUTER]:
        yield _error(
            32,
            "DATABASE_ROUTERS does not begin with Terrace's router: a query without a tenant, or "
            "with another's object, is not refused by name.",
            f'Set DATABASE_ROUTERS = ["{_ROUTER}"].',
        )
    if {"public", "$user", "pg_temp"} & set(settings.PG_EXTRA_SEARCH_PATHS):
        yield _error(
            33,
            "PG_EXTRA_SEARCH_PATHS lets a query that finds no table in the tenant look elsewhere.",
            'Leave only schemas without tables in it, such as "extensions".',
        )


def _pool() -> Iterator[CheckMessage]:
    pool = settings.DATABASES.get("default", {}).get("OPTIONS", {}).get("pool")
    if not pool:
        return
    # psycopg_pool's defaults: min_size 4, max_size the same.
    size = pool.get("max_size", pool.get("min_size", 4)) if isinstance(pool, dict) else 4
    if size < settings.TERRACE_THREADS:
        yield _warning(
            34,
            f"The pool has {size} connections for {settings.TERRACE_THREADS} threads: the others "
            "wait, and fail after the pool's timeout.",
            "Set TERRACE_POOL_SIZE to at least TERRACE_THREADS.",
        )


def _request_path() -> Iterator[CheckMessage]:
    middleware: Sequence[str] = settings.MIDDLEWARE
    if _MIDDLEWARE not in middleware:
        yield _error(
            35,
            "MIDDLEWARE lacks the tenant's: no request would have a tenant.",
            f'Add "{_MIDDLEWARE}" after SecurityMiddleware.',
        )
    else:
        before = set(middleware[: middleware.index(_MIDDLEWARE)]) - _MAY_STAND_BEFORE
        if before:
            yield _error(
                36,
                f"{', '.join(sorted(before))} stands before TenantMiddleware: it would work in the "
                "public schema.",
                "Move it behind TenantMiddleware.",
            )
    if settings.SESSION_ENGINE != _SESSIONS:
        yield _error(
            37,
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, which does not say whose a session is.",
            f'Set SESSION_ENGINE = "{_SESSIONS}".',
        )


def _storage() -> Iterator[CheckMessage]:
    for alias, storage in settings.STORAGES.items():
        backend: Any = import_string(storage["BACKEND"])
        if alias == "staticfiles" or not issubclass(backend, Storage):
            continue
        if not issubclass(backend, TenantFileStorage) and not getattr(
            backend, "terrace_tenant_folders", False
        ):
            yield _error(
                38,
                f"The storage {alias!r} keeps all tenants' files in one place.",
                "Use shared_apps.tenants.storage.TenantFileStorage, or a storage that puts the "
                "tenant's uuid before each name and says so with terrace_tenant_folders = True.",
            )


def check_production_cookies(**kwargs: Any) -> list[CheckMessage]:
    """With `--deploy`: cookies that browsers bind to their host."""
    return [
        _warning(
            39,
            f"{setting} is {getattr(settings, setting)!r}.",
            "Begin it with __Host-: browsers then refuse it with a Domain, so that one tenant can't "
            "plant a cookie for another (RFC 6265bis section 4.1.3.2).",
        )
        for setting in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME")
        if not getattr(settings, setting).startswith("__Host-")
    ]


# --- The database --------------------------------------------------------------------------------

_ROLE = """
    SELECT rolsuper, rolbypassrls, rolcreaterole OR rolcreatedb OR rolreplication,
           rolinherit OR EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m
                                  WHERE m.member = r.oid AND m.inherit_option),
           EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend AS d
                    WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
                      AND d.refobjid = r.oid AND d.deptype = 'o')
      FROM pg_catalog.pg_roles AS r
     WHERE r.rolname = session_user
"""
_OPEN_LANGUAGES = """
    SELECT lanname FROM pg_catalog.pg_language,
           pg_catalog.aclexplode(coalesce(lanacl, acldefault('l', lanowner)))
     WHERE grantee = 0 AND lanpltrusted AND lanname <> 'sql' ORDER BY 1
"""
_OPEN_PUBLIC = """
    SELECT privilege_type FROM pg_catalog.pg_namespace,
           pg_catalog.aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
     WHERE nspname = 'public' AND grantee = 0 ORDER BY 1
"""
_OPEN_DATABASE = """
    SELECT privilege_type FROM pg_catalog.pg_database,
           pg_catalog.aclexplode(coalesce(datacl, acldefault('d', datdba)))
     WHERE datname = current_database() AND grantee = 0
       AND privilege_type IN ('TEMPORARY', 'CREATE') ORDER BY 1
"""
_OPEN_VIEWS = """
    SELECT c.relname FROM pg_catalog.pg_class AS c,
           pg_catalog.aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
     WHERE c.relnamespace = 'pg_catalog'::regnamespace AND a.grantee = 0
       AND (c.relname, a.privilege_type) IN (('pg_stat_activity', 'SELECT'),
           ('pg_prepared_statements', 'SELECT'), ('pg_settings', 'UPDATE')) ORDER BY 1
"""
# Schemas of tenants that someone besides their owner and their own role may use.
_SHARED_SCHEMAS = r"""
    SELECT n.nspname FROM pg_catalog.pg_namespace AS n,
           pg_catalog.aclexplode(n.nspacl) AS a LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
     WHERE n.nspname ~ '^t_[a-z0-9]{12}$' AND a.grantee <> n.nspowner
       AND r.rolname IS DISTINCT FROM n.nspname
     ORDER BY 1 LIMIT 10
"""
_KEYLESS_TABLES = r"""
    SELECT DISTINCT c.relname FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND (n.nspname = 'public' OR n.nspname ~ '^t_[a-z0-9]{12}$')
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i
                        WHERE i.indrelid = c.oid AND i.indisprimary)
     ORDER BY 1 LIMIT 10
"""
# A table in a schema that stands behind every tenant's on the search_path.
_SHADOWED_TABLES = """
    SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname = ANY(%s)
     ORDER BY 1 LIMIT 10
"""
# What a query finds: number, whether it is an error, query, sentence, hint. {} is what was found.
_Finding = tuple[int, Callable[[int, str, str], CheckMessage], str, str, str]
_AGAIN = (
    "Run `manage.py bootstrap_database` again. Where its superuser can't be had, "
    "docs/operators/installing.md says what stays open."
)
_FINDINGS: tuple[_Finding, ...] = (
    (
        54,
        _error,
        DANGEROUS_AND_PUBLIC,
        (
            "Every role may execute {}: one injected SELECT could change its role, or leave "
            "something for another tenant."
        ),
        _AGAIN,
    ),
    (55, _error, _OPEN_LANGUAGES, "Every role may write code in {} (DO blocks).", _AGAIN),
    (56, _error, _OPEN_PUBLIC, "Every role, a tenant's too, has {} on the schema public.", _AGAIN),
    (57, _error, _OPEN_DATABASE, "Every role has {} on the database.", _AGAIN),
    (
        58,
        _error,
        _OPEN_VIEWS,
        "Every role may read or write {}: other sessions' queries, or the settings of its own.",
        _AGAIN,
    ),
    (
        59,
        _error,
        _SHARED_SCHEMAS,
        "Others than the tenant's own role may use the schema {}.",
        "Revoke it: REVOKE ALL ON SCHEMA … FROM …",
    ),
    (
        60,
        _error,
        _KEYLESS_TABLES,
        "The table {} has no primary key.",
        "Give it one: replication, sharding and repair need to name a row.",
    ),
    (
        62,
        _error,
        _SHADOWED_TABLES,
        (
            "The table {} stands behind every tenant's schema on the search_path: a tenant that "
            "lacks a table of its name reads this one, and so do all others."
        ),
        (
            "Drop it, and run `manage.py bootstrap_database` again (docs/operators/installing.md): "
            "nobody may make tables there."
        ),
    ),
    (
        61,
        _warning,
        "SELECT 'statement_timeout' WHERE current_setting('statement_timeout') = '0'",
        "{} is 0 for the application's login: one query can hold a connection for ever.",
        "ALTER ROLE … SET statement_timeout = '60s' (a pooler drops libpq's options).",
    ),
)


def check_database(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """What PostgreSQL must refuse. Only with `--database default`.

    Runs in: the public schema, as the application's login role.
    """
    if "default" not in (databases or ()):
        return []
    messages: list[CheckMessage] = []
    with context.run_in_public(), connections["default"].cursor() as cursor:
        cursor.execute(_ROLE)
        messages += _login_role(*cursor.fetchone())
        for number, kind, query, sentence, hint in _FINDINGS:
            names = [list(settings.PG_EXTRA_SEARCH_PATHS)] if "%s" in query else None
            cursor.execute(query, names)
            found = [row[0] for row in cursor.fetchall()]
            if found:
                messages.append(kind(number, sentence.format(_listed(found)), hint))
    return messages


def _login_role(
    superuser: bool,  # noqa: FBT001 - a row of PostgreSQL
    bypasses: bool,  # noqa: FBT001
    makes: bool,  # noqa: FBT001
    inherits: bool,  # noqa: FBT001
    owns: bool,  # noqa: FBT001
) -> Iterator[CheckMessage]:
    if superuser or bypasses or makes:
        yield _error(
            50,
            "The role in DATABASE_URL is a superuser, bypasses row security, or may make roles, "
            "databases or replicas.",
            "ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION",
        )
    if inherits:
        yield _error(
            51,
            "The role in DATABASE_URL inherits: without SET ROLE it could read every tenant.",
            "ALTER ROLE … NOINHERIT, and GRANT each tenant's role WITH INHERIT FALSE, SET TRUE.",
        )
    if owns:
        yield _error(
            52,
            "The role in DATABASE_URL owns something: an owner may do anything with it.",
            "REASSIGN OWNED BY … TO the role in DATABASE_ADMIN_URL.",
        )


def _listed(found: list[str]) -> str:
    shown = ", ".join(found[:5])
    return f"{shown} and {len(found) - 5} more" if len(found) > 5 else shown  # noqa: PLR2004
