"""Apart from forms.py: allauth reads that one before its own parts, which this one needs, are there."""

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # untyped base
    """allauth's form in our words. Ticked, the key logs in by itself; else it is a second factor."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=100,
        help_text="To tell it from others: the device or the program that keeps it.",
    )
    passwordless = forms.BooleanField(
        label="Log in with it alone, without a password",
        required=False,
        initial=True,
        help_text="The device asks for your fingerprint, face or PIN. Untick it for a key that can't.",
    )
