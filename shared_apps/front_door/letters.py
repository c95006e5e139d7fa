"""The letters of the front door: templates/emails/<name>.{subject,txt,html}."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from shared_apps.domains.addresses import public_url, tenant_url
from shared_apps.tenants.context import TenantRef


def send_code_letter(*, email: str, code: str, link: str, minutes: int) -> None:
    """Six digits and a link, to prove that somebody reads this address.

    Args:
        link: a full address.
        minutes: how long both are good for.
    """
    _send("sign_up_code", email, {"code": code, "link": link, "minutes": minutes})


def send_workspaces_letter(*, email: str, workspaces: Sequence[TenantRef]) -> None:
    """Where this address has an account; that there is none is a letter too."""
    listed = [(tenant.name, tenant_url(tenant.hostname, "/")) for tenant in workspaces]
    _send("workspaces", email, {"workspaces": listed, "sign_up_url": public_url("/sign-up/")})


def _send(name: str, email: str, facts: dict[str, Any]) -> None:
    facts = {**facts, "home_url": public_url("/"), "platform_host": settings.TERRACE_BASE_DOMAIN}
    subject = render_to_string(f"emails/{name}.subject", facts)
    letter = EmailMultiAlternatives(
        " ".join(subject.split()), render_to_string(f"emails/{name}.txt", facts), to=[email]
    )
    letter.attach_alternative(render_to_string(f"emails/{name}.html", facts), "text/html")
    letter.send()
