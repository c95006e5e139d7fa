import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import invitations
from tenant_apps.users.errors import (
    EmailTaken,
    InvitationExpired,
    InvitationInvalid,
    InvitationUsed,
    NotAllowed,
)
from tenant_apps.users.models import Invitation, Role, User
from tests.tenant_apps.conftest import PASSWORD, People, make_steward


def invite(by: User, *, email: str = "new@acme.example", role: str = "author") -> Invitation:
    return invitations.invite_person(email=email, role=Role.objects.get(slug=role), by=by)


def send_and_read_token(invitation: Invitation) -> str:
    invitations.send_letter(invitation=invitation)
    found = re.search(r"/invitations/([\w-]+)/", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def test_letter_lets_its_reader_in_once(in_acme: TenantRef, acme_people: People) -> None:
    token = send_and_read_token(invite(acme_people["owner"]))
    person = invitations.accept_invitation(token=token, full_name="Nia", password=PASSWORD)
    assert person.role.slug == "author"
    assert person.emailaddress_set.get().verified
    with pytest.raises(InvitationUsed, match="accepted already"):
        invitations.accept_invitation(token=token, full_name="Eve", password=PASSWORD)


def test_letter_names_the_tenant_and_its_own_host(in_acme: TenantRef, acme_people: People) -> None:
    send_and_read_token(invite(acme_people["owner"]))
    letter = mail.outbox[-1]
    assert letter.subject == "Acme: you are invited"
    assert "http://acme.localhost" in letter.body
    assert letter.to == ["new@acme.example"]


def test_token_is_kept_nowhere(in_acme: TenantRef, acme_people: People) -> None:
    invitation = invite(acme_people["owner"])
    token = send_and_read_token(invitation)
    invitation.refresh_from_db()
    assert token not in str(invitation.__dict__)
    assert len(invitation.token_hash or "") == 64


def test_newest_letter_is_the_one_that_works(in_acme: TenantRef, acme_people: People) -> None:
    first = send_and_read_token(invite(acme_people["owner"]))
    second = send_and_read_token(invite(acme_people["owner"]))
    with pytest.raises(InvitationUsed, match="withdrawn"):
        invitations.find_invitation(token=first)
    assert invitations.find_invitation(token=second).email == "new@acme.example"


def test_invitation_expires(in_acme: TenantRef, acme_people: People) -> None:
    invitation = invite(acme_people["owner"])
    token = send_and_read_token(invitation)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(InvitationExpired, match="Ask for another one"):
        invitations.accept_invitation(token=token, full_name="Nia", password=PASSWORD)
    assert not User.objects.filter(email="new@acme.example").exists()


def test_letter_is_sent_again_with_a_new_link(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    invitation = invite(acme_people["owner"])
    first = send_and_read_token(invitation)
    with django_capture_on_commit_callbacks(execute=True):
        invitations.send_letter_again(invitation=invitation, by=acme_people["admin"])
    assert len(mail.outbox) == 2
    with pytest.raises(InvitationInvalid):
        invitations.find_invitation(token=first)
    entry = Entry.objects.about(invitation).first()
    assert entry is not None
    assert (entry.verb, entry.actor_email) == (
        *("person.invitation_sent_again", "admin@acme.example"),
    )


def test_letter_is_sent_again_only_while_the_invitation_is_open(
    in_acme: TenantRef, acme_people: People
) -> None:
    owner = acme_people["owner"]
    invitation = invite(owner)
    with pytest.raises(NotAllowed):
        invitations.send_letter_again(invitation=invitation, by=acme_people["editor"])
    with pytest.raises(NotAllowed):
        invitations.send_letter_again(
            invitation=invite(owner, role="admin"), by=make_steward(acme_people)
        )
    invitation.expires_at = timezone.now() - timedelta(seconds=1)
    with pytest.raises(InvitationExpired, match="Invite them once more"):
        invitations.send_letter_again(invitation=invitation, by=owner)
    invitation.withdrawn_at = timezone.now()
    with pytest.raises(InvitationUsed, match="was withdrawn already"):
        invitations.send_letter_again(invitation=invitation, by=owner)


def test_withdrawn_invitation_gets_no_letter(in_acme: TenantRef, acme_people: People) -> None:
    invitation = invite(acme_people["owner"])
    invitations.withdraw_invitation(invitation=invitation, by=acme_people["owner"])
    invitations.send_letter(invitation=invitation)
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("by", "role"), [("editor", "author"), ("member", "member"), ("admin", "owner")]
)
def test_invitation_by_somebody_who_may_not(
    in_acme: TenantRef, acme_people: People, by: str, role: str
) -> None:
    with pytest.raises(NotAllowed):
        invite(acme_people[by], role=role)
    assert not Invitation.objects.exists()


def test_invitation_to_a_role_that_may_more(in_acme: TenantRef, acme_people: People) -> None:
    steward = make_steward(acme_people)
    for role in ("admin", "editor", "author"):
        with pytest.raises(NotAllowed, match="may do more than your own"):
            invite(steward, role=role)
    assert not Invitation.objects.exists()
    assert invite(steward, role="member").state == "open"


def test_invitation_to_a_role_that_may_more_is_neither_withdrawn_nor_replaced(
    in_acme: TenantRef, acme_people: People
) -> None:
    steward, theirs = make_steward(acme_people), invite(acme_people["owner"], role="admin")
    with pytest.raises(NotAllowed):
        invitations.withdraw_invitation(invitation=theirs, by=steward)
    with pytest.raises(NotAllowed):
        invite(steward, role="member")
    assert [i.state for i in Invitation.objects.all()] == ["open"]


def test_invitation_of_somebody_who_is_here(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(EmailTaken):
        invite(acme_people["owner"], email="Editor@acme.example")


def test_token_of_another_tenant_is_worth_nothing(
    acme: TenantRef, globex: TenantRef, acme_people: People, globex_people: People
) -> None:
    with context.run_in(acme):
        token = send_and_read_token(invite(acme_people["owner"]))
        row = Invitation.objects.get()
    # Even where the row itself is copied into the neighbour's schema.
    with context.run_in(globex):
        Invitation.objects.create(
            email=row.email,
            role=Role.objects.get(slug="owner"),
            token_hash=row.token_hash,
            expires_at=row.expires_at,
        )
        with pytest.raises(InvitationInvalid, match="belongs to no invitation of this workspace"):
            invitations.accept_invitation(token=token, full_name="Eve", password=PASSWORD)
    with context.run_in(acme):
        assert invitations.find_invitation(token=token) == row


def test_invitation_page_lets_in(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    with context.run_in(acme):
        token = send_and_read_token(invite(acme_people["owner"]))
    page = acme_client.get(f"/invitations/{token}/")
    assert "new@acme.example" in page.content.decode()
    answer = acme_client.post(
        f"/invitations/{token}/", {"full_name": "Nia", "password": PASSWORD}, follow=True
    )
    assert answer.status_code == 200
    assert "Welcome, Nia." in answer.content.decode()
    assert acme_client.get("/desk/").status_code == 200


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "at least 12 characters"),
        ("password1234", "too common"),
        ("123456789012", "numeric"),
    ],
)
def test_invitation_page_refuses_a_weak_password(
    acme: TenantRef, acme_people: People, acme_client: Client, password: str, sentence: str
) -> None:
    with context.run_in(acme):
        token = send_and_read_token(invite(acme_people["owner"]))
    answer = acme_client.post(f"/invitations/{token}/", {"full_name": "Nia", "password": password})
    assert sentence in answer.content.decode()
    with context.run_in(acme):
        assert not User.objects.filter(email="new@acme.example").exists()


def test_invitation_page_with_a_forged_token(acme_people: People, acme_client: Client) -> None:
    answer = acme_client.get("/invitations/forged/")
    assert answer.status_code == 410
    assert "belongs to no invitation of this workspace" in answer.content.decode()
