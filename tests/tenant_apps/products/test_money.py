import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_apps.products.money import (
    AmountInvalid,
    format_money,
    format_number,
    parse_amount,
    read_amount,
)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("42.99", "EUR", 4299),
        ("85", "EUR", 8500),
        ("0", "EUR", 0),
        (" 0.5 ", "EUR", 50),
        ("1.500", "EUR", 150),
        ("1200", "JPY", 1200),
        ("1.250", "KWD", 1250),
        ("19.90", "XXX", 1990),
    ],
)
def test_amount_is_read(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency=currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42,99",
        "€42",
        "42.99 €",
        "-1",
        "+1",
        "1e3",
        "1.",
        ".5",
        "NaN",
        "1 000",
        "٣",
        "0x10",
        "1.2.3",
    ],
)
def test_text_that_is_no_amount(text: str) -> None:
    with pytest.raises(AmountInvalid, match=r"Write it in digits, with a point .* as 42\.99"):
        parse_amount(text, currency="EUR")


@pytest.mark.parametrize(("text", "currency"), [("0.999", "EUR"), ("1.5", "JPY")])
def test_amount_with_too_many_decimals(text: str, currency: str) -> None:
    with pytest.raises(AmountInvalid, match="has more decimals than"):
        parse_amount(text, currency=currency)


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(["EUR", "JPY", "KWD", "USD"]))
def test_amount_comes_back(minor: int, currency: str) -> None:
    assert parse_amount(format_number(minor, currency), currency=currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (125000, "EUR", "€1,250.00"),
        (1200, "JPY", "¥1,200"),
        (1250, "KWD", "KWD\u00a01.250"),
        (0, "GBP", "£0.00"),
    ],
)
def test_amount_is_shown(minor: int, currency: str, shown: str) -> None:
    assert format_money(minor, currency) == shown


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("42.99", "EUR", 4299),
        ("42,99", "EUR", 4299),
        ("42,9", "EUR", 4290),
        ("€42.99", "EUR", 4299),
        ("42,99\u00a0€", "EUR", 4299),
        ("1.299,00 EUR", "EUR", 129900),
        ("1,299.00", "EUR", 129900),
        ("1,299", "EUR", 129900),
        ("1.299.000", "EUR", 129900000),
        ("1 299,50", "EUR", 129950),
        ("1\u202f299,50", "EUR", 129950),
        ("CHF 1'299.00", "CHF", 129900),
        ("¥1,200", "JPY", 1200),
        ("1,250", "KWD", 1250),
        ("US$ 5", "USD", 500),
        ("1.500", "EUR", 150),
    ],
)
def test_amount_of_a_file_is_read(text: str, currency: str, minor: int) -> None:
    assert read_amount(text, currency=currency) == (minor, "")


@pytest.mark.parametrize("text", ["$42.99", "42.99 USD", "GBP 42.99"])
def test_amount_in_another_currency_is_told(text: str) -> None:
    assert read_amount(text, currency="EUR") == (4299, f'"{text}" was taken as EUR.')


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "=1+1", "1e3", "1.", ".5", "NaN", "4x2", "1 2", "1,2,3", "1.2.3", "12,34.5",
     "1,29.9", "€", "free", "€5€", "٣", "0x10", "1.299,00,00"],
)  # fmt: skip
def test_text_of_a_file_that_is_no_amount(text: str) -> None:
    with pytest.raises(AmountInvalid, match="Write it"):
        read_amount(text, currency="EUR")


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(["EUR", "JPY", "USD"]))
def test_amount_that_people_read_comes_back(minor: int, currency: str) -> None:
    shown = format_money(minor, currency)
    assert read_amount(shown, currency=currency) == (minor, "")
