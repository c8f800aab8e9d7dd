"""Why a clock is due when it is: its life as steps. Pure: no ORM, no `now()`.

What happened comes from the ledger, what lies ahead from the calendar.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from posdoctor.core.spoken import date_words, length_words
from tickets.sla.badge import Reader, waiting_words
from tickets.sla.business_time import CalendarHorizonError, CompiledCalendar
from tickets.sla.clock import Clock, State

# More closings of one run than this are one step: a week of nights says nothing that one does not.
MOST_CLOSINGS = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StepKind(StrEnum):
    """What a step is; the order is that of steps at one moment."""

    STARTED = "started"
    PRIORITY_CHANGED = "priority_changed"
    PLANNED = "planned"
    PAUSED = "paused"
    RAN = "ran"
    CLOSED = "closed"
    ALERT = "alert"
    BREACHED = "breached"
    CLEARED = "cleared"
    MET = "met"
    CANCELLED = "cancelled"
    DUE = "due"


_RANK = {kind: place for place, kind in enumerate(StepKind)}


@dataclass(frozen=True)
class Step:
    """One line. `to_at` is None for a moment; `working_seconds` is what counted of a span."""

    kind: StepKind
    words: str
    from_at: datetime
    to_at: datetime | None = None
    working_seconds: float = 0.0


@dataclass(frozen=True)
class Part:
    """A row of the ledger: `kind` run, pause, cleared or planned."""

    kind: str
    from_at: datetime
    to_at: datetime
    reason: str
    working_seconds: float


@dataclass(frozen=True)
class Told:
    """An alert: `state` pending, expanded (told), suppressed or cancelled."""

    percent: int
    state: str
    at: datetime


@dataclass(frozen=True)
class Life:
    """All that is known of a clock. `waits` says by the moment of a pause whom it waited for;
    `priorities` are changes: moment, words of the old one, words of the new one.
    """

    clock: Clock
    started_at: datetime
    calendar: str
    parts: Sequence[Part]
    alerts: Sequence[Told] = ()
    waits: Mapping[datetime, str] = field(default_factory=dict)
    priorities: Sequence[tuple[datetime, str, str]] = ()


def explain(life: Life, work: CompiledCalendar, reader: Reader) -> list[Step]:
    """The steps in the order they began; words in the language in force, times of `reader.zone`."""
    steps = [
        Step(
            StepKind.STARTED,
            pgettext("clock step", "Started; counted by “%(calendar)s”")
            % {"calendar": life.calendar},
            life.started_at,
        ),
        *_changes(life),
        *(step for part in life.parts for step in _part(part, life, work, reader.zone)),
        *_current(life.clock, work, reader),
        *(Step(StepKind.ALERT, _alert_words(told), told.at) for told in life.alerts),
        *_end(life.clock),
    ]
    return sorted(steps, key=lambda step: (step.from_at, _RANK[step.kind]))


def _changes(life: Life) -> Iterator[Step]:
    text = pgettext("clock step", "Priority %(before)s → %(after)s: promised anew")
    for at, before, after in life.priorities:
        words = text % {"before": before, "after": after}
        yield Step(StepKind.PRIORITY_CHANGED, words, at)


def _part(part: Part, life: Life, work: CompiledCalendar, zone: tzinfo) -> Iterator[Step]:
    """The steps of one row of the ledger."""
    if part.kind == "run":
        yield from _run(part.from_at, part.to_at, part.working_seconds)
        yield from _closings(part.from_at, part.to_at, work, zone)
    elif part.kind == "pause":
        yield Step(StepKind.PAUSED, _pause_words(part, life), part.from_at, part.to_at)
    elif part.kind == "planned":
        words = pgettext("clock step", "The working hours changed: worked out anew")
        yield Step(StepKind.PLANNED, words, part.to_at)
    else:
        words = pgettext("clock step", "It was done in time: the breach is cleared")
        yield Step(StepKind.CLEARED, words, part.to_at)


def _current(clock: Clock, work: CompiledCalendar, reader: Reader) -> Iterator[Step]:
    """The run or pause that goes on, and what lies ahead."""
    if clock.state == State.PAUSED and clock.stopped_at is not None:
        yield Step(StepKind.PAUSED, _still(waiting_words(reader.waits_for)), clock.stopped_at)
    if clock.state != State.RUNNING or clock.resumed_at is None:
        return
    until = min(reader.now, clock.due_at or reader.now)
    if until > clock.resumed_at:
        yield from _run(clock.resumed_at, until, _elapsed(work, clock.resumed_at, until))
    if clock.due_at is None:
        return
    yield from _closings(clock.resumed_at, clock.due_at, work, reader.zone)
    if reader.now <= clock.due_at:
        text = pgettext("clock step", "Due: %(length)s of working time used")
        yield Step(StepKind.DUE, text % {"length": _work_words(clock.budget_seconds)}, clock.due_at)
    elif clock.breached_at is None:  # the tick comes within seconds
        yield _breach(clock.due_at)


def _end(clock: Clock) -> Iterator[Step]:
    if clock.breached_at is not None:
        yield _breach(clock.breached_at)
    if clock.met_at is not None:
        yield Step(StepKind.MET, pgettext("clock step", "Done"), clock.met_at)
    elif clock.state == State.CANCELLED and clock.stopped_at is not None:
        words = pgettext("clock step", "Void: the ticket was cancelled or merged")
        yield Step(StepKind.CANCELLED, words, clock.stopped_at)


def _breach(at: datetime) -> Step:
    return Step(StepKind.BREACHED, pgettext("clock step", "Due and not done: late"), at)


def _run(start: datetime, end: datetime, seconds: float) -> Iterator[Step]:
    words = pgettext("clock step", "Ran for %(length)s") % {"length": _work_words(seconds)}
    yield Step(StepKind.RAN, words, start, end, seconds)


def _work_words(seconds: float) -> str:
    """A length of working time: never in days, for a working day has fewer hours."""
    minutes = round(seconds) // 60
    if minutes < 60:
        return length_words(round(seconds))
    values = {"hours": minutes // 60, "minutes": minutes % 60}
    return (_("%(hours)d h %(minutes)d min") if minutes % 60 else _("%(hours)d h")) % values


def _elapsed(work: CompiledCalendar, start: datetime, end: datetime) -> float:
    try:
        return work.elapsed(start, end)
    except CalendarHorizonError:
        return 0.0


def _pause_words(part: Part, life: Life) -> str:
    if part.reason == "reopen":
        return pgettext("clock step", "Fixed, until it was reopened: not counted")
    return _still(waiting_words(life.waits.get(part.from_at, "")))


def _still(why: str) -> str:
    return pgettext("clock step", "%(why)s: stands still") % {"why": why}


def _alert_words(told: Told) -> str:
    texts = {
        "pending": pgettext("clock step", "%(n)s %% used: alert on its way"),
        "expanded": pgettext("clock step", "%(n)s %% used: alert sent"),
        "suppressed": pgettext("clock step", "%(n)s %% used: told with the next level"),
        "cancelled": pgettext("clock step", "%(n)s %% used: done before anybody was told"),
    }
    return texts[told.state] % {"n": told.percent}


def _closings(
    start: datetime, end: datetime, work: CompiledCalendar, zone: tzinfo
) -> Iterator[Step]:
    """When work does not count between two moments: each, or all as one where they are many."""
    closed = list(closed_between(start, end, work))
    if len(closed) > MOST_CLOSINGS:
        text = ngettext(
            "%(n)d time outside working hours: not counted",
            "%(n)d times outside working hours: not counted",
            len(closed),
        )
        yield Step(StepKind.CLOSED, text % {"n": len(closed)}, closed[0][0], closed[-1][1])
        return
    for opening, closing in closed:
        words = _closing_words(opening.astimezone(zone), closing.astimezone(zone))
        yield Step(StepKind.CLOSED, words, opening, closing)


def closed_between(
    start: datetime, end: datetime, work: CompiledCalendar
) -> Iterator[tuple[datetime, datetime]]:
    """The spans outside working hours, clipped to [start, end]."""
    if end <= start:
        return
    first = bisect_right(work.closes, _microseconds(start))
    last = bisect_right(work.opens, _microseconds(end))
    opened = [(_moment(work.opens[i]), _moment(work.closes[i])) for i in range(first, last)]
    edges = [start, *(edge for span in opened for edge in span), end]
    # Between the end of one opening and the beginning of the next.
    for begin, until in list(pairwise(edges))[::2]:
        closed = max(begin, start), min(until, end)
        if closed[0] < closed[1]:
            yield closed


def _closing_words(begin: datetime, until: datetime) -> str:
    values = {"from": f"{begin:%H:%M}", "to": f"{until:%H:%M}"}
    days = (until.date() - begin.date()).days
    if not days:
        return pgettext("clock step", "%(from)s to %(to)s is not counted") % values
    if days == 1:
        text = pgettext("clock step", "%(from)s to %(to)s the next day is not counted")
        return text % values
    values |= {"first": date_words(begin, begin), "last": date_words(until, begin)}
    text = pgettext("clock step", "%(first)s %(from)s to %(last)s %(to)s is not counted")
    return text % values


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
