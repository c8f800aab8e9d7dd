"""Puts together what the supervisors' page shows: numbers, blocks, load, charts.

Reads through posdoctor.reports.queries and counts with posdoctor.reports.board; holds no
query and no rule of its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from posdoctor.accounts.actor import Actor
from posdoctor.core.spoken import day_and_time
from posdoctor.reports import board, charts, queries
from posdoctor.reports.board import Column, Kept, OpenTicket, Tally, Urgency
from tickets.sla.models import Promise
from tickets.views.inbox import symptom_options

DAYS = 14
WEEK = 7
# The share of promises that a service desk is measured by in tenders.
TARGET_PERCENT = 95
# Rows of a list before the rest is folded away.
MOST_PEOPLE = 8
MOST_SYMPTOMS = 6


# How a block and a part of a bar are drawn: broken, within the hour, later.
_TONES = {Urgency.BREACHED: "o", Urgency.HOUR: "w", Urgency.FOUR_HOURS: "n"}


@dataclass(frozen=True)
class Block:
    """One ticket of a column; `tone` names its colour, `label` says all that it stands for."""

    ref: str
    tone: str
    is_owned: bool
    label: str


@dataclass(frozen=True)
class Stack:
    """One column with its blocks from the bottom up.

    `start` and `end` are times of the provider's zone; the column of broken promises has none.
    Only every other time is printed (`has_tick`). `due` is the inbox's filter for the rest.
    """

    start: str
    end: str
    has_tick: bool
    is_near: bool
    due: str
    count: int
    unowned: int
    hidden: int
    blocks: list[Block]


@dataclass(frozen=True)
class Share:
    """A promise of the last seven days beside the seven before."""

    promise: str
    now: Kept
    before: Kept
    spark: charts.Spark | None

    @property
    def is_met(self) -> bool:
        """On or above the target."""
        return self.now.percent is not None and self.now.percent >= TARGET_PERCENT

    @property
    def change(self) -> float | None:
        """Percentage points since the seven days before; None where one of them is empty."""
        if self.now.percent is None or self.before.percent is None:
            return None
        return round(self.now.percent - self.before.percent, 1)


@dataclass(frozen=True)
class Load:
    """One line of the table of load. `key` is what the inbox's filter calls it."""

    name: str
    key: str
    tally: Tally
    parts: list[charts.Part]


@dataclass(frozen=True)
class DayRow:
    """One day of the chart and of its table; `label` is the date in the reader's language."""

    day: date
    label: str
    created: int
    fixed: int
    bars: charts.Pair


@dataclass(frozen=True)
class Bar:
    """A named number with its share of the largest, in hundredths."""

    value: str
    label: str
    count: int
    width: str


@dataclass(frozen=True)
class Today:
    """Everything on the page."""

    total: Tally
    oldest: OpenTicket | None
    oldest_ref: str
    at: str
    columns: list[Stack]
    shares: list[Share]
    people: list[Load]
    more_people: list[Load]
    idle: list[Load]
    teams: list[Load]
    unowned: Load
    days: list[DayRow]
    chart: charts.PairChart
    symptoms: list[Bar]

    @property
    def is_empty(self) -> bool:
        """Nothing was ever reported, as far as two weeks tell."""
        decided = any(share.now.decided or share.before.decided for share in self.shares)
        return not (self.total.open or decided or any(d.created or d.fixed for d in self.days))

    @property
    def last_day(self) -> DayRow:
        """Today so far."""
        return self.days[-1]


def read(actor: Actor, now: datetime, zone: ZoneInfo) -> tuple[Today, dict[str, int]]:
    """The page's contents, and the counts of the navigation, which come from the same rows."""
    tickets = queries.open_tickets(actor, now)
    columns = board.columns(tickets, now)
    broken = [t for t in tickets if t.broken_at]
    oldest = min(broken, key=lambda t: (t.broken_at, t.pk), default=None)
    shown = {t.pk for column in columns for t in column.shown} | ({oldest.pk} if oldest else set())
    named = queries.named(actor, shown)
    days = queries.days_back(now, zone, DAYS)
    since = datetime(days[0].year, days[0].month, days[0].day, tzinfo=zone)
    flow = queries.flow_by_day(actor, since, zone)
    tallies = board.tallies(tickets, now)
    by_owner = tallies.by_owner
    people = _people(queries.people(actor), by_owner)
    busy = [load for load in people if load.tally.open]
    unowned = by_owner.get(None, Tally())
    chart = charts.pair_chart([(flow.created[d], flow.fixed[d]) for d in days], charts.Frame())
    today = Today(
        total=tallies.total,
        oldest=oldest,
        oldest_ref=named[oldest.pk].ref if oldest and oldest.pk in named else "",
        at=_time(now, zone),
        columns=[_stack(column, named, now, zone) for column in columns],
        shares=_shares(queries.kept_by_day(actor, since, zone), days),
        people=busy[:MOST_PEOPLE],
        more_people=busy[MOST_PEOPLE:],
        idle=[load for load in people if not load.tally.open],
        teams=_teams(actor, tallies.by_team),
        unowned=_load("", "none", unowned, max((t.open for t in by_owner.values()), default=1)),
        days=_days(days, flow, chart),
        chart=chart,
        symptoms=_symptoms(flow, days[-WEEK:], actor.provider_id),
    )
    mine = by_owner.get(actor.user_id, Tally())
    counts = {"mine": mine.open, "unassigned": unowned.open}
    return today, counts | {"waiting": today.total.waiting, "all": today.total.open}


