"""The first day of a customer, on pages as in production, and what the demo tenants look like."""

import pytest

from tenant_apps.workspace.demo import THEMES
from tests.browser.conftest import Street, VisitMaker
from tests.browser.first_day import live_the_first_day, look_by_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_third_tenant_moves_in_and_is_alone(street: Street, visit: VisitMaker) -> None:
    live_the_first_day(street, visit)


@pytest.mark.parametrize("theme", THEMES)
def test_demo_tenant_on_a_phone_in_the_dark(street: Street, visit: VisitMaker, theme: str) -> None:
    look_by_phone(street, visit, theme)
