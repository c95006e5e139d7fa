"""What people may say of themselves: each check refuses with a sentence. Runs in: no schema."""

import re
import zoneinfo
from datetime import date
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils import timezone

_OLDEST_YEARS: Final = 130
# E.164 has 15 digits at most; how they are grouped is everybody's own business.
_PHONE = re.compile(r"\A\+?[\d][\d ().\-/]{4,30}\Z")
_DIGITS: Final = range(5, 16)
_WEBSITE: Final = URLValidator(
    ["http", "https"], message="Write the address as https://example.com.", code="website"
)


def check_time_zone(name: str) -> None:
    """A name of the IANA database."""
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(
            f'"{name}" is not a time zone. Take one as "Europe/Berlin" or "UTC".', code="time_zone"
        )


def check_language(code: str) -> None:
    """One of LANGUAGES."""
    if code and code not in dict(settings.LANGUAGES):
        raise ValidationError(f'"{code}" is not one of the languages offered.', code="language")


def check_phone(number: str) -> None:
    """Digits, and what people put between them."""
    if number and not (
        _PHONE.match(number) and sum(character.isdigit() for character in number) in _DIGITS
    ):
        raise ValidationError("A phone number has 5 to 15 digits, as +49 30 123456.", code="phone")


def check_birth_date(day: date) -> None:
    """Neither ahead nor longer ago than anybody is old."""
    today = timezone.now().date()
    if day > today:
        raise ValidationError("This day is yet to come.", code="birth_date")
    if today.year - day.year > _OLDEST_YEARS:
        raise ValidationError("Nobody is that old. Look at the year.", code="birth_date")


def check_website(address: str) -> None:
    """http or https: an address of any other kind could run something when it is clicked."""
    if address:
        _WEBSITE(address)


def check_text(text: str) -> None:
    """No character that PostgreSQL can't keep."""
    if "\0" in text:
        raise ValidationError("There is a character in it that can't be kept.", code="text")
