"""Named in ACCOUNT_FORMS. Apart from forms.py, which allauth imports before it has forms itself."""

from typing import Any

from django import forms
from django.http import HttpRequest

from tenant_apps.users import password_letters


class LostPasswordForm(forms.Form):
    """An address, and a letter to it. Valid whoever the address belongs to."""

    email = forms.EmailField(
        label="Email", widget=forms.EmailInput(attrs={"autocomplete": "email"}), max_length=254
    )

    def save(self, request: HttpRequest, **options: Any) -> str:
        """allauth's protocol: called once the form is valid; answers with the address."""
        email: str = self.cleaned_data["email"].lower()
        password_letters.ask_for_new_password(email=email)
        return email
