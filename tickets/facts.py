"""What tickets and promises know of a terminal when somebody begins a check on it."""

from datetime import datetime, timedelta

from diagnostics.actions import Facts
from terminals.models import Terminal
from tickets.lifecycle import Priority
from tickets.models import Ticket
from tickets.sla.business_time import CalendarHorizonError, NeverOpenError
from tickets.sla.calendars import compiled
from tickets.sla.models import Promise, Target

REPEATED_WITHIN = timedelta(days=30)
# Minutes until the desk opens, in steps: the choice hardly differs between them, and a tree is
# compiled for each. The last stands for everything beyond.
OPENS_IN_STEPS = (0.0, 30.0, 60.0, 120.0, 205.0)


def facts_of(terminal: Terminal, *, now: datetime) -> Facts:
    """For `DIAGNOSIS_FACTS`. Takes two queries."""
    return {
        "repeated": _causes_of(terminal, since=now - REPEATED_WITHIN),
        "opens_in": _opens_in(terminal.provider_id, now),
    }


def _causes_of(terminal: Terminal, *, since: datetime) -> list[str]:
    """What was found to be wrong with this machine since then, each cause once."""
    tickets = Ticket.objects.filter(terminal=terminal, resolved_at__gte=since).exclude(cause="")
    return sorted(set(tickets.values_list("cause", flat=True)))


def _opens_in(provider_id: int, now: datetime) -> float:
    """Minutes until somebody of the desk answers; 0 where it is open or has no hours."""
    target = (
        Target.objects.filter(
            policy__provider=provider_id,
            policy__is_default=True,
            promise=Promise.FIRST_RESPONSE,
            priority=Priority.NORMAL,
        )
        .select_related("calendar")
        .first()
    )
    if target is None:
        return 0.0
    try:
        opens = compiled(target.calendar, now).next_open(now)
    except (CalendarHorizonError, NeverOpenError):
        return OPENS_IN_STEPS[-1]
    minutes = (opens - now).total_seconds() / 60
    return next((step for step in OPENS_IN_STEPS if minutes <= step), OPENS_IN_STEPS[-1])
