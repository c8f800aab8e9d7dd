"""What our own records answer when a check begins, so that nobody is asked."""

from datetime import datetime, timedelta

from diagnostics.engine import Answer
from diagnostics.engine import known_answers as positive
from diagnostics.flow import Check, Flow
from diagnostics.models import DiagnosisRun
from diagnostics.surges import is_surge
from terminals.models import MinimumVersion, Terminal

# Checks of the shipped flows; one that a provider's flow does not have is left out.
MANY_DOWN, BELOW_MINIMUM = "many_down", "app_below_min"
# Reports within this span belong together.
SPAN = timedelta(hours=1)
# What is usual is counted over whole weeks.
USUAL_OVER = timedelta(days=14)


def known_answers(terminal: Terminal, flow: Flow, *, now: datetime) -> tuple[Answer, ...]:
    """Given answers to checks of the flow. At most three queries; none where no check is for it."""
    found: tuple[Answer, ...] = ()
    if flow.step(MANY_DOWN) and _many_are_down(terminal, flow.id, now):
        found += positive(flow, [MANY_DOWN])
    if flow.step(BELOW_MINIMUM):
        found += _below_minimum(terminal, flow, now)
    return found


def _below_minimum(terminal: Terminal, flow: Flow, now: datetime) -> tuple[Answer, ...]:
    """Whether its versions are older than expected; nothing where that cannot be said."""
    minimum = MinimumVersion.objects.of(terminal).first()
    is_behind = minimum.is_behind(terminal, now=now) if minimum else None
    if is_behind is None:
        return ()
    if is_behind:
        return positive(flow, [BELOW_MINIMUM])
    step = flow.step(BELOW_MINIMUM)
    has_no = isinstance(step, Check) and any(option.id == "no" for option in step.telling)
    return (Answer(BELOW_MINIMUM, "no", given=True),) if has_no else ()


def _many_are_down(terminal: Terminal, symptom: str, now: datetime) -> bool:
    """An open outage around it: shops of its area or network operator report the same at once."""
    around = DiagnosisRun.objects.around(terminal, symptom).filter(started_at__lte=now)
    shops = around.filter(started_at__gt=now - SPAN).shops()
    if not is_surge(shops, 0.0):
        return False  # the rule at its keenest: what is usual need not be counted
    before = around.filter(started_at__gt=now - USUAL_OVER, started_at__lte=now - SPAN)
    return is_surge(shops, before.count() * SPAN / (USUAL_OVER - SPAN))
