"""What a draft would change for merchants: expected minutes and first steps, worked out apart.

Compiling takes seconds of processor time: a page asks, a worker does it, the page looks again.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from diagnostics.actions.publishing import NotReadyError
from diagnostics.engine import Answer, Ask, Attributes, class_of, compile_flow, next_step, posterior
from diagnostics.flow import Check, Flow, Step, validate
from diagnostics.models import FlowDraft, FlowVersion
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.outbox import wake
from terminals.models import Terminal

logger = logging.getLogger(__name__)

COMPARE = "diagnostics.compare_drafts"
CLASSES = ("wifi", "cellular", "ethernet")
FIRST_STEPS = 3
# A worker that died leaves its claim behind; another takes over after this.
LEASE = timedelta(minutes=10)
# One task ends in time for others.
ROUND_SECONDS = 20.0
MOST_COMPILED = 100

_COMPILED: dict[tuple[str, str], tuple[float, float]] = {}


@dataclass(frozen=True)
class TerminalClass:
    """Terminals that are alike to the engine: the provider's commonest model per connection."""

    connection: str
    model: str
    attributes: Attributes


@transaction.atomic
def ask(actor: Actor, *, symptom: str, now: datetime) -> FlowDraft:
    """Lets a worker compare the draft with what is published; a known result is kept.

    Raises NotAllowedError, NotReadyError for a draft with problems; a hidden one is DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    rows = FlowDraft.objects.visible_to(actor).select_for_update(of=("self",))
    draft = rows.get(symptom=symptom)
    if problems := validate(draft.flow):
        raise NotReadyError(problems)
    pair = pair_of(draft, published_beside(draft))
    if draft.compared_digest == pair or draft.comparison_asked_at:
        return draft
    draft.comparison, draft.compared_digest = {}, ""
    draft.comparison_asked_at, draft.comparison_started_at = now, None
    _save(draft)
    wake(COMPARE)
    return draft


def compare_wanted(now: datetime) -> int:
    """Works on the comparison that waits longest, for a bounded time. Returns how many ended.

    What it found is kept; what is left is for the next round, which it wakes.
    """
    draft = _claimed(now)
    if draft is None:
        return 0
    try:
        is_done = _compare(draft)
    except Exception:
        logger.exception("draft %s: comparing failed", draft.pk)
        _rows(draft).update(comparison={"failed": True}, comparison_asked_at=None)
        is_done = True
    wake(COMPARE)
    return int(is_done)


def published_beside(draft: FlowDraft) -> FlowVersion | None:
    """What the provider's merchants walk through now, instead of the draft."""
    published = FlowVersion.objects.published_for(draft.provider_id)
    return published.filter(symptom=draft.symptom).first()


def pair_of(draft: FlowDraft, published: FlowVersion | None) -> str:
    """Names the two contents that a result is about."""
    return f"{draft.digest}:{published.digest if published else ''}"


def typical_classes(provider_id: int) -> list[TerminalClass]:
    """One class per kind of connection, with the features of this provider's commonest model."""
    found = []
    for connection in CLASSES:
        commonest = (
            Terminal.objects.filter(provider_id=provider_id, connection=connection)
            .values("model")
            .annotate(n=Count("pk"))
            .order_by("-n", "model")
            .values_list("model", flat=True)[:1]
        )
        terminal = (
            Terminal.objects.filter(provider_id=provider_id, connection=connection)
            .filter(model__in=list(commonest))
            .select_related("model")
            .first()
        )
        model = terminal.model if terminal else None
        stored = {
            "connection": connection,
            "features": model.features if model else {},
            "verified": model.verified if model else {},
        }
        label = str(model.label) if model else ""
        found.append(TerminalClass(connection, label, Attributes.from_dict(stored)))
    return found


