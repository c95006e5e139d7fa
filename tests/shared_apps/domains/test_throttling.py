"""Whom a throttle counts, and what one is told who is refused."""

from datetime import timedelta

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from shared_apps.domains import throttling
from shared_apps.domains.throttling import TooManyAttempts
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

TWICE = throttling.Limit("twice", 2, timedelta(minutes=1), "Too often.")


def test_third_time_is_refused_with_the_time_to_wait() -> None:
    throttling.count(TWICE, "ann@example.com")
    throttling.count(TWICE, "ann@example.com")
    with pytest.raises(TooManyAttempts, match=r"Too often\. Try again in ") as refused:
        throttling.count(TWICE, "Ann@example.com ")
    assert timedelta(0) < refused.value.retry_after <= timedelta(minutes=1)
    throttling.count(TWICE, "bob@example.com")


def test_count_is_the_platforms_and_no_tenants(acme: TenantRef) -> None:
    throttling.count(TWICE, "ann@example.com")
    with context.run_in(acme):
        throttling.count(TWICE, "ann@example.com")
        with pytest.raises(TooManyAttempts):
            throttling.count(TWICE, "ann@example.com")


def test_view_that_is_asked_too_often_answers_429() -> None:
    @throttling.throttled
    def view(request: HttpRequest) -> HttpResponse:
        throttling.count(TWICE, "ann@example.com")
        return HttpResponse("done")

    answers = [view(RequestFactory().get("/")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 60
