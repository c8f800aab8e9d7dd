"""What a provider promises and by which hours: deeds of its leads, each kept in the trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.outbox import wake
from posdoctor.core.refs import create_with_ref
from tickets.sla.actions import edit_calendar
from tickets.sla.models import Calendar, CalendarDay, CalendarHours, Policy, Target

TICK_CLOCKS = "tickets.tick_clocks"
# Nobody plans further; it bounds what one form can insert.
MOST_DAYS = 62


class PastDayError(DomainError):
    """A day that is over: what was counted stays counted."""

    code = "past_day"


class TooManyDaysError(DomainError):
    """A span of more than MOST_DAYS days, or one that ends before it starts."""

    code = "too_many_days"


@dataclass(frozen=True)
class Wanted:
    """One target: seconds of working time by a calendar."""

    seconds: int
    calendar_ref: str


# By promise and priority; a missing one is not promised.
Targets = Mapping[tuple[str, str], Wanted]


@transaction.atomic
def set_policy(
    actor: Actor,
    *,
    targets: Targets,
    levels: Sequence[int],
    pauses_for_vendor: bool,
    now: datetime,
) -> Policy:
    """Promises anew for tickets that are filed from now on; running clocks keep their word.

    Records `policy_edited`. Raises NotAllowedError; a foreign calendar is DoesNotExist.
    """
    require(actor, Permission.PROMISES_MANAGE)
    policy = Policy.objects.visible_to(actor).select_for_update().get(is_default=True)
    calendars = {c.ref: c for c in Calendar.objects.visible_to(actor)}
    kept = []
    for (promise, priority), wanted in targets.items():
        calendar = calendars.get(wanted.calendar_ref)
        if calendar is None:
            raise Calendar.DoesNotExist
        target, _is_new = Target.objects.update_or_create(
            policy=policy,
            promise=promise,
            priority=priority,
            defaults={
                "calendar": calendar,
                "budget_seconds": wanted.seconds,
                "levels": list(levels),
            },
        )
        kept.append(target.pk)
    policy.targets.exclude(pk__in=kept).delete()
    policy.pauses_for_vendor = pauses_for_vendor
    policy.version += 1
    policy.save(update_fields=["pauses_for_vendor", "version"])
    record(actor, AccountEvent.Kind.POLICY_EDITED, provider_id=policy.provider_id, at=now,
           policy=policy.ref, version=policy.version)  # fmt: skip
    return policy


@transaction.atomic
def add_calendar(actor: Actor, *, values: Mapping[str, Any], now: datetime) -> Calendar:
    """A new calendar; `values` as for `change_calendar`. Records `calendar_added`."""
    require(actor, Permission.PROMISES_MANAGE)
    assert actor.provider_id is not None  # every role with the right has a provider
    provider_id = actor.provider_id
    columns = {name: values[name] for name in ("name", "name_en", "time_zone")}
    calendar = create_with_ref(lambda: Calendar(provider_id=provider_id, **columns))
    _write_week(calendar, values["week"])
    record(actor, AccountEvent.Kind.CALENDAR_ADDED, provider_id=provider_id, at=now,
           calendar=calendar.ref)  # fmt: skip
    return calendar


def change_calendar(
    actor: Actor, *, calendar_ref: str, values: Mapping[str, Any], now: datetime
) -> Calendar:
    """Name, time zone and week: `{"name", "name_en", "time_zone", "week": seven lists of
    (start minute, end minute)}`. Running clocks follow within seconds, from now on.

    Records `calendar_edited`. Raises NotAllowedError; a foreign calendar is DoesNotExist.
    """

    def change(calendar: Calendar) -> datetime:
        for name in ("name", "name_en", "time_zone"):
            setattr(calendar, name, values[name])
        calendar.hours.all().delete()
        _write_week(calendar, values["week"])
        return now

    return _changed(actor, calendar_ref, change, now)


def set_days(
    actor: Actor,
    *,
    calendar_ref: str,
    first: date,
    last: date,
    intervals: Sequence[tuple[int, int]],
    name: str,
    now: datetime,
) -> Calendar:
    """Gives each day of a span its own hours; none = closed. Replaces what was said before.

    Raises PastDayError, TooManyDaysError, NotAllowedError; a foreign calendar is DoesNotExist.
    """
    days = (last - first).days + 1
    if not 0 < days <= MOST_DAYS:
        raise TooManyDaysError

    def change(calendar: Calendar) -> datetime:
        _refuse_past(calendar, first, now)
        for offset in range(days):
            CalendarDay.objects.update_or_create(
                calendar=calendar,
                date=first + timedelta(days=offset),
                defaults={
                    "kind": CalendarDay.Kind.SPECIAL if intervals else CalendarDay.Kind.CLOSED,
                    "intervals": [list(interval) for interval in intervals],
                    "name": name,
                },
            )
        return _midnight(calendar, first)

    return _changed(actor, calendar_ref, change, now)


def drop_day(actor: Actor, *, calendar_ref: str, day: date, now: datetime) -> Calendar:
    """Lets a day follow its weekday again. Raises as `set_days`; an unknown day changes nothing."""

    def change(calendar: Calendar) -> datetime:
        _refuse_past(calendar, day, now)
        calendar.days.filter(date=day).delete()
        return _midnight(calendar, day)

    return _changed(actor, calendar_ref, change, now)


@transaction.atomic
def _changed(actor: Actor, calendar_ref: str, change: Any, now: datetime) -> Calendar:
    require(actor, Permission.PROMISES_MANAGE)
    found = Calendar.objects.visible_to(actor).get(ref=calendar_ref)
    calendar = edit_calendar(found.pk, change)
    record(actor, AccountEvent.Kind.CALENDAR_EDITED, provider_id=calendar.provider_id, at=now,
           calendar=calendar.ref, version=calendar.version)  # fmt: skip
    wake(TICK_CLOCKS)
    return calendar


def _write_week(calendar: Calendar, week: Sequence[Sequence[tuple[int, int]]]) -> None:
    CalendarHours.objects.bulk_create(
        CalendarHours(calendar=calendar, weekday=day, start_minute=start, end_minute=end)
        for day, intervals in enumerate(week)
        for start, end in intervals
    )


def _refuse_past(calendar: Calendar, day: date, now: datetime) -> None:
    if day < now.astimezone(ZoneInfo(calendar.time_zone)).date():
        raise PastDayError


def _midnight(calendar: Calendar, day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(calendar.time_zone))
