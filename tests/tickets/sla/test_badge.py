"""Faces of clocks: the table of states, borders to the moment, words, and why they are due then."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tickets.sla.drawn_calendars import World, worlds
from tickets.sla import clock as rules
from tickets.sla.badge import (
    LOOKS,
    Badge,
    BadgeState,
    Reader,
    badge,
    countdown_words,
    leading,
    waiting_words,
)
from tickets.sla.business_time import (
    CalendarHorizonError,
    CompiledCalendar,
    WorkCalendar,
    compile_calendar,
)
from tickets.sla.clock import Clock, Promise
from tickets.sla.explain import Life, Part, StepKind, Told, closed_between, explain

SHANGHAI = ZoneInfo("Asia/Shanghai")
LEVELS = (50, 75, 90, 100)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)


def calendar(*hours: tuple[int, int]) -> CompiledCalendar:
    """Every day the same hours, of the clock on a wall in Shanghai."""
    week = tuple(tuple((a * 60, b * 60) for a, b in hours) for _ in range(7))
    return compile_calendar(
        WorkCalendar("Asia/Shanghai", week, {}), date(2026, 11, 1), date(2026, 12, 31)
    )


ALWAYS = calendar((0, 24))
NINE_TO_NINE = calendar((9, 21))
NEVER = calendar()


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment of November 2026 in Shanghai."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=SHANGHAI).astimezone(UTC)


START = at(20, 10)  # Friday


def running(hours: float, work: CompiledCalendar = ALWAYS, start: datetime = START) -> Clock:
    return rules.start(hours * 3600, LEVELS, work, start)


def face(clock: Clock | None, now: datetime, work: CompiledCalendar = ALWAYS, **more: str) -> Badge:
    with translation.override(more.pop("language", "zh-hans")):
        return badge(clock, work, Reader(now, SHANGHAI, **more), promise=Promise.RESTORE)


# --- The table -----------------------------------------------------------------------


def test_no_two_states_share_shape_or_icon():
    assert set(LOOKS) == set(BadgeState)
    for (shape, icon), (other_shape, other_icon) in combinations(LOOKS.values(), 2):
        assert shape != other_shape
        assert icon != other_icon


# The due time is 18:00, 8 h after the start.
TABLE = [
    (timedelta(hours=-8), "on_track", "剩 8 小时", "8 h left"),
    (-3 * HOUR, "on_track", "剩 3 小时", "3 h left"),
    (-2 * HOUR - INSTANT, "on_track", "剩 2 小时", "2 h left"),
    (-2 * HOUR, "due_soon", "剩 2 小时", "2 h left"),  # a quarter of the budget
    (-119 * MINUTE, "due_soon", "剩 119 分", "119 min left"),
    (-61 * MINUTE, "due_soon", "剩 61 分", "61 min left"),
    (-60 * MINUTE, "due_soon", "剩 60 分", "60 min left"),
    (-52 * MINUTE, "due_soon", "剩 52 分", "52 min left"),
    (-15 * MINUTE - INSTANT, "due_soon", "剩 16 分", "16 min left"),
    (-15 * MINUTE, "critical", "剩 15:00", "15:00 left"),
    (-9 * MINUTE - 12 * SECOND, "critical", "剩 09:12", "09:12 left"),
    (timedelta(), "critical", "剩 00:00", "00:00 left"),
    (INSTANT, "breached", "超时 1 分", "1 min over"),
    (42 * MINUTE, "breached", "超时 42 分", "42 min over"),
    (3 * HOUR, "breached", "超时 3 小时", "3 h over"),
    (49 * HOUR, "breached", "超时 2 天", "2 d over"),
]


@pytest.mark.parametrize(("after_due", "state", "zh", "en"), TABLE)
def test_a_running_clock_shows_what_is_left(after_due: timedelta, state: str, zh: str, en: str):
    clock = running(8)
    assert clock.due_at == at(20, 18)
    shown = face(clock, at(20, 18) + after_due)
    assert (shown.state, shown.words) == (state, zh)
    assert face(clock, at(20, 18) + after_due, language="en").words == en
    assert (shown.shape, shown.icon) == LOOKS[BadgeState(state)]


def test_the_other_states():
    clock = running(8)
    paused = rules.pause(clock, ALWAYS, START + HOUR)
    met = rules.meet(clock, ALWAYS, START + 6 * MINUTE + 20 * SECOND)
    late, _levels = rules.settle(clock, at(20, 18, 18))
    missed = rules.meet(late, ALWAYS, at(20, 18, 18))
    expected = {
        "paused": (face(paused, at(21, 9), waits_for="merchant"), "等商户"),
        "met": (face(met, at(21, 9)), "按时 · 6 分钟"),
        "missed": (face(missed, at(22, 9)), "晚了 18 分"),
        "none": (face(None, at(21, 9)), "无时限"),
    }
    for state, (shown, words) in expected.items():
        assert (shown.state, shown.words) == (state, words)
        assert shown.next_change_at is None
        assert not shown.counts_down
    assert expected["paused"][0].share_left == pytest.approx(7 / 8)
    english = face(paused, at(21, 9), waits_for="merchant", language="en")
    assert english.words == "Waiting on merchant"
    assert face(met, at(21, 9), language="en").words == "On time · 6 min"
    assert face(missed, at(21, 9), language="en").words == "18 min late"
    assert face(None, at(21, 9), language="en").words == "No target"


def test_a_void_promise_and_one_without_opening_have_no_target():
    assert face(rules.cancel(running(8), ALWAYS, START + HOUR), at(20, 12)).state == "none"
    assert face(running(8, NEVER), at(20, 12), NEVER).state == "none"


def test_a_breach_of_an_earlier_promise_stays_missed_and_is_measured_from_it():
    late, _levels = rules.settle(running(1), at(20, 11, 30))
    easier, _levels = rules.retarget(late, 8 * 3600, LEVELS, ALWAYS, at(20, 11, 30))
    assert face(easier, at(20, 12)).state == "on_track"
    shown = face(rules.meet(easier, ALWAYS, at(20, 12)), at(20, 13))
    assert (shown.state, shown.words) == ("missed", "晚了 60 分")


def test_each_reason_of_a_pause_has_words_of_its_own():
    reasons = ["merchant", "maker", "network_provider", "acquirer", ""]
    for language in ("zh-hans", "en"):
        with translation.override(language):
            assert len({waiting_words(reason) for reason in reasons}) == len(reasons)


# --- Due times far away --------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zh", "en", "counts"),
    [
        (at(18, 12), "11月20日前", "by 20 Nov", False),
        (at(19, 12), "明天 18:00 前", "by 18:00 tomorrow", False),
        (at(19, 23, 59, 59), "明天 18:00 前", "by 18:00 tomorrow", False),
        (at(20, 0), "剩 18 小时", "18 h left", True),
    ],
)
def test_a_due_time_of_another_day_is_named_and_not_counted(now, zh, en, counts):
    clock = running(8, start=START)
    clock = replace(clock, resumed_at=at(17, 12), budget_seconds=78 * 3600.0)
    assert face(clock, now).words == zh
    assert face(clock, now).counts_down is counts
    assert face(clock, now, language="en").words == en


def test_midnight_does_not_hide_that_it_is_soon_due():
    clock = running(3, start=at(20, 21, 30))  # due at 0:30
    before = face(clock, at(20, 22, 20))
    assert (before.words, before.counts_down) == ("明天 00:30 前", False)
    assert before.next_change_at == at(20, 22, 30)
    assert face(clock, at(20, 22, 30)).words == "剩 2 小时"
    assert face(clock, at(20, 23, 30)).words == "剩 60 分"


def test_the_whole_words_name_the_due_time():
    clock = running(8)
    assert face(clock, at(20, 17, 8)).full_words == "剩 52 分 · 18:00 前"
    assert face(clock, at(20, 18, 42)).full_words == "超时 42 分 · 18:00 到期"
    assert face(clock, at(21, 9)).full_words == "超时 15 小时 · 昨天 18:00 到期"
    assert face(clock, at(20, 17, 8), language="en").full_words == "52 min left · by 18:00"
    far = running(24, NINE_TO_NINE)
    assert face(far, START, NINE_TO_NINE).full_words == "11月22日 10:00 前"


# --- Working time --------------------------------------------------------------------


def test_the_share_left_counts_working_time_and_the_minutes_the_wall_clock():
    clock = running(4, NINE_TO_NINE, start=at(20, 19))  # 2 h today, 2 h from 9:00 on
    assert clock.due_at == at(21, 11)
    for moment in (at(20, 21), at(21, 3), at(21, 9)):
        assert face(clock, moment, NINE_TO_NINE).share_left == pytest.approx(0.5)
    assert face(clock, at(21, 3), NINE_TO_NINE).words == "剩 8 小时"
    # A quarter of the working time is left from 10:00 on, which is an hour before it is due.
    assert face(clock, at(21, 10) - INSTANT, NINE_TO_NINE).state == "on_track"
    assert face(clock, at(21, 10), NINE_TO_NINE).state == "due_soon"


def test_a_quarter_left_at_closing_is_soon_due_all_night():
    clock = running(4, NINE_TO_NINE, start=at(20, 18))  # due at 10:00
    night = face(clock, at(20, 23), NINE_TO_NINE)
    assert (night.state, night.words) == ("due_soon", "明天 10:00 前")


def test_a_run_from_before_all_calendars_has_nothing_left():
    old = replace(running(8), resumed_at=datetime(2011, 1, 1, tzinfo=UTC), due_at=at(20, 18))
    assert face(old, at(20, 12)).share_left == 0.0
    assert face(old, at(20, 12)).state == "on_track"


# --- Borders -------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0.1, 0.5, 2, 8, 30])
@pytest.mark.parametrize("work", [ALWAYS, NINE_TO_NINE], ids=["always", "nine-to-nine"])
def test_between_two_announced_changes_nothing_but_the_count_changes(
    hours: float, work: CompiledCalendar
):
    clock = running(hours, work)
    now, states = START, []
    for _ in range(10):
        shown = face(clock, now, work)
        states.append(shown.state)
        if shown.next_change_at is None:
            break
        assert shown.next_change_at > now
        just_before = face(clock, shown.next_change_at - INSTANT, work)
        assert (just_before.state, just_before.counts_down) == (shown.state, shown.counts_down)
        now = shown.next_change_at
    assert states[-1] == "breached"
    order = ["on_track", "due_soon", "critical", "breached"]
    assert [order.index(s) for s in states] == sorted(order.index(s) for s in states)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.data())
def test_a_running_clock_only_ever_gets_worse(world: World, data: st.DataObject):
    start = world.noon + timedelta(seconds=data.draw(st.integers(-200_000, 200_000)))
    try:
        clock = rules.start(
            data.draw(st.sampled_from([600, 3600, 14_400, 86_400])), LEVELS, world.compiled, start
        )
    except CalendarHorizonError:
        return  # the drawn calendar ends too soon
    moments = sorted(data.draw(st.lists(st.integers(0, 200_000), min_size=2, max_size=6)))
    zone = ZoneInfo(world.calendar.zone)
    order = ["on_track", "due_soon", "critical", "breached"]
    severity, share = 0, 1.0
    for seconds in moments:
        shown = badge(clock, world.compiled, Reader(start + timedelta(seconds=seconds), zone))
        if shown.state == BadgeState.NONE:
            return
        assert order.index(shown.state) >= severity
        assert shown.share_left is not None
        assert shown.share_left <= share + 1e-9
        severity, share = order.index(shown.state), shown.share_left
        assert clock.due_at is not None
        is_over = start + timedelta(seconds=seconds) > clock.due_at
        assert (shown.state == BadgeState.BREACHED) is is_over


def test_a_browser_counts_in_the_words_of_the_server():
    with translation.override("zh-hans"):
        texts = countdown_words()
    assert texts == ["剩 # 分", "剩 # 小时", "剩 #", "超时 # 分", "超时 # 小时", "超时 # 天"]


# --- Which clock stands for a ticket -------------------------------------------------


def test_the_next_due_clock_stands_for_the_ticket():
    first, restore = running(0.5), running(4)
    both = {Promise.FIRST_RESPONSE: first, Promise.RESTORE: restore}
    assert leading(both) == Promise.FIRST_RESPONSE
    answered = rules.meet(first, ALWAYS, START + MINUTE)
    assert leading({**both, Promise.FIRST_RESPONSE: answered}) == Promise.RESTORE
    paused = rules.pause(restore, ALWAYS, START + 2 * MINUTE)
    # The first response is owed whoever is waited for.
    assert leading({**both, Promise.RESTORE: paused}) == Promise.FIRST_RESPONSE
    assert leading({Promise.FIRST_RESPONSE: answered, Promise.RESTORE: paused}) == Promise.RESTORE
    fixed = rules.meet(restore, ALWAYS, START + MINUTE)
    assert leading({Promise.FIRST_RESPONSE: answered, Promise.RESTORE: fixed}) == Promise.RESTORE
    assert leading({}) is None
    void = rules.cancel(restore, ALWAYS, START + MINUTE)
    assert leading({Promise.RESTORE: void}) is None


# --- Why it is due then --------------------------------------------------------------


def words_of(life: Life, now: datetime, work: CompiledCalendar, language: str = "zh-hans"):
    with translation.override(language):
        return [
            (step.kind.value, step.from_at.astimezone(SHANGHAI).strftime("%d %H:%M"), step.words)
            for step in explain(life, work, Reader(now, SHANGHAI))
        ]


def a_life() -> tuple[Life, datetime]:
    """High priority, paused for the merchant, urgent since, over a night; looked at at 9:30."""
    begun = rules.start(8 * 3600, LEVELS, NINE_TO_NINE, at(20, 14))
    paused = rules.pause(begun, NINE_TO_NINE, at(20, 15))
    resumed = rules.resume(paused, NINE_TO_NINE, at(20, 16, 30))
    urgent, _skipped = rules.retarget(resumed, 6 * 3600, LEVELS, NINE_TO_NINE, at(20, 18))
    now = at(21, 9, 15)
    settled, _levels = rules.settle(urgent, now)
    life = Life(
        clock=settled,
        started_at=at(20, 14),
        calendar="全年 9:00–21:00",
        parts=[
            Part("run", at(20, 14), at(20, 15), "wait", 3600),
            Part("pause", at(20, 15), at(20, 16, 30), "resume", 0),
            Part("run", at(20, 16, 30), at(20, 18), "ticket.priority_changed", 5400),
        ],
        alerts=[
            Told(50, "suppressed", at(20, 18, 31)),
            Told(75, "expanded", at(20, 20, 1)),
        ],
        waits={at(20, 15): "merchant"},
        priorities=[(at(20, 18), "高", "紧急")],
    )
    return life, now


def test_a_life_with_a_pause_a_night_and_a_new_priority_is_told_in_order():
    life, now = a_life()
    assert life.clock.due_at == at(21, 9, 30)
    assert words_of(life, now, NINE_TO_NINE) == [
        ("started", "20 14:00", "开始计时，按“全年 9:00–21:00”"),
        ("ran", "20 14:00", "计时 1 小时"),
        ("paused", "20 15:00", "等商户，停止计时"),
        ("ran", "20 16:30", "计时 1 小时 30 分"),
        ("priority_changed", "20 18:00", "优先级 高 → 紧急，重新计算"),
        ("ran", "20 18:00", "计时 3 小时 15 分"),
        ("alert", "20 18:31", "已用 50%，并入下一级提醒"),
        ("alert", "20 20:01", "已用 75%，已提醒"),
        ("closed", "20 21:00", "21:00–次日 09:00 不计时"),
        ("due", "21 09:30", "到期：用满 6 小时服务时间"),
    ]
    english = [words for _kind, _at, words in words_of(life, now, NINE_TO_NINE, "en")]
    assert english == [
        "Started; counted by “全年 9:00–21:00”",
        "Ran for 1 h",
        "Waiting on merchant: stands still",
        "Ran for 1 h 30 min",
        "Priority 高 → 紧急: promised anew",
        "Ran for 3 h 15 min",
        "50 % used: told with the next level",
        "75 % used: alert sent",
        "21:00 to 09:00 the next day is not counted",
        "Due: 6 h of working time used",
    ]


def test_what_counted_adds_up_to_what_is_used():
    life, now = a_life()
    steps = explain(life, NINE_TO_NINE, Reader(now, SHANGHAI))
    shown = badge(life.clock, NINE_TO_NINE, Reader(now, SHANGHAI))
    assert shown.share_left is not None
    used = sum(step.working_seconds for step in steps)
    assert used == pytest.approx(life.clock.budget_seconds * (1 - shown.share_left))


def test_ends_are_told():
    clock = running(1)
    late, _levels = rules.settle(clock, at(20, 12))

    def kinds(after: Clock) -> list[StepKind]:
        life = Life(after, START, "x", [])
        return [step.kind for step in explain(life, ALWAYS, Reader(at(20, 13), SHANGHAI))]

    assert kinds(late) == [StepKind.STARTED, StepKind.RAN, StepKind.BREACHED]
    assert kinds(clock) == [StepKind.STARTED, StepKind.RAN, StepKind.BREACHED]  # before the tick
    assert kinds(rules.meet(clock, ALWAYS, at(20, 10, 30))) == [StepKind.STARTED, StepKind.MET]
    assert kinds(rules.meet(late, ALWAYS, at(20, 12))) == [
        StepKind.STARTED, StepKind.BREACHED, StepKind.MET,
    ]  # fmt: skip
    assert kinds(rules.cancel(clock, ALWAYS, at(20, 10, 30))) == [
        StepKind.STARTED, StepKind.CANCELLED,
    ]  # fmt: skip
    assert kinds(rules.pause(clock, ALWAYS, at(20, 10, 30))) == [StepKind.STARTED, StepKind.PAUSED]
    assert kinds(running(1, NEVER)) == [StepKind.STARTED, StepKind.RAN]


def test_rows_of_the_ledger_have_words_of_their_own():
    parts = [
        Part("pause", at(20, 11), at(20, 12), "reopen", 0),
        Part("planned", at(20, 13), at(20, 13), "calendar.edited", 0),
        Part("cleared", at(20, 13), at(20, 14), "ticket.replied", 0),
    ]
    life = Life(rules.meet(running(8), ALWAYS, at(20, 15)), START, "x", parts)
    told = {kind: words for kind, _at, words in words_of(life, at(20, 16), ALWAYS)}
    assert told["paused"] == "已解决到重新打开之间不计时"
    assert told["planned"] == "服务时间有改动，重新计算"
    assert told["cleared"] == "实际按时完成，撤销超时"


def test_many_nights_are_one_line():
    clock = running(100, NINE_TO_NINE)
    told = words_of(Life(clock, START, "x", []), START + HOUR, NINE_TO_NINE)
    assert [words for kind, _at, words in told if kind == "closed"] == ["非服务时间 8 段，不计时"]


def test_breaks_within_a_day_and_closed_days_are_named_by_their_hours():
    lunch = calendar((9, 12), (14, 18))
    clock = running(4, lunch)
    told = words_of(Life(clock, START, "x", []), START, lunch)
    assert ("closed", "20 12:00", "12:00–14:00 不计时") in told
    week = tuple(((540, 1080),) if day < 5 else () for day in range(7))
    office = compile_calendar(
        WorkCalendar("Asia/Shanghai", week, {}), date(2026, 11, 1), date(2026, 12, 31)
    )
    clock = rules.start(2 * 3600, LEVELS, office, at(20, 17))
    told = words_of(Life(clock, at(20, 17), "x", []), at(20, 17), office)
    assert ("closed", "20 18:00", "11月20日 18:00–11月23日 09:00 不计时") in told


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.integers(-300_000, 300_000), st.integers(0, 300_000))
def test_what_is_closed_and_what_counts_make_up_the_whole(world: World, shift: int, length: int):
    start = world.noon + timedelta(seconds=shift)
    end = start + timedelta(seconds=length)
    closed = list(closed_between(start, end, world.compiled))
    assert all(start <= a < b <= end for a, b in closed)
    total = sum(((b - a).total_seconds() for a, b in closed), 0.0)
    assert total + world.compiled.elapsed(start, end) == pytest.approx(length)


def test_a_midnight_is_a_moment_of_the_readers_zone():
    """The same moment is today for one reader and tomorrow for another."""
    clock = running(20, start=at(20, 10))  # due on the 21st at 6:00 in Shanghai
    here = badge(clock, ALWAYS, Reader(at(20, 23), SHANGHAI))
    there = badge(clock, ALWAYS, Reader(at(20, 23), ZoneInfo("America/New_York")))
    assert (here.counts_down, there.counts_down) == (False, True)
    midnight = datetime.combine(date(2026, 11, 21), time(), SHANGHAI)
    assert here.next_change_at == midnight
