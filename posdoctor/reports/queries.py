"""What the supervisors' page reads: each function one query, bounded by who asks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, F, FilteredRelation, Min, Q, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Seat, Team
from posdoctor.accounts.roles import Role
from posdoctor.reports.board import Kept, OpenTicket
from tickets.lifecycle import TicketStatus
from tickets.models import Ticket
from tickets.sla.models import Clock, ClockState

# Clocks that can still break their promise.
_LIVE = [ClockState.RUNNING.value, ClockState.PAUSED.value]
_WAITING = frozenset({TicketStatus.WAIT_MERCHANT, TicketStatus.WAIT_VENDOR})

# Everything that changes a number on the page writes one of these rows; what does not (an
# edited calendar) shows with the next minute, and so does a row that was committed after one
# with a higher id. Each of the three is one step down an index.
# SECURITY: the reader's seats are part of it: who lost one is asked for the permission again.
_VERSION = """
SELECT clock_timestamp(),
       coalesce((SELECT max(id) FROM tickets_ticketevent), 0),
       coalesce((SELECT max(id) FROM tickets_alert), 0),
       coalesce((SELECT max(id) FROM accounts_accountevent), 0),
       (SELECT string_agg(s.id || s.role, ',' ORDER BY s.id)
        FROM accounts_seat s JOIN accounts_provider p ON p.id = s.provider_id
        WHERE s.user_id = %s AND s.is_active AND p.is_active)
"""


def moment_and_version(user_id: int) -> tuple[datetime, tuple[object, ...]]:
    """The database's now, and what the numbers rest on at this moment for this reader."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION, [user_id])
        now, *version = cursor.fetchone()
    return now, (int(now.timestamp()) // 60, *version)


def open_tickets(actor: Actor, now: datetime) -> list[OpenTicket]:
    """Every unfinished ticket with the due time that it is judged by.

    A due time that has passed is broken before the tick has noted it; at the due time itself
    the promise is kept. A stopped clock is broken where it was stopped too late.
    """
    live = FilteredRelation("clocks", condition=Q(clocks__state__in=_LIVE))
    is_running = Q(live__state=ClockState.RUNNING)
    was_late = Q(live__state=ClockState.PAUSED, live__stopped_at__gt=F("live__due_at"))
    rows = (
        Ticket.objects.visible_to(actor)
        .working()
        .order_by()
        .annotate(live=live)
        .values("pk", "assignee_id", "team_id", "status")
        .annotate(
            next_at=Min("live__due_at", filter=is_running),
            stopped_at=Min("live__due_at", filter=was_late),
        )
        .values_list("pk", "assignee_id", "team_id", "status", "next_at", "stopped_at")
    )
    return [
        OpenTicket(
            pk,
            owner,
            team,
            is_waiting=status in _WAITING,
            due_at=next_at if next_at and next_at >= now else None,
            broken_at=next_at if next_at and next_at < now else stopped_at,
        )
        for pk, owner, team, status, next_at, stopped_at in rows
    ]


@dataclass(frozen=True)
class Named:
    """What a block says about its ticket."""

    ref: str
    store: str
    owner: str


def named(actor: Actor, pks: Iterable[int]) -> dict[int, Named]:
    """The tickets that the page names, by id."""
    rows = (
        Ticket.objects.visible_to(actor)
        .filter(pk__in=list(pks))
        .values_list("pk", "ref", "store__name", "assignee__name")
    )
    return {pk: Named(ref, store, owner or "") for pk, ref, store, owner in rows}


def kept_by_day(actor: Actor, since: datetime, zone: ZoneInfo) -> dict[tuple[str, date], Kept]:
    """Promises decided since then, by promise and day of the zone.

    A promise is decided when it is fulfilled, or at the due time that it missed: a late one
    counts on the day it broke, whether or not it was fulfilled since.
    """
    if actor.provider_id is None or not actor.is_staff:
        return {}
    rows = (
        Clock.objects.filter(provider_id=actor.provider_id)
        .alias(decided_at=Coalesce("breached_at", "met_at"))
        .filter(decided_at__gte=since)
        .values("promise", day=TruncDate("decided_at", tzinfo=zone))
        .order_by()
        .annotate(
            kept=Count("pk", filter=Q(breached_at__isnull=True)),
            decided=Count("pk"),
            fulfilled=Count("pk", filter=Q(state=ClockState.MET)),
            worked=Sum("consumed_seconds", filter=Q(state=ClockState.MET)),
        )
    )
    return {
        (row["promise"], row["day"]): Kept(
            row["kept"], row["decided"], row["fulfilled"], row["worked"] or 0.0
        )
        for row in rows
    }


@dataclass(frozen=True)
class Flow:
    """Tickets that came and that were fixed, by day, and of what they were, by day."""

    created: Counter[date]
    fixed: Counter[date]
    symptoms: dict[date, Counter[str]]


def flow_by_day(actor: Actor, since: datetime, zone: ZoneInfo) -> Flow:
    """Reports since then and tickets that are fixed since then. One query for both."""
    tickets = Ticket.objects.visible_to(actor).order_by()
    created = (
        tickets.opened_since(since)
        .values("symptom", day=TruncDate("opened_at", tzinfo=zone), what=Value("created"))
        .annotate(n=Count("pk"))
        .values_list("what", "day", "symptom", "n")
    )
    fixed = (
        tickets.filter(resolved_at__gte=since)
        .values(day=TruncDate("resolved_at", tzinfo=zone), what=Value("fixed"))
        .annotate(n=Count("pk"), none=Value(""))
        .values_list("what", "day", "none", "n")
    )
    flow = Flow(Counter(), Counter(), {})
    for what, day, symptom, n in created.union(fixed, all=True):
        if what == "fixed":
            flow.fixed[day] += n
            continue
        flow.created[day] += n
        flow.symptoms.setdefault(day, Counter())[symptom] += n
    return flow


@dataclass(frozen=True)
class Person:
    """Somebody who has tickets, or could."""

    user_id: int
    ref: str
    name: str
    is_expected: bool


def people(actor: Actor) -> list[Person]:
    """Everybody with a seat; `is_expected` are those who work on tickets and can sign in."""
    rows = (
        Seat.objects.visible_to(actor)
        .with_people()
        .annotate(can_work=F("user__is_active"))
        .values_list("user_id", "user__ref", "user__name", "role", "is_active", "can_work")
    )
    return [
        Person(user_id, ref, name, is_active and can_work and role != Role.ADMINISTRATOR)
        for user_id, ref, name, role, is_active, can_work in rows
    ]


def teams(actor: Actor) -> list[Team]:
    """The provider's teams, by name."""
    return list(Team.objects.visible_to(actor).order_by("name", "pk"))


def days_back(now: datetime, zone: ZoneInfo, count: int) -> list[date]:
    """The last `count` days of the zone, oldest first, today included."""
    today = now.astimezone(zone).date()
    return [today - timedelta(days=back) for back in reversed(range(count))]
