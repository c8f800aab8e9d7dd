"""Business time: working seconds between moments, and due times. Pure: no ORM, no `now()`.

A moment is open when the wall clock at that moment lies in [start, end) of an interval of its
local date, or of an overnight interval of the date before. A calendar is compiled once for a span
of dates into UTC intervals; every question after that is a binary search.

Inside, moments are whole microseconds since 1970 UTC. That is what `datetime` holds, so sums are
exact and `elapsed(a, add(a, x)) == x` holds for every x in whole microseconds.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Intervals = tuple[tuple[int, int], ...]

WEEK = 7
DAY_MINUTES = 24 * 60
_DAY_SECONDS = 24 * 60 * 60
_SECOND = 1_000_000
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_FOREVER = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


class CalendarHorizonError(Exception):
    """The answer lies outside the dates for which the calendar was compiled: never a guess."""


class NeverOpenError(CalendarHorizonError):
    """The calendar does not open any more, however far one looks: there is no answer."""


@dataclass(frozen=True)
class WorkCalendar:
    """Opening hours as people state them. Raises ValueError where they make no sense.

    `zone` is an IANA name. `weekly` holds seven weekdays, Monday first, of intervals
    (start_minute, end_minute) since local midnight: 0 <= start < 1440, start < end <= 2880.
    An end after 1440 is overnight and belongs to the day on which it started. `days` replaces
    the weekday's intervals of single dates; () is closed. Intervals may come in any order and
    may overlap: they merge.
    """

    zone: str
    weekly: tuple[Intervals, ...]
    days: Mapping[date, Intervals]

    def __post_init__(self) -> None:
        """Checks zone, number of weekdays and every interval."""
        time_zone(self.zone)
        if len(self.weekly) != WEEK:
            raise ValueError(f"a week has 7 days, not {len(self.weekly)}")
        for intervals in (*self.weekly, *self.days.values()):
            for start, end in intervals:
                _check(start, end)

    def hours_of(self, day: date) -> Intervals:
        """Intervals that start on `day`, in minutes since its midnight."""
        hours = self.days.get(day)
        return self.weekly[day.weekday()] if hours is None else hours


@dataclass(frozen=True)
class CompiledCalendar:
    """Sorted, disjoint UTC intervals of a calendar; made by `compile_calendar`.

    All numbers are microseconds since 1970 UTC. `totals[i]` is the work from `begin` to
    `closes[i]`. Answers are known for moments from `begin` to `end`; all methods take aware
    datetimes, give aware UTC, cost O(log n), and raise CalendarHorizonError outside.
    """

    opens: tuple[int, ...]
    closes: tuple[int, ...]
    totals: tuple[int, ...]
    begin: int
    end: int
    #: The calendar has no interval at all, on no weekday and on no single date.
    never_opens: bool

    def elapsed(self, a: datetime, b: datetime) -> float:
        """Working seconds in [a, b]. Raises ValueError when b is before a."""
        start, stop = self._known(a), self._known(b)
        if stop < start:
            raise ValueError(f"{b.isoformat()} is before {a.isoformat()}")
        return (self._worked(stop) - self._worked(start)) / _SECOND

    def add(self, t: datetime, seconds: float) -> datetime:
        """The earliest moment with `seconds` of work since `t`; `t` itself for seconds <= 0.

        A budget that ends at closing is due at closing, not at the next opening. `seconds` may be
        a fraction; it is rounded to the microsecond. Raises NeverOpenError when the calendar will
        never hold so much work, ValueError for NaN and infinity.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"{seconds} is no number of seconds")
        budget = round(seconds * _SECOND)
        if budget <= 0:
            return t.astimezone(UTC)
        target = self._worked(self._known(t)) + budget
        index = bisect_left(self.totals, target)
        if index == len(self.totals):
            raise self._beyond(f"{seconds} s of work after {t.isoformat()}")
        return _moment(self.closes[index] - (self.totals[index] - target))

    def is_open(self, t: datetime) -> bool:
        """Whether work counts at `t`: the opening moment is open, the closing moment is not."""
        at = self._known(t, last=self.end - 1)
        index = bisect_right(self.opens, at)
        return index > 0 and at < self.closes[index - 1]

    def next_open(self, t: datetime) -> datetime:
        """The earliest open moment from `t` on: `t` itself when open."""
        if self.is_open(t):
            return t.astimezone(UTC)
        index = bisect_right(self.opens, _microseconds(t))
        if index == len(self.opens):
            raise self._beyond(f"the opening after {t.isoformat()}")
        return _moment(self.opens[index])

    def _worked(self, at: int) -> int:
        """Work from `begin` to `at`, in microseconds."""
        index = bisect_right(self.opens, at)
        if not index:
            return 0
        return self.totals[index - 1] - max(0, self.closes[index - 1] - at)

    def _known(self, t: datetime, *, last: int | None = None) -> int:
        at = _microseconds(t)
        if not self.begin <= at <= (self.end if last is None else last):
            raise CalendarHorizonError(f"{t.isoformat()} is outside {self._span()}")
        return at

    def _beyond(self, what: str) -> CalendarHorizonError:
        if self.end == _FOREVER:
            return NeverOpenError(f"the calendar never reaches {what}")
        return CalendarHorizonError(f"{what} is outside {self._span()}")

    def _span(self) -> str:
        return f"the compiled calendar, {_moment(self.begin)} to {_moment(self.end)}"


