"""The letter that greets somebody who has joined. Each verb runs in the tenant's schema."""

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import webhooks
from tenant_apps.links import page_url
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users.models import User


def welcome_person(person: User) -> None:
    """Have the letter sent once this transaction is committed, and other programs told."""
    from tenant_apps.users.tasks import send_welcome_letter

    webhooks.announce("member.joined", person)
    send_welcome_letter.delay_on_commit(str(person.pk))


def send_letter(*, person: User) -> None:
    """Mail the letter, unless it was before. Safe to repeat.

    The row is marked after the mail server has taken the letter and before the task's transaction
    ends: where that fails in between, one letter comes twice rather than none.
    """
    if person.welcomed_at or not person.is_active:
        return
    tenant = require_tenant()
    facts = {
        "person": person,
        "tenant": tenant,
        "home": page_url(tenant, "workspace:home"),
        "account": page_url(tenant, "users:profile"),
    }
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/welcome.subject", facts).split()),
        body=render_to_string("emails/welcome.txt", facts),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[person.email],
    )
    message.attach_alternative(render_to_string("emails/welcome.html", facts), "text/html")
    message.send()
    person.welcomed_at = timezone.now()
    person.save(update_fields=["welcomed_at"])
