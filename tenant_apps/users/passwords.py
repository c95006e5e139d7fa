"""Which passwords people may not have."""

from django.contrib.auth.password_validation import validate_password

from tenant_apps.users.models import User


def check_password(*, password: str, email: str, full_name: str) -> None:
    """Refuse a password that is weak, or too much like what is known of its owner.

    Args:
        password: in clear text.
        email, full_name: of somebody who need not have a row yet.
    Raises:
        ValidationError: Django's sentences.
    Runs in: no schema.
    """
    # Never saved: the password is compared with what it says.
    validate_password(password, User(email=email, full_name=full_name))
