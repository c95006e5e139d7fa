from collections.abc import Sequence
from typing import Any

from django import forms

from tenant_apps.activity.event_types import registered_event_types
from tenant_apps.activity.models import Channel, DeliveryState
from tenant_apps.activity.notification_kinds import Kind


def event_type_choices() -> list[tuple[str, str]]:
    """Read when the form is shown: apps register theirs at start."""
    return [(one.name, f"{one.label} ({one.name})") for one in registered_event_types()]


class EndpointForm(forms.Form):
    """An address and what is sent to it; kept by a verb, not by the form."""

    url = forms.CharField(
        label="Address",
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks"}),
        help_text="Events are sent there by POST, as JSON. It must be reachable by everybody.",
    )
    description = forms.CharField(
        required=False, max_length=200, help_text="So that you know it again."
    )
    event_types = forms.MultipleChoiceField(
        label="Send these events", widget=forms.CheckboxSelectMultiple, choices=event_type_choices
    )

    def changes(self) -> dict[str, Any]:
        """What differs from what the form was shown with."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class ChoicesForm(forms.Form):
    """How one wants to be told: a field for each kind of notification."""

    daily = forms.TypedChoiceField(
        label="Mails come",
        choices=[("0", "At once"), ("1", "Once a day, at seven in the morning")],
        coerce=lambda value: value == "1",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, kinds: Sequence[Kind], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds = kinds
        for kind in kinds:
            self.fields[kind.name] = forms.ChoiceField(label=kind.label, choices=Channel.choices)
        self.order_fields([*(kind.name for kind in kinds), "daily"])

    def channels(self) -> dict[str, str]:
        """What was chosen, by kind."""
        return {kind.name: self.cleaned_data[kind.name] for kind in self.kinds}


class LogForm(forms.Form):
    """What of the log is shown."""

    state = forms.ChoiceField(
        required=False, choices=[("", "All"), *DeliveryState.choices], label="State"
    )


class ReplayForm(forms.Form):
    """From when on failed events are sent again."""

    since = forms.DateTimeField(
        label="Failed since",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
