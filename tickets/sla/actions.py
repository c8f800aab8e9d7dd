"""What events do to the clocks of a ticket. The caller has locked the ticket.

Each deed locks the clocks in the order of their promises, settles what lies before the event,
applies the rule of tickets.sla.clock and writes state, ledger and alerts together.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, time
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError, transaction

from posdoctor.notifications.actions import cancel_unsent
from tickets.lifecycle import Priority
from tickets.sla import clock as rules
from tickets.sla.business_time import CalendarHorizonError, CompiledCalendar
from tickets.sla.calendars import compiled
from tickets.sla.defaults import default_policy
from tickets.sla.models import (
    COLUMNS,
    Alert,
    Calendar,
    Clock,
    ClockState,
    Policy,
    Promise,
    Segment,
    Target,
)

logger = logging.getLogger(__name__)

REPLAN_BATCH = 500
_Ruled = TypeVar("_Ruled")
_Rule = Callable[[rules.Clock, CompiledCalendar], rules.Clock]


def start(*, provider_id: int, ticket_id: int, priority: str, at: datetime) -> None:
    """Starts the clocks that the provider's policy promises for this priority."""
    policy = default_policy(provider_id)
    for target in _targets(policy, priority):
        calendar = target.calendar
        try:
            state = rules.start(target.budget_seconds, target.levels, compiled(calendar, at), at)
        except CalendarHorizonError:
            # A report must be filed whatever the calendar says: the page shows "no target".
            logger.exception("no due time for %s of policy %s", target.promise, policy.ref)
            continue
        row = Clock(
            provider_id=provider_id,
            ticket_id=ticket_id,
            promise=target.promise,
            calendar=calendar,
            calendar_version=calendar.version,
            started_at=at,
        )
        row.take(state)
        row.save(force_insert=True)


def meet(*, ticket_id: int, promise: Promise, at: datetime, reason: str) -> None:
    """Fulfils a promise; alerts of it that nobody was told yet are cancelled."""
    for row in _locked(ticket_id, promise):
        before = row.read()
        after = _apply(row, lambda c, calendar: rules.meet(c, calendar, at), at, reason)
        if after.is_over and not before.is_over:
            if before.breached_at and not after.breached_at:
                _ledger(row, Segment.Kind.CLEARED, before.breached_at, at, reason)
            _cancel_alerts(row, at)


def pause(*, ticket_id: int, at: datetime, reason: str, for_vendor: bool = False) -> None:
    """Stops the restore clock. The first response is owed whoever is waited for.

    Waiting for a vendor stops it only where the provider's policy says so.
    """
    for row in _locked(ticket_id, Promise.RESTORE):
        if for_vendor and not default_policy(row.provider_id).pauses_for_vendor:
            continue
        _apply(row, lambda c, calendar: rules.pause(c, calendar, at), at, reason)


def resume(*, ticket_id: int, at: datetime, reason: str) -> None:
    """Lets the restore clock run on after a pause, or after the ticket was reopened."""
    for row in _locked(ticket_id, Promise.RESTORE):
        _apply(row, lambda c, calendar: rules.resume(c, calendar, at), at, reason)


def retarget(*, ticket_id: int, priority: str, at: datetime, reason: str) -> None:
    """Promises anew after the priority changed; what was consumed stays consumed."""
    rows = _locked(ticket_id)
    if not rows:
        return
    targets = {t.promise: t for t in _targets(default_policy(rows[0].provider_id), priority)}
    for row in rows:
        target = targets.get(row.promise)
        if target is None:
            _apply(row, lambda c, calendar: rules.cancel(c, calendar, at), at, reason)
            _cancel_alerts(row, at)
            continue
        _settle(row, at)
        row.calendar, row.calendar_version = target.calendar, target.calendar.version
        before = row.read()
        after, skipped = _ruled(partial(_retargeted, before, target, at), target.calendar, at)
        _write(row, before, after, at, reason)
        _raise_alerts(row, skipped, at)


def cancel(*, ticket_id: int, at: datetime, reason: str) -> None:
    """Voids all promises: the ticket was withdrawn or merged."""
    for row in _locked(ticket_id):
        _apply(row, lambda c, calendar: rules.cancel(c, calendar, at), at, reason)
        _cancel_alerts(row, at)


@transaction.atomic
def edit_calendar(calendar_id: int, change: Callable[[Calendar], datetime]) -> Calendar:
    """Changes a calendar's rows by `change`, which returns the first moment it touches.

    Raises the version in the same transaction: plans of the old version stop firing until
    `replan_stale` has worked them out again, moments later.
    """
    calendar = Calendar.objects.select_for_update().get(pk=calendar_id)
    first = change(calendar).astimezone(ZoneInfo(calendar.time_zone)).date()
    if calendar.changed_from is not None and _has_stale(calendar):
        first = min(first, calendar.changed_from)
    calendar.changed_from = first
    calendar.version += 1
    calendar.save()
    return calendar


def replan_stale(now: datetime) -> int:
    """Plans running clocks anew whose calendar was edited; returns how many were looked at.

    Those due before the first changed date only take the new version. In batches, each in a
    transaction of its own, SKIP LOCKED: resumable, and any number may run at once.

    SECURITY: a calendar that cannot be worked out is logged and tried again by the next sweep:
    one provider's hours must not hold up the clocks of the others.
    """
    seen = 0
    for calendar in Calendar.objects.filter(changed_from__isnull=False).iterator():
        try:
            while batch := _replan_batch(calendar.pk, now):
                seen += batch
        except (OperationalError, InterfaceError):
            raise  # no database: the ticker opens another connection
        except Exception:
            logger.exception("cannot plan the clocks of calendar %s", calendar.ref)
    return seen


