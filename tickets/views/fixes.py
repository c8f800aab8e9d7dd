"""The fixes of the walked flow on the ticket page: what may be tried, and what was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from diagnostics.engine import Attributes, posterior
from diagnostics.flow import Fix, Flow
from diagnostics.models import DiagnosisRun, reader_language
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, may
from tickets import actions
from tickets.lifecycle import FixedBy
from tickets.models import Ticket, TriedFix

# Those most likely to help are shown at once, the rest on demand.
SHOWN = 3
_ACTORS: Mapping[str, str | Promise] = {
    **{choice.value: choice.label for choice in FixedBy},
    "security": pgettext_lazy("fixed by", "Security"),
}
# What the merchant said of it during the walk; what could not be done says nothing.
_MERCHANT_SAID: Mapping[str, str | Promise] = {
    "solved": gettext_lazy("Merchant: worked"),
    "unsolved": gettext_lazy("Merchant: did not work"),
    "unable": gettext_lazy("Merchant: could not do it"),
}


@dataclass(frozen=True)
class FixLine:
    """One fix: who does it, what the merchant said of it, and what staff said."""

    step: str
    text: str
    actor: str | Promise
    merchant_said: str | Promise
    tried: TriedFix | None
    can_take_back: bool


def fixes_of(actor: Actor, ticket: Ticket, now: datetime) -> dict[str, Any]:
    """What `tickets/desk/_fixes.html` names: the likeliest and the tried ones, then the rest."""
    run = ticket.run
    if run is None or run.flow_version is None:
        return {"fixes": [], "more_fixes": [], "can_log": False}
    tried = {row.step_id: row for row in TriedFix.objects.visible_to(actor).filter(ticket=ticket)}
    lines = [
        _line(actor, fix, run, tried.get(fix.id), now) for fix in ranked(run.flow_version.flow, run)
    ]
    is_near = {id(line): place < SHOWN or bool(line.tried) for place, line in enumerate(lines)}
    can_log = may(actor, Permission.FIX_LOG) and not ticket.has_ended
    return {
        "fixes": [line for line in lines if (can_log and is_near[id(line)]) or line.tried],
        "more_fixes": [line for line in lines if can_log and not is_near[id(line)]],
        "can_log": can_log,
    }


def ranked(flow: Flow, run: DiagnosisRun) -> Sequence[Fix]:
    """The fixes that this terminal can have, by their chance after the walk; tries do not move
    them, so that no button jumps away under a finger.
    """
    known = Attributes.from_dict(run.attributes)
    belief = posterior(flow, known, [*run.known(), *run.answers()])

    def chance(fix: Fix) -> float:
        return sum(belief[fault] * cure for fault, cure in fix.cures.items() if fault in belief)

    fixes = [s for s in flow.steps if isinstance(s, Fix) and known.may_satisfy(s.requires)]
    return sorted(fixes, key=lambda fix: -round(chance(fix), 6))


def _line(
    actor: Actor, fix: Fix, run: DiagnosisRun, tried: TriedFix | None, now: datetime
) -> FixLine:
    said = next((a.answer_id for a in run.answers() if a.step_id == fix.id), "")
    return FixLine(
        step=fix.id,
        text=fix.text.get(reader_language()),
        actor=_ACTORS.get(fix.actor, fix.actor),
        merchant_said=_MERCHANT_SAID.get(said, ""),
        tried=tried,
        can_take_back=tried is not None and actions.may_take_back(actor, tried, now),
    )
