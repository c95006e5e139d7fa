"""docs/tenants/webhooks.md: its examples run, and its list is the registry's."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tenant_apps.activity.event_types import registered_event_types
from tenant_apps.activity.signatures import make_secret, sign

PAGE = Path(settings.BASE_DIR) / "docs/tenants/webhooks.md"
BODY = '{"type":"stock.low","data":{"n":"é"}}'.encode()


def _example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def _headers(secrets: list[str], *, at: int | None = None) -> dict[str, str]:
    timestamp = at or int(time.time())
    signature = sign(secrets=secrets, message_id="m-1", timestamp=timestamp, body=BODY)
    return {
        "webhook-id": "m-1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


SECRET, OTHER = make_secret(), make_secret()


def _cases() -> list[tuple[dict[str, str], bytes, bool]]:
    """Made when they are used: a signature is good for five minutes."""
    return [
        (_headers([SECRET]), BODY, True),
        (_headers([OTHER, SECRET]), BODY, True),
        (_headers([OTHER]), BODY, False),
        (_headers([SECRET]), BODY + b" ", False),
        (_headers([SECRET], at=int(time.time()) - 3_600), BODY, False),
    ]


def test_python_example_knows_the_genuine() -> None:
    told: dict[str, Any] = {}
    exec(_example("python"), told)  # noqa: S102 - our own page
    for headers, body, expected in _cases():
        assert told["is_genuine"](SECRET, headers, body) is expected


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_node_example_knows_the_genuine() -> None:
    cases = [[headers, body.decode(), expected] for headers, body, expected in _cases()]
    script = f"""{_example("js")}
const cases = {json.dumps(cases)};
const got = cases.map(([headers, body]) => isGenuine({json.dumps(SECRET)}, headers, body));
console.log(JSON.stringify(got));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [expected for _, _, expected in _cases()]


def test_list_of_event_types_is_the_registrys() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(one.name, one.label) for one in registered_event_types()]