@transaction.atomic
def _replan_batch(calendar_id: int, now: datetime) -> int:
    calendar = Calendar.objects.select_for_update().get(pk=calendar_id)
    stale = Clock.objects.filter(calendar=calendar, state=ClockState.RUNNING).exclude(
        calendar_version=calendar.version
    )
    rows = list(stale.select_for_update(skip_locked=True, of=("self",))[:REPLAN_BATCH])
    for row in rows:
        _freshen(row, calendar, now)
        row.save(update_fields=["calendar_version", *COLUMNS])
    if not rows and not stale.exists():
        Calendar.objects.filter(pk=calendar_id).update(changed_from=None)
    return len(rows)


def _freshen(row: Clock, calendar: Calendar, now: datetime) -> None:
    """Brings a plan of an older version of its calendar up to date; does not save."""
    before = row.read()
    row.calendar_version = calendar.version
    first = calendar.changed_from
    if (
        first
        and before.due_at
        and before.due_at < datetime.combine(first, time(), tzinfo=ZoneInfo(calendar.time_zone))
    ):
        return  # nothing changed before it is due
    after = _ruled(lambda known: rules.replan(before, known), calendar, now)
    if after != before:
        _ledger(row, Segment.Kind.PLANNED, now, now, "calendar.edited")
        row.take(after)


def _has_stale(calendar: Calendar) -> bool:
    running = Clock.objects.filter(calendar=calendar, state=ClockState.RUNNING)
    return running.exclude(calendar_version=calendar.version).exists()


def _targets(policy: Policy, priority: str) -> list[Target]:
    rows = policy.targets.filter(priority=Priority(priority)).select_related("calendar")
    return list(rows.order_by("promise"))


def _locked(ticket_id: int, promise: Promise | None = None) -> list[Clock]:
    rows = Clock.objects.select_related("calendar").select_for_update(of=("self",))
    rows = rows.filter(ticket_id=ticket_id)
    return list((rows.filter(promise=promise) if promise else rows).order_by("promise"))


def _apply(row: Clock, rule: _Rule, at: datetime, reason: str) -> rules.Clock:
    """Settles, applies the rule, writes. Returns the new state."""
    _settle(row, at)
    before = row.read()
    after = _ruled(lambda known: rule(before, known), row.calendar, at)
    _write(row, before, after, at, reason)
    return after


def _retargeted(
    before: rules.Clock, target: Target, at: datetime, calendar: CompiledCalendar
) -> tuple[rules.Clock, list[rules.Level]]:
    return rules.retarget(before, target.budget_seconds, target.levels, calendar, at)


def _ruled(rule: Callable[[CompiledCalendar], _Ruled], calendar: Calendar, at: datetime) -> _Ruled:
    """What the rule says. Where the hours do not reach a due time, as where they never open:
    work on tickets goes on without one until the hours are changed again.
    """
    known = compiled(calendar, at)
    try:
        return rule(known)
    except CalendarHorizonError:
        logger.warning("no due time by calendar %s", calendar.ref)
        return rule(replace(known, never_opens=True))


def _settle(row: Clock, at: datetime) -> None:
    """Consumes what lies before the event, as the tick would have, by the plan in force."""
    if row.calendar_version != row.calendar.version:
        _freshen(row, row.calendar, at)
    settled, levels = rules.settle(row.read(), at)
    row.take(settled)
    _raise_alerts(row, levels, at)


def _write(row: Clock, before: rules.Clock, after: rules.Clock, at: datetime, reason: str) -> None:
    """State and ledger. A clock that is planned now bears the calendar's version of now."""
    ran = after.consumed_seconds - before.consumed_seconds
    if before.state == rules.State.RUNNING and before.resumed_at and after != before:
        _ledger(row, Segment.Kind.RUN, before.resumed_at, at, reason, ran, before.epoch)
    elif before.stopped_at and after.state != before.state:
        _ledger(row, Segment.Kind.PAUSE, before.stopped_at, at, reason, 0.0, before.epoch)
    if after.generation != before.generation:
        row.calendar_version = row.calendar.version
    row.take(after)
    row.save(update_fields=["calendar", "calendar_version", *COLUMNS])


def _ledger(
    row: Clock,
    kind: str,
    from_at: datetime,
    to_at: datetime,
    reason: str,
    working_seconds: float = 0.0,
    epoch: int | None = None,
) -> None:
    Segment.objects.create(
        clock=row,
        epoch=epoch or row.epoch,
        kind=kind,
        from_at=min(from_at, to_at),
        to_at=to_at,
        reason=reason,
        calendar_version=row.calendar_version,
        working_seconds=working_seconds,
    )


def _raise_alerts(row: Clock, levels: Sequence[rules.Level], at: datetime) -> None:
    Alert.objects.bulk_create(
        [
            Alert(
                clock=row,
                epoch=level.epoch,
                step=level.step,
                percent=level.percent,
                due_at=row.due_at,
                state=Alert.State.PENDING if level.told else Alert.State.SUPPRESSED,
                raised_at=at,
            )
            for level in levels
        ],
        ignore_conflicts=True,
    )


def _cancel_alerts(row: Clock, at: datetime) -> None:
    """Nobody is told any more: neither by planned deliveries nor by new ones."""
    alerts = Alert.objects.filter(clock=row)
    alerts.filter(state=Alert.State.PENDING).update(state=Alert.State.CANCELLED)
    told = alerts.filter(state=Alert.State.EXPANDED)
    cancel_unsent([alert.source for alert in told], now=at)
