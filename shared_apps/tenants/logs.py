"""Log records say whose work they are."""

import logging

from shared_apps.tenants import context


class TenantFilter(logging.Filter):
    """Adds `tenant`: the subdomain of the tenant that is set, or `public`. Lets all pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Stamp the record."""
        tenant = context.current_tenant()
        record.tenant = tenant.subdomain if tenant else "public"
        return True


class NotTheDispatcher(logging.Filter):
    """Drops what Celery says of the dispatcher of periodic work, which runs every few seconds."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let warnings pass, and what is said of other tasks."""
        return record.levelno > logging.INFO or ".dispatch_periodic" not in str(record.args)
