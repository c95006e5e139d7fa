"""Letters that let people in. Each verb runs in the tenant's schema."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.activity import trail
from tenant_apps.activity.notifications import notify
from tenant_apps.links import page_url
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users import membership, welcoming
from tenant_apps.users.errors import (
    EmailTaken,
    InvitationExpired,
    InvitationInvalid,
    InvitationUsed,
)
from tenant_apps.users.models import Invitation, Role, User
from tenant_apps.users.roles import require_may_give

VALID_FOR = timedelta(days=7)
# So long it is seen who was invited in vain.
_KEPT_FOR = timedelta(days=30)


def invite_person(*, email: str, role: Role, by: User) -> Invitation:
    """Write down an invitation and have its letter sent once this transaction is committed.

    An open invitation to the same address is withdrawn: the newest letter is the one that works.

    Raises:
        NotAllowed: `by` may not manage people, or the role, or that of the invitation it replaces,
        may do more than theirs.
        EmailTaken: the address belongs to somebody here.
    """
    from tenant_apps.users.tasks import send_invitation_letter

    require_may_give(by=by, role=role)
    if User.objects.filter(email=email).exists():
        raise EmailTaken(f"{email.lower()} belongs to somebody in this workspace already.")
    now = timezone.now()
    with transaction.atomic():
        _withdraw_open_ones(email=email, by=by, at=now)
        invitation = Invitation.objects.create(
            email=email, role=role, invited_by=by, created_at=now, expires_at=now + VALID_FOR
        )
        trail.record(
            verb="person.invited",
            subject=invitation,
            actor=by,
            after={"email": invitation.email, "role": role.slug},
        )
        send_invitation_letter.delay_on_commit(str(invitation.pk))
    return invitation


def withdraw_invitation(*, invitation: Invitation, by: User) -> Invitation:
    """Make the letter useless. Raises NotAllowed, or InvitationUsed where it was accepted."""
    require_may_give(by=by, role=invitation.role)
    if invitation.accepted_at:
        raise InvitationUsed(
            f"{invitation.email} has accepted already; deactivate the person instead."
        )
    with transaction.atomic():
        invitation.withdrawn_at = timezone.now()
        invitation.save(update_fields=["withdrawn_at"])
        trail.record(verb="person.invitation_withdrawn", subject=invitation, actor=by)
    return invitation


def send_letter_again(*, invitation: Invitation, by: User) -> Invitation:
    """Have the letter sent once more, where the first was lost. Its link replaces the first one's.

    Raises:
        NotAllowed: `by` may not manage people, or the role may do more than theirs.
        InvitationUsed, InvitationExpired: it is no longer open.
    """
    from tenant_apps.users.tasks import send_invitation_letter

    require_may_give(by=by, role=invitation.role)
    if invitation.state == "expired":
        raise InvitationExpired(
            f"The invitation of {invitation.email} has expired. Invite them once more."
        )
    if invitation.state != "open":
        raise InvitationUsed(
            f"The invitation of {invitation.email} was {invitation.state} already, so it gets no "
            "letter."
        )
    with transaction.atomic():
        trail.record(verb="person.invitation_sent_again", subject=invitation, actor=by)
        send_invitation_letter.delay_on_commit(str(invitation.pk))
    return invitation


def delete_old() -> int:
    """Forget whom nobody waits for any more: invitations that expired or were withdrawn a month ago. Those
    that were accepted say how somebody came here, and stay. Safe to repeat; one statement. Returns how many.

    Runs in: the tenant's schema.
    """
    long_ago = timezone.now() - _KEPT_FOR
    in_vain = Q(expires_at__lt=long_ago) | Q(withdrawn_at__lt=long_ago)
    return Invitation.objects.filter(in_vain, accepted_at=None).delete()[0]


def _withdraw_open_ones(*, email: str, by: User, at: datetime) -> None:
    """At most one, by the constraint; locked, so that it cannot be accepted meanwhile."""
    open_ones = Invitation.objects.open().filter(email=email).select_related("role")
    for invitation in open_ones.select_for_update(of=("self",)):
        require_may_give(by=by, role=invitation.role)
        invitation.withdrawn_at = at
        invitation.save(update_fields=["withdrawn_at"])


def send_letter(*, invitation: Invitation) -> None:
    """Make a fresh token, keep its hash and mail the link.

    A letter that is sent again carries a new token, so the task may be repeated and no token is
    ever stored. An invitation that was used or withdrawn in the meantime gets no letter.
    """
    if invitation.state != "open":
        return
    tenant = require_tenant()
    token = secrets.token_urlsafe(32)
    invitation.token_hash = _hash_token(token, tenant)
    invitation.sent_at = timezone.now()
    invitation.save(update_fields=["token_hash", "sent_at"])
    context = {
        "invitation": invitation,
        "tenant": tenant,
        "link": page_url(tenant, "users:invitation", token),
    }
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/invitation.subject", context).split()),
        body=render_to_string("emails/invitation.txt", context),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[invitation.email],
    )
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    message.send()


def find_invitation(*, token: str) -> Invitation:
    """The open invitation that this token belongs to.

    Raises:
        InvitationInvalid: no invitation of this workspace has it.
        InvitationUsed: it was accepted or withdrawn.
        InvitationExpired: it is too old.
    """
    invitation = (
        Invitation.objects.select_related("role", "invited_by")
        .filter(token_hash=_hash_token(token, require_tenant()))
        .first()
    )
    if invitation is None:
        raise InvitationInvalid(
            "This link belongs to no invitation of this workspace. Use the newest letter that "
            "you got, "
            "or ask for another one."
        )
    if invitation.accepted_at:
        raise InvitationUsed(
            "This invitation was accepted already. Log in with your e-mail address."
        )
    if invitation.withdrawn_at:
        raise InvitationUsed("This invitation was withdrawn. Ask for another one.")
    if invitation.is_expired:
        raise InvitationExpired("This invitation has expired. Ask for another one.")
    return invitation


def accept_invitation(*, token: str, full_name: str, password: str) -> User:
    """Let the reader of a letter in, once.

    The letter reached the address, so the address counts as confirmed.

    Args:
        password: in clear text, checked by the caller's form.
    Raises:
        InvitationInvalid, InvitationUsed, InvitationExpired, EmailTaken.
    """
    with transaction.atomic():
        found = find_invitation(token=token)
        # The row is locked before it is judged again: two clicks at once make one person.
        Invitation.objects.select_for_update().get(pk=found.pk)
        invitation = find_invitation(token=token)
        person = membership.add_person(
            email=invitation.email,
            full_name=full_name,
            role=invitation.role,
            password=password,
            email_confirmed=True,
        )
        invitation.accepted_at = timezone.now()
        invitation.accepted_by = person
        invitation.save(update_fields=["accepted_at", "accepted_by"])
        welcoming.welcome_person(person)
        notify(
            "invitation_accepted",
            sentence=f"{person} has accepted your invitation.",
            path="/",
            to=[invitation.invited_by],
        )
    return person


def _hash_token(token: str, tenant: TenantRef) -> str:
    # The tenant is part of it: a row copied into another workspace opens nothing there.
    return hashlib.sha256(f"{tenant.uuid}:{token}".encode()).hexdigest()
