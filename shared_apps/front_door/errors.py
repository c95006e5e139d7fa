"""What can go wrong at the front door. The messages are shown to visitors as they are."""

from datetime import timedelta
from typing import Final

_MINUTE: Final = 60  # seconds


class FrontDoorError(Exception):
    """Anything that stops a visitor. The message says what is wrong and what to do."""


class CodeWrong(FrontDoorError):
    """The six digits are not those of the newest mail."""


class CodeExpired(FrontDoorError):
    """The code or the link is older than it may be, or was used."""


class TooManyTries(FrontDoorError):
    """The code was guessed at too often and is worth nothing now."""


class LinkInvalid(FrontDoorError):
    """No sign-up has such a link."""


class TooManyAttempts(FrontDoorError):
    """One address or one visitor asked for too much.

    Args:
        sentence: what was too much, for the visitor.
        retry_after: how long until it is allowed again.
    """

    def __init__(self, sentence: str, *, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__(f"{sentence} Try again in {_in_words(retry_after)}.")


def _in_words(duration: timedelta) -> str:
    seconds = max(1, int(duration.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    minutes = -(-seconds // _MINUTE)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
