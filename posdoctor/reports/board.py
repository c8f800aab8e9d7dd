"""Counting of open tickets by urgency, owner and due time. Pure: rows and `now` come in.

Every number is the length of the inbox's list of the same filter.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import add
from typing import NamedTuple

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
AHEAD = timedelta(hours=4)
# Blocks that one column draws; the rest is a number that links to the list.
COLUMN_BLOCKS = 8


class Urgency(StrEnum):
    """How soon a promise of the ticket is due."""

    BREACHED = "breached"
    HOUR = "hour"
    FOUR_HOURS = "four_hours"
    LATER = "later"


class OpenTicket(NamedTuple):
    """What the board needs of one unfinished ticket.

    `due_at` is the next due time of its running clocks where that is still to come,
    `broken_at` the due time that a running clock has passed, or had passed before it was
    stopped; None where there is none.
    """

    pk: int
    owner_id: int | None = None
    team_id: int | None = None
    is_waiting: bool = False
    due_at: datetime | None = None
    broken_at: datetime | None = None

    def is_due_within(self, span: timedelta, now: datetime) -> bool:
        """Still to come, at the latest when `span` is over."""
        return self.due_at is not None and now <= self.due_at <= now + span

    def urgency(self, now: datetime) -> Urgency:
        """Where its block stands: a broken promise outranks one that is due."""
        if self.broken_at is not None:
            return Urgency.BREACHED
        if self.is_due_within(HOUR, now):
            return Urgency.HOUR
        return Urgency.FOUR_HOURS if self.is_due_within(AHEAD, now) else Urgency.LATER


@dataclass
class Tally:
    """How many tickets somebody has, as the inbox's filters count them.

    `rest` is what is neither broken, due within the hour nor waiting.
    """

    open: int = 0
    breached: int = 0
    hour: int = 0
    four_hours: int = 0
    waiting: int = 0
    rest: int = 0
    unowned_hour: int = 0

    def add(self, ticket: OpenTicket, now: datetime) -> None:
        """Counts one more."""
        is_soon = ticket.is_due_within(HOUR, now)
        is_broken = ticket.broken_at is not None
        self.open += 1
        self.waiting += ticket.is_waiting
        self.breached += is_broken
        self.hour += is_soon
        self.four_hours += is_soon or ticket.is_due_within(AHEAD, now)
        self.unowned_hour += is_soon and ticket.owner_id is None
        self.rest += not (is_broken or is_soon or ticket.is_waiting)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True)
class Tallies:
    """The same tickets counted once and added up three ways; None is nobody, or no team."""

    total: Tally
    by_owner: dict[int | None, Tally]
    by_team: dict[int | None, Tally]


def tallies(tickets: Iterable[OpenTicket], now: datetime) -> Tallies:
    """Counts each ticket once: some thousands, every few seconds."""
    cells: dict[tuple[int | None, int | None], Tally] = {}
    for ticket in tickets:
        cells.setdefault((ticket.owner_id, ticket.team_id), Tally()).add(ticket, now)
    found = Tallies(sum(cells.values(), Tally()), {}, {})
    for (owner, team), tally in cells.items():
        found.by_owner[owner] = found.by_owner.get(owner, Tally()) + tally
        found.by_team[team] = found.by_team.get(team, Tally()) + tally
    return found


@dataclass(frozen=True)
class Column:
    """A quarter of an hour; `start` is None in the first one, of promises already broken.

    `shown` are the tickets that are drawn, from the bottom up; `count` counts the others too.
    """

    start: datetime | None
    count: int
    unowned: int
    shown: Sequence[OpenTicket]
    urgency: Urgency

    @property
    def hidden(self) -> int:
        """Tickets without a block of their own."""
        return self.count - len(self.shown)


def columns(tickets: Iterable[OpenTicket], now: datetime) -> list[Column]:
    """The broken promises, then each quarter from the running one to four hours ahead.

    Quarters are those of the clock on the wall: every zone in use is a multiple of 15
    minutes away from UTC. The last one ends where the four hours end.
    """
    broken: list[OpenTicket] = []
    quarters: dict[datetime, list[OpenTicket]] = {}
    start = _quarter(now)
    while start <= now + AHEAD:
        quarters[start] = []
        start += QUARTER
    for ticket in tickets:
        urgency = ticket.urgency(now)
        if urgency == Urgency.BREACHED:
            broken.append(ticket)
        elif urgency != Urgency.LATER and ticket.due_at is not None:
            quarters[_quarter(ticket.due_at)].append(ticket)
    return [
        _column(None, Urgency.BREACHED, broken),
        *(
            _column(at, Urgency.HOUR if at + QUARTER <= now + HOUR else Urgency.FOUR_HOURS, due)
            for at, due in quarters.items()
        ),
    ]


def _column(start: datetime | None, urgency: Urgency, tickets: list[OpenTicket]) -> Column:
    """Those without an owner keep their place: they are what the page is looked at for."""
    by_need = sorted(tickets, key=lambda t: (t.owner_id is not None, _moment(t), t.pk))
    kept = by_need if len(by_need) <= COLUMN_BLOCKS else by_need[: COLUMN_BLOCKS - 1]
    return Column(
        start=start,
        count=len(tickets),
        unowned=sum(ticket.owner_id is None for ticket in tickets),
        shown=sorted(kept, key=lambda t: (t.owner_id is None, _moment(t), t.pk)),
        urgency=urgency,
    )


def _moment(ticket: OpenTicket) -> datetime:
    """When the block is due, or was."""
    return ticket.broken_at or ticket.due_at or datetime.max.replace(tzinfo=UTC)


def _quarter(moment: datetime) -> datetime:
    """The beginning of its quarter of an hour."""
    utc = moment.astimezone(UTC)
    return utc.replace(minute=utc.minute - utc.minute % 15, second=0, microsecond=0)


@dataclass(frozen=True)
class Kept:
    """Promises decided in some days: `kept` in time, of `decided`.

    `worked_seconds` is the working time that the `fulfilled` ones took, late ones too.
    """

    kept: int = 0
    decided: int = 0
    fulfilled: int = 0
    worked_seconds: float = 0.0

    @property
    def percent(self) -> float | None:
        """None where nothing was decided: there is no share of nothing."""
        return 100 * self.kept / self.decided if self.decided else None

    @property
    def missed(self) -> int:
        """Decided late."""
        return self.decided - self.kept

    @property
    def average_seconds(self) -> float | None:
        """Working time until it was fulfilled; None where nothing was."""
        return self.worked_seconds / self.fulfilled if self.fulfilled else None

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(
            self.kept + other.kept,
            self.decided + other.decided,
            self.fulfilled + other.fulfilled,
            self.worked_seconds + other.worked_seconds,
        )


def top(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    """The largest, by number and then by name, so that equal ones do not jump about."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
