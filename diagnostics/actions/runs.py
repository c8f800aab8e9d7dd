"""Deeds on runs: start a walk, answer a step, take an answer back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from diagnostics.engine import Answer, Ask, Attributes, Outcome, next_step
from diagnostics.models import DiagnosisRun, DiagnosisStep, FlowVersion
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.refs import create_with_ref
from terminals import actions as terminal_actions
from terminals.models import Terminal

# A second tap on the same button, or a return to a page left open, goes on with the same run.
REUSE_WITHIN = timedelta(hours=24)


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
) -> DiagnosisRun:
    """Begins a walk of `symptom`'s current flow; None = report directly, nothing is checked.

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
            untouched.screen_text = screen_text
            untouched.save(update_fields=["screen_text"])
        return untouched
    state = DiagnosisRun.State.RUNNING if version else DiagnosisRun.State.DIRECT
    return create_with_ref(
        lambda: DiagnosisRun(
            provider_id=terminal.provider_id,
            terminal=terminal,
            flow_version=version,
            attributes=attributes_of(terminal),
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
    assert run.flow_version is not None
    attributes = Attributes.from_dict(run.attributes)
    return next_step(run.flow_version.flow, attributes, answers, actor="merchant")


def attributes_of(terminal: Terminal) -> dict[str, Any]:
    """What is known of the machine and hides questions that cannot apply."""
    return {
        "model": terminal.model.slug,
        "connection": terminal.connection,
        "features": terminal.model.features,
        "verified": terminal.model.verified,
    }


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
