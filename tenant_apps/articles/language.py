"""The language that a workspace's words are in, for searching them."""

from collections.abc import Callable
from typing import Final

SIMPLE: Final = "simple"
# PostgreSQL's own text search configurations (`\dF`, section 12.10 has how they are made), by the
# language's code. A language that is not here is searched word by word, without its grammar.
CONFIGURATIONS: Final = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "tr": "turkish",
}

_providers: list[Callable[[], str]] = []


def register_language(provider: Callable[[], str]) -> None:
    """Say what the language's code of the workspace that is set is. The newest provider is asked."""
    _providers.append(provider)


def current_language() -> str:
    """The code of the language that the workspace that is set writes in; English if nobody says."""
    return _providers[-1]() if _providers else "en"


def configuration_of(language: str) -> str:
    """The text search configuration for a language: "de", "de-at" and "DE" are german."""
    return CONFIGURATIONS.get(language.lower().partition("-")[0], SIMPLE)
