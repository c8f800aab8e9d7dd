"""The rules of a clock: each by name, and random sequences against a slow ledger."""

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickets.sla import clock as rules
from tickets.sla.business_time import CompiledCalendar, WorkCalendar, compile_calendar
from tickets.sla.clock import Clock, Level, State

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)  # 9:00 in Shanghai
DAYS = 8
LEVELS = (50, 75, 90, 100)
MINUTE = timedelta(minutes=1)
EXAMPLES = 20_000 if os.environ.get("POSDOCTOR_NIGHTLY") == "1" else 1_000


def calendar(*hours: tuple[int, int]) -> CompiledCalendar:
    """The same openings every day, in minutes of a day in Shanghai."""
    work = WorkCalendar(zone="Asia/Shanghai", weekly=(hours,) * 7, days={})
    return compile_calendar(work, date(2026, 11, 1), date(2026, 12, 31))


ALWAYS = calendar((0, 1440))
RETAIL = calendar((9 * 60, 21 * 60))


def at(minutes: float) -> datetime:
    return MONDAY + timedelta(minutes=minutes)


def started(budget_minutes: float = 100, work: CompiledCalendar = ALWAYS) -> Clock:
    return rules.start(budget_minutes * 60, LEVELS, work, MONDAY)


def test_a_clock_knows_all_its_moments_when_it_starts() -> None:
    clock = started()
    assert clock.fire_at == (at(50), at(75), at(90), at(100))
    assert (clock.due_at, clock.next_fire_at) == (at(100), at(50))


def test_a_budget_that_ends_at_closing_is_due_at_closing() -> None:
    assert started(12 * 60, RETAIL).due_at == at(12 * 60)


@pytest.mark.parametrize(("budget", "levels"), [(0, (100,)), (60, (100, 50)), (60, (50,)), (9, ())])
def test_a_clock_without_an_end_is_refused(budget: float, levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="clock needs"):
        rules.start(budget, levels, ALWAYS, MONDAY)


def test_at_the_due_time_itself_the_promise_is_kept() -> None:
    clock, levels = rules.settle(started(), at(100))
    assert clock.breached_at is None
    assert [level.percent for level in levels] == [50, 75, 90]
    clock, levels = rules.settle(clock, at(100) + timedelta(microseconds=1))
    assert clock.breached_at == at(100)
    assert levels == [Level(1, 4, 100, told=True)]


def test_after_an_outage_only_the_last_level_is_told() -> None:
    _clock, levels = rules.settle(started(), at(200))
    assert [(level.percent, level.told) for level in levels] == [
        (50, False), (75, False), (90, False), (100, True),
    ]  # fmt: skip


def test_a_pause_moves_what_is_left_and_repeats_no_level() -> None:
    clock, first = rules.settle(started(), at(60))
    clock = rules.pause(clock, ALWAYS, at(60))
    assert (clock.consumed_seconds, clock.next_fire_at) == (3600, None)
    assert rules.pause(clock, ALWAYS, at(70)) == clock, "pausing twice changes nothing"
    clock = rules.resume(clock, ALWAYS, at(160))
    assert clock.due_at == at(200)
    assert clock.fire_at == (at(50), at(175), at(190), at(200))
    clock, later = rules.settle(clock, at(500))
    assert [level.percent for level in first + later] == [50, 75, 90, 100]


def test_a_pause_at_or_after_the_due_time_moves_nothing() -> None:
    for minute in (100, 130):
        clock, _levels = rules.settle(started(), at(minute))
        paused = rules.pause(clock, ALWAYS, at(minute))
        assert rules.resume(paused, ALWAYS, at(900)).due_at == at(100)


@pytest.mark.parametrize(("minute", "breach"), [(99, None), (100, None), (118, at(100))])
def test_met_is_judged_by_the_time_of_the_event(minute: int, breach: datetime | None) -> None:
    clock, _levels = rules.settle(started(), at(minute))
    met = rules.meet(clock, ALWAYS, at(minute))
    assert (met.state, met.met_at, met.breached_at) == (State.MET, at(minute), breach)


def test_an_event_from_before_the_due_time_clears_a_breach_that_the_tick_noted() -> None:
    ticked, _levels = rules.settle(started(), at(105))
    assert ticked.breached_at == at(100)
    assert rules.meet(ticked, ALWAYS, at(99)).breached_at is None


