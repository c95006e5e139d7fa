"""Step 2 of the sign-up: the workspace."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from shared_apps.front_door.models import HandOff, SignUp
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Provisioning, ProvisioningState, Tenant
from tests.shared_apps.front_door.conftest import Visitor, VisitorMaker, link

PETER = "peter@example.com"


def nothing_made() -> bool:
    """Whether the tenants are the two of the cast."""
    return (
        set(Tenant.objects.values_list("subdomain", flat=True)) == {"acme", "globex"}
        and not Provisioning.objects.exclude(subdomain__in=["acme", "globex"]).exists()
        and SignUp.objects.get().requested_at is None
    )


@pytest.mark.parametrize(
    ("subdomain", "sentence"),
    [
        ("acme", "“acme.localhost” is already taken. Choose another address."),
        ("ACME", "“acme.localhost” is already taken. Choose another address."),
        ("admin", "“admin” is kept for the platform itself. Choose another address."),
        ("ab", "This address is too short. Use 3 to 40 characters."),
        ("a" * 41, "This address has 41 characters. Use at most 40."),
        ("bücher", "This address has letters that not every program can send."),
        ("xn--bcher-kva", "is kept for internationalised names."),
        ("a'; DROP SCHEMA public CASCADE; --", "An address begins with a letter"),
        ("acme\x00evil", "There is a null character in this, which nobody can see"),
        ("1st", "An address begins with a letter"),
        ("two.labels", "An address begins with a letter"),
    ],
)
def test_subdomain_refused_with_a_sentence_at_the_field(
    visitor: Visitor, acme: TenantRef, subdomain: str, sentence: str
) -> None:
    visitor.verifies(PETER)
    page = visitor.wishes(subdomain=subdomain).content.decode().replace("&#x27;", "'")
    field = page[page.index('id="address-field"') : page.index('id="id_full_name"')]
    assert sentence in field
    assert 'aria-invalid="true"' in field
    assert nothing_made()


def test_subdomain_left_empty_is_suggested(visitor: Visitor, acme: TenantRef) -> None:
    visitor.verifies(PETER)
    page = visitor.wishes(name="Acmé", subdomain="").content.decode()
    assert "How about “acme-hq”?" in page
    assert 'value="acme-hq"' in page
    assert nothing_made()


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Choose a password, or set one later."),
        ("swingline", "This password is too short. It must contain at least 12 characters."),
        ("q1w2e3r4t5y6", "This password is too common."),
        ("190283746529", "This password is entirely numeric."),
        ("peter@example.com", "The password is too similar to the e-mail address."),
        ("petergibbons", "The password is too similar to the full name."),
    ],
)
def test_password_refused_with_a_sentence(visitor: Visitor, password: str, sentence: str) -> None:
    visitor.verifies(PETER)
    page = visitor.wishes(password=password).content.decode()
    assert sentence in page
    if password:
        assert password not in page.replace(PETER, "", 1) or password == PETER
    assert nothing_made()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Give the workspace a name."),
        ("name", "I" * 101, "This name has 101 characters. Use at most 100."),
        ("full_name", "", "Type your name"),
        ("name", "Ini\0tech", "There is a null character in this"),
    ],
)
def test_words_refused_with_a_sentence(
    visitor: Visitor, field: str, value: str, sentence: str
) -> None:
    visitor.verifies(PETER)
    assert sentence in visitor.wishes(**{field: value}).content.decode()
    assert nothing_made()


def test_workspace_refused_without_a_proven_address(visitor: Visitor) -> None:
    visitor.asks_for_code(PETER)
    assert visitor.wishes()["Location"] == "/sign-up/"
    assert nothing_made()


def test_workspace_is_made_and_entered(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    answer = visitor.wishes()
    assert answer.status_code == 302
    address = urlsplit(answer["Location"])
    assert address.hostname == "initech.localhost"
    assert (address.path, address.query[:6]) == ("/welcome/", "token=")
    tenant = Tenant.objects.get(subdomain="initech")
    assert tenant.status == "active"
    with context.run_in(tenant):
        owner = get_user_model().objects.get()
        assert owner.email == PETER
        assert owner.get_full_name() == "Peter Gibbons"
        assert owner.check_password("nine red swingline staplers")
    hand_off = HandOff.objects.get()
    assert hand_off.user_key == str(owner.pk)
    assert hand_off.token_hash not in answer["Location"]
    assert not Provisioning.objects.filter(owner_password_hash__gt="").exists()


def test_password_can_be_set_later(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    visitor.wishes(password="", later="on")
    with context.run_in(Tenant.objects.get(subdomain="initech")):
        assert not get_user_model().objects.get().has_usable_password()


def test_second_submit_makes_no_second_workspace(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    first = visitor.wishes()
    second = visitor.wishes(subdomain="initech-two")
    assert urlsplit(first["Location"]).hostname == "initech.localhost"
    assert second["Location"] == "/sign-up/enter/"
    assert urlsplit(visitor.get("/sign-up/enter/")["Location"]).hostname == "initech.localhost"
    assert Tenant.objects.count() == 3


def test_every_step_leads_on_after_the_back_button(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    visitor.wishes()
    for page in ("/sign-up/code/", "/sign-up/workspace/", "/sign-up/progress/", link()):
        assert visitor.get(page)["Location"] == "/sign-up/enter/", page


def test_entry_is_the_log_in_after_a_quarter_of_an_hour(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    visitor.wishes()
    SignUp.objects.update(entered_at=timezone.now() - timedelta(minutes=16))
    address = urlsplit(visitor.get("/sign-up/enter/")["Location"])
    assert (address.hostname, address.path, address.query) == ("initech.localhost", "/", "")


def test_entry_of_somebody_who_may_not_log_in_is_the_first_page(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    visitor.wishes()
    with context.run_in(Tenant.objects.get(subdomain="initech")):
        get_user_model().objects.update(is_active=False)
    address = urlsplit(visitor.get("/sign-up/enter/")["Location"])
    assert (address.hostname, address.path, address.query) == ("initech.localhost", "/", "")


def test_sign_up_left_half_way_is_taken_up_again(new_visitor: VisitorMaker) -> None:
    first = new_visitor()
    first.verifies(PETER)
    first.wishes(subdomain="initech")
    SignUp.objects.update(entered_at=None)
    again = new_visitor()
    code = again.asks_for_code(PETER)
    assert again.post("/sign-up/code/", code=code)["Location"] == "/sign-up/enter/"


def test_failed_workspace_can_be_asked_for_again(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    sign_up = SignUp.objects.get()
    SignUp.objects.update(
        requested_at=timezone.now(), workspace_name="Initech", subdomain="initech"
    )
    Provisioning.objects.create(
        request_id=sign_up.request_id,
        subdomain="initech",
        state=ProvisioningState.FAILED,
        error="Something went wrong on our side.",
        lease_until=timezone.now(),
    )
    assert "Something went wrong on our side." in visitor.get("/sign-up/progress/").content.decode()
    page = visitor.get("/sign-up/workspace/").content.decode()
    assert 'value="initech"' in page
    assert urlsplit(visitor.wishes()["Location"]).hostname == "initech.localhost"


def test_address_is_checked_while_typing(visitor: Visitor, acme: TenantRef) -> None:
    def check(typed: str) -> str:
        return str(visitor.get(f"/sign-up/address/?subdomain={typed}").content.decode())

    assert "initech.localhost is free" in check("initech")
    assert "is already taken" in check("acme")
    assert "is kept for the platform itself" in check("admin")
    assert check("").strip() == ""


def test_address_is_suggested_from_the_name(visitor: Visitor, acme: TenantRef) -> None:
    page = visitor.get("/sign-up/address/?name=Söhne %26 Co.").content.decode()
    assert 'value="sohne-co"' in page
    assert "sohne-co.localhost is free" in page
    assert 'value="acme-hq"' in visitor.get("/sign-up/address/?name=ACME").content.decode()


def test_address_checks_are_throttled(visitor: Visitor) -> None:
    for _ in range(120):
        assert visitor.get("/sign-up/address/?subdomain=initech").status_code == 200
    assert visitor.get("/sign-up/address/?subdomain=initech").status_code == 429
