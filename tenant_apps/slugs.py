"""Addresses from words."""

import unicodedata

from django.utils.text import slugify

# Letters that Unicode does not take apart into a base letter and a mark.
_LATIN = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "å": "a",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
    }
)


def slug_from(text: str, *, max_length: int) -> str:
    """The last part of an address for a title: Latin letters without marks; other scripts as they
    are.

    Empty where the text has neither letters nor digits.
    """
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LATIN))
    ascii_slug = slugify(plain)
    letters = sum(character.isalnum() for character in plain)
    # A title in another script would lose its words: it keeps its own letters (RFC 3987).
    keeps_most = sum(character.isalnum() for character in ascii_slug) * 2 >= letters
    slug = ascii_slug if ascii_slug and keeps_most else slugify(text, allow_unicode=True)
    return slug[:max_length].strip("-_")
