from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from django.contrib.sites.shortcuts import get_current_site
from django.forms import Form
from django.http import HttpRequest

from shared_apps.tenants import visitors
from shared_apps.tenants.context import require_tenant
from tenant_apps.sender import from_header
from tenant_apps.users.letters import post_letter
from tenant_apps.users.models import User
from tenant_apps.users.permissions import MEMBER
from tenant_apps.users.roles import get_role
from tenant_apps.users.signup import is_signup_open
from tenant_apps.users.welcoming import welcome_person


class TenantAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped base
    """How allauth behaves inside a tenant: who may sign up, as what, and what its letters say."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return is_signup_open()

    def save_user(self, request: HttpRequest, user: User, form: Form, commit: bool = True) -> User:  # noqa: FBT001, FBT002 (allauth's signature)
        user.full_name = form.cleaned_data.get("full_name", "")
        user.role = get_role(MEMBER)
        saved: User = super().save_user(request, user, form, commit)
        return saved

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom allauth's limits count. Its own way answers 500 where X-Forwarded-For is shorter than
        the proxies are many, and 403 where the server listens on a unix socket."""
        return visitors.address_of(request) or "unknown"

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The first is asked for: the password, then a passkey, and typed codes last. Whoever has just
        added a passkey has recovery codes, too, and has not seen them yet."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return sorted(methods, key=lambda method: bool(method["id"] == "mfa_reauthenticate"))

    def format_email_subject(self, subject: str) -> str:
        return f"{require_tenant().name}: {subject}"

    def get_from_email(self) -> str:
        return from_header()

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """As allauth's own, with the tenant in the context, and sent by a task."""
        request = allauth_context.request
        letter = self.render_mail(
            template_prefix,
            email,
            {
                "request": request,
                "email": email,
                "current_site": get_current_site(request),
                "tenant": require_tenant(),
                **context,
            },
        )
        post_letter(letter)


def on_address_confirmed(sender: Any, *, email_address: Any, **rest: Any) -> None:
    """allauth's email_confirmed: whoever signed themselves up is in now."""
    person = email_address.user
    if isinstance(person, User) and person.welcomed_at is None and email_address.primary:
        welcome_person(person)
