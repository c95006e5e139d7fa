"""Amounts of money: whole numbers of a currency's smallest unit, as Stripe and ISO 4217 have
them."""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

# Currencies whose smallest unit is not a hundredth (ISO 4217, list one).
_EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_AMOUNT = re.compile(r"\A\d{1,16}(?:\.\d{1,6})?\Z", re.ASCII)
# An amount with a currency's sign or code before or after it.
_SIGN = r"[^\d\s.,'\u2019+=-]{0,4}"
_SIGNED = re.compile(
    rf"\A(?P<before>{_SIGN}) ?(?P<number>\d[\d .,'\u2019]*?) ?(?P<after>{_SIGN})\Z", re.ASCII
)
_SPACES = re.compile(r"[\s\u00a0\u202f\u2009]+")
_GROUPED = re.compile(r"\A\d{1,3}(?:([ .,'\u2019])\d{3})(?:\1\d{3})*\Z", re.ASCII)
_GROUP = 3
_CODE_LENGTH = 3
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "CLP", "COP", "ARS"})
_SIGNS: dict[str, frozenset[str]] = {
    "€": frozenset({"EUR"}),
    "$": _DOLLARS,
    "£": frozenset({"GBP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "₹": frozenset({"INR"}),
    "US$": frozenset({"USD"}),
    "FR": frozenset({"CHF"}),
}
# What a PostgreSQL bigint holds with room to add up.
MAX_MINOR = 10**15

_sources: list[Callable[[], str]] = []


class AmountInvalid(ValueError):
    """A text is not an amount of money; the sentence says how to write one."""


def register_currency(source: Callable[[], str]) -> None:
    """Say who knows the tenant's currency: `workspace`, which stands above `products`."""
    _sources.append(source)


def current_currency() -> str:
    """The tenant's currency, three capital letters (ISO 4217)."""
    return _sources[-1]() if _sources else "EUR"


def exponent_of(currency: str) -> int:
    """How many decimals the currency has."""
    return _EXPONENTS.get(currency, 2)


def parse_amount(text: str, *, currency: str) -> int:
    """The amount in minor units. "12.50" in EUR is 1250, "1200" in JPY is 1200.

    Raises:
        AmountInvalid: anything but digits with at most one point, or more decimals than the
        currency has.
    """
    text = text.strip()
    example = format_number(4299, currency)
    if not _AMOUNT.match(text):
        raise AmountInvalid(
            f'"{text[:40]}" is not a price. '
            "Write it in digits, with a point and without a currency sign, "
            f"as {example}."
        )
    minor = Decimal(text).scaleb(exponent_of(currency))
    if minor != minor.to_integral_value():
        raise AmountInvalid(
            f'"{text[:40]}" has more decimals than {currency} knows. Write it as {example}.'
        )
    if minor > MAX_MINOR:
        most = format_number(MAX_MINOR, currency)
        raise AmountInvalid(f'"{text[:40]}" is more than can be kept. Write {most} at most.')
    return int(minor)


def read_amount(text: str, *, currency: str) -> tuple[int, str]:
    """The amount as people and shops write it in files: "1.299,00", "€ 42,99", "1'299.00 CHF".

    A comma or a point with three digits after it and none of the other sort is read as one between
    thousands where it stands more than once, or is a comma and the currency has no three decimals.

    Returns:
        The amount in minor units, and a sentence where the sign is another currency's; else "".
    Raises:
        AmountInvalid: as parse_amount.
    """
    found = _SIGNED.match(_SPACES.sub(" ", text.strip()))
    sign = (found["before"] or found["after"]) if found else ""
    is_both = bool(found and found["before"] and found["after"])
    number = _plain_number(found["number"].strip(), currency) if found and not is_both else ""
    if not number or not _is_sign(sign):
        return parse_amount(text, currency=currency), ""
    minor = parse_amount(number, currency=currency)
    meant = _SIGNS.get(sign.upper(), {sign.upper()} if len(sign) == _CODE_LENGTH else {currency})
    note = (
        "" if not sign or currency in meant else f'"{text.strip()[:40]}" was taken as {currency}.'
    )
    return minor, note


def _plain_number(number: str, currency: str) -> str:
    """The number with a point and nothing between thousands, or "" where it is none."""
    commas, points = number.count(","), number.count(".")
    last = max(number.rfind(","), number.rfind("."))
    has_one = points == 1 or (commas == 1 and not _is_thousands_comma(number, currency))
    decimal = number[last] if has_one or (commas and points) else ""
    whole, fraction = number, ""
    if decimal:
        whole, _, fraction = number.rpartition(decimal)
        if not fraction.isdigit() or decimal in whole:
            return ""
    if not whole.isdigit() and not _GROUPED.match(whole):
        return ""
    digits = "".join(character for character in whole if character.isdigit())
    return f"{digits}.{fraction}" if fraction else digits


def _is_thousands_comma(number: str, currency: str) -> bool:
    return len(number.rpartition(",")[2]) == _GROUP and exponent_of(currency) != _GROUP


def _is_sign(sign: str) -> bool:
    return all(character.isalpha() or unicodedata.category(character) == "Sc" for character in sign)


def format_number(minor: int, currency: str) -> str:
    """The amount in digits, as it stands in files: 1250 in EUR is "12.50"."""
    exponent = exponent_of(currency)
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"


def format_money(minor: int, currency: str) -> str:
    """The amount as people read it: 125000 in EUR is "€1,250.00", in CHF "CHF 1,250.00"."""
    exponent = exponent_of(currency)
    number = f"{Decimal(minor).scaleb(-exponent):,.{exponent}f}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency}\u00a0{number}"
