"""The addresses that events are sent to. Each verb runs in the tenant's schema and leaves a line in
the trail."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from shared_apps.tenants.encryption import decrypt_text, encrypt_text
from tenant_apps.activity import trail
from tenant_apps.activity.errors import AddressRefused, TooManyEndpoints
from tenant_apps.activity.event_types import check_event_types
from tenant_apps.activity.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from tenant_apps.activity.notification_kinds import WEBHOOK_OFF
from tenant_apps.activity.notifications import notify
from tenant_apps.activity.permissions import require_manage_webhooks
from tenant_apps.activity.signatures import make_secret
from tenant_apps.links import page_path
from tenant_apps.outbound import Address, OutboundRefused, check_url, is_public

MAX_ENDPOINTS: Final = 20
FORMER_SECRET_COUNTS_FOR: Final = timedelta(hours=24)
CHANGEABLE: Final = frozenset({"url", "event_types", "description"})
_PURPOSE: Final = "webhook secret"


def schemes() -> tuple[str, ...]:
    """What an address may begin with: https, and http on a developer's machine."""
    return ("https", "http") if settings.DEBUG else ("https",)


def add_endpoint(
    *,
    url: str,
    event_types: Iterable[str],
    by: AbstractBaseUser,
    description: str = "",
    allow: Callable[[Address], bool] = is_public,
) -> tuple[WebhookEndpoint, str]:
    """Have events of some types sent to an address from now on.

    Args:
        event_types: their names.
        allow: which hosts may be called.
    Returns:
        The endpoint, and its secret, which nothing shows again.
    Raises:
        NotAllowed: `by` may not manage webhooks.
        AddressRefused: not an address of a public host.
        EventTypeUnknown: none is named, or one that there is not.
        TooManyEndpoints: there are 20 already.
    """
    require_manage_webhooks(by)
    names = check_event_types(event_types)
    url = _checked_address(url, allow)
    if WebhookEndpoint.objects.count() >= MAX_ENDPOINTS:
        raise TooManyEndpoints(
            f"A workspace has {MAX_ENDPOINTS} webhooks at most. Delete one that nobody needs."
        )
    secret = make_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            url=url,
            description=description.strip(),
            event_types=names,
            secret=encrypt_text(secret, purpose=_PURPOSE),
            created_by_id=by.pk,
        )
        trail.record(
            verb="webhook.added",
            subject=endpoint,
            actor=by,
            after={"url": url, "event_types": names},
        )
    return endpoint, secret


def change_endpoint(
    *,
    endpoint: WebhookEndpoint,
    changes: dict[str, Any],
    by: AbstractBaseUser,
    allow: Callable[[Address], bool] = is_public,
) -> WebhookEndpoint:
    """Change its address, types or description, and leave the rest.

    What waits for it goes to the new address.

    Args:
        changes: values by field, of url, event_types, description.
        allow: which hosts may be called.
    Raises:
        NotAllowed, AddressRefused, EventTypeUnknown: as add_endpoint.
    """
    require_manage_webhooks(by)
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"change_endpoint changes {sorted(CHANGEABLE)}, not {sorted(unknown)}.")
    wanted = dict(changes)
    if "event_types" in wanted:
        wanted["event_types"] = check_event_types(wanted["event_types"])
    if "url" in wanted:
        wanted["url"] = _checked_address(wanted["url"], allow)
    if "description" in wanted:
        wanted["description"] = wanted["description"].strip()
    with transaction.atomic():
        row = _locked(endpoint)
        fields = [name for name in wanted if getattr(row, name) != wanted[name]]
        for name in fields:
            setattr(endpoint, name, wanted[name])
        if fields:
            endpoint.save(update_fields=fields)
            trail.record(
                verb="webhook.changed",
                subject=endpoint,
                actor=by,
                before={name: getattr(row, name) for name in fields},
                after={name: wanted[name] for name in fields},
            )
    return endpoint


