"""What an endpoint may answer besides what Django REST framework has errors for."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException


class WrongParameter(APIException):
    """A parameter of the address cannot be used; the sentence says which values can."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_parameter"

    def __init__(self, parameter: str, sentence: str) -> None:
        self.sentences: dict[str, list[str]] = {parameter: [sentence]}
        super().__init__(sentence)


class WrongParameters(WrongParameter):
    """Some parameters of the address cannot be used.

    Args:
        sentences: what is wrong with each, by its name.
    """

    def __init__(self, sentences: Mapping[str, Sequence[str]]) -> None:
        first = next(iter(sentences))
        super().__init__(first, sentences[first][0])
        self.sentences = {name: list(told) for name, told in sentences.items()}


class Conflict(APIException):
    """The request was understood, and things are not so that it could be carried out."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class StillRunning(Conflict):
    """The first request with this Idempotency-Key has not been answered yet."""

    default_code = "still_running"
    default_detail = (
        "The first request with this Idempotency-Key is still being worked on. "
        "Ask again in a moment."
    )
    wait = 1


class KeyReused(APIException):
    """The Idempotency-Key stood on another request before."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = (
        "This Idempotency-Key stood on another request before. Take a new one for what is new."
    )


class SomebodyElseSaved(APIException):
    """What If-Match names is not what is kept any more (RFC 9110 section 13.1.1)."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "somebody_else_saved"
    default_detail = (
        "This was changed since you read it. Read it again and put your change on top of that."
    )


class IfMatchNeeded(APIException):
    """A change that does not say what it starts from (RFC 6585 section 3)."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_code = "if_match_needed"
    default_detail = (
        "Send If-Match with the ETag of what you read, so that nobody else's change is lost."
    )


class ScopeMissing(APIException):
    """The token was made for less than this (RFC 6750 section 3.1)."""

    status_code = status.HTTP_403_FORBIDDEN
    default_code = "scope_missing"

    def __init__(self, *, needed: str, granted: Sequence[str]) -> None:
        self.members: dict[str, Any] = {"needed": needed, "granted": sorted(granted)}
        self.auth_header = f'Bearer error="insufficient_scope", scope="{needed}"'
        super().__init__(
            f"This token may not do that: it lacks the scope {needed}. Make one that has it."
        )
