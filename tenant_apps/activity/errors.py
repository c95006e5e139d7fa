from django.core.exceptions import PermissionDenied


class NotAllowed(PermissionDenied):
    """The person's role does not cover this. The sentence says what is missing."""


class WebhookError(Exception):
    """Something about webhooks cannot be done; the sentence says why.

    `field` names the field of a form that is at fault, where one is.
    """

    field = ""


class AddressRefused(WebhookError):
    """Events are not sent to this address; the sentence says why."""

    field = "url"


class EventTypeUnknown(WebhookError):
    """No event has this name, or none was chosen."""

    field = "event_types"


class TooManyEndpoints(WebhookError):
    """A workspace has as many endpoints as it may."""


class EndpointOff(WebhookError):
    """The endpoint is switched off, so nothing is sent to it."""
