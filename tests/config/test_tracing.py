"""X-Request-ID and Server-Timing."""

import logging
import re

import pytest
from django.test import Client

from config.tracing import RequestFilter
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Tenant

UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def test_every_answer_has_an_id_of_its_own(acme: TenantRef, acme_client: Client) -> None:
    answers = [acme_client.get(path) for path in ("/", "/api/v1/articles/", "/nothing/", "/admin/")]
    names = {answer["X-Request-ID"] for answer in answers}
    assert len(names) == len(answers)
    assert all(UUID.match(name) for name in names)
    assert all(re.match(r"\Aapp;dur=\d+", answer["Server-Timing"]) for answer in answers)
    assert "db;dur=" in answers[1]["Server-Timing"]


def test_id_that_is_brought_is_kept(acme_client: Client) -> None:
    answer = acme_client.get("/api/v1/nothing/", headers={"x-request-id": "proxy-0123456789"})
    assert answer["X-Request-ID"] == "proxy-0123456789"
    assert answer.json()["instance"] == "proxy-0123456789"


@pytest.mark.parametrize(
    "brought", ["", "short", "x" * 65, "a b c d e f g h", "näme-0123456789", "<b>"]
)
def test_what_is_no_id_is_replaced(acme_client: Client, brought: str) -> None:
    answer = acme_client.get("/", headers={"x-request-id": brought})
    assert UUID.match(answer["X-Request-ID"])


def test_closed_workspace_is_traced_too(acme: TenantRef, acme_client: Client) -> None:
    Tenant.objects.filter(pk=acme.id).update(status="suspended")
    assert UUID.match(acme_client.get("/")["X-Request-ID"])


def test_host_that_leads_nowhere_tells_nothing(acme: TenantRef) -> None:
    answer = Client(headers={"host": "nobody.localhost"}).get("/")
    assert "X-Request-ID" not in answer
    assert "Server-Timing" not in answer


def test_log_line_outside_of_a_request() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)
    assert RequestFilter().filter(record)
    assert record.request == "-"
