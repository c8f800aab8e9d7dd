"""Deeds on runs: start a walk, answer a step, take an answer back."""

import logging
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from diagnostics import codes, records
from diagnostics.actions import trees
from diagnostics.engine import Answer, Ask, Attributes, Outcome, known_answers, next_step
from diagnostics.flow import Check, Step
from diagnostics.models import (
    DiagnosisRun,
    DiagnosisStep,
    FlowVersion,
    OwnCode,
    ParamSnapshot,
)
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.refs import create_with_ref
from terminals import actions as terminal_actions
from terminals.models import Terminal

# A second tap on the same button, or a return to a page left open, goes on with the same run.
REUSE_WITHIN = timedelta(hours=24)
# What was seen on this machine so long ago is still so.
FRESH_FOR = timedelta(minutes=10)

logger = logging.getLogger(__name__)


class UnknownAnswerError(DomainError):
    """The step or the answer is not one of the flow's."""

    code = "unknown_answer"


@transaction.atomic
def start(
    actor: Actor,
    *,
    terminal: Terminal,
    symptom: str | None,
    language: str,
    now: datetime,
    browser_key: str = "",
    screen_text: str = "",
    known: Collection[str] = (),
) -> DiagnosisRun:
    """Begins a walk of `symptom`'s current flow; None = report directly, nothing is checked.

    `screen_text`: what the screen says, as typed; its codes and words count as answers.
    `known`: checks that something else found positive, such as a log.

    The caller found `terminal` through the sticker or `visible_to`: that is the proof of
    access. Locks the terminal, so that two taps in one browser give one run: a run of this
    browser without an answer and without a ticket is used again. Raises NotAllowedError; an
    unknown symptom is FlowVersion.DoesNotExist.
    """
    require(actor, Permission.RUN_START)
    offered = FlowVersion.objects.published_for(terminal.provider_id)
    version = offered.get(symptom=symptom) if symptom else None
    Terminal.objects.select_for_update(of=("self",), no_key=True).get(pk=terminal.pk)
    untouched = DiagnosisRun.objects.untouched(
        browser_key, terminal_id=terminal.pk, flow_version=version, since=now - REUSE_WITHIN
    )
    if untouched:
        if screen_text and untouched.screen_text != screen_text:
            begun = _Start.of(terminal, version, screen_text, now, checks=known)
            untouched.screen_text, untouched.given = screen_text, begun.given
            untouched.tree_key = begun.tree_key
            untouched.save(update_fields=["screen_text", "given", "tree_key"])
        return untouched
    state = DiagnosisRun.State.RUNNING if version else DiagnosisRun.State.DIRECT
    start_of = _Start.of(terminal, version, screen_text, now, checks=known)
    return create_with_ref(
        lambda: DiagnosisRun(
            provider_id=terminal.provider_id,
            terminal=terminal,
            flow_version=version,
            attributes=start_of.attributes,
            given=start_of.given,
            order=_order() if version else DiagnosisRun.Order.EXPECTED,
            snapshot=start_of.snapshot,
            tree_key=start_of.tree_key,
            browser_key=browser_key,
            user_id=actor.user_id,
            via=actor.via,
            language=language,
            screen_text=screen_text,
            state=state,
            started_at=now,
            finished_at=None if version else now,
        )
    )


@transaction.atomic
def answer(
    actor: Actor, *, run_id: int, step_id: str, answer_id: str, now: datetime
) -> DiagnosisRun:
    """Stores the answer to one step and works out what follows.

    Locks the run. The same answer again changes nothing (a repeated tap); another answer to
    an earlier step drops the steps after it. A walk that has become a ticket is closed: the
    answer is ignored. A stop answer stops the terminal in the same transaction.
    Raises UnknownAnswerError, NotAllowedError; a hidden run is DoesNotExist.
    """
    run = DiagnosisRun.objects.visible_to(actor).lock(run_id)
    require(actor, Permission.RUN_ANSWER)
    if run.flow_version is None or hasattr(run, "ticket"):
        return run
    steps = run.ordered_steps()
    known = next((step for step in steps if step.step_id == step_id), None)
    if known and known.answer_id == answer_id:
        return run
    keep = [step for step in steps if known is None or step.position < known.position]
    asked = step_after(run, [Answer(step.step_id, step.answer_id) for step in keep])
    if not isinstance(asked, Ask) or asked.step.id != step_id:
        if known is None:
            return run  # a tap on a page that is out of date: show the current step
        raise UnknownAnswerError(step_id)
    if answer_id not in {choice.id for choice in asked.step.choices}:
        raise UnknownAnswerError(answer_id)
    run.steps.filter(position__gt=len(keep)).delete()
    DiagnosisStep.objects.create(
        run=run,
        position=len(keep) + 1,
        step_id=step_id,
        answer_id=answer_id,
        answered_at=now,
    )
    _settle(actor, run, now)
    return run


def step_after(run: DiagnosisRun, answers: Sequence[Answer]) -> Ask | Outcome:
    """What the engine does after these answers of this run. Reads only."""
    found = next_step(
        run.numbers,
        Attributes.from_dict(run.attributes),
        [*run.known(), *answers],
        actor="merchant",
        order="authored" if run.order == DiagnosisRun.Order.AUTHORED else "expected",
        table=trees.table_of(run.tree_key),
    )
    if found.is_degraded:
        logger.warning("run %s: the answers contradict each other, as written from here", run.ref)
    return found


