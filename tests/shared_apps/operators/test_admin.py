"""The operators' admin on the public host."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from shared_apps.operators.models import Operator
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Status, StatusChange, Tenant
from tests.conftest import ClientMaker

TENANTS = "/operators/tenants/tenant/"


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator.objects.create_operator(email="op@example.com", password="a long password")


@pytest.fixture
def operator_client(operator: Operator, client_of) -> Client:
    client = client_of(None)
    assert client.login(username="OP@example.com", password="a long password")
    return client


def test_tenants_are_listed_and_found(operator_client: Client, acme: TenantRef, globex: TenantRef):
    assert reverse("operators:tenants_tenant_changelist") == TENANTS
    everything = operator_client.get(TENANTS).content.decode()
    assert acme.hostname in everything
    assert globex.hostname in everything

    found = operator_client.get(TENANTS, {"q": "acme"}).content.decode()
    assert acme.hostname in found
    assert globex.hostname not in found


def test_tenants_list_costs_the_same_whatever_its_length(
    operator_client: Client, acme: TenantRef, globex: TenantRef, django_assert_num_queries
) -> None:
    operator_client.get(TENANTS)  # warms the session
    with django_assert_num_queries(6):
        operator_client.get(TENANTS, {"q": "acme"})
    with django_assert_num_queries(6):
        operator_client.get(TENANTS, {"q": "e"})


def test_suspend_asks_why_and_then_does_it(operator_client: Client, acme: TenantRef) -> None:
    chosen = {"action": "suspend", "_selected_action": [acme.id]}

    page = operator_client.post(TENANTS, chosen)
    assert b"Why?" in page.content
    assert Tenant.objects.get(pk=acme.id).status == Status.ACTIVE

    operator_client.post(TENANTS, {**chosen, "reason": "unpaid since May"})
    assert Tenant.objects.get(pk=acme.id).status == Status.SUSPENDED
    assert StatusChange.objects.get().by == "op@example.com"

    operator_client.post(TENANTS, {**chosen, "action": "resume", "reason": "paid"})
    assert Tenant.objects.get(pk=acme.id).status == Status.ACTIVE


@pytest.mark.parametrize(
    ("verb", "after"),
    [
        ("start_trial", Status.TRIAL),
        ("begin_maintenance", Status.MAINTENANCE),
        ("archive", Status.ARCHIVED),
        ("schedule_erasure", Status.ERASURE_SCHEDULED),
    ],
)
def test_verb_of_the_lifecycle_is_an_action(
    verb: str, after: Status, operator_client: Client, acme: TenantRef
) -> None:
    chosen = {"action": verb, "_selected_action": [acme.id]}
    page = operator_client.post(TENANTS, chosen)
    assert b"Why?" in page.content
    operator_client.post(TENANTS, {**chosen, "reason": "because"})
    assert Tenant.objects.get(pk=acme.id).status == after
    page = operator_client.get(f"{TENANTS}{acme.id}/change/")
    assert b"because" in page.content


def test_verb_that_is_not_possible_says_why(operator_client: Client, acme: TenantRef) -> None:
    answer = operator_client.post(
        TENANTS,
        {"action": "unarchive", "_selected_action": [acme.id], "reason": "x"},
        follow=True,
    )
    assert b"Acme is active; from there it can" in answer.content


def test_rename_asks_for_the_name_and_does_it(
    operator_client: Client, acme: TenantRef, globex: TenantRef
) -> None:
    chosen = {"action": "rename", "_selected_action": [acme.id]}
    assert b'name="subdomain"' in operator_client.post(TENANTS, chosen).content
    wrong = {**chosen, "subdomain": "a b", "reason": "brand"}
    assert b"An address begins with" in operator_client.post(TENANTS, wrong).content
    answer = operator_client.post(
        TENANTS, {**chosen, "subdomain": "globex", "reason": "brand"}, follow=True
    )
    assert b"is already taken" in answer.content
    operator_client.post(TENANTS, {**chosen, "subdomain": "roadrunner", "reason": "brand"})
    assert Tenant.objects.get(pk=acme.id).subdomain == "roadrunner"
    both = {**chosen, "_selected_action": [acme.id, globex.id]}
    assert b"Choose one tenant" in operator_client.post(TENANTS, both, follow=True).content


def test_clone_is_left_to_a_worker(
    operator_client: Client, acme: TenantRef, django_capture_on_commit_callbacks
) -> None:
    import redis
    from django.conf import settings

    chosen = {"action": "clone", "_selected_action": [acme.id], "name": "Copy", "reason": "try"}
    page = operator_client.post(TENANTS, {**chosen, "subdomain": "copy"})
    assert b"Name the owner" in page.content
    with django_capture_on_commit_callbacks(execute=True):
        operator_client.post(TENANTS, {**chosen, "subdomain": "copy", "with_data": "on"})
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        lanes = [key for key in client.scan_iter() if ":lane:" in key]
        messages = [message for key in lanes for message in client.lrange(key, 0, -1)]
    assert len(messages) == 1
    assert "lifecycle_tasks.clone_tenant" in messages[0]


def test_process_without_the_owner_leaves_read_only_to_a_worker(
    operator_client: Client,
    acme: TenantRef,
    django_capture_on_commit_callbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import redis
    from django.conf import settings

    # Given back before pytest-django cleans up: what it finds missing then stays closed for good.
    with (
        monkeypatch.context() as web,
        django_capture_on_commit_callbacks(execute=True),
    ):
        web.delitem(settings.DATABASES, "owner")
        answer = operator_client.post(
            TENANTS,
            {"action": "make_read_only", "_selected_action": [acme.id], "reason": "unpaid"},
            follow=True,
        )
    assert b"a worker does it now" in answer.content
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        messages = [
            message
            for key in client.scan_iter()
            if ":lane:" in key
            for message in client.lrange(key, 0, -1)
        ]
    assert any("lifecycle_tasks.make_read_only" in message for message in messages)


def test_bypass_link_is_shown_for_maintenance_alone(
    operator_client: Client, acme: TenantRef
) -> None:
    chosen = {"action": "bypass", "_selected_action": [acme.id]}
    answer = operator_client.post(TENANTS, chosen, follow=True)
    assert b"is not in maintenance" in answer.content
    Tenant.objects.filter(pk=acme.id).update(status="maintenance")
    answer = operator_client.post(TENANTS, chosen, follow=True)
    assert b"acme.localhost:8000/maintenance/" in answer.content


def test_suspend_with_an_empty_reason_asks_again(operator_client: Client, acme: TenantRef) -> None:
    operator_client.post(
        TENANTS, {"action": "suspend", "_selected_action": [acme.id], "reason": " "}
    )
    assert Tenant.objects.get(pk=acme.id).status == Status.ACTIVE


@pytest.mark.django_db
def test_operators_pages_ask_strangers_to_log_in(client_of) -> None:
    answer = client_of(None).get(TENANTS)
    assert answer.status_code == 302
    assert "/operators/login/" in answer["Location"]


@pytest.mark.django_db
def test_operators_pages_are_not_on_a_tenants_host(acme_client: Client) -> None:
    assert acme_client.get(TENANTS).status_code == 404


def test_index_and_history_do_without_djangos_log(operator_client: Client, acme: TenantRef) -> None:
    assert operator_client.get("/operators/").status_code == 200
    answer = operator_client.get(f"{TENANTS}{acme.id}/history/")
    assert answer["Location"] == f"{TENANTS}{acme.id}/change/"


def test_operator_is_nobody_inside_a_tenant(operator: Operator, acme: TenantRef) -> None:
    credentials = {"username": "op@example.com", "password": "a long password"}
    assert authenticate(**credentials) == operator
    with context.run_in(acme):
        assert authenticate(**credentials) is None


def test_tenant_rows_are_not_written_by_hand(operator_client: Client, acme: TenantRef) -> None:
    assert operator_client.get(f"{TENANTS}add/").status_code == 403
    page = operator_client.get(f"{TENANTS}{acme.id}/change/")
    assert page.status_code == 200
    answer = operator_client.post(f"{TENANTS}{acme.id}/change/", {"name": "Mine"})
    assert answer.status_code == 403
    assert Tenant.objects.get(pk=acme.id).name == "Acme"


def test_deactivated_operator_is_logged_out(operator: Operator, operator_client: Client) -> None:
    from django.utils import timezone

    operator.deactivated_at = timezone.now()
    operator.save(update_fields=["deactivated_at"])
    assert operator_client.get(TENANTS).status_code == 302


# --- Logging in ------------------------------------------------------------------------------------

LOG_IN = "/operators/login/"


def log_in(client: Client, email: str, password: str, visitor: str = "192.0.2.7") -> Any:
    data = {"username": email, "password": password}
    return client.post(LOG_IN, data, REMOTE_ADDR=visitor)


def test_operator_logs_in(operator: Operator, client_of: ClientMaker) -> None:
    client = client_of(None)
    assert log_in(client, "OP@Example.com", "a long password").status_code == 302
    assert client.get(TENANTS).status_code == 200


def test_password_is_guessed_at_five_times_and_no_more(
    operator: Operator, client_of: ClientMaker
) -> None:
    for number in range(5):
        tried = log_in(client_of(None), "op@example.com", "wrong", f"192.0.2.{number}")
        assert tried.status_code == 200
    # From another network, in other letters, and even with the right password.
    client = client_of(None)
    sixth = log_in(client, " OP@example.com", "a long password", "198.51.100.1")
    assert sixth.status_code == 429
    assert 0 < int(sixth["Retry-After"]) <= 300
    assert "Too many tries to log in with this e-mail address." in sixth.content.decode()
    assert client.get(TENANTS).status_code == 302
    assert log_in(client, "other@example.com", "wrong").status_code == 200


def test_many_operators_are_not_guessed_at_from_one_network(
    operator: Operator, client_of: ClientMaker
) -> None:
    for number in range(20):
        assert log_in(client_of(None), f"op{number}@example.com", "wrong").status_code == 200
    assert log_in(client_of(None), "op@example.com", "a long password").status_code == 429
    elsewhere = log_in(client_of(None), "op@example.com", "a long password", "198.51.100.1")
    assert elsewhere.status_code == 302


def test_log_in_page_is_shown_however_often(client_of: ClientMaker) -> None:
    assert {client_of(None).get(LOG_IN).status_code for _ in range(25)} == {200}


def test_address_has_one_spelling(operator: Operator) -> None:
    Operator.objects.create_operator(email="iris@example.com", password="a long password")
    assert authenticate(username="IRIS@example.com", password="a long password")
    # A dotless i is I in capital letters: another address, with tries of its own.
    assert authenticate(username="\u0131r\u0131s@example.com", password="a long password") is None


# --- create_operator -------------------------------------------------------------------------------


@pytest.fixture
def create_operator(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`create_operator(email, password)`: what the command says."""

    def run(email: str, password: str) -> str:
        monkeypatch.setenv("TERRACE_OPERATOR_PASSWORD", password)
        out = StringIO()
        call_command("create_operator", email, name="Olive Operator", stdout=out)
        return out.getvalue()

    return run


