"""The migrations of `articles`, and behind them what the benchmark lets the fleet do.

MIGRATION_MODULES names this package; its path leads to the real migrations, too.
"""

from pathlib import Path

import tenant_apps.articles.migrations as real

__path__ = [*__path__, *real.__path__]

# The newest of the real ones: what the benchmark begins with.
LEAF = max(path.stem for path in Path(real.__path__[0]).glob("[0-9]*.py"))
