"""Who hears of what: alerts of clocks and events of tickets become deliveries to people.

Each source is planned in the transaction that marks it as told, so a crash repeats it and a
repetition finds the rows that exist. Sending is the business of posdoctor.notifications.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.urls import reverse

from posdoctor.accounts.models import Seat
from posdoctor.accounts.roles import Role
from posdoctor.notifications import actions as notifications
from posdoctor.notifications.kinds import Kind
from tickets.events import EventKind
from tickets.models import Ticket, TicketEvent
from tickets.sla.models import Alert, ClockState

logger = logging.getLogger(__name__)

# Small: what is broken off in the middle is done again from its beginning, and until the end of
# its batch an alert is seen by nobody.
BATCH = 25
# Later than this a warning only confuses; the list and the page show the state anyway.
ALERT_LIVES = timedelta(hours=12)
EVENT_LIVES = timedelta(hours=24)


@dataclass(frozen=True)
class Notice:
    """One thing to tell: to whom (user ids) and what its templates need."""

    kind: Kind
    recipients: set[int]
    data: dict[str, Any] = field(default_factory=dict)


def dispatch_events(now: datetime) -> int:
    """Plans deliveries for events nobody was told of yet; returns how many were looked at.

    An event that cannot be planned is logged and tried again by the next sweep; it does not
    keep the others waiting.
    """
    seen, last = 0, 0
    while ids := _claim_events(last, now):
        seen, last = seen + len(ids), ids[-1]
    return seen


@transaction.atomic
def _claim_events(after: int, now: datetime) -> list[int]:
    rows = TicketEvent.objects.filter(dispatched_at__isnull=True, pk__gt=after).order_by("pk")
    events = list(rows.select_for_update(skip_locked=True)[:BATCH])
    told = [event.pk for event in events if _planned(partial(_tell_of, event, now), event)]
    TicketEvent.objects.filter(pk__in=told).update(dispatched_at=now)
    return [event.pk for event in events]


def _tell_of(event: TicketEvent, now: datetime) -> None:
    if event.kind not in _PLANS or now - event.occurred_at > EVENT_LIVES:
        return
    ticket = Ticket.objects.select_related("store").get(pk=event.ticket_id)
    notice = _PLANS[EventKind(event.kind)](event, ticket)
    notifications.plan(
        provider_id=event.provider_id,
        source=f"event:{event.pk}",
        kind=notice.kind,
        recipients=notice.recipients - {event.actor_user_id or 0},
        data=_about(ticket) | {"actor": event.actor_name} | notice.data,
        url=reverse("tickets:ticket", kwargs={"ref": ticket.ref}),
        now=now,
        expires_at=event.occurred_at + EVENT_LIVES,
    )


def expand_alerts(now: datetime) -> int:
    """Plans deliveries for alerts nobody was told of yet; returns how many were looked at."""
    seen, last = 0, 0
    while ids := _claim_alerts(last, now):
        seen, last = seen + len(ids), ids[-1]
    return seen


@transaction.atomic
def _claim_alerts(after: int, now: datetime) -> list[int]:
    rows = Alert.objects.filter(state=Alert.State.PENDING, pk__gt=after).order_by("pk")
    rows = rows.select_related("clock__ticket__store", "clock__ticket__assignee")
    alerts = list(rows.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    for alert in alerts:
        _planned(partial(_tell_level, alert, now), alert)
    return [alert.pk for alert in alerts]


def _tell_level(alert: Alert, now: datetime) -> None:
    clock, ticket = alert.clock, alert.clock.ticket
    if clock.state in {ClockState.MET, ClockState.CANCELLED}:
        alert.state = Alert.State.CANCELLED
    else:
        recipients = owners(ticket)
        if alert.percent >= 100:
            recipients |= _holders(ticket.provider_id, Role.SUPERVISOR)
        notifications.plan(
            provider_id=ticket.provider_id,
            source=alert.source,
            kind=Kind.CLOCK_LEVEL,
            recipients=recipients,
            data=_about(ticket)
            | {
                "promise": clock.promise,
                "level": alert.percent,
                "due_at": alert.due_at.isoformat() if alert.due_at else "",
                "owner": ticket.assignee.name if ticket.assignee else "",
            },
            url=reverse("tickets:ticket", kwargs={"ref": ticket.ref}),
            now=now,
            expires_at=now + ALERT_LIVES,
        )
        alert.state = Alert.State.EXPANDED
    alert.save(update_fields=["state"])


def owners(ticket: Ticket) -> set[int]:
    """Who answers for a ticket: its owner, else its team, else the whole desk, else the leads.

    Only people with a usable seat count: a promise is never watched by nobody because
    somebody left.
    """
    seats = Seat.objects.active().filter(provider_id=ticket.provider_id)
    for narrowed in (
        seats.filter(user_id=ticket.assignee_id) if ticket.assignee_id else seats.none(),
        seats.filter(teams=ticket.team_id) if ticket.team_id else seats.none(),
        seats.filter(role=Role.DESK),
    ):
        if found := set(narrowed.values_list("user_id", flat=True)):
            return found
    return _holders(ticket.provider_id, Role.SUPERVISOR, Role.ADMINISTRATOR)


def _holders(provider_id: int, *roles: Role) -> set[int]:
    seats = Seat.objects.active().filter(provider_id=provider_id, role__in=roles)
    return set(seats.values_list("user_id", flat=True))


def _about(ticket: Ticket) -> dict[str, Any]:
    return {"ref": ticket.ref, "title": ticket.title, "store": ticket.store.name}


def _assigned(event: TicketEvent, ticket: Ticket) -> Notice:
    """To the new owner; a ticket given to a team only goes to all of it."""
    person, team = event.data.get("user"), event.data.get("team")
    if person:
        return Notice(Kind.TICKET_ASSIGNED, {person})
    members = Seat.objects.active().filter(provider_id=ticket.provider_id, teams=team)
    return Notice(
        Kind.TICKET_ASSIGNED, set(members.values_list("user_id", flat=True)) if team else set()
    )


def _booked(event: TicketEvent, _ticket: Ticket) -> Notice:
    return Notice(Kind.TICKET_ASSIGNED, {event.data["user"]})


def _merchant_wrote(_event: TicketEvent, ticket: Ticket) -> Notice:
    return Notice(Kind.TICKET_MERCHANT_WROTE, owners(ticket))


def _reopened(_event: TicketEvent, ticket: Ticket) -> Notice:
    return Notice(Kind.TICKET_REOPENED, owners(ticket))


def _reminded(_event: TicketEvent, ticket: Ticket) -> Notice:
    return Notice(Kind.TICKET_REMINDED, owners(ticket))


# Kinds that somebody is told of; all others are only marked as seen.
_PLANS: dict[EventKind, Callable[[TicketEvent, Ticket], Notice]] = {
    EventKind.ASSIGNED: _assigned,
    EventKind.DISPATCHED: _booked,
    EventKind.MERCHANT_WROTE: _merchant_wrote,
    EventKind.REOPENED: _reopened,
    EventKind.REMINDED: _reminded,
}


def _planned(plan: Callable[[], None], source: object) -> bool:
    """Plans within a savepoint; False (and a log line) where that failed."""
    try:
        with transaction.atomic():
            plan()
    except Exception:
        logger.exception("cannot plan deliveries of %s", source)
        return False
    return True
