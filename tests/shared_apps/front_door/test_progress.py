"""The progress of a workspace that is being made."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shared_apps.front_door import progress_stream
from shared_apps.front_door.models import SignUp
from shared_apps.tenants.models import Provisioning, ProvisioningState, ProvisioningStep, Step
from tests.shared_apps.front_door.conftest import Visitor, VisitorMaker

PETER = "peter@example.com"


@pytest.fixture
def under_way(visitor: Visitor) -> Provisioning:
    """The visitor's workspace, of which the first step is done."""
    visitor.verifies(PETER)
    SignUp.objects.update(
        requested_at=timezone.now(), workspace_name="Initech", subdomain="initech"
    )
    provisioning: Provisioning = Provisioning.objects.create(
        request_id=SignUp.objects.get().request_id,
        state=ProvisioningState.PROVISIONING,
        name="Initech",
        subdomain="initech",
        lease_until=timezone.now() + timedelta(minutes=1),
    )
    for place, step in enumerate(Step):
        ProvisioningStep.objects.create(
            provisioning=provisioning,
            name=step,
            place=place,
            state="waiting" if place else "done",
            milliseconds=None if place else 4,
        )
    return provisioning


def events(stream: Any) -> list[dict[str, Any]]:
    """The data of a stream's events."""
    text = "".join(part.decode() if isinstance(part, bytes) else part for part in stream)
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_progress_page_shows_the_real_steps(visitor: Visitor, under_way: Provisioning) -> None:
    page = visitor.get("/sign-up/progress/").content.decode()
    assert page.count('data-state="done"') == 1
    assert page.count('data-state="waiting"') == 3
    assert "4 ms" in page
    assert '<noscript><meta http-equiv="refresh"' in page


def test_progress_state_for_polling(visitor: Visitor, under_way: Provisioning) -> None:
    state = visitor.get("/sign-up/progress/state/").json()
    assert [step["state"] for step in state["steps"]] == ["done", "waiting", "waiting", "waiting"]
    assert (state["url"], state["error"]) == ("", "")


def test_progress_of_another_visitor_is_not_shown(
    under_way: Provisioning, new_visitor: VisitorMaker
) -> None:
    other = new_visitor()
    assert other.get("/sign-up/progress/")["Location"] == "/sign-up/"
    assert other.get("/sign-up/progress/state/").status_code == 404
    assert other.get("/sign-up/progress/events/").status_code == 404


def test_progress_events_end_when_it_has_failed(visitor: Visitor, under_way: Provisioning) -> None:
    Provisioning.objects.filter(pk=under_way.pk).update(
        state=ProvisioningState.FAILED, error="Please try once more."
    )
    answer = visitor.get("/sign-up/progress/events/")
    assert answer["Content-Type"] == "text/event-stream"
    assert [event["error"] for event in events(answer.streaming_content)] == [
        "Please try once more."
    ]


def test_progress_events_tell_each_change_once(
    visitor: Visitor, under_way: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_stream, "PAUSE", timedelta(0))
    stream = visitor.get("/sign-up/progress/events/").streaming_content
    assert next(stream) == b"retry: 1000\n\n"
    first = next(stream)
    under_way.steps.filter(name=Step.SCHEMA).update(state="running")
    second = next(stream)
    Provisioning.objects.filter(pk=under_way.pk).update(state=ProvisioningState.FAILED)
    told = events([first, second, *stream])
    assert [event["steps"][1]["state"] for event in told] == ["waiting", "running", "running"]


def test_progress_events_stop_by_themselves(
    visitor: Visitor, under_way: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_stream, "LONGEST", timedelta(milliseconds=300))
    assert len(events(visitor.get("/sign-up/progress/events/").streaming_content)) == 1


def test_progress_events_of_an_async_server(
    visitor: Visitor, under_way: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def is_over(_: SignUp) -> tuple[str, bool]:
        told.append(True)
        return f"event: progress\ndata: {len(told)}\n\n", len(told) == 3

    monkeypatch.setattr(progress_stream, "_event", is_over)
    monkeypatch.setattr(progress_stream, "PAUSE", timedelta(0))

    async def read() -> list[str]:
        return [part async for part in progress_stream.follow_async(SignUp())]

    assert asyncio.run(read())[1:] == [f"event: progress\ndata: {n}\n\n" for n in (1, 2, 3)]
