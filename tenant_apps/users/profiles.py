"""What people say of themselves. Each verb runs in the tenant's schema."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from tenant_apps.activity import trail
from tenant_apps.images import Sent, make_picture
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.users.roles import require_may_give

CHANGEABLE: Final = (
    "full_name",
    "bio",
    "website",
    "location",
    "phone",
    "birth_date",
    "time_zone",
    "language",
)
AVATAR_PIXELS: Final = 512
# Of these the trail tells that they changed, not what they say: it is read by others.
_PRIVATE: Final = frozenset({"phone", "birth_date", "bio"})


def change_profile(*, person: User, changes: Mapping[str, Any], by: User) -> User:
    """Change the facts that are given and leave the rest. People change their own.

    Raises:
        NotAllowed: it is somebody else, and `by` may not manage people or not this one.
        ValidationError: a value is not one that the field takes; by field.
    """
    if person.pk != by.pk:
        require_may_give(by=by, role=person.role)
    unknown = set(changes) - set(CHANGEABLE)
    if unknown:
        raise ValueError(f"change_profile changes {CHANGEABLE}, not {sorted(unknown)}.")
    with transaction.atomic():
        now: User = User.objects.select_for_update().get(pk=person.pk)
        fields = [name for name in changes if getattr(now, name) != changes[name]]
        if not fields:
            return person
        before = {name: getattr(now, name) for name in fields}
        for name in fields:
            setattr(now, name, changes[name])
        now.clean_fields(exclude=[one.name for one in User._meta.fields if one.name not in fields])
        now.save(update_fields=fields)
        trail.record(
            verb="person.renamed" if fields == ["full_name"] else "person.profile_changed",
            subject=now,
            actor=by,
            before={name: _told(name, before[name]) for name in fields},
            after={name: _told(name, getattr(now, name)) for name in fields},
        )
    for name in fields:
        setattr(person, name, getattr(now, name))
    person.__dict__.pop("initials", None)
    return person


def set_avatar(*, person: User, sent: Sent, by: User) -> User:
    """Keep a picture of a person: the middle of what was sent, 512 pixels square, as WebP.

    Raises:
        NotAllowed: it is somebody else's; only people themselves show a picture of theirs.
        ImageRefused: what was sent can't be taken.
    """
    _require_self(person, by)
    picture = make_picture(sent, width=AVATAR_PIXELS, height=AVATAR_PIXELS, cropped=True)
    # A name of its own each time: browsers keep the one before.
    name = default_storage.save(
        f"avatars/{secrets.token_hex(12)}.webp", ContentFile(picture.content)
    )
    try:
        _put(person, name, verb="person.avatar_set")
    except BaseException:
        default_storage.delete(name)
        raise
    return person


def remove_avatar(*, person: User, by: User) -> User:
    """Show initials again. People remove their own; whoever may manage a person, theirs too.

    Raises:
        NotAllowed: as change_profile.
    """
    if person.pk != by.pk:
        require_may_give(by=by, role=person.role)
    _put(person, "", verb="person.avatar_removed", by=by)
    return person


def _put(person: User, name: str, *, verb: str, by: User | None = None) -> None:
    with transaction.atomic():
        now: User = User.objects.select_for_update().get(pk=person.pk)
        before = now.avatar
        if before == name:
            return
        now.avatar = name
        now.save(update_fields=["avatar"])
        trail.record(verb=verb, subject=now, actor=by or person)
        if before:
            # Once nobody can be shown the address of it any more.
            transaction.on_commit(lambda: default_storage.delete(before))
    person.avatar = name


def _require_self(person: User, by: User) -> None:
    if person.pk != by.pk:
        raise NotAllowed("Only people themselves show a picture of theirs.")


def _told(name: str, value: Any) -> Any:
    return "…" if name in _PRIVATE and value else value
