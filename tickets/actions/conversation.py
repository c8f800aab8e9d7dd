"""Words on a ticket: public replies, internal notes, the merchant's own."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.uploads import CleanFile
from tickets.actions.parts import (
    locked,
    move,
    open_again,
    record,
    save,
    say,
    start_waiting,
)
from tickets.events import EventKind
from tickets.lifecycle import (
    Move,
    TicketStatus,
    WaitFor,
    can,
)
from tickets.models import Message, Ticket
from tickets.sla import actions as sla
from tickets.sla.models import Promise

Then = Literal["keep", "wait"]
# The same words from the same person again so soon are a second tap, not a second message.
REPEAT_WITHIN = timedelta(seconds=15)


@transaction.atomic
def reply(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
    then: Then = "keep",
) -> Message:
    """Answers the merchant in public. The first answer takes a new ticket up.

    `then="wait"` waits for the merchant afterwards. Raises NothingToSayError,
    TooManyFilesError, NotAllowedError, IllegalMoveError on an ended ticket.
    """
    ticket = locked(actor, ticket_id, Permission.TICKET_REPLY)
    if twin := _said_just_now(ticket, actor, Message.Kind.REPLY, body, now):
        return twin
    if ticket.has_ended:
        raise IllegalMoveError(ticket.status, "replied")
    message = say(ticket, actor, Message.Kind.REPLY, body, files, now)
    if ticket.status == TicketStatus.NEW:
        move(ticket, Move.OPEN, TicketStatus.OPEN, now)
        record(ticket, EventKind.OPENED, actor, now)
    if ticket.first_reply_at is None:
        ticket.first_reply_at = now
        sla.meet(
            ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=now, reason=EventKind.REPLIED
        )
    ticket.attention_at = None
    if then == "wait" and can(Move.WAIT, ticket.status):
        start_waiting(ticket, actor, WaitFor.MERCHANT, None, now)
    record(ticket, EventKind.REPLIED, actor, now, message=message.pk)
    save(ticket, now, words=message.body)
    return message


@transaction.atomic
def note(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
) -> Message:
    """Writes an internal note: no merchant ever sees it. Possible in every state."""
    ticket = locked(actor, ticket_id, Permission.TICKET_NOTE)
    if twin := _said_just_now(ticket, actor, Message.Kind.NOTE, body, now):
        return twin
    message = say(ticket, actor, Message.Kind.NOTE, body, files, now)
    record(ticket, EventKind.NOTED, actor, now, message=message.pk)
    save(ticket, now)
    return message


@transaction.atomic
def add_words(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
) -> Message:
    """The merchant's words or photos. They reopen a ticket that waits for them or is resolved.

    A closed ticket takes no words: the page offers "still broken" (`reopen`) instead.
    Raises NothingToSayError, TooManyFilesError, IllegalMoveError.
    """
    ticket = locked(actor, ticket_id, Permission.TICKET_ADD_WORDS)
    if twin := _said_just_now(ticket, actor, Message.Kind.MERCHANT, body, now):
        return twin
    if ticket.status in {TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED}:
        raise IllegalMoveError(ticket.status, "merchant_wrote")
    message = say(ticket, actor, Message.Kind.MERCHANT, body, files, now)
    record(ticket, EventKind.MERCHANT_WROTE, actor, now, message=message.pk)
    if ticket.status == TicketStatus.RESOLVED:
        open_again(ticket, actor, now)
    elif ticket.status == TicketStatus.WAIT_MERCHANT:
        move(ticket, Move.RESUME, TicketStatus.OPEN, now)
        record(ticket, EventKind.RESUMED, actor, now)
    ticket.attention_at = now
    save(ticket, now, words=message.body)
    return message


def _said_just_now(
    ticket: Ticket, actor: Actor, kind: str, body: str, now: datetime
) -> Message | None:
    """The first of two taps on "send"; the ticket's lock makes the second one see it."""
    if not body.strip():
        return None
    words = ticket.messages.filter(kind=kind, author_id=actor.user_id, body=body.strip())
    return words.filter(created_at__gt=now - REPEAT_WITHIN).order_by("-pk").first()
