"""Reads the API's errors (RFC 9457) as tests speak of them: sentences by field."""

from collections import defaultdict
from typing import Any


def sentences(answer: Any) -> dict[str, list[str]]:
    """What an answer refuses, by the field or parameter that it names; "" for the whole."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    found: dict[str, list[str]] = defaultdict(list)
    for error in answer.json().get("errors", ()):
        name = error.get("parameter") or error["pointer"].removeprefix("#").lstrip("/")
        found[name].append(error["detail"])
    return dict(found)