def _stack(
    column: Column, named: Mapping[int, queries.Named], now: datetime, zone: ZoneInfo
) -> Stack:
    blocks = []
    for ticket in column.shown:
        words, due = named.get(ticket.pk), ticket.broken_at or ticket.due_at
        if words and due:  # one that was merged since it was counted has no words
            spoken = day_and_time(due.astimezone(zone), now.astimezone(zone))
            label = _label(words, spoken)
            blocks.append(Block(words.ref, _TONES[ticket.urgency(now)], bool(words.owner), label))
    return Stack(
        start=_time(column.start, zone),
        end=_time(column.start + board.QUARTER, zone) if column.start else "",
        has_tick=column.start is not None and not column.start.minute % 30,
        is_near=column.start is not None and column.start <= now + board.HOUR,
        due=column.urgency.value,
        count=column.count,
        unowned=column.unowned,
        hidden=column.hidden,
        blocks=blocks,
    )


def _label(words: queries.Named, due: str) -> str:
    values = {"ref": words.ref, "store": words.store, "due": due, "owner": words.owner}
    if words.owner:
        return _("%(ref)s, %(store)s, due %(due)s, %(owner)s") % values
    return _("%(ref)s, %(store)s, due %(due)s, nobody owns it") % values


def _time(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}" if moment else ""


def _days(days: Sequence[date], flow: queries.Flow, chart: charts.PairChart) -> list[DayRow]:
    form = pgettext("date format", "j M")
    return [
        DayRow(day, format_date(day, form), flow.created[day], flow.fixed[day], bars)
        for day, bars in zip(days, chart.pairs, strict=True)
    ]


def _shares(days: Mapping[tuple[str, date], Kept], order: Sequence[date]) -> list[Share]:
    shares = []
    for promise in Promise:
        course = [days.get((promise.value, day), Kept()) for day in order]
        shares.append(
            Share(
                promise=promise.value,
                now=sum(course[-WEEK:], Kept()),
                before=sum(course[:-WEEK], Kept()),
                spark=charts.spark([kept.percent for kept in course]),
            )
        )
    return shares


def _people(seats: list[queries.Person], by_owner: Mapping[int | None, Tally]) -> list[Load]:
    """Those who have tickets and those who could; who needs help first."""
    most = max((tally.open for tally in by_owner.values()), default=1)
    loads = [
        _load(person.name, person.ref, by_owner.get(person.user_id, Tally()), most)
        for person in seats
        if person.is_expected or person.user_id in by_owner
    ]
    return sorted(
        loads, key=lambda x: (-x.tally.breached, -x.tally.hour, -x.tally.open, x.name, x.key)
    )


def _teams(actor: Actor, by_team: Mapping[int | None, Tally]) -> list[Load]:
    rows = queries.teams(actor)
    most = max((by_team[team.pk].open for team in rows if team.pk in by_team), default=1)
    return [_load(team.label, team.ref, by_team.get(team.pk, Tally()), most) for team in rows]


def _load(name: str, key: str, tally: Tally, most: int) -> Load:
    waiting = max(0, tally.open - tally.breached - tally.hour - tally.rest)
    pieces = [("o", tally.breached), ("w", tally.hour), ("n", tally.rest), ("p", waiting)]
    return Load(name, key, tally, charts.parts(pieces, most))


def _symptoms(flow: queries.Flow, week: Sequence[date], provider_id: int | None) -> list[Bar]:
    counts: Counter[str] = Counter()
    for day in week:
        counts.update(flow.symptoms.get(day, {}))
    del counts[""]  # reported in own words, before any check
    leading = board.top(counts, MOST_SYMPTOMS)
    options = symptom_options(provider_id) if leading else []
    words = {option.value: str(option.label) for option in options}
    most = leading[0][1] if leading else 1
    return [
        Bar(name, words.get(name, name), count, f"{100 * count / most:.1f}")
        for name, count in leading
    ]
