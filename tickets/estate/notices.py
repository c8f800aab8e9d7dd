"""What the demo's people find in their lists: the last hours of the tickets that are still open.

Only inside the product, as rows that are sent by being there: a load mails nobody. The shape is
that of tickets.subscribers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.urls import reverse

from posdoctor.accounts.models import Seat
from posdoctor.accounts.roles import Role
from posdoctor.notifications.actions import plan
from posdoctor.notifications.kinds import Kind
from posdoctor.notifications.models import Channel, Delivery
from tickets.estate.rows import moment
from tickets.estate.stories import Story
from tickets.events import EventKind
from tickets.models import Ticket, TicketEvent
from tickets.sla.models import Alert

_TOLD = timedelta(hours=12)
# Older ones were opened a while after they came.
_UNREAD, _OPENED_AFTER = timedelta(hours=3), timedelta(minutes=12)
_MOST_TICKETS = 200


def post(stories: Sequence[Story], until: int) -> int:
    """Tells of alerts and assignments of some open tickets; returns how many notices there are."""
    now = moment(until)
    rows = Ticket.objects.filter(pk__in=[story.id for story in stories[:_MOST_TICKETS]])
    told = 0
    for ticket in rows.select_related("store", "assignee").order_by("pk"):
        told += _alerts(ticket, now - _TOLD) + _assignments(ticket, now - _TOLD)
    sources = Delivery.objects.filter(
        provider__in={story.machine.shop.crew.id for story in stories}
    )
    sources.filter(created_at__lt=now - _UNREAD, read_at__isnull=True).update(
        read_at=F("created_at") + _OPENED_AFTER
    )
    return told


def _alerts(ticket: Ticket, since: datetime) -> int:
    alerts = Alert.objects.filter(clock__ticket=ticket, state=Alert.State.EXPANDED)
    told = 0
    for alert in alerts.filter(raised_at__gt=since).select_related("clock").order_by("pk"):
        people = _owners(ticket)
        if alert.percent >= 100:
            people |= _holders(ticket, role=Role.SUPERVISOR)
        data = {
            "promise": alert.clock.promise,
            "level": alert.percent,
            "due_at": alert.due_at.isoformat() if alert.due_at else "",
            "owner": ticket.assignee.name if ticket.assignee else "",
        }
        told += _tell(ticket, Kind.CLOCK_LEVEL, alert.source, people, data, alert.raised_at)
    return told


def _assignments(ticket: Ticket, since: datetime) -> int:
    kinds = [EventKind.ASSIGNED, EventKind.DISPATCHED]
    told = 0
    for event in TicketEvent.objects.filter(
        ticket=ticket, kind__in=kinds, occurred_at__gt=since
    ).order_by("pk"):
        person, team = event.data.get("user"), event.data.get("team")
        people = {person} if person else _holders(ticket, teams=team) if team else set()
        told += _tell(
            ticket, Kind.TICKET_ASSIGNED, f"event:{event.pk}",
            people - {event.actor_user_id}, {"actor": event.actor_name}, event.occurred_at,
        )  # fmt: skip
    return told


def _tell(
    ticket: Ticket, kind: Kind, source: str, people: set[int], data: dict[str, Any], at: datetime
) -> int:
    return plan(
        provider_id=ticket.provider_id,
        source=source,
        kind=kind,
        recipients=people,
        data={"ref": ticket.ref, "title": ticket.title, "store": ticket.store.name, **data},
        url=reverse("tickets:ticket", kwargs={"ref": ticket.ref}),
        now=at,
        channels=[Channel.IN_APP],
    )


def _owners(ticket: Ticket) -> set[int]:
    """Who answers for it: its owner, else its team, else the desk."""
    if ticket.assignee_id:
        return {ticket.assignee_id}
    if ticket.team_id:
        return _holders(ticket, teams=ticket.team_id)
    return _holders(ticket, role=Role.DESK)


def _holders(ticket: Ticket, **which: Any) -> set[int]:
    seats = Seat.objects.active().filter(provider_id=ticket.provider_id, **which)
    return set(seats.values_list("user_id", flat=True))
