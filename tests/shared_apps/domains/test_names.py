"""Which subdomains a workspace may have, and the sentence for each that it may not."""

import pytest
from django.conf import settings

from shared_apps.domains.names import (
    RESERVED,
    HostnameTaken,
    SubdomainInvalid,
    SubdomainReserved,
    check_subdomain,
    normalise_subdomain,
    suggest_subdomain,
    taken_among,
)
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Provisioning, ProvisioningState, Status, Tenant


@pytest.mark.parametrize("name", ["abc", "a-b", "acme2", "a" * 40, "the-long-and-winding-road"])
def test_label_is_taken_as_it_is(name: str) -> None:
    assert normalise_subdomain(name) == name


def test_case_and_spaces_are_made_right() -> None:
    assert normalise_subdomain("  Acme-Shop ") == "acme-shop"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "too short"),
        ("ab", "too short"),
        ("a" * 41, "has 41 characters"),
        ("-acme", "begins with a letter"),
        ("acme-", "ends with a letter or a digit"),
        ("1acme", "begins with a letter"),
        ("ac_me", "only a to z"),
        ("ac.me", "only a to z"),
        ("acme.", "only a to z"),
        ("ac me", "only a to z"),
        ("acme/../x", "only a to z"),
        ("bücher", "letters that not every program can send"),
        ("\u0430cme", "letters that not every program can send"),
        ("xn--bcher-kva", "internationalised names"),
        ("XN--BCHER-KVA", "internationalised names"),
        ("ab--cd", "internationalised names"),
        ("a';drop table x;--", "only a to z"),
        ('x"; select 1', "only a to z"),
        ("select * from", "only a to z"),
        ("acme\x00", "only a to z"),
        ("acme\n", "normalised"),
    ],
)
def test_bad_label_is_refused_with_a_sentence(typed: str, sentence: str) -> None:
    if sentence == "normalised":
        assert normalise_subdomain(typed) == typed.strip()
        return
    with pytest.raises(SubdomainInvalid, match=sentence) as refused:
        normalise_subdomain(typed)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("name", ["select", "drop", "table", "union-select", "pg-catalog"])
def test_word_of_sql_is_a_label_like_any_other(name: str) -> None:
    assert normalise_subdomain(name) == name


@pytest.mark.parametrize("name", ["www", "Admin", "api2", "mail01", "ns1", "wpad", "postmaster"])
def test_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(SubdomainReserved, match="kept for the platform"):
        normalise_subdomain(name)


def test_reserved_by_settings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TERRACE_RESERVED_SUBDOMAINS", ["globex-hq"])
    with pytest.raises(SubdomainReserved):
        normalise_subdomain("globex-hq")


def test_reserved_names_are_labels_and_lower_case() -> None:
    assert len(RESERVED) > 150
    assert all(name == name.strip().lower() for name in RESERVED)


def test_tenants_name_is_taken(acme: TenantRef) -> None:
    with pytest.raises(HostnameTaken, match=r"acme\.localhost” is already taken"):
        check_subdomain("ACME")
    assert check_subdomain("acme2") == "acme2"


def test_erased_tenants_name_is_never_given_again(acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status=Status.ERASED)
    with pytest.raises(HostnameTaken):
        check_subdomain("acme")


def test_name_under_way_is_taken_and_a_failed_one_is_free(db: None) -> None:
    from django.utils import timezone

    wish = Provisioning.objects.create(name="X", subdomain="initech", lease_until=timezone.now())
    assert taken_among(["initech", "hooli"]) == {"initech"}
    wish.state = ProvisioningState.FAILED
    wish.save(update_fields=["state"])
    assert taken_among(["initech", "hooli"]) == set()


@pytest.mark.parametrize(
    ("name", "subdomain"),
    [
        ("Söhne & Co.", "sohne-co"),
        ("  Initech   Ltd  ", "initech-ltd"),
        ("37 Signals", "team-37-signals"),
        ("株式会社", "team"),
        ("Acme", "acme-hq"),
        ("Admin", "admin-hq"),
        ("X", "x-hq"),
        ("A" * 80, "a" * 40),
        ("under_score", "under-score"),
    ],
)
def test_suggestion_is_free_and_reminds_of_the_name(
    acme: TenantRef, name: str, subdomain: str
) -> None:
    # “team” is reserved, so a name without a Latin letter gets the next one.
    assert suggest_subdomain(name) == (subdomain if subdomain != "team" else "team-hq")
    assert check_subdomain(suggest_subdomain(name))


def test_suggestion_avoids_many_taken_ones(acme: TenantRef) -> None:
    for end in ("hq", "team", "2", "3", "4", "5"):
        Tenant.objects.create(name="Acme", subdomain=f"acme-{end}")
    assert suggest_subdomain("Acme").startswith("acme-")
    assert check_subdomain(suggest_subdomain("Acme"))
