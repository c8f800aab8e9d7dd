"""The end of a ticket and what comes after it; the contact's number."""

from datetime import datetime

from django.db import transaction

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.accounts.roles import STAFF_ROLES
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.refs import create_with_ref
from posdoctor.core.scrub import scrub
from tickets.actions.parts import clean_reason, locked, move, open_again, record, save, say
from tickets.events import EventKind
from tickets.lifecycle import (
    REOPEN_WITHIN,
    Move,
    TicketStatus,
    can,
)
from tickets.models import Message, Ticket
from tickets.sla import actions as sla


@transaction.atomic
def resolve(
    actor: Actor,
    *,
    ticket_id: int,
    cause: str,
    certainty: str,
    fixed_by: str,
    proof: str,
    now: datetime,
    note: str = "",
) -> Ticket:
    """Says what it was and how it was seen to work; the merchant confirms or refuses.

    `cause` is a fault id of the symptom's flow, or `other`. Raises IllegalMoveError,
    NotAllowedError; a hidden ticket is DoesNotExist.
    """
    ticket = locked(actor, ticket_id, Permission.TICKET_RESOLVE)
    move(ticket, Move.RESOLVE, TicketStatus.RESOLVED, now)
    ticket.cause, ticket.certainty = cause, certainty
    ticket.fixed_by, ticket.proof = fixed_by, proof
    ticket.resolution_note = note
    ticket.resolved_at = now
    ticket.attention_at = None
    record(
        ticket,
        EventKind.RESOLVED,
        actor,
        now,
        cause=cause,
        certainty=certainty,
        fixed_by=fixed_by,
        proof=proof,
    )
    save(ticket, now)
    return ticket


@transaction.atomic
def confirm(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """The merchant says that it works: closed."""
    ticket = locked(actor, ticket_id, Permission.TICKET_CONFIRM)
    if ticket.status == TicketStatus.CLOSED:
        return ticket  # a second tap
    move(ticket, Move.CONFIRM, TicketStatus.CLOSED, now)
    ticket.closed_at = now
    record(ticket, EventKind.CONFIRMED, actor, now)
    save(ticket, now)
    return ticket


@transaction.atomic
def reopen(actor: Actor, *, ticket_id: int, now: datetime, words: str = "") -> Ticket:
    """Still broken: opens the ticket again, or after 30 days files a linked new one.

    Returns the ticket that is now being worked on. Raises IllegalMoveError.
    """
    words = scrub(words)  # before it is cut, like a report's
    ticket = locked(actor, ticket_id, Permission.TICKET_REOPEN)
    if not can(Move.REOPEN, ticket.status):
        raise IllegalMoveError(ticket.status, TicketStatus.OPEN)
    assert ticket.resolved_at is not None
    if now - ticket.resolved_at > REOPEN_WITHIN:
        return _follow_up(ticket, actor, now, words)
    if words:
        kind = Message.Kind.NOTE if actor.role in STAFF_ROLES else Message.Kind.MERCHANT
        say(ticket, actor, kind, words, (), now)
    open_again(ticket, actor, now)
    save(ticket, now, words=words if actor.role not in STAFF_ROLES else "")
    return ticket


@transaction.atomic
def cancel(actor: Actor, *, ticket_id: int, reason: str, now: datetime) -> Ticket:
    """Ends a ticket that needs no more work: it works again, filed twice, a mistake."""
    ticket = locked(actor, ticket_id, Permission.TICKET_CANCEL)
    move(ticket, Move.CANCEL, TicketStatus.CANCELLED, now)
    ticket.closed_at = now
    ticket.attention_at = None
    record(ticket, EventKind.CANCELLED, actor, now, reason=clean_reason(reason))
    save(ticket, now)
    return ticket


@transaction.atomic
def merge_into(actor: Actor, *, ticket_id: int, target_ref: str, now: datetime) -> Ticket:
    """Ends this ticket as a double of `target_ref`, which gets a note with the reference.

    Locks both in id order. Raises IllegalMoveError (also for itself or an ended target);
    an unknown or foreign target is DoesNotExist.
    """
    visible = Ticket.objects.visible_to(actor)
    target_id = visible.values_list("pk", flat=True).get(ref=target_ref.strip().upper())
    require(actor, Permission.TICKET_MERGE)
    rows = {pk: visible.lock(pk) for pk in sorted({ticket_id, target_id})}
    ticket, target = rows[ticket_id], rows[target_id]
    if ticket_id == target_id or target.has_ended:
        raise IllegalMoveError(target.status, TicketStatus.MERGED)
    move(ticket, Move.MERGE, TicketStatus.MERGED, now)
    ticket.merged_into = target
    ticket.closed_at = now
    ticket.attention_at = None
    record(ticket, EventKind.MERGED, actor, now, into=target.ref)
    save(ticket, now)
    record(target, EventKind.MERGED, actor, now, other=ticket.ref)
    target.attention_at = now
    save(target, now)
    return target


@transaction.atomic
def reveal_contact(actor: Actor, *, ticket_id: int, now: datetime) -> str:
    """The contact's whole phone number; that it was shown, and to whom, is recorded."""
    ticket = locked(actor, ticket_id, Permission.CONTACT_REVEAL)
    record(ticket, EventKind.CONTACT_REVEALED, actor, now)
    return ticket.contact_phone


def _follow_up(ticket: Ticket, actor: Actor, now: datetime, words: str) -> Ticket:
    existing = ticket.follow_ups.order_by("-pk").first()
    if existing and not existing.has_ended:
        return existing  # a second tap, or somebody was faster
    fresh = create_with_ref(
        lambda: Ticket(
            provider_id=ticket.provider_id,
            merchant_id=ticket.merchant_id,
            store_id=ticket.store_id,
            terminal_id=ticket.terminal_id,
            symptom=ticket.symptom,
            title=ticket.title,
            source=Ticket.Source.FOLLOW_UP,
            language=ticket.language,
            priority=ticket.priority,
            impact=ticket.impact,
            terminals_down=ticket.terminals_down,
            is_security=ticket.is_security,
            contact_name=ticket.contact_name,
            contact_phone=ticket.contact_phone,
            attention_at=now,
            opened_at=now,
            last_activity_at=now,
            last_words=words[:200],
            previous=ticket,
        )
    )
    sla.start(provider_id=fresh.provider_id, ticket_id=fresh.pk, priority=fresh.priority, at=now)
    record(fresh, EventKind.REPORTED, actor, now, previous=ticket.ref)
    record(ticket, EventKind.FOLLOWED_UP, actor, now, follow_up=fresh.ref)
    if words:
        merchant = actor.role not in STAFF_ROLES
        kind = Message.Kind.MERCHANT if merchant else Message.Kind.NOTE
        say(fresh, actor, kind, words, (), now)
    return fresh
