"""Where people are logged in, and how that ends. Each verb runs in the tenant's schema.

A browser's session says which `SignIn` row is its own. The row is written when somebody logs in, and
again every few minutes at most; a page that only reads spends no query on it. What ends a session for
good is not the row but Django's own stamp, into which the person's generation goes: nothing has to be
found and deleted for "sign out everywhere" to hold.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from shared_apps.tenants import visitors
from shared_apps.tenants.context import current_tenant
from tenant_apps.activity import trail
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import SignIn, User
from tenant_apps.users.roles import require_may_give

# In the session: the row's key, the session's own at that time, and when the row was written.
_MARK: Final = "terrace_sign_in"
_NOTED_EVERY: Final = timedelta(minutes=5)
_LONGEST_AGENT: Final = 300
_KEPT_FOR: Final = timedelta(days=30)
API_LIFETIME: Final = timedelta(days=14)


def begin_browser(request: HttpRequest, person: User) -> SignIn:
    """Write down that this session is this person's now."""
    session = request.session
    row = SignIn.objects.create(
        person=person,
        session_key=session.session_key or "",
        expires_at=session.get_expiry_date(),
        **_facts(request, person),
    )
    session[_MARK] = [str(row.pk), row.session_key, int(time.time())]
    return row


def begin_api(request: HttpRequest, person: User) -> SignIn:
    """Write down that a program logs in as this person."""
    return SignIn.objects.create(
        person=person,
        kind=SignIn.Kind.API,
        expires_at=timezone.now() + API_LIFETIME,
        **_facts(request, person),
    )


def note_seen(request: HttpRequest) -> None:
    """Keep the row of the session that asked up to date, five minutes apart at least.

    Reads nothing that the request has not read: where nobody asked who it is, nothing is done.
    """
    person = getattr(request, "_cached_user", None)
    if not isinstance(person, User) or SESSION_KEY not in request.session:
        return
    session = request.session
    mark = session.get(_MARK)
    if mark is None:
        begin_browser(request, person)
        return
    key, session_key, noted = mark
    if session_key == (session.session_key or "") and time.time() - noted < _NOTED_EVERY.seconds:
        return
    known = SignIn.objects.filter(pk=key, person=person, ended_at=None)
    changed = known.update(
        session_key=session.session_key or "",
        last_seen_at=timezone.now(),
        expires_at=session.get_expiry_date(),
        **_facts(request, person),
    )
    if changed:
        session[_MARK] = [key, session.session_key or "", int(time.time())]
    else:
        begin_browser(request, person)


def end_of(request: HttpRequest) -> None:
    """The person of this session logs out."""
    if mark := request.session.get(_MARK):
        SignIn.objects.filter(pk=mark[0], ended_at=None).update(ended_at=timezone.now())


def open_sign_ins(person: User) -> QuerySet[SignIn]:
    """Where this person is logged in: neither ended nor over, nor begun before a new password."""
    return SignIn.objects.filter(
        person=person,
        ended_at=None,
        expires_at__gt=timezone.now(),
        auth_hash__in=_stamps(person),
    )


def is_stamped(sign_in: SignIn) -> bool:
    """Whether it was begun under the password and the generation that its person has now."""
    return any(constant_time_compare(sign_in.auth_hash, one) for one in _stamps(sign_in.person))


def is_this_one(sign_in: SignIn, request: HttpRequest) -> bool:
    """Whether it is the session that asks."""
    session: Any = getattr(request, "session", None)
    mark: list[Any] = (session.get(_MARK) if session is not None else None) or [None]
    return bool(mark[0] == str(sign_in.pk))


def end_sign_in(*, sign_in: SignIn, by: User) -> SignIn:
    """Log one device out. Safe to repeat.

    Raises:
        NotAllowed: it is another person's.
    """
    if sign_in.person_id != by.pk:
        raise NotAllowed("This device is somebody else's. Sign them out everywhere instead.")
    if sign_in.ended_at is None:
        with transaction.atomic():
            sign_in.ended_at = timezone.now()
            sign_in.save(update_fields=["ended_at"])
            trail.record(verb="person.signed_out_device", subject=sign_in, actor=by)
        if sign_in.session_key:
            _delete_sessions([sign_in.session_key])
    return sign_in


def sign_out_everywhere(*, person: User, by: User, staying: HttpRequest | None = None) -> int:
    """End every session and every log-in of a program, those that no row tells of too.

    API tokens go on: each has its own name and is revoked by itself.

    Args:
        staying: the request of the session that goes on, under a new key.
    Returns:
        How many devices were logged out.
    Raises:
        NotAllowed: it is somebody else, and `by` may not manage people or not this one.
    """
    if person.pk != by.pk:
        require_may_give(by=by, role=person.role)
    with transaction.atomic():
        found = SignIn.objects.filter(person=person, ended_at=None, expires_at__gt=timezone.now())
        mark = staying.session.get(_MARK) if staying is not None else None
        others = found.exclude(pk=mark[0]) if mark else found
        keys = [key for key in others.values_list("session_key", flat=True) if key]
        ended = others.update(ended_at=timezone.now())
        User.objects.filter(pk=person.pk).update(session_generation=F("session_generation") + 1)
        person.session_generation = User.objects.values_list("session_generation", flat=True).get(
            pk=person.pk
        )
        trail.record(
            verb="person.signed_out_everywhere",
            subject=person,
            actor=by,
            after={"devices": ended},
        )
    if staying is not None:
        update_session_auth_hash(staying, person)
    _delete_sessions(keys)
    return int(ended)


def delete_old() -> int:
    """Forget what ended a month ago. Safe to repeat; one statement. Returns how many."""
    long_ago = timezone.now() - _KEPT_FOR
    gone = SignIn.objects.filter(expires_at__lt=long_ago) | SignIn.objects.filter(
        ended_at__lt=long_ago
    )
    deleted, _ = gone.delete()
    return deleted


# --- What Django tells when somebody logs in or out --------------------------------------------------


def on_logged_in(sender: Any, *, request: HttpRequest, user: Any, **rest: Any) -> None:
    """Django's user_logged_in; operators, on the public host, have no such rows."""
    if current_tenant() is not None and isinstance(user, User) and hasattr(request, "session"):
        begin_browser(request, user)


def on_logged_out(sender: Any, *, request: HttpRequest, user: Any, **rest: Any) -> None:
    """Django's user_logged_out, before the session is emptied."""
    if current_tenant() is not None and hasattr(request, "session"):
        end_of(request)


def _stamps(person: User) -> list[str]:
    """The person's session hash, under SECRET_KEY and under each key before it."""
    return [person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()]


def _facts(request: HttpRequest, person: User) -> dict[str, Any]:
    return {
        "auth_hash": person.get_session_auth_hash(),
        "user_agent": request.headers.get("User-Agent", "").replace("\0", "")[:_LONGEST_AGENT],
        "ip_address": visitors.address_of(request),
    }


def _delete_sessions(keys: Sequence[str]) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    for key in keys:
        store.delete(key)
