"""Stored calendars, compiled and kept per version: compiling takes milliseconds, asking none."""

from datetime import date, datetime
from functools import lru_cache

from tickets.sla.business_time import CompiledCalendar, WorkCalendar, compile_calendar
from tickets.sla.models import Calendar, CalendarDay

# A plan may reach this many years beyond the current one; beyond it is an error, no guess.
YEARS_AHEAD = 3
YEARS_BACK = 2
_KEPT = 512


def compiled(calendar: Calendar, now: datetime) -> CompiledCalendar:
    """The calendar in the version that `calendar` bears, around the year of `now`."""
    return compiled_version(calendar.pk, calendar.version, now)


def compiled_version(calendar_id: int, version: int, now: datetime) -> CompiledCalendar:
    """The same, where a list read only which calendar it is, and its version."""
    return _compiled(calendar_id, version, now.year)


@lru_cache(maxsize=_KEPT)
def _compiled(calendar_id: int, version: int, year: int) -> CompiledCalendar:  # noqa: ARG001 - part of the key
    return compile_calendar(
        _stored(Calendar.objects.get(pk=calendar_id)),
        date(year - YEARS_BACK, 1, 1),
        date(year + YEARS_AHEAD, 12, 31),
    )


def _stored(calendar: Calendar) -> WorkCalendar:
    """The rows as the arithmetic takes them."""
    weekly: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    for hours in calendar.hours.order_by("weekday", "start_minute"):
        weekly[hours.weekday].append((hours.start_minute, hours.end_minute))
    return WorkCalendar(
        zone=calendar.time_zone,
        weekly=tuple(tuple(day) for day in weekly),
        days={
            day.date: ()
            if day.kind == CalendarDay.Kind.CLOSED
            else tuple((start, end) for start, end in day.intervals)
            for day in calendar.days.all()
        },
    )
