"""What our own records answer when a check begins, so that nobody is asked."""

from datetime import datetime, timedelta

from diagnostics.engine import Answer
from diagnostics.engine import known_answers as positive
from diagnostics.flow import Flow
from diagnostics.models import DiagnosisRun
from diagnostics.surges import is_surge
from terminals.models import Terminal

# Checks of the shipped flows; one that a provider's flow does not have is left out.
MANY_DOWN = "many_down"
# Reports within this span belong together.
SPAN = timedelta(hours=1)
# What is usual is counted over whole weeks.
USUAL_OVER = timedelta(days=14)


def known_answers(terminal: Terminal, flow: Flow, *, now: datetime) -> tuple[Answer, ...]:
    """Given answers to checks of the flow. At most two queries; none where no check is for it."""
    if flow.step(MANY_DOWN) and _many_are_down(terminal, flow.id, now):
        return positive(flow, [MANY_DOWN])
    return ()


def _many_are_down(terminal: Terminal, symptom: str, now: datetime) -> bool:
    """An open outage around it: shops of its area or network operator report the same at once."""
    around = DiagnosisRun.objects.around(terminal, symptom).filter(started_at__lte=now)
    shops = around.filter(started_at__gt=now - SPAN).shops()
    if not is_surge(shops, 0.0):
        return False  # the rule at its keenest: what is usual need not be counted
    before = around.filter(started_at__gt=now - USUAL_OVER, started_at__lte=now - SPAN)
    return is_surge(shops, before.count() * SPAN / (USUAL_OVER - SPAN))
