from allauth.account.forms import EmailAwarePasswordResetTokenGenerator
from django.contrib.auth.models import AbstractBaseUser

from shared_apps.tenants.context import require_tenant


class TenantPasswordResetTokenGenerator(EmailAwarePasswordResetTokenGenerator):  # type: ignore[misc]  # untyped base
    """Password reset tokens that open nothing in another tenant, even for a copied row."""

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int) -> str:
        return f"{require_tenant().uuid}:{super()._make_hash_value(user, timestamp)}"