def rotate_secret(*, endpoint: WebhookEndpoint, by: AbstractBaseUser) -> str:
    """Give it a new secret. For 24 hours events carry a signature by the former one too.

    Returns:
        The new secret, which nothing shows again.
    Raises:
        NotAllowed: `by` may not manage webhooks.
    """
    require_manage_webhooks(by)
    secret = make_secret()
    with transaction.atomic():
        row = _locked(endpoint)
        endpoint.former_secret = row.secret
        endpoint.former_secret_until = timezone.now() + FORMER_SECRET_COUNTS_FOR
        endpoint.secret = encrypt_text(secret, purpose=_PURPOSE)
        endpoint.save(update_fields=["secret", "former_secret", "former_secret_until"])
        trail.record(verb="webhook.secret_rotated", subject=endpoint, actor=by)
    return secret


def secrets_of(endpoint: WebhookEndpoint) -> list[str]:
    """What its events are signed with, the newest first.

    Raises:
        TextUnreadable: they were encrypted under a SECRET_KEY that is gone.
    """
    kept = [endpoint.secret]
    until = endpoint.former_secret_until
    if endpoint.former_secret and until is not None and until > timezone.now():
        kept.append(endpoint.former_secret)
    return [decrypt_text(one, purpose=_PURPOSE) for one in kept]


def switch_off(*, endpoint: WebhookEndpoint, by: AbstractBaseUser) -> WebhookEndpoint:
    """Send it nothing any more. What waited for it counts as failed, and can be replayed later. Safe to
    repeat. Raises NotAllowed."""
    require_manage_webhooks(by)
    return _switch_off(endpoint, reason=WebhookEndpoint.OffReason.BY_HAND, by=by)


def give_up_on(*, endpoint: WebhookEndpoint, reason: WebhookEndpoint.OffReason) -> WebhookEndpoint:
    """As switch_off, where the platform itself does it."""
    return _switch_off(endpoint, reason=reason, by=None)


def switch_on(*, endpoint: WebhookEndpoint, by: AbstractBaseUser) -> WebhookEndpoint:
    """Send it events again, from now on. Safe to repeat. Raises NotAllowed."""
    require_manage_webhooks(by)
    with transaction.atomic():
        row = _locked(endpoint)
        if row.is_on:
            return endpoint
        endpoint.switched_off_at = endpoint.failing_since = endpoint.busy_until = None
        endpoint.switched_off_by_id = None
        endpoint.off_reason = ""
        endpoint.save(update_fields=_OFF_MARKS)
        trail.record(verb="webhook.switched_on", subject=endpoint, actor=by)
    return endpoint


def delete_endpoint(*, endpoint: WebhookEndpoint, by: AbstractBaseUser) -> None:
    """Delete it, with what was sent to it. Raises NotAllowed."""
    require_manage_webhooks(by)
    with transaction.atomic():
        trail.record(
            verb="webhook.deleted", subject=endpoint, actor=by, before={"url": endpoint.url}
        )
        endpoint.delete()


_OFF_MARKS: Final = [
    *("switched_off_at", "switched_off_by", "off_reason", "failing_since", "busy_until"),
]


def _switch_off(
    endpoint: WebhookEndpoint, *, reason: str, by: AbstractBaseUser | None
) -> WebhookEndpoint:
    with transaction.atomic():
        row = _locked(endpoint)
        if not row.is_on:
            return endpoint
        endpoint.switched_off_at = timezone.now()
        endpoint.switched_off_by_id = by.pk if by else None
        endpoint.off_reason = reason
        endpoint.busy_until = None
        endpoint.save(update_fields=_OFF_MARKS)
        WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING).update(
            state=DeliveryState.FAILED, failure="The webhook was switched off."
        )
        trail.record(
            verb="webhook.switched_off", subject=endpoint, actor=by, after={"reason": reason}
        )
        why = WebhookEndpoint.OffReason(reason).label
        notify(
            WEBHOOK_OFF,
            sentence=f"The webhook {endpoint} gets no events any more. {why}.",
            path=page_path("activity:webhook", endpoint.pk),
            besides=by,
        )
    return endpoint


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)


def _checked_address(url: str, allow: Callable[[Address], bool]) -> str:
    url = url.strip()
    try:
        check_url(url, schemes=schemes(), allow=allow)
    except OutboundRefused as error:
        raise AddressRefused(str(error)) from error
    return url
