"""What is the same wherever Terrace runs.

Each value that may differ comes from an environment variable (see .env.example).
"""

from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from tenant_apps.workspace.admin_menu import UNFOLD_TENANT

# ModelForm[User] and the like, at run time too.
django_stubs_ext.monkeypatch()

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = Path(env.str("TERRACE_DATA_DIR", default=str(BASE_DIR / ".terrace")))

SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = False

# --- Hosts ---------------------------------------------------------------------------------
# Tenants live at <subdomain>.<base domain>, the public site at the base domain and its www.
# Host names are checked by shared_apps.domains: an unknown one gets a plain 404 there.
TERRACE_BASE_DOMAIN = env.str("TERRACE_BASE_DOMAIN", default="localhost")
TERRACE_PUBLIC_HOSTS = env.list(
    "TERRACE_PUBLIC_HOSTS",
    default=[TERRACE_BASE_DOMAIN, f"www.{TERRACE_BASE_DOMAIN}"],
)
# Subdomains that nobody may have, besides those in shared_apps/domains/names.py.
TERRACE_RESERVED_SUBDOMAINS = env.list("TERRACE_RESERVED_SUBDOMAINS", default=[])
TERRACE_PORT = env.int("TERRACE_PORT", default=8000)
TERRACE_SCHEME = env.str("TERRACE_SCHEME", default="http")
# How many proxies of ours stand in front and write X-Forwarded-For: where a visitor's address stands
# (shared_apps/tenants/visitors.py).
TERRACE_PROXIES = env.int("TERRACE_PROXIES", default=0)
TERRACE_HOST_CACHE_SECONDS = env.float("TERRACE_HOST_CACHE_SECONDS", default=2.0)
ALLOWED_HOSTS = ["*"]
USE_X_FORWARDED_HOST = False

