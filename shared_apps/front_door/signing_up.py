"""From an e-mail address to a workspace.

The visitor's session carries the sign-up and, once the code or the link was shown, that it is
theirs. The row carries the rest, so a reload, the back button, a second submit and a closed browser
all come back to the same place.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from shared_apps.domains.addresses import public_url
from shared_apps.domains.names import SubdomainRefused
from shared_apps.front_door import letters
from shared_apps.front_door.errors import CodeExpired, CodeWrong, LinkInvalid, TooManyTries
from shared_apps.front_door.models import CODE_LIFE, MAX_TRIES, RESUME_LIFE, SignUp
from shared_apps.tenants import provisioning
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.provisioning import Progress
from shared_apps.tenants.registry import OwnerDetails

logger = logging.getLogger(__name__)

# A second press of "Send me a code" within this time is the same press.
SAME_PRESS: Final = timedelta(seconds=30)
CODE_DIGITS: Final = 6
_EXPIRED: Final = "This code has expired or was used. Ask for a new one."
_TOO_MANY: Final = "Wrong too often: this code is worth nothing now. Ask for a new one."


@dataclass(frozen=True, slots=True)
class WorkspaceWish:
    """What the visitor wants.

    Args:
        name: what people call the workspace, at most 100 characters.
        subdomain: one DNS label, as it was typed.
        full_name: the owner's.
        password: as typed, checked before; empty to set one later.
    """

    name: str
    subdomain: str
    full_name: str
    password: str = ""


def begin_sign_up(*, email: str, current: SignUp | None = None) -> SignUp:
    """A sign-up for this address, and a mail on its way.

    Args:
        current: the session's unverified sign-up. The same address again goes on with it, with a
            new code, or with none where the last one has only just been sent.
    Runs in: the public schema.
    """
    from shared_apps.front_door.tasks import send_code

    if current is not None and current.email == email and current.verified_at is None:
        asked_at = current.code_sent_at or current.created_at
        if asked_at > timezone.now() - SAME_PRESS:
            return current
        sign_up = current
    else:
        sign_up = SignUp.objects.create(email=email)
    send_code.delay_on_commit(str(sign_up.pk))
    return sign_up


def send_new_code(sign_up_id: UUID) -> None:
    """Make a code and a link, keep their hashes, and mail them. An older code is void then.

    Nothing is kept where the mail server refuses the mail.
    Runs in: the public schema.
    """
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        sign_up = SignUp.objects.select_for_update().get(pk=sign_up_id)
        if sign_up.verified_at:
            return
        sign_up.code_hash = _hash_code(sign_up, code)
        sign_up.link_hash = _hash_token(token)
        sign_up.code_sent_at = now
        sign_up.code_expires_at = now + CODE_LIFE
        sign_up.tries = 0
        sign_up.save(
            update_fields=["code_hash", "link_hash", "code_sent_at", "code_expires_at", "tries"]
        )
        letters.send_code_letter(
            email=sign_up.email,
            code=code,
            link=public_url(f"/sign-up/link/{token}/"),
            minutes=CODE_LIFE // timedelta(minutes=1),
        )


def verify_code(*, sign_up: SignUp, code: str) -> SignUp:
    """Take the six digits as proof that the visitor reads the address.

    Returns:
        The sign-up to go on with: this one, or an earlier one that was left half way.
    Raises:
        CodeWrong: with the number of tries left.
        TooManyTries: it was wrong five times; only a new code helps.
        CodeExpired: older than 15 minutes, or used.
    Runs in: the public schema. The try is counted before the code is compared, so that parallel
    guesses are counted too; call it where an error does not roll that back.
    """
    now = timezone.now()
    this = SignUp.objects.filter(pk=sign_up.pk)
    alive = this.filter(tries__lt=MAX_TRIES, code_expires_at__gt=now).exclude(code_hash="")
    if not alive.update(tries=F("tries") + 1):
        sign_up.refresh_from_db()
        raise (TooManyTries(_TOO_MANY) if sign_up.tries >= MAX_TRIES else CodeExpired(_EXPIRED))
    sign_up.refresh_from_db()
    digits = "".join(character for character in code if character.isdigit())
    if not constant_time_compare(_hash_code(sign_up, digits), sign_up.code_hash):
        left = MAX_TRIES - sign_up.tries
        if left <= 0:
            raise TooManyTries(_TOO_MANY)
        raise CodeWrong(
            "These are not the digits of our newest mail. "
            f"{left} {'try' if left == 1 else 'tries'} left."
        )
    # A code works once.
    sign_up.code_hash = ""
    sign_up.save(update_fields=["code_hash"])
    return _verified(sign_up)


def find_link(token: str) -> SignUp:
    """The sign-up that the link of a mail leads to. Changes nothing: programs that look through mail
    follow links, too.

    A link works as long as the mail's code would. Once the address is proven it brings back to the
    same sign-up, for a day.

    Raises:
        LinkInvalid: no sign-up has it; a newer mail's link has taken its place.
        CodeExpired: too old.
    Runs in: the public schema.
    """
    sign_up = SignUp.objects.filter(link_hash=_hash_token(token)).first()
    if sign_up is None:
        raise LinkInvalid("This link is not that of our newest mail. Ask for a new one.")
    if not sign_up.is_link_alive(timezone.now()):
        raise CodeExpired("This link has expired. Ask for a new one.")
    return sign_up


def verify_link(token: str) -> SignUp:
    """Take the link of the mail as proof, in any browser. The mail's code stays good in its own.

    Returns:
        The sign-up to go on with, as verify_code does.
    Raises:
        LinkInvalid, CodeExpired: as find_link.
    Runs in: the public schema.
    """
    return _verified(find_link(token))


def claim_workspace(*, sign_up: SignUp, wish: WorkspaceWish) -> Progress:
    """Make the workspace of this sign-up, once, however often it is asked for.

    Returns:
        How far it is: active at once while a ready schema is there, else under way in a worker.
    Raises:
        SubdomainRefused (shared_apps.domains.names): the address can't be had. The words of the
            wish are kept, and the visitor may choose anew.
        ProvisioningNotFound: not even the wish could be written down; the log says why.
    Runs in: the public schema, in transactions of its own.
    """
    owner = OwnerDetails(
        email=sign_up.email,
        full_name=wish.full_name,
        password_hash=make_password(wish.password) if wish.password else "",
    )
    row = _requested(sign_up, wish)
    try:
        provisioning.start_provisioning(
            name=row.workspace_name,
            subdomain=row.subdomain,
            owner=owner,
            request_id=row.request_id,
        )
    except SubdomainRefused:
        ask_again(row)
        raise
    except Exception:
        # The provisioning's row has the sentence for the visitor; here is what happened.
        logger.exception("The workspace of sign-up %s was not made", row.pk)
    return provisioning.progress(row.request_id)


def _requested(sign_up: SignUp, wish: WorkspaceWish) -> SignUp:
    """The row with the wish in it: this one, or the one that was sent first."""
    with transaction.atomic():
        row = SignUp.objects.select_for_update().get(pk=sign_up.pk)
        if row.requested_at is None:
            row.workspace_name = wish.name
            row.subdomain = wish.subdomain
            row.full_name = wish.full_name
            row.requested_at = timezone.now()
            row.save(update_fields=["workspace_name", "subdomain", "full_name", "requested_at"])
    return row


def ask_again(sign_up: SignUp) -> None:
    """Let the visitor choose anew after a refusal or a failure: a new request, the same words.

    Runs in: the public schema.
    """
    SignUp.objects.filter(pk=sign_up.pk).update(requested_at=None, request_id=uuid7())
    sign_up.refresh_from_db()


def note_entry(sign_up: SignUp) -> None:
    """Remember when the owner was first let in."""
    SignUp.objects.filter(pk=sign_up.pk, entered_at=None).update(entered_at=timezone.now())


def forget_old() -> int:
    """Delete sign-ups that can't be taken up any more. Returns how many."""
    deleted, _ = SignUp.objects.filter(created_at__lt=timezone.now() - 2 * RESUME_LIFE).delete()
    return deleted


def _verified(sign_up: SignUp) -> SignUp:
    now = timezone.now()
    sign_up.verified_at = sign_up.verified_at or now
    sign_up.save(update_fields=["verified_at"])
    left_half_way = (
        SignUp.objects.unfinished_of(sign_up.email, now)
        .exclude(pk=sign_up.pk)
        .exclude(workspace_name="")
        .first()
    )
    return left_half_way if left_half_way and not sign_up.workspace_name else sign_up


def _hash_code(sign_up: SignUp, code: str) -> str:
    # Keyed: six digits are soon guessed from a plain hash.
    return salted_hmac(f"front_door.code.{sign_up.pk}", code, algorithm="sha256").hexdigest()


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
