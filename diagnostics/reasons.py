"""Why a step comes next, and why others do not: numbers from the engine, no words. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from diagnostics.engine import (
    Actor,
    Answer,
    Ask,
    Attributes,
    Belief,
    latest,
    offered,
    posterior,
    problem_of,
)
from diagnostics.flow import OTHER, Check, Fix, Flow, Step
from diagnostics.planning import Planner

# Safety; a check that is always made; what a fix waits for; as written; a question; a fix.
WhyKind: TypeAlias = Literal["safety", "always", "before", "written", "ask", "try"]
# Missing on this machine; made pointless by an answer; somebody else's; not worth its minutes.
LeftOutReason: TypeAlias = Literal["machine", "answered", "others", "minutes"]
TOP = 2
# An answer is named only where it makes its cause this much more likely.
LEAST_MOVE = 0.1


@dataclass(frozen=True, slots=True)
class Pointer:
    """What one answer would point to: the likeliest cause after it, and how likely."""

    answer_id: str
    fault_id: str
    chance: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why this step. `leading`: (fault, share) of the likeliest; `chance`: that the fix helps.

    `saves`: minutes against going on without it, None where that was not asked for.
    """

    kind: WhyKind
    leading: tuple[tuple[str, float], ...]
    minutes: float
    pointer: Pointer | None = None
    chance: float | None = None
    saves: float | None = None
    fix_id: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A step that was not done. `detail`: the feature or the step that is the reason, or ""."""

    step: Step
    reason: LeftOutReason
    detail: str = ""


def why(
    flow: Flow,
    attributes: Attributes,
    answers: Sequence[Answer],
    asked: Ask,
    *,
    actor: Actor,
    with_minutes: bool = False,
) -> Why:
    """Why `asked` comes after these answers. `with_minutes` takes a look ahead of milliseconds."""
    belief = posterior(flow, attributes, answers)
    step = asked.step
    leading = tuple(_leading(belief))
    kind = _kind(flow, asked)
    if isinstance(step, Fix):
        chance = math.fsum(belief[fault] * cure for fault, cure in step.cures.items())
        return Why(kind, leading, step.minutes, chance=chance)
    saves = None
    if with_minutes and kind == "ask":
        done = {answer.step_id for answer in answers}
        planner = Planner(problem_of(flow, attributes, actor, done))
        key, weights = planner.state((answer.step_id, answer.answer_id) for answer in answers)
        decision = planner.choose(weights, key)
        saves = max(0.0, round(decision.without - decision.minutes, 1))
    waiting = next(
        (fix.id for fix in flow.steps if isinstance(fix, Fix) and step.id in fix.after), ""
    )
    pointer = _pointer(flow, attributes, answers, step, belief)
    return Why(kind, leading, step.minutes, pointer=pointer, saves=saves, fix_id=waiting)


def _kind(flow: Flow, asked: Ask) -> WhyKind:
    step = asked.step
    if isinstance(step, Check):
        if step.safety:
            return "safety"
        if step.always:
            return "always"
        if any(isinstance(fix, Fix) and step.id in fix.after for fix in flow.steps):
            return "before"
    if asked.order == "authored":
        return "written"
    return "ask" if isinstance(step, Check) else "try"


def _leading(belief: Belief) -> list[tuple[str, float]]:
    known = [(fault, share) for fault, share in belief.items() if fault != OTHER]
    return sorted(known, key=lambda item: -item[1])[:TOP]


def _pointer(
    flow: Flow, attributes: Attributes, answers: Sequence[Answer], check: Check, belief: Belief
) -> Pointer | None:
    """The answer that would make one cause the most likelier; None where none tells much."""
    found: list[tuple[float, Pointer]] = []
    for option in check.telling:
        after = posterior(flow, attributes, [*answers, Answer(check.id, option.id)])
        fault, share = _leading(after)[0]
        found.append((share - belief[fault], Pointer(option.id, fault, share)))
    move, pointer = max(found, key=lambda item: item[0])
    return pointer if move >= LEAST_MOVE else None


def left_out(
    flow: Flow, attributes: Attributes, answers: Sequence[Answer], *, actor: Actor
) -> list[LeftOut]:
    """Every step that was not done, and why, in authored order."""
    done = latest(flow, answers)
    open_now = {step.id for step in offered(flow, attributes, answers, actor=actor)}
    found = []
    for step in flow.steps:
        if step.id in done:
            continue
        if step.id in open_now:
            found.append(LeftOut(step, "minutes"))
        elif lacking := [
            name
            for name, allowed in step.requires.items()
            if not attributes.may_satisfy({name: allowed})
        ]:
            found.append(LeftOut(step, "machine", lacking[0]))
        elif speaking := [
            other
            for other, names in step.unless.items()
            if other in done and done[other].answer_id in names
        ]:
            found.append(LeftOut(step, "answered", speaking[0]))
        else:
            found.append(LeftOut(step, "others", step.actor))
    return found  # fmt: skip
