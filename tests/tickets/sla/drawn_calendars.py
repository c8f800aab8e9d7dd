"""Calendars and moments for property tests, all around changes of an offset from UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tickets.sla.business_time import (
    CompiledCalendar,
    Intervals,
    WorkCalendar,
    compile_calendar,
)

# Local dates on which the offset changes: half an hour, an hour, a quarter of an hour for good.
CHANGES = {
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),
    "Africa/Casablanca": (date(2026, 2, 15), date(2026, 3, 22)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "Asia/Shanghai": (date(1986, 5, 4), date(1991, 9, 15)),
    "Asia/Kathmandu": (date(1986, 1, 1),),
}
# Rarer ones: midnight left out or twice, a date left out, two hours, odd seconds, at 00:01.
RARE_CHANGES = {
    "America/Sao_Paulo": (date(2018, 2, 17), date(2018, 11, 4)),
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),
    "Pacific/Apia": (date(2011, 12, 30),),
    "Antarctica/Troll": (date(2026, 3, 29), date(2026, 10, 25)),
    "Africa/Monrovia": (date(1972, 1, 7),),
    "America/St_Johns": (date(2010, 3, 14), date(2010, 11, 7)),
}
DAYS_COMPILED = 10  # to each side of the change
DAYS_DRAWN = 8

_USUAL = [(0, 1440), (540, 1080), (1320, 1800), (1200, 1560), (150, 300), (60, 240), (0, 2880)]


@dataclass(frozen=True)
class World:
    """A calendar, compiled around a change of its zone's offset."""

    calendar: WorkCalendar
    compiled: CompiledCalendar
    change: date

    @property
    def noon(self) -> datetime:
        """About the change, in UTC."""
        return datetime.combine(self.change, time(12), UTC)


@st.composite
def intervals(draw: st.DrawFn) -> Intervals:
    """None to three intervals of a day, in any order, perhaps overlapping."""
    return tuple(draw(st.lists(st.sampled_from(_USUAL) | _odd(), max_size=3)))


@st.composite
def _odd(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(st.integers(0, 1439))
    return start, draw(st.integers(start + 1, 2880))


@st.composite
def worlds(draw: st.DrawFn, changes: dict[str, tuple[date, ...]] = CHANGES) -> World:
    """A calendar in one of the zones, with a few dates of its own near the change."""
    zone = draw(st.sampled_from(sorted(changes)))
    change = draw(st.sampled_from(changes[zone]))
    near = st.integers(-DAYS_DRAWN, DAYS_DRAWN).map(lambda days: change + timedelta(days=days))
    calendar = WorkCalendar(
        zone=zone,
        weekly=tuple(draw(st.tuples(*[intervals()] * 7))),
        days=draw(st.dictionaries(near, st.just(()) | intervals(), max_size=5)),
    )
    return World(calendar, compiled(calendar, change), change)


def compiled(calendar: WorkCalendar, change: date) -> CompiledCalendar:
    """The calendar for DAYS_COMPILED to each side of the change."""
    days = timedelta(days=DAYS_COMPILED)
    return compile_calendar(calendar, change - days, change + days)


@st.composite
def moments(draw: st.DrawFn, world: World, *, step: timedelta) -> datetime:
    """Aware UTC, a whole number of `step` away from midnight, half of them close to the change."""
    widest = timedelta(days=draw(st.sampled_from([1, DAYS_DRAWN])))
    return world.noon + draw(st.integers(-(widest // step), widest // step)) * step


def by_the_wall_clock(calendar: WorkCalendar, t: datetime) -> bool:
    """Whether `t` is open, read off the clock on the wall as the definition words it."""
    wall = t.astimezone(ZoneInfo(calendar.zone))
    since_midnight = timedelta(
        hours=wall.hour, minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond
    )
    for days_ago in (0, 1):
        day = wall.date() - timedelta(days=days_ago)
        hours = calendar.days[day] if day in calendar.days else calendar.weekly[day.weekday()]
        since = since_midnight + timedelta(days=days_ago)
        if any(timedelta(minutes=a) <= since < timedelta(minutes=b) for a, b in hours):
            return True
    return False
