"""How a report stands, in the merchant's words: who has it, by when, and four plain stages.

A time is shown only where the clocks gave one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from posdoctor.core import spoken
from tickets.lifecycle import FixedBy, TicketStatus
from tickets.models import Ticket
from tickets.sla.models import Clock, ClockState, Promise

State = Literal["done", "now", "todo"]
_WORKED_ON = frozenset(
    {
        TicketStatus.NEW,
        TicketStatus.OPEN,
        TicketStatus.WAIT_MERCHANT,
        TicketStatus.WAIT_VENDOR,
    }
)


@dataclass(frozen=True)
class Stage:
    """One line of the way to a working machine."""

    state: State
    title: str
    detail: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Word:
    """What is promised, in one line; `is_late` where it was not kept."""

    text: str
    is_late: bool = False


def promised(ticket: Ticket, clocks: Mapping[str, Clock], now: datetime) -> list[Word]:
    """By when, in the zone of the store: the answer while it is owed, then the machine.

    Nothing where the engine gave no time. `clocks` are the ticket's, by promise.
    """
    zone = ZoneInfo(ticket.store.time_zone)

    def by(moment: datetime) -> str:
        return spoken.deadline(moment.astimezone(zone), now.astimezone(zone))

    words = [
        _promise(clocks[promise], texts, by, now)
        for promise, texts in _promise_texts().items()
        if promise in clocks
    ]
    return [word for word in (*words, *_result(ticket, clocks)) if word]


def answered_at(clocks: Mapping[str, Clock]) -> datetime | None:
    """When the first answer was given."""
    first = clocks.get(Promise.FIRST_RESPONSE)
    return first.met_at if first else None


def _promise(
    clock: Clock, texts: tuple[str, str], by: Callable[[datetime], str], now: datetime
) -> Word | None:
    """One promise that is still owed."""
    kept, late = texts
    if clock.state == ClockState.PAUSED:
        if clock.ticket.status == TicketStatus.WAIT_MERCHANT:
            return Word(_("The time runs on once you have answered"))
        return Word(_("The time runs on once the supplier has answered"))
    if clock.state != ClockState.RUNNING or clock.due_at is None:
        return None
    if now > clock.due_at:
        return Word(late % {"by": by(clock.due_at)}, is_late=True)
    return Word(kept % {"by": by(clock.due_at)})


def _promise_texts() -> dict[str, tuple[str, str]]:
    """Of each promise: while it can be kept, and after."""
    return {
        Promise.FIRST_RESPONSE: (
            _("We get back to you %(by)s"),
            _("Sorry, we said we would get back to you %(by)s. It takes longer."),
        ),
        Promise.RESTORE: (
            _("Working again %(by)s"),
            _("Sorry, we said it would work again %(by)s. It takes longer."),
        ),
    }


def _result(ticket: Ticket, clocks: Mapping[str, Clock]) -> list[Word]:
    """Fixed, but later than promised: said once, while the merchant is asked to confirm."""
    restore = clocks.get(Promise.RESTORE)
    if ticket.status == TicketStatus.RESOLVED and restore and restore.breached_at:
        return [Word(_("Sorry, it took longer than we promised"), is_late=True)]
    return []


def headline(ticket: Ticket) -> str:
    """The first thing a merchant wants to know: who has it, or what is expected of them."""
    if ticket.status in {TicketStatus.NEW, TicketStatus.OPEN}:
        return _who(ticket)
    if ticket.status == TicketStatus.DISPATCHED and ticket.assignee:
        return _("Engineer %(name)s will come") % {"name": ticket.assignee.name}
    return ticket.merchant_status


def stages(ticket: Ticket, *, step_count: int, answered_at: datetime | None = None) -> list[Stage]:
    """Received, worked on, a visit if there is one, confirmed."""
    checked = ""
    if step_count:
        text = ngettext(
            "The step you checked went along",
            "The %(n)d steps you checked went along",
            step_count,
        )
        checked = text % {"n": step_count}
    received = Stage("done", pgettext("merchant status", "Received"), checked, ticket.opened_at)
    if ticket.status in {TicketStatus.CANCELLED, TicketStatus.MERGED}:
        return [received, Stage("done", ticket.merchant_status, "", ticket.closed_at)]
    answered = [Stage("done", _("We answered you"), "", answered_at)] if answered_at else []
    return [received, *answered, _work(ticket), *_visit(ticket), _end(ticket)]


def _work(ticket: Ticket) -> Stage:
    if ticket.status not in _WORKED_ON:
        return Stage("done", _("We looked into it"))
    waits = {TicketStatus.WAIT_MERCHANT, TicketStatus.WAIT_VENDOR}
    return Stage("now", _who(ticket), ticket.merchant_status if ticket.status in waits else "")


def _visit(ticket: Ticket) -> list[Stage]:
    ahead = _("The engineer calls before setting off")
    if ticket.status in _WORKED_ON:
        return [Stage("todo", _("A visit, if one is needed"), ahead)]
    if ticket.status == TicketStatus.DISPATCHED:
        return [Stage("now", headline(ticket), ahead)]
    if ticket.status == TicketStatus.ON_SITE:
        return [Stage("now", ticket.merchant_status)]
    visited = ticket.fixed_by == FixedBy.FIELD
    return [Stage("done", _("An engineer was with you"))] if visited else []


def _end(ticket: Ticket) -> Stage:
    if ticket.status == TicketStatus.RESOLVED:
        return Stage("now", ticket.merchant_status, "", ticket.resolved_at)
    if ticket.status == TicketStatus.CLOSED:
        return Stage("done", ticket.merchant_status, "", ticket.closed_at)
    return Stage("todo", _("You confirm that it works"))


def _who(ticket: Ticket) -> str:
    if ticket.assignee:
        return _("%(name)s is working on it") % {"name": ticket.assignee.name}
    if ticket.team and ticket.status != TicketStatus.NEW:
        return _("%(name)s is working on it") % {"name": ticket.team.label}
    return _("Our support has it and is arranging who takes it")
