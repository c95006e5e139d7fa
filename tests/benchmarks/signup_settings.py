"""Terrace as it is in production, for the sign-up's benchmark: Argon2 and all; mails stay here."""

from tests.benchmarks.terrace_settings import *

EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# The benchmark fills the pool itself.
TERRACE_READY_POOL_SIZE = 0
