"""The forms of the front door. What is wrong is told at the field it is about."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy

from shared_apps.domains import names
from shared_apps.domains.names import SubdomainRefused
from shared_apps.front_door.signing_up import CODE_DIGITS, WorkspaceWish
from shared_apps.tenants import registry

_NO_ADDRESS = {
    "required": "Type your e-mail address.",
    "invalid": "This is no e-mail address. It looks like name@example.com.",
}


_NULL_CHARACTER = (
    "There is a null character in this, which nobody can see and no keyboard types. Delete all of it "
    "and type it anew."
)


class PlainForm(forms.Form):
    """A form whose every field says what to do about a null character; Django says what there is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.error_messages["null_characters_not_allowed"] = _NULL_CHARACTER


def normalise_email(raw: str) -> str:
    """The address as accounts keep it: in lower case, without spaces around it."""
    return raw.strip().lower()


class EmailForm(PlainForm):
    """Whose workspace it is."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages=_NO_ADDRESS,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )

    def clean_email(self) -> str:
        """In lower case."""
        return normalise_email(self.cleaned_data["email"])


class CodeForm(PlainForm):
    """The six digits of the mail."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        error_messages={"required": "Type the six digits of the mail."},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "class": "is-one-time-code",
                "spellcheck": "false",
            }
        ),
    )

    def clean_code(self) -> str:
        """The digits, without the spaces or hyphens that somebody may type between them."""
        code = "".join(self.cleaned_data["code"].replace("-", " ").split())
        if not (code.isascii() and code.isdigit() and len(code) == CODE_DIGITS):
            raise ValidationError("The code is six digits long, like 123 456.")
        return code


class WorkspaceForm(PlainForm):
    """The workspace and its owner. Knows the verified address, to compare the password with."""

    name = forms.CharField(
        label="Name of the workspace",
        max_length=100,
        help_text="What people call your team, shop or paper. You can change it later.",
        error_messages={
            "required": "Give the workspace a name.",
            "max_length": "This name has %(show_value)d characters. Use at most %(limit_value)d.",
        },
        widget=forms.TextInput(
            attrs={
                "autocomplete": "organization",
                "hx-get": reverse_lazy("front_door:address"),
                "hx-trigger": "input changed delay:300ms, typed-before",
                "hx-target": "#address-field",
                "hx-swap": "outerHTML",
                "hx-sync": "this:replace",
            }
        ),
    )
    subdomain = forms.CharField(
        label="Address",
        required=False,
        strip=True,
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    full_name = forms.CharField(
        label="Your name",
        max_length=150,
        error_messages={"required": "Type your name, as your colleagues know it."},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        max_length=1024,
        help_text="At least 12 characters. A few words in a row are easy to keep in mind.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    later = forms.BooleanField(
        label="I'll set a password later",
        required=False,
        widget=forms.CheckboxInput(attrs={"data-hides": "password-field"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_subdomain(self) -> str:
        """A subdomain that can be had now. Left empty, one is suggested and asked for."""
        raw: str = self.cleaned_data["subdomain"]
        if not raw:
            return ""
        try:
            return names.check_subdomain(raw)
        except SubdomainRefused as refused:
            raise ValidationError(str(refused)) from refused

    def clean(self) -> dict[str, Any]:
        """A password, or the wish to set one later; a subdomain, or a suggestion to look at."""
        cleaned = super().clean() or {}
        if "subdomain" in cleaned and not cleaned["subdomain"]:
            self._suggest(cleaned.get("name", ""))
        if not cleaned.get("later"):
            self._check_password(cleaned)
        return cleaned

    def wish(self) -> WorkspaceWish:
        """What the visitor wants; only after is_valid()."""
        cleaned = self.cleaned_data
        return WorkspaceWish(
            name=cleaned["name"],
            subdomain=cleaned["subdomain"],
            full_name=cleaned["full_name"],
            password="" if cleaned["later"] else cleaned["password"],
        )

    def _suggest(self, name: str) -> None:
        if not name:
            self.add_error("subdomain", "Choose an address.")
            return
        suggestion = names.suggest_subdomain(name)
        self.data = {**dict(self.data.items()), "subdomain": suggestion}
        self.add_error(
            "subdomain", f"How about “{suggestion}”? Send the form again, or type another one."
        )

    def _check_password(self, cleaned: dict[str, Any]) -> None:
        password = cleaned.get("password", "")
        if not password:
            self.add_error("password", "Choose a password, or set one later.")
            return
        full_name = cleaned.get("full_name", "")
        try:
            registry.check_password(password=password, email=self.email, full_name=full_name)
        except ValidationError as error:
            self.add_error("password", error)
