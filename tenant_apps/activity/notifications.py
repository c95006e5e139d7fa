"""What people are told: in the page, by mail, or both, as each has chosen. Each verb runs in the
tenant's schema.

A notification is a row of one person, written in the transaction of what happened.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core import signing
from django.db import transaction
from django.utils import timezone

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import live
from tenant_apps.activity.models import Channel, Notification, NotificationChoices
from tenant_apps.activity.notification_kinds import find_kind, kinds_for, people_who_may

KEPT_FOR: Final = timedelta(days=90)
_BATCH: Final = 1_000
_SENTENCE: Final = 300


class ChoiceUnknown(ValueError):
    """Such a thing can't be chosen; the sentence says what can."""


class LinkInvalid(ValueError):
    """A link of a mail belongs to nobody here."""


def notify(
    kind: str,
    *,
    sentence: str,
    path: str,
    to: Iterable[AbstractBaseUser | None] = (),
    besides: AbstractBaseUser | None = None,
) -> int:
    """Tell people that something has happened, in the caller's transaction.

    Three statements, however many they are; one where nobody is to be told.

    Args:
        kind: a registered name.
        sentence: what happened, as people read it; cut at 300 characters.
        path: where it is, within the workspace.
        to: whom; None stands for nobody. Without anybody, all whose role grants the kind's permission.
        besides: who did it, and knows.
    Returns:
        How many rows were written.
    Raises:
        KindUnknown: nobody registered it.
        ValueError: the path leads out of the workspace.
    """
    _require_own_path(path)
    chosen = find_kind(kind)
    named = list(to)
    people = named or (people_who_may(chosen.permission) if chosen.permission else [])
    keys = {person.pk for person in people if person is not None and person.is_active}
    keys -= {besides.pk} if besides is not None else set()
    if not keys:
        return 0
    choices = {row.person_id: row for row in NotificationChoices.objects.filter(person__in=keys)}
    rows = []
    for key in sorted(keys):
        mine = choices.get(key)
        channel = (mine.channels if mine else {}).get(kind, chosen.channel)
        if channel != Channel.NONE:
            rows.append(
                Notification(
                    person_id=key,
                    kind=kind,
                    sentence=_one_line(sentence),
                    path=path,
                    is_shown=channel != Channel.MAIL,
                    mail=_when(channel, daily=bool(mine and mine.daily)),
                )
            )
    with transaction.atomic():
        Notification.objects.bulk_create(rows, _BATCH)
        live.poke(*(row.person_id for row in rows if row.is_shown))
        _mail_soon({row.person_id for row in rows if row.mail == Notification.Mail.AT_ONCE})
    return len(rows)


def unread_count(person: AbstractBaseUser) -> int:
    """How many notifications this person has not read: from the cache, else by one statement."""
    return live.kept_for(
        person.pk,
        "unread",
        lambda: Notification.objects.shown_to(person).unread().count(),
    )


def mark_read(*, notification: Notification) -> Notification:
    """Note that it was read. Safe to repeat."""
    if notification.read_at is None:
        notification.read_at = timezone.now()
        with transaction.atomic():
            notification.save(update_fields=["read_at"])
            live.poke(notification.person_id)
    return notification


def mark_all_read(*, person: AbstractBaseUser) -> int:
    """Note that all of this person's were read. Returns how many."""
    with transaction.atomic():
        unread = Notification.objects.shown_to(person).unread()
        count = unread.update(read_at=timezone.now())
        if count:
            live.poke(person.pk)
    return count


def choices_of(person: AbstractBaseUser) -> NotificationChoices:
    """What this person has chosen; a row that is not kept where it is nothing."""
    found = NotificationChoices.objects.filter(person_id=person.pk).first()
    return found or NotificationChoices(person_id=person.pk)