# --- Rooms ---------------------------------------------------------------------------------
SHARED_APPS = [
    "shared_apps.tenants",
    "shared_apps.domains",
    "shared_apps.operators",
    "shared_apps.front_door",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
TENANT_APPS = [
    "tenant_apps.api",
    "tenant_apps.users",
    "tenant_apps.activity",
    "tenant_apps.articles",
    "tenant_apps.products",
    "tenant_apps.workspace",
    "django.contrib.sessions",
    "allauth.account",
    "allauth.mfa",
]
# Installed for their code; their tables are made nowhere.
TABLELESS_APPS = [
    "config",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
]
# A table of each that stands in the public schema and in every tenant's, on purpose.
TERRACE_TABLES_IN_BOTH = ["sessions"]
INSTALLED_APPS = list(dict.fromkeys([*SHARED_APPS, *TABLELESS_APPS, *TENANT_APPS]))

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "domains.Domain"
PUBLIC_SCHEMA_NAME = "public"
PG_EXTRA_SEARCH_PATHS = ["extensions"]
DATABASE_ROUTERS = ["shared_apps.tenants.router.TenantRouter"]
TENANT_SYNC_ROUTER = "shared_apps.tenants.router.TenantRouter"

AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.tracing.tracing_middleware",
    "shared_apps.domains.middleware.TenantMiddleware",
    "tenant_apps.api.cross_origin.cross_origin_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenant_apps.users.middleware.people_middleware",
    "tenant_apps.workspace.middleware.workspace_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.content_security.ContentSecurityMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tenant_apps.activity.middleware.origin_middleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "config.urls_public"
TERRACE_TENANT_URLCONF = "config.urls_tenant"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["config.template_filters", "django.templatetags.static"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shared_apps.domains.context_processors.tenant",
                "tenant_apps.workspace.context_processors.workspace",
                "tenant_apps.activity.context_processors.notifications",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Admins ----------------------------------------------------------------------------------
# The tenant's (UNFOLD_TENANT, from its app) and the operators' (UNFOLD), in the same colours.
UNFOLD_TENANT["SITE_FAVICONS"] = [
    {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}
]
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Terrace operators",
    "SITE_HEADER": "Terrace operators",
    "SITE_SYMBOL": "holiday_village",
    "SITE_FAVICONS": UNFOLD_TENANT["SITE_FAVICONS"],
    "SHOW_HISTORY": False,
    "BORDER_RADIUS": UNFOLD_TENANT["BORDER_RADIUS"],
    "COLORS": UNFOLD_TENANT["COLORS"],
}

# --- PostgreSQL ----------------------------------------------------------------------------
# `default` logs in as the application's role, which owns nothing and takes the tenant's role
# for each transaction. `owner` makes and alters tables; only migrations and provisioning use it.
TERRACE_TENANT_ROLES = env.bool("TERRACE_TENANT_ROLES", default=True)
# Threads of one process (gunicorn's --threads, Celery's --concurrency with a thread pool): a pool of
# connections must hold one for each.
TERRACE_THREADS = env.int("TERRACE_THREADS", default=4)
TERRACE_TENANTS_PER_BACKEND = env.int("TERRACE_TENANTS_PER_BACKEND", default=200)
# How many schemas wait, ready, for a new tenant.
TERRACE_READY_POOL_SIZE = env.int("TERRACE_READY_POOL_SIZE", default=5)
# Tables that migrations fill and whose rows every new tenant starts with.
TERRACE_SEED_TABLES: list[str] = []
# PostgreSQL gets a new schema's DDL as one message; Citus wants one statement at a time.
TERRACE_DDL_ONE_BY_ONE = env.bool("TERRACE_DDL_ONE_BY_ONE", default=False)


def _database(url_variable: str) -> dict[str, Any]:
    database: dict[str, Any] = env.db_url(url_variable)
    database.update(
        ENGINE="shared_apps.tenants.postgresql",
        ATOMIC_REQUESTS=False,
        CONN_MAX_AGE=0,
        CONN_HEALTH_CHECKS=False,
    )
    return database


DATABASES: dict[str, dict[str, Any]] = {}
if env.str("DATABASE_URL", default=""):
    DATABASES["default"] = _database("DATABASE_URL")
    DATABASES["default"].update(
        ATOMIC_REQUESTS=True,
        CONN_MAX_AGE=env.int("TERRACE_CONN_MAX_AGE", default=600),
        CONN_HEALTH_CHECKS=True,
    )
    if env.int("TERRACE_POOL_SIZE", default=0):
        DATABASES["default"]["CONN_MAX_AGE"] = 0
        DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
            "min_size": 1,
            "max_size": env.int("TERRACE_POOL_SIZE"),
            "max_lifetime": 600,
            # A pool that is too small should be seen, not waited for (psycopg's default is 30).
            "timeout": 5,
        }
if env.str("DATABASE_ADMIN_URL", default=""):
    DATABASES["owner"] = _database("DATABASE_ADMIN_URL")
    DATABASES["owner"]["TERRACE_OWNER"] = True
    if "default" not in DATABASES:
        raise ImproperlyConfigured(
            "DATABASE_ADMIN_URL is set and DATABASE_URL is not. Set DATABASE_URL to the application's "
            "own login, for example postgresql://terrace_app:password@db.example.com/terrace."
        )
TENANT_DB_ALIAS = "owner" if "owner" in DATABASES else "default"

# --- Lifecycle --------------------------------------------------------------------------------
# How long a tenant waits between being scheduled for erasure and being erased.
TERRACE_ERASURE_DAYS = env.int("TERRACE_ERASURE_DAYS", default=30)
# How long backups are kept: what is erased is in none of them after that.
TERRACE_BACKUP_RETENTION_DAYS = env.int("TERRACE_BACKUP_RETENTION_DAYS", default=30)
# Lets an operator past a maintenance page (shared_apps/domains/bypass.py).
TERRACE_BYPASS_COOKIE_NAME = "terrace_maintenance"

