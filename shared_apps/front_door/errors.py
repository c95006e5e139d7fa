"""What can go wrong at the front door. The messages are shown to visitors as they are."""


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
