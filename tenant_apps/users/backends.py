from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from shared_apps.tenants.context import current_tenant
from tenant_apps.users.models import User
from tenant_apps.users.selectors import people_at


class EmailBackend(AuthenticationBackend):  # type: ignore[misc]  # untyped base
    """allauth's login by e-mail, inside a tenant; on the public host it knows nobody.

    Finds the person of a session together with their role in one query.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        if current_tenant() is None:
            return None
        found: User | None = super().authenticate(request, **credentials)
        return found

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        """As allauth's, with as many statements for an unknown address as for a known one."""
        for person in people_at(email):
            if self._check_password(person, password):
                return person
        return None

    def get_user(self, user_id: UUID | str) -> User | None:
        if current_tenant() is None:
            return None
        user = User.objects.select_related("role").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
