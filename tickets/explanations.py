"""Why the clocks of a ticket are due when they are: what pages and the API tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posdoctor.accounts.actor import Actor
from tickets.events import EventKind
from tickets.lifecycle import Priority
from tickets.models import Ticket, TicketEvent
from tickets.sla.badge import Badge, Reader
from tickets.sla.explain import Step
from tickets.sla.models import Clock
from tickets.sla.shown import badges, explained, with_calendars


@dataclass(frozen=True)
class Explained:
    """A clock, its face, and how it came to be due then."""

    clock: Clock
    badge: Badge
    steps: Sequence[Step]

    @property
    def promise(self) -> str:
        """What is promised, in the reader's language."""
        return self.clock.get_promise_display()


def explanations(actor: Actor, ticket: Ticket, reader: Reader) -> list[Explained]:
    """The life of each clock of a ticket that the actor sees. Steps are for staff: a role that
    sees no events sees neither whom a pause waited for nor changes of priority.
    """
    kinds = [EventKind.WAITING, EventKind.PRIORITY_CHANGED]
    events = TicketEvent.objects.visible_to(actor).filter(ticket=ticket, kind__in=kinds)
    waits, priorities = {}, []
    for event in events.order_by("pk"):
        if event.kind == EventKind.WAITING:
            waits[event.occurred_at] = str(event.data.get("wait_for", ""))
        else:
            before, after = (_label(event.data.get(name)) for name in ("before", "after"))
            priorities.append((event.occurred_at, before, after))
    rows = list(with_calendars().filter(ticket=ticket))
    return [
        Explained(row, face, explained(row, reader, waits=waits, priorities=priorities))
        for row, face in zip(rows, badges(rows, reader), strict=True)
    ]


def _label(value: Any) -> str:
    """The words of a stored priority; one of an older version stays a key."""
    return str(Priority(value).label) if value in Priority.values else str(value or "")
