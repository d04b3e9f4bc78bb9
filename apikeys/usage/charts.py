"""Geometry of the report's charts, in the units of an SVG's view box. Pure."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

WIDTH: Final = 960
HEIGHT: Final = 220
LEFT: Final = 64
BOTTOM: Final = 24
TOP: Final = 10
LABELS: Final = 10
TICKS: Final = 4
STEPS: Final = (1, 2, 2.5, 5, 10)


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


class Mark(NamedTuple):
    """A label of an axis and where it stands."""

    at: float
    text: str


class Chart(NamedTuple):
    bars: list[Bar]
    across: list[Mark]
    up: list[Mark]


class Column(NamedTuple):
    """One place on the time axis: its label, and its parts from the bottom up."""

    label: str
    parts: Sequence[tuple[str, float]]


def stacked(columns: Sequence[Column]) -> Chart:
    step = tick(max((sum(value for _, value in one.parts) for one in columns), default=0))
    high = step * TICKS
    room = HEIGHT - TOP - BOTTOM
    wide = (WIDTH - LEFT) / max(len(columns), 1)
    every = max(1, math.ceil(len(columns) / LABELS))
    bars: list[Bar] = []
    for number, one in enumerate(columns):
        floor = float(HEIGHT - BOTTOM)
        for kind, value in one.parts:
            tall = room * value / high
            floor -= tall
            if value:
                x = LEFT + wide * (number + 0.1)
                title = f"{one.label}: {amount(value)} {kind}"
                bars.append(Bar(r(x), r(floor), r(wide * 0.8), r(tall), kind, title))
    across = [
        Mark(r(LEFT + wide * (number + 0.5)), one.label)
        for number, one in enumerate(columns)
        if number % every == 0
    ]
    up = [
        Mark(r(HEIGHT - BOTTOM - room * count / TICKS), amount(step * count))
        for count in range(TICKS + 1)
    ]
    return Chart(bars, across, up)


def tick(most: float) -> float:
    """A round step, TICKS of which reach ``most``; whole where counts are small."""
    if most <= TICKS:
        return 1
    rough = most / TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    return float(next(size * step for step in STEPS if size * step >= rough))


class Share(NamedTuple):
    """A line of a ranking; ``percent`` of the longest."""

    label: str
    text: str
    percent: float


def ranking(values: Sequence[tuple[str, float]], most: int = 10) -> list[Share]:
    """The largest first, the others together."""
    ordered = sorted(values, key=lambda one: (-one[1], one[0]))
    if rest := ordered[most:]:
        ordered = [*ordered[:most], (f"{len(rest)} others", sum(value for _, value in rest))]
    longest = max((value for _, value in ordered), default=0) or 1
    return [Share(label, amount(value), r(100 * value / longest)) for label, value in ordered]


def amount(value: float) -> str:
    """With thousands parted; large ones short."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.4g} {letter}"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:,.2f}"


def r(value: float) -> float:
    return round(value, 2)
