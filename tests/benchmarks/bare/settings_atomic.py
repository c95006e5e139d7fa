"""(a2) Bare Django with a transaction around each request, as Terrace has it."""

from tests.benchmarks.bare.settings import *

DATABASES["default"]["ATOMIC_REQUESTS"] = True
