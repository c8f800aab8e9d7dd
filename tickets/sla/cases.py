"""Worked due times as JSON: reads cases, answers with the product's own arithmetic. Pure.

A case is one budget on one calendar:

    {"name": "...", "timezone": "Asia/Shanghai", "start": "2026-03-10T10:00:00+08:00",
     "minutes": 240, "weekly_hours": {"mon": [["09:00", "12:00"], ["20:00", "26:00"]], ...},
     "holidays": ["2026-10-01"], "makeup_days": {"2026-10-10": [["09:00", "18:00"]],
     "2026-09-20": "fri"}, "special_days": {"2026-02-16": [["09:00", "17:00"]]},
     "pauses": [["2026-03-10T11:00:00+08:00", null]]}

An end may pass 24:00 and belongs to the day on which it started. Special days outrank holidays
(closed), which outrank make-up days (hours given, or of the weekday named). A pause whose end is
null never ends. Days and lists that are left out are empty; other members are not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from typing import Any, Never

from merchants.hours import DAYS, minutes
from tickets.sla.business_time import (
    CalendarHorizonError,
    CompiledCalendar,
    Intervals,
    NeverOpenError,
    WorkCalendar,
    compile_calendar,
    time_zone,
)

# Tried one after another: nearly every answer lies in the first; 70 years are enough for a promise.
HORIZON_DAYS = (400, 3_200, 25_600)
MOST_MINUTES = 1_000_000_000
_LAST_DAY = date(MAXYEAR - 1, 12, 31)

Pause = tuple[datetime, datetime | None]


class CaseError(ValueError):
    """A case that cannot be read or answered; the text is one line and says which and why."""


@dataclass(frozen=True)
class Case:
    """A budget that starts at `start` (UTC); `pauses` (UTC) in order of their beginnings."""

    name: str
    calendar: WorkCalendar
    start: datetime
    budget: timedelta
    pauses: tuple[Pause, ...]


def answers(raw: object) -> list[dict[str, str | None]]:
    """`{"name", "due", "due_utc"}` of every case of a JSON array, in its order.

    `due` is in the calendar's zone, `due_utc` ends in Z, both to the nearest second; both are
    None where no due time exists. Raises CaseError.
    """
    if not isinstance(raw, list):
        raise CaseError("expected a JSON array of cases")
    found = []
    for number, item in enumerate(raw, start=1):
        try:
            found.append(_answer(read_case(item)))
        except (ValueError, CalendarHorizonError) as error:
            raise CaseError(f"case {number}{_named(item)}: {error}") from error
    return found


def read_case(raw: object) -> Case:
    """Reads one case. Raises ValueError with one line that says which member and why."""
    members = _object(raw, "a case")
    return Case(
        name=_text(members.get("name"), "name"),
        calendar=_calendar(members),
        start=_moment(members.get("start"), "start"),
        budget=_budget(members.get("minutes")),
        pauses=tuple(
            sorted(
                (_pause(pair) for pair in _array(members.get("pauses", []), "pauses")),
                key=lambda pause: pause[0],
            )
        ),
    )


def due_time(case: Case) -> datetime | None:
    """When the case's budget is used up, aware UTC; None when it never is.

    Raises CalendarHorizonError when that lies beyond the longest of HORIZON_DAYS.
    """
    for days in HORIZON_DAYS:
        try:
            return _due_within(case, days)
        except NeverOpenError:
            return None
        except CalendarHorizonError:
            continue
    raise CalendarHorizonError(f"not due within {HORIZON_DAYS[-1]} days")


def _answer(case: Case) -> dict[str, str | None]:
    due = due_time(case)
    if due is None:
        return {"name": case.name, "due": None, "due_utc": None}
    due = (due + timedelta(milliseconds=500)).replace(microsecond=0)
    return {
        "name": case.name,
        "due": due.astimezone(time_zone(case.calendar.zone)).isoformat(),
        "due_utc": due.replace(tzinfo=None).isoformat() + "Z",
    }


def _due_within(case: Case, days: int) -> datetime | None:
    first = case.start.date() - timedelta(days=2)
    days_left = (_LAST_DAY - case.start.date()).days
    last = case.start.date() + timedelta(days=min(days, days_left))
    compiled = compile_calendar(case.calendar, first, last)
    at, left = case.start, case.budget
    for begin, end in case.pauses:
        if end is not None and end <= at:
            continue
        worked = _worked(compiled, at, max(at, begin))
        if worked is None or worked >= left:
            break
        if end is None:
            return None
        at, left = end, left - worked
    return compiled.add(at, left.total_seconds())


def _worked(compiled: CompiledCalendar, a: datetime, b: datetime) -> timedelta | None:
    """Work until a pause; None when the pause lies beyond the horizon: it may come too late."""
    try:
        return timedelta(seconds=compiled.elapsed(a, b))
    except CalendarHorizonError:
        return None


def _budget(raw: object) -> timedelta:
    # In JSON `true` is no number, NaN compares with nothing, and 1e999 is infinite.
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= MOST_MINUTES:
        _refuse("minutes", f"a number from 0 to {MOST_MINUTES}", raw)
    return timedelta(minutes=raw)


def _calendar(members: Mapping[str, Any]) -> WorkCalendar:
    weekly = _object(members.get("weekly_hours"), "weekly_hours")
    for name in weekly:
        _weekday(name)
    week = tuple(_intervals(weekly.get(day, []), f"weekly_hours {day}") for day in DAYS)
    days: dict[date, Intervals] = {}
    for key, hours in _object(members.get("makeup_days", {}), "makeup_days").items():
        day = _date(key, "makeup_days")
        if isinstance(hours, str):
            days[day] = week[_weekday(hours)]
        else:
            days[day] = _intervals(hours, f"makeup_days {day}")
    for text in _array(members.get("holidays", []), "holidays"):
        days[_date(text, "holidays")] = ()
    for key, hours in _object(members.get("special_days", {}), "special_days").items():
        day = _date(key, "special_days")
        days[day] = _intervals(hours, f"special_days {day}")
    return WorkCalendar(_text(members.get("timezone"), "timezone"), week, days)


def _intervals(raw: object, where: str) -> Intervals:
    found = []
    for pair in _array(raw, where):
        if not isinstance(pair, list) or len(pair) != 2:
            _refuse(where, 'a list of ["HH:MM", "HH:MM"]', pair)
        start, end = (_minutes(text, where) for text in pair)
        if not start < end:
            raise ValueError(
                f"{where}: {pair[1]!r} is not after {pair[0]!r} (02:00 at night is 26:00)"
            )
        found.append((start, end))
    return tuple(found)


def _minutes(text: object, where: str) -> int:
    try:
        return minutes(_text(text, where))
    except ValueError:
        _refuse(where, "HH:MM from 00:00 to 48:00", text)


def _pause(raw: object) -> Pause:
    if not isinstance(raw, list) or len(raw) != 2:
        _refuse("pauses", "a list of [from, to]", raw)
    begin = _moment(raw[0], "pauses")
    if raw[1] is None:
        return begin, None
    end = _moment(raw[1], "pauses")
    if end < begin:
        raise ValueError(f"pauses: {raw[1]!r} is before {raw[0]!r}")
    return begin, end


def _moment(raw: object, where: str) -> datetime:
    """Aware UTC. A moment without an offset could be two."""
    try:
        moment = datetime.fromisoformat(_text(raw, where))
    except ValueError:
        _refuse(where, "a date and time with its offset from UTC", raw)
    if moment.utcoffset() is None:
        _refuse(where, "a date and time with its offset from UTC", raw)
    # A calendar is compiled from two days before.
    if not 3 <= moment.year < _LAST_DAY.year:
        _refuse(where, "between the years 3 and 9997", raw)
    return moment.astimezone(UTC)


def _date(raw: object, where: str) -> date:
    try:
        return date.fromisoformat(_text(raw, where))
    except ValueError:
        _refuse(where, "dates as YYYY-MM-DD", raw)


def _weekday(raw: str) -> int:
    if raw not in DAYS:
        _refuse("a weekday", f"one of {', '.join(DAYS)}", raw)
    return DAYS.index(raw)


def _text(raw: object, where: str) -> str:
    if not isinstance(raw, str):
        _refuse(where, "a string", raw)
    return raw


def _array(raw: object, where: str) -> list[Any]:
    if not isinstance(raw, list):
        _refuse(where, "a list", raw)
    return raw


def _object(raw: object, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        _refuse(where, "an object", raw)
    return raw


def _named(raw: object) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    return f" ({name!r:.80})" if isinstance(name, str) else ""


def _refuse(where: str, wanted: str, raw: object) -> Never:
    # repr keeps line breaks and control characters out of a one-line message.
    shown = f"{raw!r:.60}" if isinstance(raw, str | int | float) else type(raw).__name__
    raise ValueError(f"{where} is {wanted}, not {shown}")
