"""What was tried for a ticket: each fix with its outcome, the failed ones too."""

from datetime import datetime, timedelta

from django.db import transaction

from diagnostics.flow import Fix
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission
from posdoctor.core.errors import IllegalMoveError
from tickets.actions.parts import locked, record
from tickets.actions.refusals import UnknownFixError
from tickets.events import EventKind
from tickets.models import Ticket, TriedFix

# A slip of the hand is taken back by whom it happened to; later it is part of the record.
TAKE_BACK_WITHIN = timedelta(minutes=10)


@transaction.atomic
def log_fix(actor: Actor, *, ticket_id: int, step_id: str, worked: bool, now: datetime) -> TriedFix:
    """Says that a fix of the walked flow was tried and whether it worked; the last say counts.

    The same again changes nothing (a repeated tap). Records `ticket.fix_tried`. Raises
    UnknownFixError for a step that is no fix of the flow, IllegalMoveError once the ticket has
    ended, NotAllowedError; a hidden ticket is DoesNotExist.
    """
    ticket = locked(actor, ticket_id, Permission.FIX_LOG)
    if ticket.has_ended:
        raise IllegalMoveError(ticket.status, "fix")
    if not isinstance(_step(ticket, step_id), Fix):
        raise UnknownFixError(step_id)
    known = ticket.tried_fixes.filter(step_id=step_id).first()
    if known and known.worked == worked and known.tried_at >= _last_reopened(ticket):
        return known
    tried, _is_new = ticket.tried_fixes.update_or_create(
        step_id=step_id,
        defaults={
            "provider_id": ticket.provider_id,
            "worked": worked,
            "tried_at": now,
            "tried_by_id": actor.user_id,
            "tried_by_name": actor.name,
        },
    )
    record(ticket, EventKind.FIX_TRIED, actor, now, step=step_id, worked=worked)
    return tried


@transaction.atomic
def take_back_fix(actor: Actor, *, ticket_id: int, step_id: str, now: datetime) -> None:
    """Drops an entry of one's own of the last minutes; one that is not there is no error.

    Records `ticket.fix_taken_back`. Raises IllegalMoveError for somebody else's entry, an older
    one or an ended ticket, NotAllowedError; a hidden ticket is DoesNotExist.
    """
    ticket = locked(actor, ticket_id, Permission.FIX_LOG)
    tried = ticket.tried_fixes.filter(step_id=step_id).first()
    if tried is None:
        return
    if ticket.has_ended or not may_take_back(actor, tried, now):
        raise IllegalMoveError(ticket.status, "fix")
    tried.delete()
    record(ticket, EventKind.FIX_TAKEN_BACK, actor, now, step=step_id)


def may_take_back(actor: Actor, tried: TriedFix, now: datetime) -> bool:
    """Whether it is the actor's own and of the last minutes."""
    is_own = actor.user_id is not None and tried.tried_by_id == actor.user_id
    return is_own and now - tried.tried_at <= TAKE_BACK_WITHIN


def _step(ticket: Ticket, step_id: str) -> object:
    run = ticket.run
    flow = run.flow_version.flow if run and run.flow_version else None
    return flow.step(step_id) if flow else None


def _last_reopened(ticket: Ticket) -> datetime:
    """What worked before that did not last: saying it again is news."""
    events = ticket.events.filter(kind=EventKind.REOPENED)
    return events.order_by("-occurred_at").values_list("occurred_at", flat=True).first() or (
        ticket.opened_at
    )