def choose(
    *, person: AbstractBaseUser, channels: Mapping[str, str], daily: bool
) -> NotificationChoices:
    """Be told in this way from now on.

    Args:
        channels: kind → one of Channel; kinds that are not in it stay as they are.
        daily: mails come once a day, not at once.
    Raises:
        ChoiceUnknown: a kind that this person is not told of, or no channel.
    """
    offered = {kind.name for kind in kinds_for(person)}
    for name, channel in channels.items():
        if name not in offered:
            raise ChoiceUnknown(f'There is nothing of the kind "{name}" that you are told of.')
        if channel not in Channel.values:
            raise ChoiceUnknown(f'"{channel}" is none of {", ".join(Channel.values)}.')
    with transaction.atomic():
        row = _locked_choices(person.pk)
        row.channels = {**row.channels, **channels}
        row.daily = daily
        row.changed_at = timezone.now()
        row.save(update_fields=["channels", "daily", "changed_at"])
    return row


def leave_token(person_id: UUID) -> str:
    """What the way out of the mails ends in: without an end, and worth nothing elsewhere."""
    return signing.dumps(str(person_id), salt=_salt())


def find_leaver(token: str) -> UUID:
    """Whose mails a way out ends. Raises LinkInvalid."""
    try:
        return UUID(signing.loads(token, salt=_salt()))
    except (signing.BadSignature, ValueError) as error:
        raise LinkInvalid(
            "This link belongs to nobody here. Choose in your account what you are told of."
        ) from error


def stop_mails(*, person: AbstractBaseUser) -> NotificationChoices:
    """Send this person no notification by mail any more; all of them are in the page. Safe to repeat."""
    with transaction.atomic():
        row = _locked_choices(person.pk)
        # What they are not told of by now is without mails too, should their role change.
        kept = {name: _without_mail(channel) for name, channel in row.channels.items()}
        for kind in kinds_for(person):
            kept[kind.name] = _without_mail(kept.get(kind.name, kind.channel))
        row.channels = kept
        row.changed_at = timezone.now()
        row.save(update_fields=["channels", "changed_at"])
        waiting = Notification.objects.filter(person_id=person.pk).to_mail()
        waiting.update(mail=Notification.Mail.NO, is_shown=True)
        live.poke(person.pk)
    return row


def tidy_notifications() -> int:
    """Delete what is older than 90 days. Safe to repeat. Returns how many."""
    old = Notification.objects.filter(made_at__lt=timezone.now() - KEPT_FOR)
    return old.delete()[0]


def _when(channel: str, *, daily: bool) -> str:
    if channel not in {Channel.MAIL, Channel.BOTH}:
        return Notification.Mail.NO
    return Notification.Mail.DAILY if daily else Notification.Mail.AT_ONCE


def _without_mail(channel: str) -> str:
    return Channel.PAGE if channel in {Channel.MAIL, Channel.BOTH} else channel


def _locked_choices(key: Any) -> NotificationChoices:
    NotificationChoices.objects.bulk_create(
        [NotificationChoices(person_id=key)], ignore_conflicts=True
    )
    return NotificationChoices.objects.select_for_update().get(person_id=key)


def _mail_soon(keys: set[UUID]) -> None:
    from tenant_apps.activity.tasks import mail_notifications

    for key in sorted(keys):
        mail_notifications.delay_on_commit(str(key))


def _one_line(sentence: str) -> str:
    # Names are people's own words: no line break of theirs gets into a subject.
    line = " ".join(sentence.replace("\x00", "").split())
    return line if len(line) <= _SENTENCE else f"{line[: _SENTENCE - 1]}…"


def _require_own_path(path: str) -> None:
    # Two slashes, or a backslash for the second, lead to another host (WHATWG URL, "special scheme").
    if not path.startswith("/") or path[1:2] in {"/", "\\"}:
        raise ValueError(f'"{path}" leads out of the workspace; give a path such as "/articles/".')


def _salt() -> str:
    return f"activity.notifications:{require_tenant().uuid}"
