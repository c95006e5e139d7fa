import zoneinfo
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.http import HttpRequest

from tenant_apps.users.api_tokens import LIFETIMES
from tenant_apps.users.models import User
from tenant_apps.users.passwords import check_password
from tenant_apps.users.profiles import CHANGEABLE
from tenant_apps.users.scopes import registered_scopes


def scope_choices() -> list[tuple[str, str]]:
    """What a token may be for, read when the form is shown: apps register theirs at start."""
    return [(scope.name, scope.label) for scope in registered_scopes()]


class NameForm(forms.Form):
    """The part of allauth's sign-up form that is ours (ACCOUNT_SIGNUP_FORM_CLASS)."""

    full_name = forms.CharField(
        label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    field_order = ["full_name", "email", "password1"]

    def signup(self, request: HttpRequest, user: User) -> None:
        """Part of allauth's protocol; the adapter's `save_user` has kept the name already."""


class AcceptInvitationForm(forms.Form):
    """What somebody who was invited says of themselves."""

    full_name = forms.CharField(
        label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label="Choose a password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email
        self.fields["password"].help_text = password_validators_help_text_html()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if password := cleaned.get("password"):
            full_name = cleaned.get("full_name", "")
            try:
                check_password(password=password, email=self.email, full_name=full_name)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What people say of themselves; kept by a verb, not by the form."""

    website = forms.URLField(
        required=False,
        max_length=200,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"autocomplete": "url"}),
    )
    time_zone = forms.ChoiceField(
        required=False, help_text="Times are shown in it; without one, in the workspace's."
    )
    language = forms.ChoiceField(required=False)

    class Meta:
        model = User
        fields = CHANGEABLE
        labels = {"full_name": "Your name", "bio": "About you", "birth_date": "Day of birth"}
        widgets = {
            "full_name": forms.TextInput(attrs={"autocomplete": "name"}),
            "bio": forms.Textarea(attrs={"rows": 4}),
            "phone": forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
            "birth_date": forms.DateInput(
                format="%Y-%m-%d", attrs={"type": "date", "autocomplete": "bday"}
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zoneinfo.available_timezones())
        offered = [("", "The workspace's"), *((zone, zone.replace("_", " ")) for zone in zones)]
        cast("forms.ChoiceField", self.fields["time_zone"]).choices = offered
        languages = [("", "The workspace's"), *settings.LANGUAGES]
        cast("forms.ChoiceField", self.fields["language"]).choices = languages


class AvatarForm(forms.Form):
    """A picture of oneself."""

    picture = forms.FileField(
        label="Picture",
        help_text="JPEG, PNG, GIF or WebP, at most 5 MB. The middle of it is shown.",
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/gif,image/webp"}),
    )


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label="What is it for?",
        max_length=60,
        help_text="As “stock sync”: so that you know it again.",
    )
    scopes = forms.MultipleChoiceField(
        label="It may", widget=forms.CheckboxSelectMultiple, choices=scope_choices
    )
    days = forms.TypedChoiceField(
        label="Until",
        coerce=int,
        choices=[(life.days, f"{life.days} days from now") for life in LIFETIMES],
        initial=90,
    )