# --- Redis: cache, sessions, tasks -----------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "shared_apps.tenants.cache.TenantRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "terrace",
        "KEY_FUNCTION": "shared_apps.tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "shared_apps.tenants.cache.reverse_key",
        "TIMEOUT": 300,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            "IGNORE_EXCEPTIONS": True,
            "LOG_IGNORED_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
        },
    }
}
SESSION_ENGINE = "shared_apps.tenants.sessions"
SESSION_COOKIE_NAME = "terrace_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "terrace_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "shared_apps.domains.status_pages.csrf_failure"

# --- Tasks -----------------------------------------------------------------------------------
# A tenant's status is asked for this often by the workers: a suspension is seen within it.
TERRACE_TENANT_CACHE_SECONDS = env.float("TERRACE_TENANT_CACHE_SECONDS", default=2.0)
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", default=REDIS_URL)
# Fair between tenants (docs/decisions/0006-fair-queues.md). `redis` is Celery's own queue.
CELERY_BROKER_TRANSPORT = env.str(
    "CELERY_BROKER_TRANSPORT", default="shared_apps.tenants.tasks.fair_queue:Transport"
)
# A message whose worker was lost is delivered again after visibility_timeout. It must be longer
# than the longest task and than any countdown or eta, or those run twice.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": env.int("TERRACE_TASK_VISIBILITY_SECONDS", default=3600),
    "unacked_restore_interval": env.int("TERRACE_TASK_RESTORE_SECONDS", default=10),
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "terrace"
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600
# A message is acknowledged when its task is done: a lost worker's is delivered again, so every task
# must be safe to repeat.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_TASK_SOFT_TIME_LIMIT = env.int("TERRACE_TASK_SOFT_SECONDS", default=540)
CELERY_TASK_TIME_LIMIT = env.int("TERRACE_TASK_SECONDS", default=600)
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "periodic": {
        "task": "shared_apps.tenants.tasks.periodic.dispatch_periodic",
        "schedule": 5.0,
        "options": {"expires": 15.0},
    }
}

# --- Archives and backups --------------------------------------------------------------------
# Tables that are made from an archive but whose rows are in none: sessions are for one browser.
TERRACE_ARCHIVE_LEAVES_OUT = ["django_session", "users_signin", "api_keptanswer"]
# A folder, or s3://bucket/prefix (shared_apps/tenants/archive/backup_stores.py).
TERRACE_BACKUP_STORE = env.str("TERRACE_BACKUP_STORE", default=str(DATA_DIR / "backups"))
TERRACE_BACKUP_RETENTION_DAYS = env.int("TERRACE_BACKUP_RETENTION_DAYS", default=30)
TERRACE_BACKUP_KEY = env.str("TERRACE_BACKUP_KEY", default="")
TERRACE_PREVIEW_HOURS = env.int("TERRACE_PREVIEW_HOURS", default=24)
TERRACE_UNDO_KEEP_DAYS = env.int("TERRACE_UNDO_KEEP_DAYS", default=7)
# How long the link to a take-out works, and the file is kept.
TERRACE_TAKEOUT_HOURS = env.int("TERRACE_TAKEOUT_HOURS", default=72)