def first_steps(flow: Flow, attributes: Attributes) -> list[Step]:
    """What a merchant is asked first after the safety screen, if every answer is the likeliest."""
    answers: list[Answer] = []
    steps: list[Step] = []
    while len(steps) < FIRST_STEPS:
        asked = next_step(flow, attributes, answers, actor="merchant")
        if not isinstance(asked, Ask):
            break
        if not (isinstance(asked.step, Check) and asked.step.safety):
            steps.append(asked.step)
        answers.append(Answer(asked.step.id, _expected(flow, attributes, answers, asked.step)))
    return steps


def _expected(flow: Flow, attributes: Attributes, answers: list[Answer], step: Step) -> str:
    """The answer that most such walks would give: for a fix that it did not help."""
    if not isinstance(step, Check):
        return "unsolved"
    belief = posterior(flow, attributes, answers)
    chances = [
        sum(weight * step.row(fault)[i] for fault, weight in belief.items())
        for i in range(len(step.telling))
    ]
    return step.telling[chances.index(max(chances))].id


@transaction.atomic
def _claimed(now: datetime) -> FlowDraft | None:
    free = Q(comparison_started_at=None) | Q(comparison_started_at__lt=now - LEASE)
    rows = FlowDraft.objects.filter(free, comparison_asked_at__isnull=False)
    draft = rows.select_for_update(skip_locked=True).order_by("comparison_asked_at").first()
    if draft is not None:
        draft.comparison_started_at = now
        draft.save(update_fields=["comparison_started_at"])
    return draft


def _compare(draft: FlowDraft) -> bool:
    """Outside any lock: what is found is of the content that was claimed. Whether it is all."""
    published = published_beside(draft)
    pair = pair_of(draft, published)
    work = list(_work(draft, published))
    is_same = draft.comparison.get("pair") == pair
    units = list(draft.comparison["units"]) if is_same else []
    until = time.monotonic() + ROUND_SECONDS
    for terminals, which, flow, digest in work[len(units) :]:
        if units and time.monotonic() > until:
            _rows(draft).update(comparison_started_at=None)
            return False
        unit = {"connection": terminals.connection, "model": terminals.model, "which": which}
        units.append(unit | _result(flow, digest, terminals.attributes))
        _rows(draft).update(comparison={"pair": pair, "units": units, "of": len(work)})
    # Edited meanwhile: the author asks again, so that nothing is worked out at every save.
    _rows(draft).update(
        comparison={"pair": pair, "units": units, "of": len(work)},
        compared_digest=pair, comparison_asked_at=None, comparison_started_at=None,
    )  # fmt: skip
    return True


def _work(
    draft: FlowDraft, published: FlowVersion | None
) -> Iterator[tuple[TerminalClass, str, Flow, str]]:
    """What is to be compiled: class of terminals, draft or published, flow and its digest."""
    for terminals in typical_classes(draft.provider_id):
        if terminals.attributes.may_satisfy(draft.flow.requires):
            yield terminals, "draft", draft.flow, draft.digest
        if published and terminals.attributes.may_satisfy(published.flow.requires):
            yield terminals, "published", published.flow, published.digest


def _result(flow: Flow, digest: str, attributes: Attributes) -> dict[str, Any]:
    """Minutes and first steps; classes that are alike to this flow are compiled once a process."""
    key = digest, class_of(flow, attributes)
    if key not in _COMPILED:
        tree = compile_flow(flow, attributes, actor="merchant")
        if len(_COMPILED) >= MOST_COMPILED:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[key] = round(tree.minutes, 1), round(tree.call_share, 3)
    minutes, calls = _COMPILED[key]
    return {
        "minutes": minutes,
        "calls": calls,
        "steps": [
            {"id": step.id, "kind": step.kind, "zh": step.text.zh, "en": step.text.en}
            for step in first_steps(flow, attributes)
        ],
    }


def _rows(draft: FlowDraft) -> Any:
    return FlowDraft.objects.filter(pk=draft.pk)


def _save(draft: FlowDraft) -> None:
    draft.save(
        update_fields=[
            "comparison", "compared_digest", "comparison_asked_at", "comparison_started_at",
        ]
    )  # fmt: skip
