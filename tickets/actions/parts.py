"""Steps that deeds on tickets share. Each runs inside the transaction of a deed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.outbox import wake
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import CleanFile
from tickets.actions.refusals import NothingToSayError, TooManyFilesError
from tickets.events import EventKind
from tickets.lifecycle import (
    Move,
    TicketStatus,
    WaitFor,
    can,
)
from tickets.models import Attachment, Message, Ticket, TicketEvent
from tickets.sla import actions as sla
from tickets.sla.models import Promise

MAX_FILES = 5
DISPATCH_EVENTS = "tickets.dispatch_events"


def locked(actor: Actor, ticket_id: int, permission: Permission) -> Ticket:
    """Tenancy, existence, lock and right in one line."""
    ticket = Ticket.objects.visible_to(actor).lock(ticket_id)
    require(actor, permission)
    return ticket


def move(ticket: Ticket, deed: Move, status: TicketStatus, now: datetime) -> None:
    """The only place that assigns a status; the clocks follow in the same transaction."""
    if not can(deed, ticket.status):
        raise IllegalMoveError(ticket.status, status)
    ticket.status = status
    if status not in {TicketStatus.WAIT_MERCHANT, TicketStatus.WAIT_VENDOR}:
        ticket.wait_for = ""
        ticket.remind_at = None
    _move_clocks(ticket.pk, deed, status, now)


def _move_clocks(ticket_id: int, deed: Move, status: TicketStatus, now: datetime) -> None:
    """What a new status means for the promises (design/ui.md 5.2, last column)."""
    match status:
        case TicketStatus.RESOLVED:
            # Who was helped without a word was answered by that.
            sla.meet(ticket_id=ticket_id, promise=Promise.FIRST_RESPONSE, at=now, reason=deed)
            sla.meet(ticket_id=ticket_id, promise=Promise.RESTORE, at=now, reason=deed)
        case TicketStatus.CANCELLED | TicketStatus.MERGED:
            sla.cancel(ticket_id=ticket_id, at=now, reason=deed)
        case TicketStatus.WAIT_MERCHANT:
            sla.pause(ticket_id=ticket_id, at=now, reason=deed)
        case TicketStatus.WAIT_VENDOR:
            sla.pause(ticket_id=ticket_id, at=now, reason=deed, for_vendor=True)
        case TicketStatus.CLOSED:
            pass  # met when it was resolved
        case _:
            sla.resume(ticket_id=ticket_id, at=now, reason=deed)


def save(ticket: Ticket, now: datetime, *, words: str = "") -> None:
    """Writes every column that a deed may have changed; `words` become the list's second line."""
    ticket.last_activity_at = now
    if words:
        ticket.last_words = words[:200]
    ticket.save(
        update_fields=[
            "status",
            "priority",
            "assignee",
            "team",
            "wait_for",
            "remind_at",
            "attention_at",
            "first_reply_at",
            "last_activity_at",
            "last_words",
            "resolved_at",
            "closed_at",
            "reopened_count",
            "cause",
            "certainty",
            "fixed_by",
            "proof",
            "resolution_note",
            "merged_into",
        ]
    )


def record(ticket: Ticket, kind: EventKind, actor: Actor, at: datetime, **data: Any) -> None:
    """Adds the event: time line, audit and outbox at once. `data` is plain JSON."""
    TicketEvent.objects.create(
        provider_id=ticket.provider_id,
        ticket=ticket,
        kind=kind,
        actor_user_id=actor.user_id,
        actor_name=actor.name,
        actor_role=actor.role or "",
        via=actor.via,
        data=data,
        occurred_at=at,
    )
    wake(DISPATCH_EVENTS)


def say(
    ticket: Ticket,
    actor: Actor,
    kind: str,
    body: str,
    files: Iterable[CleanFile],
    now: datetime,
) -> Message:
    """Adds a message with its files. Raises NothingToSayError, TooManyFilesError."""
    files = list(files)
    if not body.strip() and not files:
        raise NothingToSayError
    if len(files) > MAX_FILES:
        raise TooManyFilesError
    merchant = kind == Message.Kind.MERCHANT
    message = Message.objects.create(
        provider_id=ticket.provider_id,
        ticket=ticket,
        kind=kind,
        author_id=actor.user_id,
        author_name=actor.name or (ticket.contact_name if merchant else ""),
        body=body.strip(),
        created_at=now,
    )
    for file in files:
        attach(file, provider_id=ticket.provider_id, ticket=ticket, message=message, at=now)
    return message


def attach(file: CleanFile, *, provider_id: int, at: datetime, **home: Any) -> Attachment:
    """Stores a cleaned file below a random name; `home` says what it hangs on."""
    attachment = Attachment(
        provider_id=provider_id,
        name=file.name,
        content_type=file.content_type,
        extension=file.extension,
        size=len(file.content),
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        created_at=at,
        **home,
    )
    attachment.file.save(file.name, ContentFile(file.content), save=False)
    attachment.save(force_insert=True)
    return attachment


def drop_file(attachment: Attachment) -> None:
    """Deletes the row now and the file once that is certain."""
    storage, name = attachment.file.storage, attachment.file.name
    attachment.delete()
    if name:
        transaction.on_commit(lambda: storage.delete(name))


def start_waiting(
    ticket: Ticket, actor: Actor, wait_for: WaitFor, remind_at: datetime | None, now: datetime
) -> None:
    """Moves to waiting for the merchant or a supplier, with the moment to be reminded."""
    merchant = wait_for == WaitFor.MERCHANT
    status = TicketStatus.WAIT_MERCHANT if merchant else TicketStatus.WAIT_VENDOR
    move(ticket, Move.WAIT, status, now)
    ticket.wait_for = wait_for
    ticket.remind_at = remind_at
    record(
        ticket,
        EventKind.WAITING,
        actor,
        now,
        wait_for=wait_for.value,
        remind_at=remind_at.isoformat() if remind_at else None,
    )


def open_again(ticket: Ticket, actor: Actor, now: datetime) -> None:
    """The resolution goes back into the time line; it was not the end."""
    move(ticket, Move.REOPEN, TicketStatus.OPEN, now)
    record(ticket, EventKind.REOPENED, actor, now, cause=ticket.cause, fixed_by=ticket.fixed_by)
    ticket.resolved_at = ticket.closed_at = None
    ticket.cause = ticket.certainty = ticket.fixed_by = ticket.proof = ""
    ticket.resolution_note = ""
    ticket.reopened_count += 1
    ticket.attention_at = now


def clean_reason(reason: str) -> str:
    """Reasons are free text inside event data: masked like every other."""
    return scrub(reason.strip())[:300]
