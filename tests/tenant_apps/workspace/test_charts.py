"""Where lines and bars of a chart stand."""

from datetime import date, timedelta

import pytest

from tenant_apps.workspace.charts import HEIGHT, draw_bars, draw_lines, round_top, short_number

FIRST = date(2026, 3, 1)


def days(*values: int | None) -> list[tuple[date, int | None]]:
    return [(FIRST + timedelta(days=place), value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("highest", "top", "step"),
    [
        (0, 1, 1),
        (1, 1, 1),
        (3, 3, 1),
        (4, 4, 1),
        (5, 6, 2),
        (9, 9, 3),
        (10, 12, 3),
        (17, 20, 5),
        (100, 100, 25),
        (101, 150, 50),
        (998, 1000, 250),
        (1_234_567, 1_500_000, 500_000),
    ],
)
def test_axis_ends_at_a_round_number(highest: int, top: float, step: float) -> None:
    assert round_top(highest) == (top, step)


@pytest.mark.parametrize("highest", [*range(1, 400), 999_999, 10**9])
def test_axis_holds_its_values_in_few_whole_steps(highest: int) -> None:
    top, step = round_top(highest)
    assert top >= highest
    assert step == int(step)
    assert 1 <= top / step <= 5


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (250, "250"), (1_000, "1k"), (1_250, "1.2k"), (2_000_000, "2M"), (3e9, "3B")],
)
def test_short_number(value: float, label: str) -> None:
    assert short_number(value) == label


def test_highest_value_stands_highest_and_nothing_on_the_ground() -> None:
    chart = draw_lines(days(0, 100, 50), title="Views")
    low, high, middle = (point.y for point in chart.points)
    assert low == chart.ground
    assert high == chart.values[-1].at
    assert low > middle > high
    assert chart.values[0].label == "0"
    assert all(0 <= point.x <= chart.width for point in chart.points)


def test_line_has_a_gap_where_nobody_knows() -> None:
    chart = draw_lines(days(1, 2, None, 3), title="Pieces")
    assert len(chart.lines) == 2
    assert len(chart.points) == 3
    assert chart.rows[2] == (FIRST + timedelta(days=2), "not known")


def test_one_point_is_shown() -> None:
    chart = draw_lines(days(7), title="Views")
    assert len(chart.points) == 1
    assert not chart.is_empty


def test_nothing_known_is_empty() -> None:
    chart = draw_lines(days(None, None), title="Pieces")
    assert chart.is_empty
    assert chart.summary == "Nothing is known yet."


def test_bars_stand_on_the_ground_and_beside_one_another() -> None:
    chart = draw_bars(days(*range(90)), title="Members")
    for bar in chart.bars:
        assert bar.y + bar.height == pytest.approx(chart.ground, abs=0.11)
    for left, right in zip(chart.bars, chart.bars[1:], strict=False):
        assert left.x + left.width <= right.x
    assert chart.ground < HEIGHT


def test_few_dates_are_named_and_the_last_among_them() -> None:
    chart = draw_bars(days(*range(90)), title="Members")
    assert len(chart.dates) <= 6
    assert chart.dates[-1].label == "29 May"


def test_summary_says_what_is_seen() -> None:
    chart = draw_lines(days(5, 1_200, 3), title="Views")
    assert chart.summary == "3 days up to 3 March 2026. Most on 2 March: 1,200. Last: 3."
