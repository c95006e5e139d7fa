"""A developer's machine: debug pages, reload in the browser, mails as files."""

from config.settings.base import *

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="local-only-" + "0123456789abcdef" * 4)

INSTALLED_APPS = [*INSTALLED_APPS, "debug_toolbar", "django_browser_reload"]
TABLELESS_APPS = [*TABLELESS_APPS, "debug_toolbar", "django_browser_reload"]
MIDDLEWARE = [
    *MIDDLEWARE,
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "django_browser_reload.middleware.BrowserReloadMiddleware",
]
INTERNAL_IPS = ["127.0.0.1"]
DEBUG_TOOLBAR_CONFIG = {"SHOW_COLLAPSED": True}

EMAIL_BACKEND = "config.mail_files.MailFiles"

# Straight from static/ and the apps: nothing is collected on this machine.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

# Only what the dispatcher leads to is worth a line.
LOGGING["filters"]["not_the_dispatcher"] = {"()": "shared_apps.tenants.logs.NotTheDispatcher"}
LOGGING["loggers"] = {
    name: {"filters": ["not_the_dispatcher"]}
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace")
}
