"""How a report stands, in the merchant's words: who has it, and four plain stages. No promises:
a time is shown only where the clocks gave one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tickets.lifecycle import FixedBy, TicketStatus
from tickets.models import Ticket

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


def headline(ticket: Ticket) -> str:
    """The first thing a merchant wants to know: who has it, or what is expected of them."""
    if ticket.status in {TicketStatus.NEW, TicketStatus.OPEN}:
        return _who(ticket)
    if ticket.status == TicketStatus.DISPATCHED and ticket.assignee:
        return _("Engineer %(name)s will come") % {"name": ticket.assignee.name}
    return ticket.merchant_status


def stages(ticket: Ticket, *, step_count: int) -> list[Stage]:
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
    return [received, _work(ticket), *_visit(ticket), _end(ticket)]


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
