"""Letters to people who have lost their password. Each verb runs in the tenant's schema."""

from typing import Any

from allauth.account.adapter import get_adapter

# Ours (ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR). allauth's forms must be imported before the module
# that it is in, which takes its base class from there.
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str

from shared_apps.tenants.context import require_tenant
from tenant_apps.links import page_url
from tenant_apps.users.models import User
from tenant_apps.users.selectors import people_at


def ask_for_new_password(*, email: str) -> None:
    """Have a letter sent to this address once this transaction is committed.

    Whose the address is gets looked up with the letter, in a worker: to whoever asks, the answer is
    the same and takes the same.
    """
    from tenant_apps.users.tasks import send_password_letters

    send_password_letters.delay_on_commit(email)


def send_letters(*, email: str) -> None:
    """Mail a link for each active person of this address; or one letter that says there is nobody.

    Safe to repeat: a link is valid until the password changes or it is too old.
    """
    people = [person for person in people_at(email) if person.is_active]
    for person in people:
        _send("password_reset_key", email, {"password_reset_url": _link(person)})
    if not people:
        _send("unknown_account", email, {})


def _link(person: User) -> str:
    token = default_token_generator.make_token(person)
    uid = user_pk_to_url_str(person)
    return page_url(require_tenant(), "account_reset_password_from_key", uid, token)


def _send(name: str, email: str, facts: dict[str, Any]) -> None:
    facts = {"email": email, "tenant": require_tenant(), **facts}
    get_adapter().render_mail(f"account/email/{name}", email, facts).send()
