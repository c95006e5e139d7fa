"""Production. A variable that is missing is named, with an example, before anything starts."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *

REQUIRED = {
    "SECRET_KEY": "fifty or more random characters",
    "DATABASE_URL": "postgresql://terrace_app:password@db.example.com/terrace",
    "REDIS_URL": "redis://cache.example.com:6379/0",
    "TERRACE_BASE_DOMAIN": "example.com",
    "EMAIL_HOST": "smtp.example.com",
}
_missing = [name for name in REQUIRED if not env.str(name, default="")]
if _missing:
    lines = "\n".join(f"  {name}={REQUIRED[name]}" for name in _missing)
    raise ImproperlyConfigured(f"Set these environment variables, for example:\n{lines}")
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured(
        "EMAIL_USE_TLS and EMAIL_USE_SSL are both on. Leave the one that your mail server speaks: "
        "STARTTLS (EMAIL_USE_TLS, mostly port 587) or TLS from the first byte (EMAIL_USE_SSL, 465)."
    )

TERRACE_SCHEME = "https"
SECURE_SSL_REDIRECT = env.bool("TERRACE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.int("TERRACE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# The __Host- prefix makes browsers refuse the cookie with a Domain or without Secure
# (RFC 6265bis section 4.1.3.2).
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-terrace_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-terrace_csrf"
TERRACE_BYPASS_COOKIE_NAME = "__Host-terrace_maintenance"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "config.static_files.BundledStaticFilesStorage"},
}
