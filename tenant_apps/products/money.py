"""Amounts of money: whole numbers of a currency's smallest unit, as Stripe and ISO 4217 have
them."""

import re
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
