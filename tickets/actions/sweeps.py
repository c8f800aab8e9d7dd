"""What time does to tickets. Any number of runners may overlap, late or twice."""

from datetime import datetime, timedelta

from django.db import transaction

from posdoctor.accounts.actor import Actor, system
from posdoctor.accounts.policies import Permission, require
from tickets.actions.parts import drop_file, move, record, save
from tickets.events import EventKind
from tickets.lifecycle import (
    Move,
    TicketStatus,
)
from tickets.models import ReportDraft, Ticket

SWEEP_BATCH = 200
PURGE_BATCH = 5_000
KEEP_DRAFTS = timedelta(days=7)


def sweep(now: datetime) -> None:
    """Closes tickets that stayed silent for 72 hours and raises due reminders.

    Run by the ticker every five seconds and by beat: each row is locked and judged again, so
    any number of runners may overlap, late or twice.
    """
    actor = system()
    silent = Ticket.objects.silent_since_resolved(now).values_list("pk", flat=True)
    for ticket_id in silent.order_by("resolved_at")[:SWEEP_BATCH]:
        _close_silent(actor, ticket_id, now)
    due = Ticket.objects.reminder_due(now).values_list("pk", flat=True)
    for ticket_id in due.order_by("remind_at")[:SWEEP_BATCH]:
        _remind(actor, ticket_id, now)


def purge_drafts(now: datetime) -> int:
    """Deletes drafts that nobody touched for a week, with their photos; returns how many."""
    stale = ReportDraft.objects.filter(updated_at__lt=now - KEEP_DRAFTS)
    gone = 0
    for draft_id in stale.values_list("pk", flat=True)[:PURGE_BATCH]:
        with transaction.atomic():
            draft = stale.select_for_update(skip_locked=True).filter(pk=draft_id).first()
            if draft is None:
                continue  # typed on, or filed, a moment ago
            for attachment in draft.attachments.filter(ticket__isnull=True):
                drop_file(attachment)
            draft.delete()
            gone += 1
    return gone


@transaction.atomic
def _close_silent(actor: Actor, ticket_id: int, now: datetime) -> None:
    require(actor, Permission.TICKET_AUTOCLOSE)
    rows = Ticket.objects.silent_since_resolved(now).select_for_update(skip_locked=True)
    ticket = rows.filter(pk=ticket_id).first()
    if ticket is None:
        return
    move(ticket, Move.AUTOCLOSE, TicketStatus.CLOSED, now)
    ticket.closed_at = now
    record(ticket, EventKind.CLOSED, actor, now)
    save(ticket, now)


@transaction.atomic
def _remind(actor: Actor, ticket_id: int, now: datetime) -> None:
    rows = Ticket.objects.reminder_due(now).select_for_update(skip_locked=True)
    ticket = rows.filter(pk=ticket_id).first()
    if ticket is None:
        return
    ticket.remind_at = None
    ticket.attention_at = now
    record(ticket, EventKind.REMINDED, actor, now)
    save(ticket, now)