def attributes_of(terminal: Terminal) -> dict[str, Any]:
    """What is known of the machine and hides questions that cannot apply."""
    return {
        "model": terminal.model.slug,
        "connection": terminal.connection,
        "features": terminal.model.features,
        "verified": terminal.model.verified,
    }


class Facts(TypedDict, total=False):
    """What other apps know of a terminal when a run begins (`DIAGNOSIS_FACTS`).

    `repeated`: causes of its last month's tickets. `incident`: an outage is open around it.
    `opens_in`: minutes until the desk opens.
    """

    repeated: list[str]
    incident: bool
    opens_in: float


class FactsOf(Protocol):
    """A function that `DIAGNOSIS_FACTS` names."""

    def __call__(self, terminal: Terminal, *, now: datetime) -> Facts:
        """The facts that this app knows."""


@dataclass(frozen=True)
class _Start:
    """Everything that a new run goes by."""

    attributes: dict[str, Any]
    given: list[list[str]]
    snapshot: ParamSnapshot | None
    tree_key: str

    @classmethod
    def of(
        cls,
        terminal: Terminal,
        version: FlowVersion | None,
        screen_text: str,
        now: datetime,
        *,
        checks: Collection[str],
    ) -> "_Start":
        attributes = attributes_of(terminal)
        if version is None:
            return cls(attributes, [], None, "")
        for path in settings.DIAGNOSIS_FACTS:
            facts_of: FactsOf = import_string(path)
            attributes |= facts_of(terminal, now=now)
        given = _given(terminal, version, screen_text, now, checks)
        snapshot = ParamSnapshot.objects.in_use(terminal.provider_id, version)
        flow = trees.numbers_of(version, snapshot, attributes)
        known = [Answer(step, answer, given=True) for step, answer, _whence in given]
        key = trees.want(version, snapshot, flow, attributes, known, now=now)
        return cls(attributes, given, snapshot, key)


def _given(
    terminal: Terminal,
    version: FlowVersion,
    screen_text: str,
    now: datetime,
    checks: Collection[str],
) -> list[list[str]]:
    """Answers that nobody has to give: from records, given a moment ago, read in a log or on the
    screen. The later ones of these win: a record may be older than what somebody just saw.
    """
    flow = version.flow
    found: dict[str, list[str]] = {}
    for known in records.known_answers(terminal, flow, now=now):
        found[known.step_id] = [known.step_id, known.answer_id, "record"]
    for step, answer in DiagnosisStep.objects.answered_lately(terminal, since=now - FRESH_FOR):
        if _may_carry_over(flow.step(step), answer):
            found[step] = [step, answer, "recent"]
    catalogue = OwnCode.objects.filter(provider=terminal.provider_id).catalogue()
    shown = codes.checks_in(screen_text, catalogue) if screen_text else ()
    for whence, positive in (("log", checks), ("screen", shown)):
        for known in known_answers(flow, positive):
            # Words that may be misread stop no machine: the question is asked.
            if _may_carry_over(flow.step(known.step_id), known.answer_id):
                found[known.step_id] = [known.step_id, known.answer_id, whence]
    return [found[step.id] for step in flow.steps if step.id in found]


def _may_carry_over(step: Step | None, answer: str) -> bool:
    """What is dangerous is looked at anew, and what was tried may help now."""
    if not isinstance(step, Check) or step.safety:
        return False
    return any(option.id == answer and not option.stop for option in step.telling)


def _order() -> DiagnosisRun.Order:
    """By chance: who walks, when and where must have no part in it."""
    held_back = secrets.randbelow(10_000) < settings.DIAGNOSIS_HELD_BACK * 10_000
    return DiagnosisRun.Order.AUTHORED if held_back else DiagnosisRun.Order.EXPECTED


def _settle(actor: Actor, run: DiagnosisRun, now: datetime) -> None:
    """Writes the run's state after its answers changed; stops the terminal where needed."""
    steps = DiagnosisStep.objects.filter(run=run).order_by("position")
    answers = [Answer(step.step_id, step.answer_id) for step in steps]
    result = step_after(run, answers)
    if isinstance(result, Ask):
        run.state, run.outcome, run.finished_at = DiagnosisRun.State.RUNNING, {}, None
    else:
        run.state = DiagnosisRun.State(result.kind)
        run.outcome = {
            "kind": result.kind,
            "reason": result.reason,
            "causes": [[cause, weight] for cause, weight in result.causes],
            "advice": result.advice,
            "exit": result.exit,
        }
        run.finished_at = now
        if result.kind == "stop_use":
            terminal_actions.stop(
                actor,
                terminal_id=run.terminal_id,
                cause=result.advice,
                now=now,
                note=_stop_words(run, result.advice),
            )
    run.save(update_fields=["state", "outcome", "finished_at"])


def _stop_words(run: DiagnosisRun, advice_id: str) -> str:
    """Why the terminal is stopped, for its history: the likely cause, and what was advised."""
    assert run.flow_version is not None
    flow, language = run.flow_version.flow, run.language or "zh"
    fault = flow.fault(advice_id)
    advice = flow.advice(advice_id).get(language)
    return f"{fault.text.get(language)} – {advice}" if fault else advice
