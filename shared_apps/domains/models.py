"""The public schema's row of each hostname."""

from typing import Any

from django.db import models, transaction
from django_tenants.models import DomainMixin


class Domain(DomainMixin):  # type: ignore[misc]
    """A hostname that leads to a tenant: a subdomain of the platform, or the customer's own.

    A customer's own domain is served once it is verified. A write here bumps the version that the
    host cache (resolution.py) hangs on.
    """

    id = models.BigAutoField(primary_key=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    # A subdomain that the tenant had before: it leads to the one it has now.
    redirects_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["domain"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(is_primary=True),
                name="domains_domain_one_primary",
            )
        ]

    def __str__(self) -> str:
        return str(self.domain)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and let every process forget what it knew of hosts, once it is committed."""
        super().save(*args, **kwargs)
        _forget_on_commit()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete, and let every process forget it."""
        deleted: tuple[int, dict[str, int]] = super().delete(*args, **kwargs)
        _forget_on_commit()
        return deleted


def _forget_on_commit() -> None:
    from shared_apps.domains.resolution import bump_version

    transaction.on_commit(bump_version)