def test_a_clock_that_is_met_while_paused_is_in_time() -> None:
    paused = rules.pause(started(), ALWAYS, at(60))
    met = rules.meet(paused, ALWAYS, at(5000))
    assert (met.breached_at, met.due_at) == (None, at(5040))


def test_reopening_counts_the_time_between_as_a_pause() -> None:
    met = rules.meet(started(), ALWAYS, at(40))
    again = rules.resume(met, ALWAYS, at(1000))
    assert (again.state, again.met_at, again.due_at) == (State.RUNNING, None, at(1060))


def test_reopening_does_not_undo_a_breach() -> None:
    late = rules.meet(rules.settle(started(), at(120))[0], ALWAYS, at(120))
    again = rules.resume(late, ALWAYS, at(500))
    assert (again.due_at, again.breached_at, again.next_fire_at) == (at(100), at(100), None)


def test_a_new_priority_keeps_what_was_consumed_and_tells_no_level_behind_it() -> None:
    clock, _levels = rules.settle(started(), at(60))
    clock, skipped = rules.retarget(clock, 80 * 60, LEVELS, ALWAYS, at(60))
    assert (clock.epoch, clock.due_at) == (2, at(80))
    assert skipped == [Level(2, 1, 50, told=False), Level(2, 2, 75, told=False)]
    _clock, later = rules.settle(clock, at(90))
    assert [(level.percent, level.told) for level in later] == [(90, False), (100, True)]


def test_nobody_breaks_a_promise_that_did_not_exist() -> None:
    clock, _skipped = rules.retarget(started(), 10 * 60, LEVELS, ALWAYS, at(60))
    assert clock.due_at == at(60)
    assert rules.settle(clock, at(60))[0].breached_at is None


def test_an_old_breach_outlives_a_new_promise() -> None:
    clock, _levels = rules.settle(started(), at(110))
    clock, _skipped = rules.retarget(clock, 1000 * 60, LEVELS, ALWAYS, at(110))
    assert rules.meet(clock, ALWAYS, at(120)).breached_at == at(100)


def test_a_paused_clock_takes_a_new_promise_and_stays_paused() -> None:
    paused = rules.pause(started(), ALWAYS, at(30))
    clock, _skipped = rules.retarget(paused, 200 * 60, LEVELS, ALWAYS, at(50))
    assert (clock.state, clock.next_fire_at) == (State.PAUSED, None)
    assert rules.resume(clock, ALWAYS, at(100)).due_at == at(270)


def test_a_calendar_that_never_opens_gives_no_due_time() -> None:
    clock = rules.start(60, LEVELS, calendar(), MONDAY)
    assert (clock.due_at, clock.fire_at, clock.next_fire_at) == (None, (), None)
    assert rules.meet(clock, calendar(), at(5)).breached_at is None


def test_a_changed_calendar_moves_what_is_not_reached_yet_and_back() -> None:
    clock, _levels = rules.settle(started(24 * 60, RETAIL), at(700))
    shorter = rules.replan(clock, calendar((9 * 60, 15 * 60)))
    assert shorter.due_at != clock.due_at
    back = rules.replan(shorter, RETAIL)
    assert (back.due_at, back.fire_at, back.step) == (clock.due_at, clock.fire_at, clock.step)


def test_what_is_over_stays_over() -> None:
    void = rules.cancel(started(), ALWAYS, at(5))
    assert rules.settle(void, at(500)) == (void, [])
    assert rules.meet(void, ALWAYS, at(6)) == rules.pause(void, ALWAYS, at(6)) == void
    assert rules.resume(void, ALWAYS, at(6)) == void
    assert rules.retarget(void, 60, LEVELS, ALWAYS, at(6)) == (void, [])


