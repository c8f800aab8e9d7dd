"""One promise and its clock: what each event does to it. Pure: no ORM, no `now()`.

Rules: design/sla.md 2.2. Every event first settles the levels that lie before it, so that
a pause that arrives before the tick cannot swallow a level; a late tick can then never
change what happened, only when it is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class WorkingTime(Protocol):
    """The arithmetic that a clock needs; `business_time.CompiledCalendar` has it."""

    @property
    def never_opens(self) -> bool:
        """No opening at all: a promise made here has no due time."""

    def add(self, t: datetime, seconds: float, /) -> datetime:
        """The earliest moment with `seconds` of working time after `t`."""

    def elapsed(self, a: datetime, b: datetime, /) -> float:
        """Working seconds between two moments."""


class Promise(StrEnum):
    """What is promised for a ticket; one clock each."""

    FIRST_RESPONSE = "first_response"
    RESTORE = "restore"


class State(StrEnum):
    """Only a running clock moves towards its due time."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Level:
    """A level that was reached. A `told` one becomes an alert, the others stay as proof."""

    epoch: int
    step: int
    percent: int
    told: bool


@dataclass(frozen=True)
class Clock:
    """The state of one promise. Times are aware, durations working seconds.

    `epoch` counts promises (a changed budget is a new one), `generation` every new plan.
    `step` is how many levels of this epoch are consumed; `fire_at[i]` is when level i is
    reached, `next_fire_at` the next of them while the clock runs. `stopped_at` is the
    moment of the pause or of the fulfilment. A calendar that never opens gives no due time.
    """

    state: State
    budget_seconds: float
    levels: tuple[int, ...]
    epoch: int = 1
    generation: int = 1
    consumed_seconds: float = 0.0
    resumed_at: datetime | None = None
    stopped_at: datetime | None = None
    due_at: datetime | None = None
    step: int = 0
    fire_at: tuple[datetime, ...] = ()
    next_fire_at: datetime | None = None
    breached_at: datetime | None = None
    met_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Met or cancelled: nothing more will be reached."""
        return self.state in {State.MET, State.CANCELLED}


def start(
    budget_seconds: float, levels: Sequence[int], calendar: WorkingTime, at: datetime
) -> Clock:
    """A promise made at `at`: due after `budget_seconds` of working time.

    `levels` are whole percents of the budget, ascending, the last one 100.
    Raises ValueError on other levels or a budget that is not positive.
    """
    if budget_seconds <= 0 or not levels or list(levels) != sorted({*levels}) or levels[-1] != 100:
        raise ValueError("a clock needs a positive budget and ascending levels up to 100")
    fresh = Clock(State.RUNNING, budget_seconds, tuple(levels), resumed_at=at)
    return _planned(fresh, calendar, at)


def settle(clock: Clock, at: datetime) -> tuple[Clock, list[Level]]:
    """Consumes the levels that lie before `at`; of several only the last is told.

    The tick of the database does the same to all rows at once. A level exactly at `at` is
    not reached yet: at the due time itself the promise is kept.
    """
    if clock.state != State.RUNNING:
        return clock, []
    reached = sum(1 for moment in clock.fire_at if moment < at)
    if reached <= clock.step:
        return clock, []
    new = [
        Level(clock.epoch, step, clock.levels[step - 1], told=step == reached)
        for step in range(clock.step + 1, reached + 1)
    ]
    breached = clock.breached_at
    if breached is None and clock.due_at is not None and clock.due_at < at:
        breached = clock.due_at
    settled = replace(clock, step=reached, breached_at=breached)
    return replace(settled, next_fire_at=_next(settled)), new


def pause(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """Stops a running clock; any other stays as it is. Call `settle` first."""
    if clock.state != State.RUNNING:
        return clock
    return replace(
        _counted(clock, calendar, at), state=State.PAUSED, stopped_at=at, next_fire_at=None
    )


def resume(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """Lets a paused or met clock run on; the time between counts as a pause.

    A pause that began at or after the due time moves nothing.
    """
    if clock.state not in {State.PAUSED, State.MET}:
        return clock
    began = clock.stopped_at
    running = replace(clock, state=State.RUNNING, resumed_at=at, stopped_at=None, met_at=None)
    if clock.due_at is not None and began is not None and began >= clock.due_at:
        return replace(running, next_fire_at=_next(running))
    return _planned(running, calendar, at)


def meet(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """Fulfils the promise at `at`. Call `settle` first.

    Broken is what was fulfilled after its due time, by the time of the event and not by
    when it was worked on: an event dated before the due time clears a breach that the tick
    had already noted.
    """
    if clock.is_over:
        return clock
    running = resume(clock, calendar, at) if clock.state == State.PAUSED else clock
    done = _counted(running, calendar, at)
    is_late = done.due_at is not None and at > done.due_at
    # Only the breach of this very due time can turn out not to have been one.
    earlier = None if done.breached_at == done.due_at else done.breached_at
    return replace(
        done,
        state=State.MET,
        stopped_at=at,
        met_at=at,
        next_fire_at=None,
        breached_at=(done.breached_at or done.due_at) if is_late else earlier,
    )


def retarget(
    clock: Clock, budget_seconds: float, levels: Sequence[int], calendar: WorkingTime, at: datetime
) -> tuple[Clock, list[Level]]:
    """A new promise for the same work, after a change of priority or policy.

    What was consumed stays consumed; levels that lie behind it are never told. The new due
    time is never before `at`: nobody breaks a promise that did not exist. A breach of the
    old promise stays. Clocks that are over keep their promise.
    """
    if clock.is_over:
        return clock, []
    counted = _counted(clock, calendar, at) if clock.state == State.RUNNING else clock
    fresh = replace(
        counted,
        budget_seconds=budget_seconds,
        levels=tuple(levels),
        epoch=clock.epoch + 1,
        step=0,
        fire_at=(),
        resumed_at=at if clock.state == State.RUNNING else clock.resumed_at,
    )
    behind = sum(
        1 for percent in levels[:-1] if budget_seconds * percent / 100 <= fresh.consumed_seconds
    )
    skipped = [
        Level(fresh.epoch, step, levels[step - 1], told=False) for step in range(1, behind + 1)
    ]
    return _planned(replace(fresh, step=behind), calendar, at), skipped


def cancel(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """The promise is void: the ticket was withdrawn or merged. A breach stays on record."""
    if clock.is_over:
        return clock
    counted = _counted(clock, calendar, at) if clock.state == State.RUNNING else clock
    return replace(counted, state=State.CANCELLED, stopped_at=at, next_fire_at=None)


def replan(clock: Clock, calendar: WorkingTime) -> Clock:
    """The plan under a changed calendar, from the last start on; levels reached stay reached.

    Past consumption is not counted anew.
    """
    if clock.state != State.RUNNING or clock.resumed_at is None:
        return clock
    if clock.breached_at is not None:
        return clock
    return _planned(clock, calendar, clock.resumed_at)


def _counted(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """With the working time of the current run added. An event may be older than the run."""
    if clock.resumed_at is None or at <= clock.resumed_at:
        return clock
    run = calendar.elapsed(clock.resumed_at, at)
    return replace(clock, consumed_seconds=clock.consumed_seconds + run)


def _planned(clock: Clock, calendar: WorkingTime, at: datetime) -> Clock:
    """With due time and levels worked out for a run that begins at `at`."""
    generation = clock.generation + 1 if clock.due_at is not None else clock.generation
    if calendar.never_opens:
        return replace(clock, generation=generation, due_at=None, fire_at=(), next_fire_at=None)
    moments = [
        calendar.add(at, max(0.0, clock.budget_seconds * percent / 100 - clock.consumed_seconds))
        for percent in clock.levels
    ]
    kept = clock.fire_at[: clock.step]  # levels already reached keep their moment
    fire_at = (*kept, *moments[len(kept) :])
    planned = replace(clock, generation=generation, due_at=moments[-1], fire_at=fire_at)
    return replace(planned, next_fire_at=_next(planned))


def _next(clock: Clock) -> datetime | None:
    """The next level of a running clock."""
    if clock.state != State.RUNNING or clock.step >= len(clock.fire_at):
        return None
    return clock.fire_at[clock.step]
