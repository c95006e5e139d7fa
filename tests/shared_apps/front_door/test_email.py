"""Step 1 of the sign-up: an e-mail address, proven."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from shared_apps.front_door import signing_up
from shared_apps.front_door.errors import CodeExpired
from shared_apps.front_door.models import SignUp
from tests.shared_apps.front_door.conftest import Visitor, VisitorMaker, digits, link

ANN = "ann@example.com"


def wrong(code: str) -> str:
    """Six digits that are not these."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "Type your e-mail address."),
        ("ann", "This is no e-mail address. It looks like name@example.com."),
        ("ann@example.com\nBcc: bob@example.com", "This is no e-mail address."),
    ],
)
def test_sign_up_refuses_what_is_no_address(visitor: Visitor, email: str, sentence: str) -> None:
    answer = visitor.post("/sign-up/", email=email)
    assert sentence in answer.content.decode()
    assert mail.outbox == []
    assert not SignUp.objects.exists()


def test_code_is_mailed_and_kept_as_a_hash(visitor: Visitor) -> None:
    code = visitor.asks_for_code(" Ann@Example.com ")
    sign_up = SignUp.objects.get()
    letter = mail.outbox[0]
    assert letter.to == [ANN]
    assert sign_up.email == ANN
    assert code not in sign_up.code_hash
    assert link().split("/")[-2] not in str(sign_up.link_hash)
    assert "good for 15 minutes" in str(letter.body)


def test_code_leads_to_the_workspace(visitor: Visitor) -> None:
    code = visitor.asks_for_code(ANN)
    answer = visitor.post("/sign-up/code/", code=f" {code[:3]}-{code[3:]} ")
    assert answer["Location"] == "/sign-up/workspace/"
    assert ANN in visitor.get("/sign-up/workspace/").content.decode()


def test_code_refused_when_not_six_digits(visitor: Visitor) -> None:
    visitor.asks_for_code(ANN)
    answer = visitor.post("/sign-up/code/", code="12345")
    assert "The code is six digits long" in answer.content.decode()
    assert SignUp.objects.get().tries == 0


def test_wrong_code_says_how_many_tries_are_left(visitor: Visitor) -> None:
    code = visitor.asks_for_code(ANN)
    answer = visitor.post("/sign-up/code/", code=wrong(code))
    assert "not the digits of our newest mail. 4 tries left." in answer.content.decode()
    assert visitor.get("/sign-up/workspace/")["Location"] == "/sign-up/"


def test_fifth_wrong_code_makes_the_right_one_worthless(visitor: Visitor) -> None:
    code = visitor.asks_for_code(ANN)
    for _ in range(4):
        visitor.post("/sign-up/code/", code=wrong(code))
    fifth = visitor.post("/sign-up/code/", code=wrong(code))
    right = visitor.post("/sign-up/code/", code=code)
    for answer in (fifth, right):
        assert "Wrong too often" in answer.content.decode()
    assert SignUp.objects.get().verified_at is None


def test_code_refused_when_older_than_fifteen_minutes(visitor: Visitor) -> None:
    code = visitor.asks_for_code(ANN)
    SignUp.objects.update(code_expires_at=timezone.now() - timedelta(seconds=1))
    answer = visitor.post("/sign-up/code/", code=code)
    assert "This code has expired or was used. Ask for a new one." in answer.content.decode()


def test_code_proves_nothing_in_another_browser(new_visitor: VisitorMaker) -> None:
    ann, mallory = new_visitor(), new_visitor()
    mallory.asks_for_code(ANN)
    ann.verifies(ANN)
    assert mallory.get("/sign-up/workspace/")["Location"] == "/sign-up/"
    assert mallory.get("/sign-up/code/").status_code == 200


def test_newer_code_replaces_the_older(visitor: Visitor) -> None:
    old_code, old_link = visitor.asks_for_code(ANN), link()
    SignUp.objects.update(code_sent_at=timezone.now() - 2 * signing_up.SAME_PRESS)
    visitor.asks_for_code(ANN)
    if old_code != digits():
        assert "not the digits" in visitor.post("/sign-up/code/", code=old_code).content.decode()
    assert visitor.get(old_link).status_code == 404
    assert SignUp.objects.count() == 1


def test_second_press_sends_no_second_mail(visitor: Visitor) -> None:
    visitor.asks_for_code(ANN)
    answer = visitor.post("/sign-up/", email=ANN)
    assert answer["Location"] == "/sign-up/code/"
    assert len(mail.outbox) == 1