# --- People ----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "tenant_apps.users.backends.EmailBackend",
    "shared_apps.operators.backends.OperatorBackend",
]
# allauth's own migrations make 32-bit keys; these make bigint ones.
ALLAUTH_DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES: dict[str, str | None] = {
    "admin": None,
    "account": "tenant_apps.users.account_migrations",
    "mfa": "tenant_apps.users.mfa_migrations",
}
ACCOUNT_ADAPTER = "tenant_apps.users.adapter.TenantAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "tenant_apps.users.forms.NameForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# Five failed log-ins a minute for one address of mail and ten from one visitor, then a wait: in the page,
# which the admin leads to, and for programs (tenant_apps/users/api_logins.py).
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/m/key"}
ACCOUNT_FORMS = {"reset_password": "tenant_apps.users.password_forms.LostPasswordForm"}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = (
    "tenant_apps.users.tokens.TenantPasswordResetTokenGenerator"
)
# Passkeys to log in with, and codes besides the password.
MFA_ADAPTER = "tenant_apps.users.second_factors.TenantMFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {"add_webauthn": "tenant_apps.users.passkey_forms.AddPasskeyForm"}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "full_name"]},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- Words, time, files ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
# One language until there are translations: no page mixes two.
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(env.str("TERRACE_MEDIA_DIR", default=str(DATA_DIR / "media")))
# The largest picture that a writer may put into an article, as it comes.
TERRACE_MAX_PICTURE_BYTES = env.int("TERRACE_MAX_PICTURE_BYTES", default=5_000_000)
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "shared_apps.tenants.storage.TenantFileStorage"},
    # Customers' take-outs: no address serves them; web processes and workers share the folder.
    "takeouts": {
        "BACKEND": "shared_apps.tenants.storage.TenantFileStorage",
        "OPTIONS": {
            "location": Path(env.str("TERRACE_TAKEOUT_DIR", default=str(DATA_DIR / "take-outs")))
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# The mail server. STARTTLS on the submission port unless told otherwise (RFC 8314 section 3.3 has TLS
# from the first byte, on port 465, too).
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=not EMAIL_USE_SSL)
EMAIL_PORT = env.int("EMAIL_PORT", default=465 if EMAIL_USE_SSL else 587)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
# Seconds. Without it a mail server that is silent holds a worker for ever.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)
# Where config.mail_files, a developer's machine's EMAIL_BACKEND, writes.
TERRACE_MAIL_DIR = Path(env.str("TERRACE_MAIL_DIR", default=str(DATA_DIR / "mails")))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"Terrace <hello@{TERRACE_BASE_DOMAIN}>")
# Whom an owner writes to whose workspace is closed.
TERRACE_SUPPORT_EMAIL = env.str("TERRACE_SUPPORT_EMAIL", default=f"hello@{TERRACE_BASE_DOMAIN}")

# What every endpoint has that says nothing else; tenant_apps/api has the parts.
REST_FRAMEWORK = {
    # The first of them challenges: a stranger is answered 401, not 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenant_apps.users.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    # In this order: whoever may not do it begins nothing.
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticatedOrReadOnly",
        "tenant_apps.api.lost_updates.LostUpdates",
        "tenant_apps.api.lost_updates.OnceOnly",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "tenant_apps.api.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": [
        "tenant_apps.api.filters.Filters",
        "tenant_apps.api.filters.Search",
        "tenant_apps.api.filters.Ordering",
    ],
    "DEFAULT_THROTTLE_CLASSES": [
        "tenant_apps.api.throttling.VisitorThrottle",
        "tenant_apps.api.throttling.PersonThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "300/min", "user": "1200/min"},
    "DEFAULT_SCHEMA_CLASS": "tenant_apps.api.openapi.ApiSchema",
    "DEFAULT_METADATA_CLASS": "tenant_apps.api.metadata.Plain",
    "EXCEPTION_HANDLER": "tenant_apps.api.problems.handle_exception",
    # Without a number DRF takes all of X-Forwarded-For for the visitor's name.
    "NUM_PROXIES": TERRACE_PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Terrace",
    "DESCRIPTION": "What a workspace publishes, and what its people do in it.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Several apps call a field `state`.
    "ENUM_NAME_OVERRIDES": {
        "ArticleState": "tenant_apps.articles.models.State",
        "CommentState": "tenant_apps.articles.models.CommentState",
        "PictureState": "tenant_apps.articles.models.PictureState",
        "ImportState": "tenant_apps.products.models.ImportState",
        "TokenState": ["open", "revoked", "expired"],
        "ProductState": "tenant_apps.products.models.State",
        "ReviewState": "tenant_apps.products.models.ReviewState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tenant_apps.api.openapi.add_what_all_share",
    ],
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "tenant": {"()": "shared_apps.tenants.logs.TenantFilter"},
        "request": {"()": "config.tracing.RequestFilter"},
    },
    "formatters": {
        "line": {
            "format": "%(levelname)s %(name)s tenant=%(tenant)s request=%(request)s %(message)s"
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["tenant", "request"],
            "formatter": "line",
        }
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
X_FRAME_OPTIONS = "DENY"
