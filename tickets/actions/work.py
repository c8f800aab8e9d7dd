"""The work on a ticket: who, until when, where, how urgent."""

from datetime import datetime

from django.db import transaction

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Seat, Team, User
from posdoctor.accounts.policies import Permission
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import IllegalMoveError
from tickets.actions.parts import clean_reason, locked, move, record, save, start_waiting
from tickets.actions.refusals import UnknownPersonError
from tickets.events import EventKind
from tickets.lifecycle import (
    Move,
    Priority,
    TicketStatus,
    WaitFor,
)
from tickets.models import Ticket
from tickets.sla import actions as sla


@transaction.atomic
def assign(
    actor: Actor,
    *,
    ticket_id: int,
    now: datetime,
    user_id: int | None = None,
    team_id: int | None = None,
) -> Ticket:
    """Gives the ticket to a person, a team, both or (neither) nobody.

    A new ticket that gets an owner is taken up. Raises UnknownPersonError, IllegalMoveError
    on a closed, cancelled or merged ticket.
    """
    ticket = locked(actor, ticket_id, Permission.TICKET_ASSIGN)
    if ticket.status in {TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED}:
        raise IllegalMoveError(ticket.status, "assigned")
    person = _colleague(ticket.provider_id, user_id)
    team = _team(ticket.provider_id, team_id)
    if (ticket.assignee_id, ticket.team_id) == (user_id, team_id):
        return ticket
    ticket.assignee, ticket.team = person, team
    record(
        ticket,
        EventKind.ASSIGNED,
        actor,
        now,
        user=user_id,
        user_name=person.name if person else "",
        team=team_id,
        team_name=team.name if team else "",
    )
    if person and ticket.status == TicketStatus.NEW:
        move(ticket, Move.OPEN, TicketStatus.OPEN, now)
        record(ticket, EventKind.OPENED, actor, now)
    save(ticket, now)
    return ticket


@transaction.atomic
def take_up(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """Opens a new ticket and gives it to the actor: one click at the desk."""
    ticket = locked(actor, ticket_id, Permission.TICKET_ASSIGN)
    if ticket.status != TicketStatus.NEW:
        raise IllegalMoveError(ticket.status, TicketStatus.OPEN)
    return assign(
        actor, ticket_id=ticket_id, now=now, user_id=actor.user_id, team_id=ticket.team_id
    )


@transaction.atomic
def wait(
    actor: Actor,
    *,
    ticket_id: int,
    wait_for: str,
    now: datetime,
    remind_at: datetime | None = None,
) -> Ticket:
    """Stops the work until the merchant or a supplier answers, at most until `remind_at`."""
    ticket = locked(actor, ticket_id, Permission.TICKET_WAIT)
    start_waiting(ticket, actor, WaitFor(wait_for), remind_at, now)
    ticket.attention_at = None
    save(ticket, now)
    return ticket


@transaction.atomic
def resume(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """Goes on working on a waiting ticket."""
    ticket = locked(actor, ticket_id, Permission.TICKET_WAIT)
    move(ticket, Move.RESUME, TicketStatus.OPEN, now)
    record(ticket, EventKind.RESUMED, actor, now)
    save(ticket, now)
    return ticket


@transaction.atomic
def dispatch(actor: Actor, *, ticket_id: int, engineer_id: int, now: datetime) -> Ticket:
    """Books a visit: the ticket goes to a field engineer. Raises UnknownPersonError."""
    ticket = locked(actor, ticket_id, Permission.TICKET_DISPATCH)
    engineer = _colleague(ticket.provider_id, engineer_id, role=Role.FIELD)
    move(ticket, Move.DISPATCH, TicketStatus.DISPATCHED, now)
    ticket.assignee = engineer
    ticket.attention_at = None
    record(
        ticket,
        EventKind.DISPATCHED,
        actor,
        now,
        user=engineer_id,
        user_name=engineer.name if engineer else "",
    )
    save(ticket, now)
    return ticket


@transaction.atomic
def arrive(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """The engineer stands in the shop."""
    ticket = locked(actor, ticket_id, Permission.TICKET_ON_SITE)
    move(ticket, Move.ARRIVE, TicketStatus.ON_SITE, now)
    record(ticket, EventKind.ARRIVED, actor, now)
    save(ticket, now)
    return ticket


@transaction.atomic
def leave(actor: Actor, *, ticket_id: int, reason: str, now: datetime) -> Ticket:
    """The visit ended without a fix, or is called off: back to the desk, with the reason."""
    ticket = locked(actor, ticket_id, Permission.TICKET_ON_SITE)
    move(ticket, Move.LEAVE, TicketStatus.OPEN, now)
    ticket.attention_at = now
    record(ticket, EventKind.LEFT, actor, now, reason=clean_reason(reason))
    save(ticket, now)
    return ticket


@transaction.atomic
def set_priority(
    actor: Actor, *, ticket_id: int, priority: str, reason: str, now: datetime
) -> Ticket:
    """Changes the priority of an unfinished ticket, with a reason that stays in the time line."""
    ticket = locked(actor, ticket_id, Permission.TICKET_PRIORITY)
    if ticket.has_ended:
        raise IllegalMoveError(ticket.status, "priority")
    if ticket.priority == priority:
        return ticket
    before, ticket.priority = ticket.priority, Priority(priority)
    record(
        ticket,
        EventKind.PRIORITY_CHANGED,
        actor,
        now,
        before=before,
        after=priority,
        reason=clean_reason(reason),
    )
    sla.retarget(ticket_id=ticket.pk, priority=priority, at=now, reason=EventKind.PRIORITY_CHANGED)
    save(ticket, now)
    return ticket


def _colleague(provider_id: int, user_id: int | None, *, role: str | None = None) -> User | None:
    if user_id is None:
        return None
    seats = Seat.objects.active().filter(provider_id=provider_id, user_id=user_id)
    seat = (seats.filter(role=role) if role else seats).select_related("user").first()
    if seat is None:
        raise UnknownPersonError
    return seat.user


def _team(provider_id: int, team_id: int | None) -> Team | None:
    if team_id is None:
        return None
    team = Team.objects.filter(provider_id=provider_id, pk=team_id).first()
    if team is None:
        raise UnknownPersonError
    return team