@dataclass
class Ledger:
    """The same rules by counting minutes: slow, and nothing is worked out ahead."""

    open_minutes: list[bool]
    budget: int
    state: str = "running"
    epoch: int = 1
    consumed: int = 0
    step: int = 0
    breached: bool = False
    due: int | None = None
    # When the level that stands next was reached, if the clock has run past it since.
    reached: dict[int, int] = field(default_factory=dict)
    stopped: int = 0
    told: list[tuple[int, int, int]] = field(default_factory=list)  # epoch, step, minute

    def wanted(self, step: int) -> int:
        return self.budget * LEVELS[step] // 100

    def look(self, now: int) -> None:
        """Notes levels that the consumed time has reached by `now`."""
        for step in range(self.step, len(LEVELS)):
            if self.consumed >= self.wanted(step):
                self.reached.setdefault(step, now)
        if self.consumed >= self.budget and self.due is None:
            self.due = now

    def settle(self, now: int) -> None:
        """Levels reached before `now` are done with."""
        while self.state == "running" and self.step < len(LEVELS):
            moment = self.reached.get(self.step)
            if moment is None or moment >= now:
                return
            self.told.append((self.epoch, self.step + 1, moment))
            self.step += 1
            if self.step == len(LEVELS):
                self.breached = True

    def run_minute(self, now: int) -> None:
        if self.state == "running" and self.open_minutes[now]:
            self.consumed += 1
            self.look(now + 1)

    def stop(self, state: str, now: int) -> None:
        self.state, self.stopped = state, now

    def resume(self, now: int) -> None:
        self.state = "running"
        if self.due is not None and self.stopped >= self.due:
            return
        self.reached.clear()
        self.due = None
        self.look(now)

    def retarget(self, budget: int, now: int) -> None:
        self.epoch += 1
        self.budget, self.step, self.due = budget, 0, None
        self.reached.clear()
        while self.step < len(LEVELS) - 1 and self.wanted(self.step) <= self.consumed:
            self.step += 1
        self.look(now)


EVENTS = st.sampled_from(
    ["pause", "resume", "meet", "reopen", "retarget", "cancel", "tick", "tick"]
)
HOURS = st.sampled_from([
    ((0, 1440),), ((540, 1260),), ((540, 720), (840, 1080)), ((1320, 1560),),
    ((600, 601), (900, 960)),
])  # fmt: skip


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    hours=HOURS,
    budget=st.integers(1, 40),
    events=st.lists(
        st.tuples(EVENTS, st.integers(0, 700), st.integers(1, 40)), min_size=1, max_size=14
    ),
)
def test_any_sequence_of_events_ends_as_the_ledger_says(
    hours: tuple[tuple[int, int], ...], budget: int, events: list[tuple[str, int, int]]
) -> None:
    work = calendar(*hours)
    length = DAYS * 1440
    midnight = MONDAY - timedelta(hours=9)
    opened = [
        any(s <= m % 1440 < e or s <= m % 1440 + 1440 < e for s, e in hours) for m in range(length)
    ]
    start = 540
    ledger = Ledger(opened, budget * 20, stopped=start)
    clock = rules.start(budget * 20 * 60, LEVELS, work, MONDAY)
    told: list[tuple[int, int, Any]] = []
    now = start
    for kind, gap, other in events:
        then = min(now + gap, length - 1)
        for minute in range(now, then):
            ledger.run_minute(minute)
        now = then
        moment = midnight + now * MINUTE
        before = clock
        clock, levels = rules.settle(clock, moment)
        told += [
            (x.epoch, x.step, (before.fire_at[x.step - 1] - midnight) // MINUTE) for x in levels
        ]
        ledger.settle(now)
        clock = _both(kind, clock, ledger, work, moment, now, other * 20)
        assert clock.state == ledger.state
        if ledger.due is not None and clock.state == State.RUNNING:
            assert clock.due_at == midnight + ledger.due * MINUTE
    assert told == ledger.told
    assert len({(epoch, step) for epoch, step, _minute in told}) == len(told)


def _both(  # noqa: PLR0911 - one way out per event
    kind: str,
    clock: Clock,
    ledger: Ledger,
    work: CompiledCalendar,
    moment: datetime,
    now: int,
    budget: int,
) -> Clock:
    """The event on the clock and on the ledger."""
    if ledger.state == "cancelled":
        return clock
    if kind == "pause" and ledger.state == "running":
        ledger.stop("paused", now)
        return rules.pause(clock, work, moment)
    if (kind, ledger.state) in {("resume", "paused"), ("reopen", "met")}:
        ledger.resume(now)
        return rules.resume(clock, work, moment)
    if kind == "meet" and ledger.state in {"running", "paused"}:
        if ledger.state == "paused":
            ledger.resume(now)
        ledger.stop("met", now)
        done = rules.meet(clock, work, moment)
        late = ledger.due is not None and now > ledger.due
        assert bool(done.breached_at) >= late
        return done
    if kind == "retarget" and ledger.state in {"running", "paused"}:
        ledger.retarget(budget, now)
        return rules.retarget(clock, budget * 60, LEVELS, work, moment)[0]
    if kind == "cancel" and ledger.state in {"running", "paused"} and now % 3 == 0:
        ledger.stop("cancelled", now)
        return rules.cancel(clock, work, moment)
    return clock