def compile_calendar(calendar: WorkCalendar, first: date, last: date) -> CompiledCalendar:
    """The calendar's intervals from the beginning of `first` to the end of `last`, local dates.

    Overnight hours of the day before `first` count. A calendar that has no weekly hours, and no
    date with hours from `last` on, is known for ever. Raises ValueError when `last` is before
    `first` or a date is outside the years 2 to 9998.
    """
    if last < first:
        raise ValueError(f"{last} is before {first}")
    if first.year <= MINYEAR or last.year >= MAXYEAR:
        raise ValueError(f"{first} to {last} is outside the years 2 to 9998")
    zone = time_zone(calendar.zone)
    begin, end = _midnight(zone, first), _midnight(zone, last + timedelta(days=1))
    # Where a clock is set back over midnight the first date's evening before comes again.
    wall = _merged(_wall_intervals(calendar, first - timedelta(days=2), last + timedelta(days=1)))
    intervals = _merged(_in_utc(wall, _offset_spans(zone, begin, end)))
    total, totals = 0, []
    for opening, closing in intervals:
        total += (closing - opening) * _SECOND
        totals.append(total)
    single = [day for day, hours in calendar.days.items() if hours]
    weekly = any(calendar.weekly)
    finite = not weekly and all(day < last for day in single)
    return CompiledCalendar(
        opens=tuple(opening * _SECOND for opening, _closing in intervals),
        closes=tuple(closing * _SECOND for _opening, closing in intervals),
        totals=tuple(totals),
        begin=begin * _SECOND,
        end=_FOREVER if finite else end * _SECOND,
        never_opens=not weekly and not single,
    )


def time_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # Folders and over-long names of the zone data base come as OSError.
        raise ValueError(f"unknown time zone {name!r:.80}") from error


def _check(start: int, end: int) -> None:
    if not 0 <= start < DAY_MINUTES:
        raise ValueError(f"an interval starts at 00:00 to 23:59, not at minute {start}")
    if end <= start:
        raise ValueError(f"an interval ends after it starts, not at minute {end} after {start}")
    if end > 2 * DAY_MINUTES:
        raise ValueError(f"an interval ends by 48:00, not at minute {end}")


def _microseconds(t: datetime) -> int:
    return (t - _EPOCH) // _MICROSECOND


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _midnight(zone: ZoneInfo, day: date) -> int:
    """UTC seconds of the beginning of `day`: the first of two, the jump where it is left out."""
    return _microseconds(datetime.combine(day, time(), zone)) // _SECOND


def _wall_intervals(calendar: WorkCalendar, first: date, last: date) -> Iterator[tuple[int, int]]:
    """What the calendar says for each date, in seconds of the wall clock since 1970."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        midnight = (ordinal - _EPOCH_DAY) * _DAY_SECONDS
        for start, end in calendar.hours_of(date.fromordinal(ordinal)):
            yield midnight + start * 60, midnight + end * 60


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, and one where two touch or overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _in_utc(
    wall: list[tuple[int, int]], spans: Iterable[tuple[int, int, int]]
) -> Iterator[tuple[int, int]]:
    """The wall clock's intervals in UTC seconds.

    Within one span the wall clock is UTC plus a constant: an hour that is left out is in no span,
    one that comes twice is in two.
    """
    ends = [end for _start, end in wall]
    for begin, until, offset in spans:
        for start, end in wall[bisect_right(ends, begin + offset) :]:
            if start >= until + offset:
                break
            yield max(start - offset, begin), min(end - offset, until)


def _offset_spans(zone: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields (from, to, offset), UTC seconds, that cover [begin, end) with one offset each.

    Looks once a day: no zone has ever changed and changed back within one.
    """
    start, offset, at = begin, _offset(zone, begin), begin
    while at < end:
        after = min(at + _DAY_SECONDS, end)
        if _offset(zone, after) == offset:
            at = after
            continue
        at = _change(zone, at, after)
        yield start, at, offset
        start, offset = at, _offset(zone, at)
    if start < end:
        yield start, end, offset


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The first second in (before, after] with another offset than at `before`."""
    offset = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, at: int) -> int:
    """Seconds that the wall clock is ahead of UTC at UTC second `at`."""
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    assert offset is not None
    return offset // timedelta(seconds=1)
