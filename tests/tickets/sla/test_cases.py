"""Worked cases: every expected answer to the second, and bad input in one line."""

import io
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tickets.sla.drawn_calendars import World, by_the_wall_clock, moments, worlds
from tickets.sla.cases import Case, CaseError, answers, due_time

ROOT = Path(__file__).parents[3]
CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("sla_cases.json").read_text(encoding="utf-8")
)
MINUTE = timedelta(minutes=1)


def expected(case: dict[str, Any]) -> dict[str, str | None]:
    return {
        "name": case["name"],
        "due": case["expected_due"],
        "due_utc": case["expected_due_utc"],
    }


def simple(**changes: Any) -> dict[str, Any]:
    """Monday to Friday 9-18 in Shanghai, an hour from Tuesday 2026-03-10 at 10:00."""
    return {
        "name": "simple",
        "timezone": "Asia/Shanghai",
        "weekly_hours": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
        "start": "2026-03-10T10:00:00+08:00",
        "minutes": 60,
    } | changes


def due(**changes: Any) -> str | None:
    return answers([simple(**changes)])[0]["due"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_worked_case(case: dict[str, Any]):
    assert answers([case]) == [expected(case)]


def test_members_that_are_left_out_are_empty():
    assert due() == "2026-03-10T11:00:00+08:00"


def test_special_days_outrank_holidays_and_holidays_make_up_days():
    days: dict[str, Any] = {"makeup_days": {"2026-03-11": [["12:00", "13:00"]]}}
    assert due(minutes=540, **days) == "2026-03-11T13:00:00+08:00"
    days["holidays"] = ["2026-03-11"]
    assert due(minutes=540, **days) == "2026-03-12T10:00:00+08:00"
    days["special_days"] = {"2026-03-11": [["20:00", "21:00"]]}
    assert due(minutes=540, **days) == "2026-03-11T21:00:00+08:00"


def test_a_make_up_day_may_name_the_weekday_whose_hours_it_has():
    hours = {**simple()["weekly_hours"], "thu": [["14:00", "15:00"]]}
    answer = due(
        weekly_hours=hours,
        start="2026-03-13T18:00:00+08:00",
        minutes=61,
        makeup_days={"2026-03-14": "thu", "2026-03-15": "sun"},
    )
    assert answer == "2026-03-16T09:01:00+08:00"


def test_a_pause_without_end_stops_the_clock_unless_it_was_due_before():
    assert due(pauses=[["2026-03-10T10:59:59+08:00", None]]) is None
    assert due(pauses=[["2026-03-10T11:00:00+08:00", None]]) == "2026-03-10T11:00:00+08:00"
    pauses = [["2026-03-10T10:30:00+08:00", None], ["2026-03-10T10:10:00+08:00", None]]
    assert due(pauses=pauses) is None


def test_pauses_may_come_in_any_order_start_early_and_be_empty():
    pauses = [
        ["2026-03-10T10:30:00+08:00", "2026-03-10T10:40:00+08:00"],
        ["2026-03-09T09:00:00+08:00", "2026-03-10T10:05:00+08:00"],
        ["2026-03-10T02:20:00Z", "2026-03-10T02:20:00Z"],
        ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"],
    ]
    assert due(pauses=pauses) == "2026-03-10T11:15:00+08:00"


def test_there_is_no_due_time_where_nothing_ever_opens():
    assert due(weekly_hours={}) is None
    assert due(weekly_hours={}, special_days={"2026-03-11": [["10:00", "10:59"]]}) is None
    fair = {"2030-03-11": [["10:00", "11:00"]]}  # years ahead, but there
    assert due(weekly_hours={}, special_days=fair) == "2030-03-11T11:00:00+08:00"
    assert due(weekly_hours={}, minutes=0) == "2026-03-10T10:00:00+08:00"


def test_long_budgets_and_pauses_reach_over_years():
    assert due(minutes=9 * 60 * 5 * 520) == "2036-02-26T10:00:00+08:00"
    pauses = [["2026-03-10T10:30:00+08:00", "2040-01-02T09:00:00+08:00"]]
    assert due(pauses=pauses) == "2040-01-02T09:30:00+08:00"
    assert due(pauses=[["9000-01-01T00:00:00Z", None]]) == "2026-03-10T11:00:00+08:00"


@pytest.mark.parametrize(
    ("minutes", "answer"),
    [
        (0.5, "10:00:30"),
        (22.5, "10:22:30"),
        (8.2, "10:08:12"),  # 8.2 * 60 is 491.99999999999994 in binary
        (33.333333, "10:33:20"),
        (0.008, "10:00:00"),
    ],
)
def test_minutes_may_be_fractions(minutes: float, answer: str):
    assert due(minutes=minutes) == f"2026-03-10T{answer}+08:00"


BAD_CASES: list[tuple[Any, str]] = [
    ({}, "expected a JSON array of cases"),
    ([1], "case 1: a case is an object, not 1"),
    ([simple(), simple(minutes=None)], "case 2 ('simple'): minutes is a number"),
    ([simple(minutes=True)], "minutes is a number"),
    ([simple(minutes=-1)], "minutes is a number"),
    ([simple(minutes=float("nan"))], "minutes is a number"),
    ([simple(minutes=float("inf"))], "minutes is a number"),
    ([simple(minutes=10**400)], "minutes is a number"),
    ([simple(minutes=10**9)], "not due within 25600 days"),
    ([simple(name=None)], "name is a string, not NoneType"),
    ([simple(timezone="Mars/Olympus")], "unknown time zone 'Mars/Olympus'"),
    ([simple(timezone=8)], "timezone is a string, not 8"),
    ([simple(weekly_hours=None)], "weekly_hours is an object"),
    ([simple(weekly_hours={"monday": []})], "a weekday is one of mon, tue"),
    ([simple(weekly_hours={"mon": [["20:00", "02:00"]]})], "(02:00 at night is 26:00)"),
    ([simple(weekly_hours={"mon": [["09:00"]]})], 'weekly_hours mon is a list of ["HH:MM"'),
    ([simple(weekly_hours={"mon": ["09:00"]})], 'weekly_hours mon is a list of ["HH:MM"'),
    ([simple(weekly_hours={"mon": [["9", "18:00"]]})], "is HH:MM from 00:00 to 48:00, not '9'"),
    ([simple(weekly_hours={"mon": [["09:00", "48:01"]]})], "is HH:MM from 00:00 to 48:00"),
    ([simple(weekly_hours={"mon": [["24:00", "25:00"]]})], "starts at 00:00 to 23:59"),
    ([simple(holidays={"2026-01-01": True})], "holidays is a list"),
    ([simple(holidays=["2026-02-30"])], "holidays is dates as YYYY-MM-DD"),
    ([simple(makeup_days={"2026-02-14": "someday"})], "a weekday is one of mon"),
    ([simple(makeup_days={"2026\n14": []})], r"not '2026\n14'"),
    ([simple(special_days={"2026-02-14": None})], "special_days 2026-02-14 is a list"),
    ([simple(start="2026-03-10T10:00:00")], "with its offset from UTC"),
    ([simple(start="soon")], "start is a date and time with its offset"),
    ([simple(start="9999-12-31T23:59:59-12:00")], "between the years"),
    ([simple(start="0001-01-01T00:00:00+12:00")], "between the years"),
    ([simple(pauses=[None])], "pauses is a list of [from, to]"),
    ([simple(pauses=[["2026-03-10T10:00:00+08:00"]])], "pauses is a list of [from, to]"),
    ([simple(pauses=[[None, None]])], "pauses is a date and time"),
    ([simple(pauses=[["2026-03-10T10:00:00Z", "2026-03-10T09:00:00Z"]])], "is before"),
]


@pytest.mark.parametrize(("raw", "why"), BAD_CASES)
def test_bad_input_is_one_line(raw: Any, why: str):
    with pytest.raises(CaseError) as caught:
        answers(raw)
    assert why in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("start", ["0003-01-01T00:00:00+14:00", "9997-12-31T23:00:00-12:00"])
def test_the_ends_of_the_calendar_do_not_crash(start: str):
    assert answers([simple(start=start, minutes=0)])[0]["due_utc"] is not None


def test_the_command_prints_the_answers_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    feed(monkeypatch, json.dumps(CASES).encode())
    call_command("sla_due")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == [expected(case) for case in CASES]
    assert printed.err == ""


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[" + b"9" * 5_000 + b"]", b"[1]", b"7"]
)
def test_the_command_refuses_what_is_no_array_of_cases(
    text: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    feed(monkeypatch, text)
    with pytest.raises(CommandError) as caught:
        call_command("sla_due")
    assert len(str(caught.value).splitlines()) == 1
    assert capsys.readouterr().out == ""


def test_the_process_ends_with_one_line_and_status_1():
    done = subprocess.run(
        [sys.executable, "manage.py", "sla_due"],
        input=b'[{"name": "broken"}]',
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert (
        done.stderr == b"CommandError: case 1 ('broken'): weekly_hours is an object, not NoneType\n"
    )


def feed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_paused_minutes_counted_one_by_one(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MINUTE))
    pauses = data.draw(st.lists(pause_after(start), max_size=4))
    budget = data.draw(st.integers(1, 16 * 60)) * MINUTE
    running = (
        minute
        for minute in range(36 * 60)
        if by_the_wall_clock(world.calendar, start + minute * MINUTE)
        and not any(covers(pause, start + minute * MINUTE) for pause in pauses)
    )
    counted = next(
        (minute for index, minute in enumerate(running, 1) if index * MINUTE == budget), None
    )
    found = answer(world, start, budget, pauses)
    if counted is None:
        assert found is None or found > start + 36 * 60 * MINUTE
    else:
        assert found == start + (counted + 1) * MINUTE


@given(data=st.data(), world=worlds())
@settings(deadline=None)
def test_a_pause_never_makes_anything_due_earlier(data: st.DataObject, world: World):
    start = data.draw(moments(world, step=MINUTE))
    pauses = data.draw(st.lists(pause_after(start), max_size=3))
    budget = data.draw(st.integers(0, 16 * 60)) * MINUTE
    before = answer(world, start, budget, pauses)
    after = answer(world, start, budget, [*pauses, data.draw(pause_after(start))])
    assert after is None or (before is not None and before <= after)


Pause = tuple[datetime, datetime | None]


@st.composite
def pause_after(draw: st.DrawFn, start: datetime) -> Pause:
    """Begins up to a day around `start`; one in a few never ends."""
    begin = start + draw(st.integers(-300, 1440)) * MINUTE
    length = draw(st.none() | st.integers(0, 600) | st.integers(0, 600))
    return begin, None if length is None else begin + length * MINUTE


def covers(pause: Pause, t: datetime) -> bool:
    begin, end = pause
    return begin <= t and (end is None or t < end)


def answer(
    world: World, start: datetime, budget: timedelta, pauses: list[Pause]
) -> datetime | None:
    ordered = tuple(sorted(pauses, key=lambda pause: pause[0]))
    return due_time(Case("drawn", world.calendar, start, budget, ordered))
