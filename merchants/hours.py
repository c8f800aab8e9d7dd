"""Opening hours of a store: shape and words. Pure.

Shape: `{"mon": [["09:00", "14:00"], ["17:00", "26:00"]], ...}`; an end past 24:00 belongs to
the day on which it started; a missing or empty day is closed.
"""

import re
from collections.abc import Mapping

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WeeklyHours = Mapping[str, list[list[str]]]
_TIME = re.compile(r"^([0-4]\d):([0-5]\d)$")
_LATEST = 48 * 60


class HoursError(ValueError):
    """The hours cannot be read; `day` says where."""

    def __init__(self, day: str) -> None:
        super().__init__(day)
        self.day = day


def minutes(text: str) -> int:
    """Minutes since midnight of `HH:MM`, up to 48:00. Raises ValueError."""
    match = _TIME.match(text)
    if not match:
        raise ValueError(text)
    value = int(match[1]) * 60 + int(match[2])
    if value > _LATEST:
        raise ValueError(text)
    return value


def check(hours: WeeklyHours) -> None:
    """Raises HoursError where a day is unknown, an interval is empty or two overlap."""
    for day, intervals in hours.items():
        if day not in DAYS:
            raise HoursError(day)
        last = -1
        for interval in intervals:
            try:
                start, end = (minutes(part) for part in interval)
            except ValueError as error:
                raise HoursError(day) from error
            if not last <= start < end or start >= 24 * 60:
                raise HoursError(day)
            last = end


def spans_text(spans: list[list[str]]) -> str:
    """`09:00-14:00, 17:00-26:00`; empty where closed."""
    return ", ".join("-".join(span) for span in spans)


def grouped(hours: WeeklyHours) -> list[tuple[str, str, str]]:
    """Runs of days with the same hours: `[("mon", "fri", "09:00-21:00"), ...]`; "" = closed."""
    found: list[tuple[str, str, str]] = []
    for day in DAYS:
        words = spans_text(hours.get(day, []))
        if found and found[-1][2] == words:
            found[-1] = (found[-1][0], day, words)
        else:
            found.append((day, day, words))
    return found