def test_command_makes_an_operator(create_operator: Callable[..., str]) -> None:
    said = create_operator(" Olive@Example.com", "nine red swingline staplers")
    assert said == "Made operator olive@example.com.\n"
    olive = Operator.objects.get()
    assert (olive.email, olive.full_name) == ("olive@example.com", "Olive Operator")
    assert olive.check_password("nine red swingline staplers")


def test_command_gives_a_new_password_and_ends_sessions(
    operator: Operator, operator_client: Client, create_operator: Callable[..., str]
) -> None:
    said = create_operator("OP@example.com", "nine red swingline staplers")
    assert said == "op@example.com has a new password.\n"
    assert Operator.objects.get().check_password("nine red swingline staplers")
    assert operator_client.get(TENANTS).status_code == 302


@pytest.mark.parametrize(
    ("email", "password"), [("olive", "nine red swingline staplers"), ("o@example.com", "short")]
)
def test_command_refuses_what_can_not_be(
    create_operator: Callable[..., str], email: str, password: str
) -> None:
    with pytest.raises(CommandError):
        create_operator(email, password)
    assert not Operator.objects.exists()


def test_verbs_of_a_password_name_nobody(db: None) -> None:
    with pytest.raises(Operator.DoesNotExist):
        Operator.objects.change_password(email="nobody@example.com", password="x")
    with pytest.raises(Operator.DoesNotExist):
        Operator.objects.get_by_natural_key(None)
