"""The token that leads from the public host into a tenant."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from shared_apps.front_door import hand_offs
from shared_apps.front_door.models import HandOff
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import HandOffExpired, HandOffInvalid, HandOffUsed
from shared_apps.tenants.handoff import consume_hand_off, issue_hand_off


def test_hand_off_gives_the_person_once(acme: TenantRef) -> None:
    person = uuid4()
    token = issue_hand_off(acme, person)
    assert consume_hand_off(token, acme) == str(person)
    with pytest.raises(HandOffUsed, match="works once only"):
        consume_hand_off(token, acme)


def test_hand_off_works_from_inside_the_tenant(acme: TenantRef) -> None:
    with context.run_in(acme):
        assert consume_hand_off(issue_hand_off(acme, 7), acme) == "7"


def test_hand_off_of_a_neighbour_is_refused_and_stays_good(
    acme: TenantRef, globex: TenantRef
) -> None:
    token = issue_hand_off(globex, 7)
    with pytest.raises(HandOffInvalid, match="not one of ours"):
        consume_hand_off(token, acme)
    assert consume_hand_off(token, globex) == "7"


def test_hand_off_refused_when_forged(acme: TenantRef) -> None:
    token = issue_hand_off(acme, 7)
    for forged in (token[:-1], token + "A", token.swapcase(), "", HandOff.objects.get().token_hash):
        with pytest.raises(HandOffInvalid):
            consume_hand_off(forged, acme)


def test_hand_off_refused_after_a_minute(acme: TenantRef) -> None:
    token = issue_hand_off(acme, 7)
    left = HandOff.objects.get().expires_at - timezone.now()
    assert timedelta(seconds=55) < left <= timedelta(seconds=60)
    HandOff.objects.update(expires_at=timezone.now())
    with pytest.raises(HandOffExpired, match="works for one minute"):
        consume_hand_off(token, acme)


def test_hand_off_is_kept_as_a_hash(acme: TenantRef) -> None:
    token = issue_hand_off(acme, 7)
    row = HandOff.objects.values().get()
    assert token not in str(row)


def test_old_hand_offs_are_forgotten(acme: TenantRef) -> None:
    issue_hand_off(acme, 7)
    assert hand_offs.forget_old() == 0
    HandOff.objects.update(expires_at=timezone.now() - timedelta(days=2))
    assert hand_offs.forget_old() == 1