def test_link_proves_the_address_in_another_browser(new_visitor: VisitorMaker) -> None:
    new_visitor().asks_for_code(ANN)
    phone = new_visitor()
    page = phone.get(link())
    assert page.status_code == 200
    assert ANN in page.content.decode()
    assert phone.get("/sign-up/workspace/")["Location"] == "/sign-up/"
    assert phone.post(link())["Location"] == "/sign-up/workspace/"
    assert phone.get("/sign-up/workspace/").status_code == 200


def test_link_looked_at_by_a_mail_scanner_changes_nothing(new_visitor: VisitorMaker) -> None:
    ann, scanner = new_visitor(), new_visitor()
    code = ann.asks_for_code(ANN)
    before = SignUp.objects.values().get()
    assert scanner.get(link()).status_code == 200
    assert scanner.client.head(link()).status_code == 200
    assert SignUp.objects.values().get() == before
    assert ann.post("/sign-up/code/", code=code)["Location"] == "/sign-up/workspace/"
    assert scanner.get("/sign-up/workspace/")["Location"] == "/sign-up/"


def test_code_stays_good_where_it_was_asked_for_after_the_link_was_used(
    new_visitor: VisitorMaker,
) -> None:
    desk, phone = new_visitor(), new_visitor()
    code = desk.asks_for_code(ANN)
    phone.post(link())
    assert desk.get("/sign-up/workspace/")["Location"] == "/sign-up/"
    assert desk.post("/sign-up/code/", code=code)["Location"] == "/sign-up/workspace/"
    assert SignUp.objects.count() == 1


def test_code_works_once(new_visitor: VisitorMaker) -> None:
    ann = new_visitor()
    code = ann.asks_for_code(ANN)
    ann.post("/sign-up/code/", code=code)
    with pytest.raises(CodeExpired):
        signing_up.verify_code(sign_up=SignUp.objects.get(), code=code)


def test_link_asks_for_the_form_of_its_page(new_visitor: VisitorMaker) -> None:
    new_visitor().asks_for_code(ANN)
    elsewhere = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    assert elsewhere.post(link()).status_code == 403
    assert SignUp.objects.get().verified_at is None


def test_link_refused_when_forged(visitor: Visitor) -> None:
    visitor.asks_for_code(ANN)
    forged = "/sign-up/link/0000000000000000000000000000000000000000000/"
    for answer in (visitor.get(forged), visitor.post(forged)):
        assert answer.status_code == 404
        assert "not that of our newest mail" in answer.content.decode()


def test_link_refused_when_expired(visitor: Visitor) -> None:
    visitor.asks_for_code(ANN)
    SignUp.objects.update(code_expires_at=timezone.now() - timedelta(seconds=1))
    for answer in (visitor.get(link()), visitor.post(link())):
        assert answer.status_code == 410
        assert "This link has expired. Ask for a new one." in answer.content.decode()
    assert SignUp.objects.get().verified_at is None


def test_link_brings_back_for_a_day_once_proven(new_visitor: VisitorMaker) -> None:
    ann = new_visitor()
    ann.verifies(ANN)
    SignUp.objects.update(code_expires_at=timezone.now() - timedelta(hours=2))
    assert new_visitor().post(link())["Location"] == "/sign-up/workspace/"
    SignUp.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert new_visitor().get(link()).status_code == 410


def test_sixth_code_for_one_address_is_throttled(new_visitor: VisitorMaker) -> None:
    for _ in range(5):
        new_visitor().asks_for_code(ANN)
    answer = new_visitor().post("/sign-up/", email=ANN.upper())
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 3600
    page = answer.content.decode()
    assert "several codes to this e-mail address already" in page
    assert "Try again in " in page
    assert len(mail.outbox) == 5


def test_codes_for_many_addresses_are_throttled_per_visitor(visitor: Visitor) -> None:
    for number in range(20):
        visitor.asks_for_code(f"ann{number}@example.com")
    answer = visitor.post("/sign-up/", email="ann20@example.com")
    assert answer.status_code == 429
    assert "Too many codes were asked for from your network" in answer.content.decode()


def test_guessed_codes_are_throttled_per_visitor(new_visitor: VisitorMaker) -> None:
    for number in range(6):
        guesser = new_visitor()
        code = guesser.asks_for_code(f"ann{number}@example.com")
        for _ in range(5):
            assert guesser.post("/sign-up/code/", code=wrong(code)).status_code == 200
    assert guesser.post("/sign-up/code/", code=wrong(code)).status_code == 429


def test_old_sign_ups_are_forgotten(visitor: Visitor) -> None:
    visitor.asks_for_code(ANN)
    assert signing_up.forget_old() == 0
    SignUp.objects.update(created_at=timezone.now() - timedelta(hours=49))
    assert signing_up.forget_old() == 1
