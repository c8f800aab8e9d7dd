"""The promises of the estate's tickets: policies, and clocks as the product would have kept them.

What an event does to a clock is said by tickets.sla.clock alone; here the outcome becomes rows
for COPY, in the shape that tickets.sla.actions writes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tickets.estate.people import Crew, Plan
from tickets.estate.rows import NULL, Sheet, moment
from tickets.estate.seeded import Codes
from tickets.lifecycle import Move, Priority, TicketStatus
from tickets.sla import clock as rules
from tickets.sla.business_time import CompiledCalendar
from tickets.sla.calendars import compiled
from tickets.sla.defaults import default_policy
from tickets.sla.models import Alert, Calendar, CalendarHours, Clock, Segment
from tickets.sla.models import Policy as PolicyRow

# A shop that cannot take payments does not wait for the morning.
ROUND_THE_CLOCK = (Priority.URGENT, Priority.HIGH)
_DAY_MINUTES = 24 * 60
# How long after its moment the tick of the product, every five seconds, would have told a level.
_TOLD_AFTER = timedelta(seconds=3)
_TICK = timedelta(seconds=5)
# Older tickets have no ledger: nobody asks how long their clocks ran, and it is half of the rows.
_LEDGER = timedelta(days=92)

_S = TicketStatus
_EXPANDED, _SUPPRESSED = Alert.State.EXPANDED.value, Alert.State.SUPPRESSED.value
_RUN, _PAUSE = Segment.Kind.RUN.value, Segment.Kind.PAUSE.value
_FIRST_RESPONSE, _RESTORE = rules.Promise.FIRST_RESPONSE, rules.Promise.RESTORE
_Rule = Callable[[rules.Clock, rules.WorkingTime, datetime], rules.Clock]


class AlwaysOpen:
    """A calendar that never closes, answered without a search: half of all clocks ask it."""

    never_opens = False

    def add(self, t: datetime, seconds: float) -> datetime:
        """So much later; `t` itself for seconds <= 0."""
        return t + timedelta(seconds=seconds) if seconds > 0 else t

    def elapsed(self, a: datetime, b: datetime) -> float:
        """Seconds between two moments."""
        return (b - a).total_seconds()


@dataclass(frozen=True)
class Target:
    """One promise of a policy with its calendar at hand. Ids and levels are cells."""

    promise: str
    budget_seconds: int
    levels: tuple[int, ...]
    level_cell: str
    calendar_id: str
    calendar_version: str
    hours: CompiledCalendar
    # The same hours as the rules ask them.
    calendar: rules.WorkingTime


@dataclass(frozen=True)
class Policy:
    """What one provider promises, by priority, in the order in which clocks are locked."""

    provider_id: str
    pauses_for_vendor: bool
    targets: Mapping[str, tuple[Target, ...]]

    def opened_for(self, promise: str, priority: str, due: int, share: float) -> int:
        """A second whose promise is due at `due`.

        Where the calendar is closed then, due in the `share` of the first hour after it opens.
        """
        target = next(t for t in self.targets[priority] if t.promise == promise)
        hours = target.hours
        wanted = moment(due)
        if not hours.is_open(wanted):
            wanted = hours.next_open(wanted) + timedelta(hours=share)
        late, early = due, due - 30 * 86_400
        while late - early > 1:
            middle = (late + early) // 2
            if hours.add(moment(middle), target.budget_seconds) < wanted:
                early = middle
            else:
                late = middle
        return late


def make_policies(plan: Plan, crews: Sequence[Crew]) -> dict[int, Policy]:
    """Gives each provider the default policy; urgent and high run round the clock."""
    chance = plan.chance("promises")
    policies = PolicyRow.objects.values_list("ref", flat=True)
    calendars = Calendar.objects.values_list("ref", flat=True)
    policy_codes = Codes(chance, 6, taken=frozenset(ref[2:] for ref in policies))
    calendar_codes = Codes(chance, 6, taken=frozenset(ref[2:] for ref in calendars))
    made: dict[int, Policy] = {}
    for crew in crews:
        row = default_policy(crew.id)
        row.ref = f"Y-{policy_codes.next()}"
        row.save(update_fields=["ref"])
        always = Calendar.objects.create(
            provider_id=crew.id, name="全天 24 小时", name_en="Round the clock"
        )
        CalendarHours.objects.bulk_create(
            CalendarHours(calendar=always, weekday=day, start_minute=0, end_minute=_DAY_MINUTES)
            for day in range(7)
        )
        row.targets.filter(priority__in=ROUND_THE_CLOCK).update(calendar=always)
        for calendar in Calendar.objects.filter(provider_id=crew.id).order_by("pk"):
            calendar.ref = f"K-{calendar_codes.next()}"
            calendar.save(update_fields=["ref"])
        made[crew.id] = _read(row, moment(plan.until))
    return made


def _read(row: PolicyRow, now: datetime) -> Policy:
    targets: dict[str, list[Target]] = {priority.value: [] for priority in Priority}
    for target in row.targets.select_related("calendar").order_by("promise"):
        hours = compiled(target.calendar, now)
        targets[target.priority].append(
            Target(
                promise=target.promise,
                budget_seconds=target.budget_seconds,
                levels=tuple(target.levels),
                level_cell=f"{{{','.join(map(str, target.levels))}}}",
                calendar_id=str(target.calendar.pk),
                calendar_version=str(target.calendar.version),
                hours=hours,
                calendar=AlwaysOpen() if target.priority in ROUND_THE_CLOCK else hours,
            )
        )
    return Policy(
        provider_id=str(row.provider_id),
        pauses_for_vendor=row.pauses_for_vendor,
        targets={priority: tuple(found) for priority, found in targets.items()},
    )


class Book:
    """The three tables that clocks are written into, and the promises of each provider."""

    def __init__(self, policies: Mapping[int, Policy], until: int) -> None:
        self.policies = policies
        self.ledger_from = moment(until) - _LEDGER
        self.clocks = Sheet(
            Clock,
            "id provider_id ticket_id promise state epoch generation calendar_id "
            "calendar_version budget_seconds levels consumed_seconds started_at resumed_at "
            "stopped_at due_at step fire_at next_fire_at breached_at met_at",
        )
        self.segments = Sheet(
            Segment,
            "clock_id epoch kind from_at to_at reason calendar_version working_seconds",
        )
        self.alerts = Sheet(Alert, "clock_id epoch step percent due_at state raised_at")


class Clocks:
    """The clocks of one ticket, driven by what happens to it. Times are seconds since 1970 UTC."""

    __slots__ = ("_book", "_policy", "_rows", "_ticket_id")

    def __init__(self, book: Book, provider_id: int, ticket_id: int) -> None:
        self._book = book
        self._policy = book.policies[provider_id]
        self._ticket_id = str(ticket_id)
        self._rows: dict[str, _Row] = {}

    def start(self, priority: str, at: int) -> None:
        """The promises of this priority begin."""
        began = moment(at)
        self._rows = {
            target.promise: _Row(str(self._book.clocks.new_id()), target, began)
            for target in self._policy.targets[priority]
        }

    def replied(self, at: int, reason: str) -> None:
        """The first public answer."""
        self._apply(_FIRST_RESPONSE, rules.meet, at, reason)

    def moved(self, move: Move, status: TicketStatus, at: int) -> None:
        """The ticket took a new status."""
        match status:
            case _S.RESOLVED:
                self._apply(_FIRST_RESPONSE, rules.meet, at, move)
                self._apply(_RESTORE, rules.meet, at, move)
            case _S.CANCELLED | _S.MERGED:
                self._apply(_FIRST_RESPONSE, rules.cancel, at, move)
                self._apply(_RESTORE, rules.cancel, at, move)
            case _S.WAIT_MERCHANT:
                self._apply(_RESTORE, rules.pause, at, move)
            case _S.WAIT_VENDOR:
                if self._policy.pauses_for_vendor:
                    self._apply(_RESTORE, rules.pause, at, move)
            case _S.CLOSED:
                pass
            case _ if self._rows[_RESTORE].state.state != rules.State.RUNNING:
                self._apply(_RESTORE, rules.resume, at, move)

    def retarget(self, priority: str, at: int, reason: str) -> None:
        """Another priority: another promise for the same work."""
        when = moment(at)
        for target in self._policy.targets[priority]:
            row = self._rows[target.promise]
            self._settle(row, when)
            row.target = target
            after, skipped = rules.retarget(
                row.state, target.budget_seconds, target.levels, target.calendar, when
            )
            self._write(row, after, when, reason)
            for level in skipped:
                self._alert(row, level, _SUPPRESSED, when)

    def finish(self, until: int) -> None:
        """Writes the rows, with every level that was reached before `until`."""
        now = moment(until)
        for row in self._rows.values():
            self._settle(row, now)
            state, target = row.state, row.target
            fire_at = [moment.isoformat() for moment in state.fire_at]
            self._book.clocks.add(
                row.id, self._policy.provider_id, self._ticket_id, target.promise,
                state.state.value, str(state.epoch), str(state.generation), target.calendar_id,
                target.calendar_version, str(state.budget_seconds), target.level_cell,
                str(state.consumed_seconds), _cell(row.started_at), _cell(state.resumed_at),
                _cell(state.stopped_at), fire_at[-1] if state.due_at else NULL, str(state.step),
                f"{{{','.join(fire_at)}}}", _cell(state.next_fire_at), _cell(state.breached_at),
                _cell(state.met_at),
            )  # fmt: skip

    # --- Parts ---------------------------------------------------------------------------

    def _apply(self, promise: str, rule: _Rule, at: int, reason: str) -> None:
        when, row = moment(at), self._rows[promise]
        self._settle(row, when)
        self._write(row, rule(row.state, row.target.calendar, when), when, reason)

    def _settle(self, row: "_Row", at: datetime) -> None:
        """What the ticks before `at` did: each level told by its own, if no later one was due."""
        due = row.state.next_fire_at
        if due is None or due >= at:
            return
        row.state, levels = rules.settle(row.state, at)
        fire_at = row.state.fire_at
        for level, later in zip(levels, [*levels[1:], None], strict=True):
            told = fire_at[level.step - 1]
            is_last = later is None or fire_at[later.step - 1] - told > _TICK
            state = _EXPANDED if is_last else _SUPPRESSED
            self._alert(row, level, state, min(told + _TOLD_AFTER, at))

    def _write(self, row: "_Row", after: rules.Clock, at: datetime, reason: str) -> None:
        """The new state and its line in the ledger."""
        before, row.state = row.state, after
        if after is before:
            return
        if before.state == rules.State.RUNNING and before.resumed_at is not None:
            kind, begin = _RUN, before.resumed_at
        elif before.stopped_at is not None and after.state != before.state:
            kind, begin = _PAUSE, before.stopped_at
        else:
            return
        if row.started_at < self._book.ledger_from:
            return
        ran = after.consumed_seconds - before.consumed_seconds if kind == _RUN else 0.0
        self._book.segments.add(
            row.id, str(before.epoch), kind, _cell(min(begin, at)), _cell(at), reason,
            row.target.calendar_version, str(ran),
        )  # fmt: skip

    def _alert(self, row: "_Row", level: rules.Level, state: str, at: datetime) -> None:
        self._book.alerts.add(
            row.id, str(level.epoch), str(level.step), str(level.percent),
            _cell(row.state.due_at), state, _cell(at),
        )  # fmt: skip


class _Row:
    """One clock on its way."""

    __slots__ = ("id", "started_at", "state", "target")

    def __init__(self, row_id: str, target: Target, at: datetime) -> None:
        self.id, self.target, self.started_at = row_id, target, at
        self.state = rules.start(target.budget_seconds, target.levels, target.calendar, at)


def _cell(at: datetime | None) -> str:
    return NULL if at is None else at.isoformat()
