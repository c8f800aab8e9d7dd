"""Geometry of the small charts that templates draw as SVG. Pure: numbers in, places out.

Places are strings with one decimal: templates must not format them by language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Steps of an axis, per power of ten: few lines, round numbers.
_STEPS = (1, 2, 5, 10)
_LINES = 4


@dataclass(frozen=True)
class Bar:
    """A rectangle of the chart and the number that it stands for."""

    value: int
    x: str
    y: str
    height: str


@dataclass(frozen=True)
class Pair:
    """Two bars beside each other; `x` is the middle, where the label stands."""

    x: str
    first: Bar
    second: Bar


@dataclass(frozen=True)
class Line:
    """A line of the grid with its number."""

    value: int
    y: str


@dataclass(frozen=True)
class PairChart:
    """Bars in pairs over a grid."""

    pairs: list[Pair]
    lines: list[Line]
    bar_width: str


@dataclass(frozen=True)
class Frame:
    """The drawing area in units of the viewBox: margins hold the labels."""

    width: int = 400
    height: int = 190
    left: int = 28
    top: int = 8
    bottom: int = 22

    @property
    def floor(self) -> int:
        """Where zero is."""
        return self.height - self.bottom


def pair_chart(values: Sequence[tuple[int, int]], frame: Frame) -> PairChart:
    """Two bars for each pair of values, from the left; never below zero."""
    step = axis_step(max((max(pair) for pair in values), default=0))
    most = step * _LINES
    room = (frame.width - frame.left) / max(len(values), 1)
    width = room * 0.34

    def bar(value: int, x: float) -> Bar:
        height = (frame.floor - frame.top) * value / most
        return Bar(value, f"{x:.1f}", f"{frame.floor - height:.1f}", f"{height:.1f}")

    pairs = []
    for place, (first, second) in enumerate(values):
        middle = frame.left + room * (place + 0.5)
        pairs.append(
            Pair(f"{middle:.1f}", bar(first, middle - width - 0.5), bar(second, middle + 0.5))
        )
    lines = [
        Line(step * i, f"{frame.floor - (frame.floor - frame.top) * i / _LINES:.1f}")
        for i in range(_LINES + 1)
    ]
    return PairChart(pairs, lines, f"{width:.1f}")


def axis_step(most: int) -> int:
    """The smallest round step of which four reach `most`."""
    scale = 1
    while True:
        for step in _STEPS:
            if step * scale * _LINES >= most:
                return step * scale
        scale *= 10


@dataclass(frozen=True)
class Spark:
    """A line without an axis: `path` as `d` of a path, `area` closed below, and its last point."""

    path: str
    area: str
    x: str
    y: str


def spark(values: Sequence[float | None], *, width: int = 96, height: int = 28) -> Spark | None:
    """The course of a number; days without one are left out. None below two points."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return None
    low, high = min(v for _p, v in known), max(v for _p, v in known)
    span = (high - low) or 1.0
    points = [
        (
            2 + place * (width - 4) / (len(values) - 1),
            height - 4 - (value - low) / span * (height - 8),
        )
        for place, value in known
    ]
    path = "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
    (first_x, _y), (last_x, last_y) = points[0], points[-1]
    area = f"{path} L{last_x:.1f} {height} L{first_x:.1f} {height}Z"
    return Spark(path, area, f"{last_x:.1f}", f"{last_y:.1f}")


@dataclass(frozen=True)
class Part:
    """A piece of a bar that is made of several, in hundredths of the whole width."""

    name: str
    x: str
    width: str


def parts(values: Sequence[tuple[str, int]], most: int) -> list[Part]:
    """Pieces one behind the other; `most` is the number that fills the bar. Empty ones vanish."""
    edges = [0.0]
    for _name, value in values:
        edges.append(edges[-1] + 100 * value / max(most, 1))
    return [
        Part(name, f"{start:.2f}", f"{end - start:.2f}")
        for (name, value), (start, end) in zip(values, pairwise(edges), strict=True)
        if value
    ]
