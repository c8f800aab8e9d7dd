"""What a clock shows: state, words, shape and icon. Pure: no ORM, no `now()`.

The server decides the state; between two moments of `next_change_at` a browser only counts
down. Colour is the style sheet's: shape and icon tell the states apart without it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from django.utils.translation import pgettext

from posdoctor.core.spoken import day_and_time, deadline, short_deadline
from tickets.sla.business_time import CalendarHorizonError
from tickets.sla.clock import Clock, Promise, State, WorkingTime


class BadgeState(StrEnum):
    """The eight faces of a clock."""

    ON_TRACK = "on_track"
    DUE_SOON = "due_soon"
    CRITICAL = "critical"
    BREACHED = "breached"
    PAUSED = "paused"
    MET = "met"
    MISSED = "missed"
    NONE = "none"


# Shape class and icon: no two states share either. `ring` and `ring-low` show the share left.
LOOKS: Mapping[BadgeState, tuple[str, str]] = {
    BadgeState.ON_TRACK: ("ok", "ring"),
    BadgeState.DUE_SOON: ("soon", "ring-low"),
    BadgeState.CRITICAL: ("crit", "hourglass"),
    BadgeState.BREACHED: ("over", "octagon-alert"),
    BadgeState.PAUSED: ("pause", "pause"),
    BadgeState.MET: ("met", "circle-check"),
    BadgeState.MISSED: ("miss", "circle-x"),
    BadgeState.NONE: ("none", ""),
}


@dataclass(frozen=True)
class Thresholds:
    """When a running clock is soon due: by share of the working time left, or by the time left."""

    soon_share: float = 0.25
    soon: timedelta = timedelta(minutes=60)
    critical: timedelta = timedelta(minutes=15)


USUAL = Thresholds()
# Up to here the time left is said in minutes, and across midnight too.
_IN_MINUTES = timedelta(minutes=120)
_DAYS_FROM_HOURS = 48
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Badge:
    """What is drawn. `share_left` is of the working time, 0 to 1; None where nothing is planned.

    `words` are short, for a list; `full_words` name the due time too. `counts_down` says that a
    browser may count on from `due_at`. At `next_change_at` state, group or words change otherwise
    than by counting: the server has to be asked again.
    """

    state: BadgeState
    words: str
    promise: Promise | None = None
    full_words: str = ""
    due_at: datetime | None = None
    share_left: float | None = None
    counts_down: bool = False
    next_change_at: datetime | None = None

    @property
    def shape(self) -> str:
        """The class that draws its shape."""
        return LOOKS[self.state][0]

    @property
    def icon(self) -> str:
        """The name of its icon; empty for none."""
        return LOOKS[self.state][1]


@dataclass(frozen=True)
class Reader:
    """Who looks: the moment, the zone that times are read in, whom the ticket waits for."""

    now: datetime
    zone: tzinfo
    waits_for: str = ""


def badge(
    clock: Clock | None,
    work: WorkingTime | None,
    reader: Reader,
    *,
    promise: Promise | None = None,
    thresholds: Thresholds = USUAL,
) -> Badge:
    """The face of one clock; `work` is the calendar of its promise."""
    if clock is None or work is None or clock.state == State.CANCELLED:
        return _without_target(promise)
    if clock.state == State.MET:
        return _done(clock, promise)
    if clock.state == State.PAUSED:
        words = waiting_words(reader.waits_for)
        return Badge(
            BadgeState.PAUSED, words, promise, words, share_left=share_left(clock, work, reader.now)
        )
    if clock.due_at is None:
        return _without_target(promise)
    return _running(clock, clock.due_at, work, reader, promise, thresholds)


def leading(clocks: Mapping[Promise, Clock]) -> Promise | None:
    """The promise that stands for a ticket in a list: the next due one.

    Where none runs: one that is paused, else the one that was settled last.
    """
    running = {p: c.due_at for p, c in clocks.items() if c.state == State.RUNNING and c.due_at}
    if running:
        return min(running, key=lambda p: (running[p], p))
    paused = [p for p, c in clocks.items() if c.state == State.PAUSED]
    if paused:
        return paused[0]
    met = {p: c.met_at for p, c in clocks.items() if c.met_at is not None}
    # Solved without a word before: both at once, and the restore is what counts.
    return max(met, key=lambda p: (met[p], p), default=None)


def share_left(clock: Clock, work: WorkingTime, now: datetime) -> float:
    """The part of the budget that is not used up, 0 to 1, in working time."""
    used = clock.consumed_seconds
    if clock.state == State.RUNNING and clock.resumed_at is not None and clock.resumed_at < now:
        try:
            used += work.elapsed(clock.resumed_at, now)
        except CalendarHorizonError:
            return 0.0  # it runs for years
    return min(1.0, max(0.0, 1 - used / clock.budget_seconds))


def waiting_words(waits_for: str) -> str:
    """Why a clock stands still."""
    words = {
        "merchant": pgettext("badge", "Waiting on merchant"),
        "maker": pgettext("badge", "Waiting on maker"),
        "network_provider": pgettext("badge", "Waiting on operator"),
        "acquirer": pgettext("badge", "Waiting on acquirer"),
    }
    return words.get(waits_for, pgettext("badge", "Paused"))


def countdown_words() -> list[str]:
    """What a browser counts with, `#` for the number: minutes, hours and mm:ss left, then
    minutes, hours and days over.
    """
    return [
        *(text % {"n": "#"} for text in (_minutes_left(), _hours_left(), _seconds_left())),
        *(text % {"n": "#"} for text in _over_texts()),
    ]


def _without_target(promise: Promise | None) -> Badge:
    words = pgettext("badge", "No target")
    return Badge(BadgeState.NONE, words, promise, words)


def _running(
    clock: Clock,
    due: datetime,
    work: WorkingTime,
    reader: Reader,
    promise: Promise | None,
    thresholds: Thresholds,
) -> Badge:
    now, zone = reader.now, reader.zone
    local, here = due.astimezone(zone), now.astimezone(zone)
    soon_at = _soon_at(clock, due, work, thresholds)
    critical_at = due - thresholds.critical
    due_day = datetime.combine(local.date(), time(), zone)
    near_from = min(due_day, due - _IN_MINUTES)
    state = (
        BadgeState.BREACHED if now > due
        else BadgeState.CRITICAL if now >= critical_at
        else BadgeState.DUE_SOON if now >= soon_at
        else BadgeState.ON_TRACK
    )  # fmt: skip
    if state == BadgeState.BREACHED:
        words = _length_words(now - due, _over_texts())
        moment = f"{local:%H:%M}" if local.date() == here.date() else day_and_time(local, here)
        was_due = pgettext("badge", "due %(moment)s") % {"moment": moment}
        full = f"{words} · {was_due}"
    elif now >= near_from:
        words = _left_words(due - now, state)
        full = f"{words} · {short_deadline(local, here)}"
    else:
        words, full = short_deadline(local, here), deadline(local, here)
    borders = (soon_at, due - thresholds.soon, critical_at, due + _MOMENT, near_from, due_day)
    return Badge(
        state,
        words,
        promise,
        full,
        due_at=due,
        share_left=share_left(clock, work, now),
        counts_down=now >= near_from,
        next_change_at=min((at for at in borders if at > now), default=None),
    )


def _soon_at(clock: Clock, due: datetime, work: WorkingTime, thresholds: Thresholds) -> datetime:
    """From when on it is soon due, by the share or by the time left, whichever comes first."""
    by_time = due - thresholds.soon
    if clock.resumed_at is None:
        return by_time
    spare = clock.budget_seconds * (1 - thresholds.soon_share) - clock.consumed_seconds
    try:
        return min(by_time, work.add(clock.resumed_at, max(0.0, spare)))
    except CalendarHorizonError:
        return by_time


def _done(clock: Clock, promise: Promise | None) -> Badge:
    """Kept or not; how late is measured once, from the due time that was broken."""
    if clock.breached_at is not None and clock.met_at is not None:
        texts = (
            pgettext("badge", "%(n)s min late"),
            pgettext("badge", "%(n)s h late"),
            pgettext("badge", "%(n)s d late"),
        )
        words = _length_words(max(clock.met_at - clock.breached_at, timedelta()), texts)
        return Badge(BadgeState.MISSED, words, promise, words, due_at=clock.due_at)
    minutes = max(1, int(clock.consumed_seconds) // 60)
    if not clock.consumed_seconds:  # done outside working time
        words = pgettext("badge", "On time")
    elif minutes < 120:
        words = pgettext("badge", "On time · %(n)s min") % {"n": minutes}
    else:
        words = pgettext("badge", "On time · %(n)s h") % {"n": minutes // 60}
    return Badge(BadgeState.MET, words, promise, words, due_at=clock.due_at)


def _left_words(left: timedelta, state: BadgeState) -> str:
    """Minutes are counted up to the next whole one: at 60 min it says 60, a second before 61."""
    if state == BadgeState.CRITICAL:
        minutes, seconds = divmod(int(left.total_seconds()), 60)
        return _seconds_left() % {"n": f"{minutes:02}:{seconds:02}"}
    minutes = math.ceil(left.total_seconds() / 60)
    if left <= _IN_MINUTES and minutes < 120:
        return _minutes_left() % {"n": minutes}
    return _hours_left() % {"n": minutes // 60}


def _length_words(length: timedelta, texts: tuple[str, str, str]) -> str:
    """Whole minutes, at least one; hours from two of them on; days from two on."""
    in_minutes, in_hours, in_days = texts
    minutes = max(1, int(length.total_seconds()) // 60)
    if minutes < 120:
        return in_minutes % {"n": minutes}
    if minutes < _DAYS_FROM_HOURS * 60:
        return in_hours % {"n": minutes // 60}
    return in_days % {"n": minutes // (24 * 60)}


def _minutes_left() -> str:
    return pgettext("badge", "%(n)s min left")


def _hours_left() -> str:
    return pgettext("badge", "%(n)s h left")


def _seconds_left() -> str:
    return pgettext("badge", "%(n)s left")


def _over_texts() -> tuple[str, str, str]:
    return (
        pgettext("badge", "%(n)s min over"),
        pgettext("badge", "%(n)s h over"),
        pgettext("badge", "%(n)s d over"),
    )
