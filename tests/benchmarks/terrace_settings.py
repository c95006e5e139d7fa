"""Terrace as it is, three locks and all, arranged so that it can be measured beside the baselines.

What is changed here is changed for the baselines too, since they begin with this file: no throttle
(a benchmark would run into it), cache keys of their own, log lines for warnings alone.
"""

import os

os.environ.setdefault("SECRET_KEY", "benchmarks-only-" + "0123456789abcdef" * 4)

from config.settings.base import *

REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
CACHES["default"]["KEY_PREFIX"] = env.str("TERRACE_BENCH_KEY_PREFIX", default="terrace-bench")
LOGGING["root"]["level"] = "WARNING"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
