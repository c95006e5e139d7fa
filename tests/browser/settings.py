"""The servers that the browser tests drive: as in production, over http, with mails as files."""

from config.settings.base import *

SECRET_KEY = "browser-tests-only-" + "0123456789abcdef" * 4
EMAIL_BACKEND = "config.mail_files.MailFiles"
# Served from where they lie, so that nothing has to be collected first.
WHITENOISE_USE_FINDERS = True
TERRACE_HOST_CACHE_SECONDS = 0.0
