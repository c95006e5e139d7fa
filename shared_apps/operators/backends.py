"""Logging in as an operator: on the public host alone."""

from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from shared_apps.operators.models import Operator
from shared_apps.tenants import context


class OperatorBackend(BaseBackend):
    """E-mail and password of an operator. Inside a tenant it knows nobody."""

    def authenticate(  # type: ignore[override]
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> Operator | None:
        """The operator, or None. Takes as long for an unknown address as for a wrong password."""
        if context.current_tenant() is not None or username is None or password is None:
            return None
        try:
            operator = Operator.objects.get_by_natural_key(username)
        except Operator.DoesNotExist:
            make_password(password)
            return None
        if operator.check_password(password) and operator.is_active:
            return operator
        return None

    def get_user(self, user_id: UUID | str) -> Operator | None:  # type: ignore[override]
        """The operator of a session on the public host."""
        if context.current_tenant() is not None:
            return None
        return Operator.objects.filter(pk=user_id, deactivated_at__isnull=True).first()
