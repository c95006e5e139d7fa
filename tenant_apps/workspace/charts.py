"""Charts as SVG: where lines and bars stand. What they look like, static/css/components/chart.css says."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 10, 26
_MAX_STEPS: Final = 4
_MAX_DATES: Final = 6

Number = int | float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Point:
    """One value: where it stands, and what is said of it."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One value as a bar."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that a template needs.

    Args:
        title: what is shown.
        summary: in a sentence, for those who can't see it.
        lines: paths of unbroken lines; a day without a value is a gap.
        areas: the same, down to the ground.
        rows: what the table below says: day and value.
    """

    title: str
    summary: str
    values: Sequence[Tick]
    dates: Sequence[Tick]
    lines: Sequence[str]
    areas: Sequence[str]
    points: Sequence[Point]
    bars: Sequence[Bar]
    rows: Sequence[tuple[date, str]]
    ground: float = HEIGHT - _BOTTOM
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        return not self.points and not self.bars


def round_top(highest: Number) -> tuple[float, float]:
    """The end of an axis and the step between its marks, for values from 0 to `highest`: 1, 2, 2.5 or 5
    times a power of ten; whole numbers where all are small."""
    if highest <= _MAX_STEPS:
        return (max(1, math.ceil(highest)), 1)
    raw = highest / _MAX_STEPS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    if step < 10 and step != int(step):  # noqa: PLR2004 (2.5 of what is counted is nothing)
        step = math.ceil(step)
    return (step * math.ceil(highest / step), step)


def short_number(value: Number) -> str:
    """As it fits beside an axis: 1,200 as 1.2k."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + letter
    return f"{value:g}"


def draw_lines(
    days: Sequence[tuple[date, Number | None]],
    *,
    title: str,
    say: Callable[[Number], str] = "{:,}".format,
) -> Chart:
    """A line over days.

    Args:
        days: in order, each with its value; None where nobody knows.
        say: how a value is written.
    """
    return _draw(days, title=title, say=say, as_bars=False)


def draw_bars(
    days: Sequence[tuple[date, Number | None]],
    *,
    title: str,
    say: Callable[[Number], str] = "{:,}".format,
) -> Chart:
    """A bar for each day. Arguments as draw_lines has them."""
    return _draw(days, title=title, say=say, as_bars=True)


def _draw(
    days: Sequence[tuple[date, Number | None]],
    *,
    title: str,
    say: Callable[[Number], str],
    as_bars: bool,
) -> Chart:
    known = [value for _, value in days if value is not None]
    top, step = round_top(max(known, default=0))
    inner_width, inner_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    slot = inner_width / max(1, len(days))

    def y_of(value: Number) -> float:
        return round(_TOP + inner_height * (1 - value / top), 1)

    def x_of(place: int) -> float:
        return round(_LEFT + slot * (place + 0.5), 1)

    points = [
        Point(x_of(place), y_of(value), f"{day:%-d %B %Y}: {say(value)}")
        for place, (day, value) in enumerate(days)
        if value is not None
    ]
    ground = HEIGHT - _BOTTOM
    width = round(min(28.0, slot * 0.72), 1)
    bars = [
        Bar(round(point.x - width / 2, 1), point.y, width, round(ground - point.y, 1), point.label)
        for point in points
    ]
    runs = [] if as_bars else _runs(days, x_of, y_of)
    return Chart(
        title=title,
        summary=_summary(days, say),
        values=[
            Tick(y_of(step * number), short_number(step * number))
            for number in range(round(top / step) + 1)
        ],
        dates=_dates(days, x_of),
        lines=["M" + " L".join(f"{x} {y}" for x, y in run) for run in runs],
        areas=[
            f"M{run[0][0]} {ground} L"
            + " L".join(f"{x} {y}" for x, y in run)
            + f" L{run[-1][0]} {ground} Z"
            for run in runs
        ],
        points=[] if as_bars else points,
        bars=bars if as_bars else [],
        rows=[(day, "not known" if value is None else say(value)) for day, value in days],
    )


def _runs(
    days: Sequence[tuple[date, Number | None]],
    x_of: Callable[[int], float],
    y_of: Callable[[Number], float],
) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for place, (_, value) in enumerate(days):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x_of(place), y_of(value)))
    return [run for run in runs if run]


def _dates(days: Sequence[tuple[date, object]], x_of: Callable[[int], float]) -> list[Tick]:
    every = max(1, math.ceil(len(days) / _MAX_DATES))
    # From the last day back: today has its mark.
    return [
        Tick(x_of(place), f"{days[place][0]:%-d %b}") for place in range(len(days) - 1, -1, -every)
    ][::-1]


def _summary(days: Sequence[tuple[date, Number | None]], say: Callable[[Number], str]) -> str:
    known = [(value, day) for day, value in days if value is not None]
    if not known:
        return "Nothing is known yet."
    most, on = max(known, key=lambda pair: pair[0])
    return (
        f"{len(days)} days up to {days[-1][0]:%-d %B %Y}. Most on {on:%-d %B}: {say(most)}. "
        f"Last: {say(known[-1][0])}."
    )
