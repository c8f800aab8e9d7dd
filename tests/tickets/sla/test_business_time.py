"""Business time against the clock on the wall, by example and by property."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.tickets.sla.drawn_calendars import (
    CHANGES,
    RARE_CHANGES,
    World,
    by_the_wall_clock,
    compiled,
    moments,
    worlds,
)
from tickets.sla import business_time
from tickets.sla.business_time import (
    CalendarHorizonError,
    CompiledCalendar,
    Intervals,
    NeverOpenError,
    WorkCalendar,
    compile_calendar,
)

MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ALWAYS: Intervals = ((0, 1440),)
OFFICE: Intervals = ((9 * 60, 18 * 60),)
NIGHT: Intervals = ((22 * 60, 30 * 60),)
CLOSED: Intervals = ()


def week(hours: Intervals, weekend: Intervals | None = None) -> tuple[Intervals, ...]:
    return (hours,) * 5 + (hours if weekend is None else weekend,) * 2


def year_2026(
    zone: str, weekly: tuple[Intervals, ...], days: dict[date, Intervals] | None = None
) -> CompiledCalendar:
    calendar = WorkCalendar(zone, weekly, days or {})
    return compile_calendar(calendar, date(2026, 1, 1), date(2026, 12, 31))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- By example ---------------------------------------------------------------------------------


def test_a_budget_that_ends_at_closing_is_due_at_closing():
    office = year_2026("Asia/Shanghai", week(OFFICE, CLOSED))
    friday = at("2026-03-13T16:00+08:00")
    assert office.add(friday, 2 * 3600) == at("2026-03-13T18:00+08:00")
    assert office.add(friday, 2 * 3600 + 1) == at("2026-03-16T09:00:01+08:00")


def test_answers_are_in_utc_whatever_the_zone_of_the_question():
    office = year_2026("Asia/Shanghai", week(OFFICE))
    tokyo = at("2026-03-13T11:00+09:00").astimezone(ZoneInfo("Asia/Tokyo"))
    answers = [office.add(tokyo, 60), office.add(tokyo, 0), office.next_open(tokyo)]
    answers.append(office.next_open(at("2026-03-13T05:00+09:00")))
    assert [answer.isoformat() for answer in answers] == [
        "2026-03-13T02:01:00+00:00",
        "2026-03-13T02:00:00+00:00",
        "2026-03-13T02:00:00+00:00",
        "2026-03-13T01:00:00+00:00",
    ]


@pytest.mark.parametrize("seconds", [0, 0.0, -1, -3600.5, 4e-7])
def test_no_budget_is_due_at_once_even_when_closed(seconds: float):
    office = year_2026("Asia/Shanghai", week(OFFICE))
    night = at("2026-03-13T03:00+08:00")
    assert office.add(night, seconds) == night


def test_fractions_of_a_second_add_up():
    office = year_2026("Asia/Shanghai", week(OFFICE))
    start = at("2026-03-13T17:59:59.900000+08:00")
    # 0.1 + 0.2 is no 0.3 in binary; here every step is a whole number of microseconds.
    assert office.add(start, 0.1) == at("2026-03-13T18:00+08:00")
    assert office.add(office.add(start, 0.1), 0.2) == office.add(start, 0.1 + 0.2)
    assert office.add(start, 0.3) == at("2026-03-14T09:00:00.200000+08:00")
    assert office.elapsed(start, at("2026-03-14T09:00:00.200000+08:00")) == 0.3


def test_a_day_in_the_week_of_a_clock_change_has_its_real_length():
    always = year_2026("Europe/Berlin", week(ALWAYS))
    spring = always.elapsed(at("2026-03-29T00:00+01:00"), at("2026-03-30T00:00+02:00"))
    autumn = always.elapsed(at("2026-10-25T00:00+02:00"), at("2026-10-26T00:00+01:00"))
    assert (spring / 3600, autumn / 3600) == (23, 25)


def test_an_hour_that_comes_twice_is_open_twice():
    shop = year_2026("Europe/Berlin", week(((2 * 60, 2 * 60 + 30),)))
    evening = at("2026-10-24T20:00+02:00")
    assert shop.add(evening, 45 * 60) == at("2026-10-25T02:15+01:00")
    assert shop.is_open(at("2026-10-25T02:15+02:00"))
    assert not shop.is_open(at("2026-10-25T02:45+02:00"))
    assert shop.is_open(at("2026-10-25T02:15+01:00"))
    both = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    assert shop.elapsed(both, both.replace(fold=1)) == 30 * 60


def test_an_interval_inside_the_hour_that_is_left_out_does_not_exist():
    shop = year_2026("Europe/Berlin", week(((2 * 60 + 10, 2 * 60 + 50),)))
    assert shop.next_open(at("2026-03-28T03:00+01:00")) == at("2026-03-30T02:10+02:00")


def test_a_night_shift_belongs_to_the_day_on_which_it_starts():
    closed = {date(2026, 3, 11): CLOSED}
    shift = year_2026("Asia/Shanghai", week(NIGHT), closed)
    assert shift.is_open(at("2026-03-11T05:59:59+08:00"))
    assert not shift.is_open(at("2026-03-11T23:00+08:00"))
    assert not shift.is_open(at("2026-03-12T01:00+08:00"))
    assert shift.add(at("2026-03-11T05:00+08:00"), 7200) == at("2026-03-12T23:00+08:00")


def test_the_night_before_the_first_date_counts():
    shift = year_2026("Asia/Shanghai", week(NIGHT))
    assert shift.elapsed(at("2026-01-01T00:00+08:00"), at("2026-01-01T12:00+08:00")) == 6 * 3600


def test_a_date_of_its_own_opens_a_weekend_or_shortens_a_day():
    calendar = year_2026(
        "Asia/Shanghai",
        week(OFFICE, CLOSED),
        {
            date(2026, 2, 14): OFFICE,  # a Saturday made up for the festival
            date(2026, 2, 16): CLOSED,
            date(2026, 2, 17): ((600, 660), (900, 930)),
        },
    )
    friday = at("2026-02-13T17:00+08:00")
    assert calendar.add(friday, 2 * 3600) == at("2026-02-14T10:00+08:00")
    assert calendar.add(friday, (1 + 9 + 1) * 3600 + 60) == at("2026-02-17T15:01+08:00")


def test_intervals_that_touch_or_overlap_are_one():
    calendar = year_2026("Asia/Shanghai", week(((720, 1080), (540, 720), (600, 800))))
    day = at("2026-03-13T00:00+08:00")
    assert calendar.elapsed(day, day + timedelta(days=1)) == 9 * 3600
    # The shift of one night reaches into the hours of the next morning.
    calendar = year_2026("Asia/Shanghai", week(((0, 300), (1320, 1800))))
    assert calendar.elapsed(day, day + timedelta(days=1)) == (6 + 2) * 3600
    assert len(year_2026("Europe/Berlin", week(ALWAYS)).opens) == 1


def test_the_promise_starts_at_the_next_opening():
    office = year_2026("Asia/Shanghai", week(OFFICE, CLOSED))
    assert office.next_open(at("2026-03-13T18:00+08:00")) == at("2026-03-16T09:00+08:00")
    assert not office.is_open(at("2026-03-13T18:00+08:00"))
    assert office.is_open(at("2026-03-16T09:00+08:00"))


def test_a_question_beyond_the_horizon_is_an_error():
    office = year_2026("Asia/Shanghai", week(OFFICE))
    first, end = at("2026-01-01T00:00+08:00"), at("2027-01-01T00:00+08:00")
    assert office.elapsed(first, end) == 365 * 9 * 3600
    assert office.add(first, 365 * 9 * 3600) == at("2026-12-31T18:00+08:00")
    questions: list[Callable[[], object]] = [
        lambda: office.elapsed(first - SECOND, end),
        lambda: office.elapsed(first, end + SECOND),
        lambda: office.add(first, 365 * 9 * 3600 + 1),
        lambda: office.add(first, 1e300),
        lambda: office.add(end, 1),
        lambda: office.add(first - SECOND, 1),
        lambda: office.is_open(end),
        lambda: office.is_open(first - SECOND),
        lambda: office.next_open(at("2026-12-31T18:00+08:00")),
        lambda: office.next_open(end + SECOND),
    ]
    for question in questions:
        with pytest.raises(CalendarHorizonError) as caught:
            question()
        assert not isinstance(caught.value, NeverOpenError)
        assert "2026-12-31 16:00:00+00:00" in str(caught.value)
    assert not office.never_opens


def test_a_calendar_that_never_opens_says_so():
    never = year_2026("Asia/Shanghai", week(CLOSED), {date(2026, 5, 1): CLOSED})
    start = at("2026-03-13T10:00+08:00")
    assert never.never_opens
    assert never.elapsed(start, start + timedelta(days=4000)) == 0
    assert not never.is_open(start)
    assert never.add(start, 0) == start
    with pytest.raises(NeverOpenError):
        never.add(start, 1)
    with pytest.raises(NeverOpenError):
        never.next_open(start)


def test_single_dates_alone_can_be_used_up():
    fair = year_2026("Asia/Shanghai", week(CLOSED), {date(2026, 5, 1): NIGHT})
    start = at("2026-03-13T10:00+08:00")
    assert not fair.never_opens
    assert fair.add(start, 8 * 3600) == at("2026-05-02T06:00+08:00")
    with pytest.raises(NeverOpenError):
        fair.add(start, 8 * 3600 + 1)
    with pytest.raises(NeverOpenError):
        fair.next_open(at("2026-05-02T06:00+08:00"))
    # Where a date with hours may lie beyond the horizon nobody can know.
    days = {date(2026, 5, 1): NIGHT, date(2027, 5, 1): NIGHT}
    fairs = year_2026("Asia/Shanghai", week(CLOSED), days)
    with pytest.raises(CalendarHorizonError) as caught:
        fairs.add(start, 8 * 3600 + 1)
    assert not isinstance(caught.value, NeverOpenError)


def test_backwards_is_an_error():
    office = year_2026("Asia/Shanghai", week(OFFICE))
    start = at("2026-03-13T10:00+08:00")
    with pytest.raises(ValueError, match="is before"):
        office.elapsed(start, start - MICROSECOND)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), float("-inf")])
def test_a_budget_is_a_number(seconds: float):
    office = year_2026("Asia/Shanghai", week(OFFICE))
    with pytest.raises(ValueError, match="no number of seconds"):
        office.add(at("2026-03-13T10:00+08:00"), seconds)


BAD_CALENDARS: list[tuple[dict[str, Any], str]] = [
    ({"weekly": week(((600, 600),))}, "ends after it starts"),
    ({"weekly": week(((600, 540),))}, "ends after it starts"),
    ({"weekly": week(((1440, 1500),))}, "starts at 00:00 to 23:59"),
    ({"weekly": week(((-1, 60),))}, "starts at 00:00 to 23:59"),
    ({"weekly": week(((1439, 2881),))}, "ends by 48:00"),
    ({"weekly": week(OFFICE)[:6]}, "7 days, not 6"),
    ({"days": {date(2026, 5, 1): ((600, 540),)}}, "ends after it starts"),
    *(
        ({"zone": zone}, "unknown time zone")
        for zone in [
            "",
            "Mars/Olympus",
            "Europe",
            "../etc/passwd",
            "/etc/passwd",
            "a\0b",
            "x" * 999,
        ]
    ),
]


@pytest.mark.parametrize(("change", "why"), BAD_CALENDARS)
def test_hours_that_make_no_sense_are_refused(change: dict[str, Any], why: str):
    good: dict[str, Any] = {"zone": "Asia/Shanghai", "weekly": week(OFFICE), "days": {}}
    WorkCalendar(**good)
    with pytest.raises(ValueError, match=why):
        WorkCalendar(**{**good, **change})


def test_dates_in_the_wrong_order_or_out_of_range_are_refused():
    calendar = WorkCalendar("Asia/Shanghai", week(OFFICE), {})
    with pytest.raises(ValueError, match="is before"):
        compile_calendar(calendar, date(2026, 1, 2), date(2026, 1, 1))
    for first, last in [(date.min, date(2, 1, 1)), (date(9998, 1, 1), date.max)]:
        with pytest.raises(ValueError, match="outside the years"):
            compile_calendar(calendar, first, last)


# --- By property --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "change"),
    [(zone, day) for zone, days in (CHANGES | RARE_CHANGES).items() for day in days],
)
def test_the_drawn_dates_do_hold_a_change(zone: str, change: date):
    noon = datetime(change.year, change.month, change.day, 12, tzinfo=UTC)
    day = timedelta(days=1)
    before, after = ((noon + by).astimezone(ZoneInfo(zone)).utcoffset() for by in (-day, day))
    assert before != after


@pytest.mark.parametrize(
    ("zone", "change"),
    [(zone, day) for zone, days in (CHANGES | RARE_CHANGES).items() for day in days],
)
def test_the_change_is_found_to_the_second(zone: str, change: date):
    moment = change_of_offset(zone, change)
    wall = moment.astimezone(ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    first_minute = compiled(WorkCalendar(zone, week(((minute, minute + 1),)), {}), change)
    assert not first_minute.is_open(moment - MICROSECOND)
    assert first_minute.next_open(moment - MINUTE) == moment
    assert first_minute.elapsed(moment - MINUTE, moment + MINUTE) == 60 - wall.second


@pytest.mark.parametrize("before", [1, 2, 3, 5, 675, 1_000, 86_399])
def test_the_change_is_found_from_wherever_one_looks(before: int):
    zone = ZoneInfo("Europe/Berlin")
    change = round(at("2026-03-29T01:00+00:00").timestamp())
    for after in (0, 1, 2, 3, 600, 86_400 - before):
        assert business_time._change(zone, change - before, change + after) == change


def budget(
    data: st.DataObject, world: World, start: datetime, step: timedelta = MICROSECOND
) -> timedelta:
    """A budget that is due within the horizon of the world."""
    end = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=world.compiled.end)
    if end.year == 9999:  # known for ever: single dates only, all within the days compiled
        end = world.noon + timedelta(days=20)
    most = timedelta(seconds=world.compiled.elapsed(start, end))
    return data.draw(st.integers(0, most // step)) * step


def seconds(span: timedelta) -> float:
    return span / SECOND


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_elapsed_adds_up_and_never_exceeds_the_wall_clock(data: st.DataObject, world: World):
    some = data.draw(st.tuples(*[moments(world, step=MICROSECOND)] * 3))
    a, b, c = sorted(some)
    ab, bc, ac = (
        timedelta(seconds=world.compiled.elapsed(*pair)) for pair in [(a, b), (b, c), (a, c)]
    )
    assert ab + bc == ac
    assert timedelta(0) <= ab <= b - a


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_add_is_undone_by_elapsed_and_is_the_earliest(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MICROSECOND))
    x = budget(data, world, start)
    assume(x)
    due = world.compiled.add(start, seconds(x))
    assert due.tzinfo is UTC
    assert world.compiled.elapsed(start, due) == seconds(x)
    assert world.compiled.elapsed(start, due - MICROSECOND) == seconds(x - MICROSECOND)
    assert world.compiled.is_open(due - MICROSECOND)


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_one_second_earlier_is_one_second_less(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=SECOND))
    x = budget(data, world, start, SECOND)
    assume(x)
    due = world.compiled.add(start, seconds(x))
    assert world.compiled.elapsed(start, due - SECOND) == seconds(x - SECOND)


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_two_budgets_one_after_another_are_their_sum(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MICROSECOND))
    both = budget(data, world, start)
    x = data.draw(st.integers(0, both // MICROSECOND)) * MICROSECOND
    between = world.compiled.add(start, seconds(x))
    assert world.compiled.add(between, seconds(both - x)) == world.compiled.add(
        start, seconds(both)
    )


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_later_start_or_larger_budget_is_never_due_earlier(data: st.DataObject, world: World):
    early, late = sorted(data.draw(st.tuples(*[moments(world, step=MICROSECOND)] * 2)))
    larger = budget(data, world, late)
    smaller = data.draw(st.integers(0, larger // MICROSECOND)) * MICROSECOND
    due = world.compiled.add(late, seconds(larger))
    assert world.compiled.add(early, seconds(larger)) <= due
    assert world.compiled.add(late, seconds(smaller)) <= due


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_a_closed_day_never_makes_anything_due_earlier(data: st.DataObject, world: World):
    closed_day = data.draw(st.integers(-8, 8).map(lambda days: world.change + timedelta(days=days)))
    calendar = world.calendar
    days = {**calendar.days, closed_day: CLOSED}
    closed = compiled(WorkCalendar(calendar.zone, calendar.weekly, days), world.change)
    start = data.draw(moments(world, step=MICROSECOND))
    x = budget(data, World(calendar, closed, world.change), start)
    assert world.compiled.add(start, seconds(x)) <= closed.add(start, seconds(x))


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_the_next_opening_is_open_and_nothing_before_it(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MICROSECOND))
    try:
        opening = world.compiled.next_open(start)
    except CalendarHorizonError:
        later = world.noon + timedelta(days=9)
        assert world.compiled.elapsed(start, later) == 0
        return
    assert world.compiled.is_open(opening)
    assert opening >= start
    assert world.compiled.elapsed(start, opening) == 0


@given(data=st.data(), world=worlds(CHANGES | RARE_CHANGES))
@settings(deadline=None)
def test_open_as_the_wall_clock_reads(data: st.DataObject, world: World):
    for t in data.draw(st.lists(moments(world, step=MICROSECOND), min_size=20, max_size=20)):
        assert world.compiled.is_open(t) == by_the_wall_clock(world.calendar, t)
    # Every edge of an interval that the wall clock shows around the change, both times if it does.
    zone = ZoneInfo(world.calendar.zone)
    for days in range(-3, 4):
        day = world.change + timedelta(days=days)
        hours = world.calendar.days.get(day, world.calendar.weekly[day.weekday()])
        for edge in {minute for interval in hours for minute in interval}:
            wall = datetime(day.year, day.month, day.day) + timedelta(minutes=edge)  # noqa: DTZ001
            for fold in (0, 1):
                t = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                for moment in (t - MICROSECOND, t, t + MICROSECOND):
                    reads = by_the_wall_clock(world.calendar, moment)
                    assert world.compiled.is_open(moment) == reads


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_minutes_counted_one_by_one(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MINUTE))
    minutes = data.draw(st.integers(1, 30 * 60))
    opened = [
        minute
        for minute in range(minutes)
        if by_the_wall_clock(world.calendar, start + minute * MINUTE)
    ]
    assert world.compiled.elapsed(start, start + minutes * MINUTE) == 60 * len(opened)
    if opened:
        count = data.draw(st.integers(1, len(opened)))
        assert world.compiled.add(start, 60 * count) == start + (opened[count - 1] + 1) * MINUTE


@given(data=st.data(), world=worlds(CHANGES | RARE_CHANGES))
@settings(deadline=None)
def test_seconds_counted_one_by_one_over_the_change(data: st.DataObject, world: World):
    change = change_of_offset(world.calendar.zone, world.change)
    start = change - data.draw(st.integers(0, 900)) * SECOND
    stop = change + data.draw(st.integers(0, 900)) * SECOND
    counted = sum(
        by_the_wall_clock(world.calendar, start + second * SECOND)
        for second in range((stop - start) // SECOND)
    )
    assert world.compiled.elapsed(start, stop) == counted


def change_of_offset(zone_name: str, change: date) -> datetime:
    """The first second with the new offset, found without the code under test."""
    zone = ZoneInfo(zone_name)
    noon = datetime(change.year, change.month, change.day, 12, tzinfo=UTC)
    before, after = noon - timedelta(days=1), noon + timedelta(days=1)
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
