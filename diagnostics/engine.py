"""The choice of the next step: pure and deterministic, from a flow, a terminal and the answers.

This is the first form: the authored order, thinned by what the answers have made pointless. It
reads no clock and no database; `next_step` is the only door to the choice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from diagnostics.flow import (
    UNSURE,
    AnswerOption,
    Check,
    Conditions,
    Fault,
    Fix,
    Flow,
    Scalar,
    Step,
)

Actor: TypeAlias = Literal["merchant", "desk"]
Belief: TypeAlias = Mapping[str, float]
Kind: TypeAlias = Literal["solved", "call", "stop_use"]
# A fix worked; an answer that ends; a likely stop cause; a hard limit; or nothing left worth doing.
Reason: TypeAlias = Literal["fixed", "answer", "likely", "steps", "minutes", "unsure", "exhausted"]

MAX_STEPS = 12  # the safety screen is not counted
MAX_MINUTES = 25.0
MAX_UNSURE = 3  # in a row
MAX_CHECKS = 8  # then it is time to try something
TOP_CAUSES = 3
# One wrong tap must never rule a cause out.
TEMPER = 0.05
# A check is pointless while fewer than one terminal in twenty in this state would show its sign.
MIN_SIGN = 0.05
MIN_CHANCE = 0.05
# Above this a cause is worth trying to cure before anything else is asked.
LEADING = 0.6
# A cause that would stop use, but is far from sure, first gets the short checks that settle it.
SETTLE_BELOW, SETTLE_MINUTES = 0.5, 3.0
# Half an hour of charging is kept for the case that nothing else is likelier.
LONG_MINUTES = 15.0

_OFFERED: Mapping[Actor, frozenset[str]] = {
    "merchant": frozenset({"merchant"}),
    "desk": frozenset({"merchant", "desk"}),
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of the terminal: feature -> value, None = not known, which hides nothing."""

    values: Mapping[str, Scalar | None] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Attributes":
        """From `{"connection", "features", "verified"}`; further keys are not for the choice.

        Of the model's features only those that a source states count as known. The connection
        in use is this machine's own record and counts as it is; "" is not known.
        """
        verified = stored.get("verified") or {}
        features = stored.get("features") or {}
        known = {name: value for name, value in features.items() if verified.get(name)}
        return cls({**known, "connection": stored.get("connection") or None})

    def may_satisfy(self, conditions: Conditions) -> bool:
        """Whether the conditions can hold: only a known value that does not fit says no."""
        return all(
            self.values.get(name) is None or self.values[name] in allowed
            for name, allowed in conditions.items()
        )

    def satisfy(self, conditions: Conditions) -> bool:
        """Whether the conditions are known to hold."""
        return all(
            self.values.get(name) is not None and self.values[name] in allowed
            for name, allowed in conditions.items()
        )


class AnswerError(ValueError):
    """The step or the answer is not part of the flow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. `given`: known beforehand (a code read from a log), so it is free."""

    step_id: str
    answer_id: str
    given: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Do this step next. `index` counts from 1; minutes are the expected rest of the walk."""

    step: Step
    index: int
    minutes_left: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of the walk. `causes`: the likeliest first, with their share of the belief.

    `advice` names a text of the flow (see `Flow.advice`), so that an outcome can be stored.
    """

    kind: Kind
    causes: tuple[tuple[str, float], ...]
    advice: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence for the desk. `is_bad` None: the answer says nothing."""

    step: Step
    answer: AnswerOption
    is_bad: bool | None


def next_step(
    flow: Flow, attributes: Attributes, answers: Sequence[Answer], *, actor: Actor
) -> Ask | Outcome:
    """What to do after these answers; the same input always gives the same result.

    A step answered twice counts with its last answer. Contradictions lower the belief, they
    never raise. Raises AnswerError for a step or answer the flow does not have.
    """
    done = _latest(flow, answers)
    belief = posterior(flow, attributes, answers)
    decided = _decide(flow, attributes, done, belief, actor)
    if isinstance(decided, Outcome):
        return decided
    asked = sum(not answer.given for answer in done.values())
    left = _minutes_left(flow, attributes, done, belief, decided, actor)
    return Ask(step=decided, index=asked + 1, minutes_left=left)


def posterior(flow: Flow, attributes: Attributes, answers: Iterable[Answer]) -> dict[str, float]:
    """P(fault | answers) by naive Bayes, in the order of the flow's faults; sums to 1."""
    weights = {fault.id: fault.weight for fault in flow.faults}
    for fault in flow.faults:
        for when in fault.when:
            if attributes.satisfy(when.conditions):
                weights[fault.id] *= when.times
    for answer in _latest(flow, answers).values():
        weights = _weighed(weights, _resolve(flow, answer)[0], answer.answer_id)
    return _normalised(weights)


def evidence(flow: Flow, answers: Iterable[Answer]) -> list[Finding]:
    """What was found, in the order of asking, for the desk. Raises AnswerError."""
    found = []
    for answer in _latest(flow, answers).values():
        step, option = _resolve(flow, answer)
        found.append(Finding(step, option, option.bad))
    return found


def known_answers(flow: Flow, checks: Iterable[str]) -> tuple[Answer, ...]:
    """Given answers for checks that are known to be positive, such as a code read from a log.

    A check may stand alone ("yes") or be one answer of a composite; ones that this flow does not
    have are left out. Safety signs are never taken from elsewhere: the merchant has to look.
    """
    wanted = set(checks)
    found = []
    for step in flow.steps:
        if not isinstance(step, Check) or step.safety:
            continue
        if step.id in wanted:
            found.append(Answer(step.id, "yes", given=True))
            continue
        for option in step.telling:
            if wanted.intersection((option.id, *option.covers)):
                found.append(Answer(step.id, option.id, given=True))
                break
    return tuple(found)


def _resolve(flow: Flow, answer: Answer) -> tuple[Step, AnswerOption]:
    step = flow.step(answer.step_id)
    if step is None:
        raise AnswerError(f"flow {flow.id} has no step {answer.step_id!r}")
    for option in step.answers:
        if option.id == answer.answer_id:
            return step, option
    raise AnswerError(f"step {step.id} of flow {flow.id} has no answer {answer.answer_id!r}")


def _latest(flow: Flow, answers: Iterable[Answer]) -> dict[str, Answer]:
    """The last answer of every step, at the place of its first."""
    latest: dict[str, Answer] = {}
    for answer in answers:
        _resolve(flow, answer)
        latest[answer.step_id] = answer
    return latest


def _likelihood(step: Step, answer_id: str, fault: str) -> float:
    """P(answer | fault), tempered; 1 where the answer is no evidence."""
    if isinstance(step, Fix):
        cure = step.cures.get(fault, 0.0)
        return {"solved": cure, "unsolved": 1 - cure}.get(answer_id, 1.0)
    if answer_id == UNSURE:
        return 1.0
    names = [option.id for option in step.telling]
    plain = step.row(fault)[names.index(answer_id)]
    return (1 - TEMPER) * plain + TEMPER / len(names)


def _weighed(weights: Belief, step: Step, answer_id: str) -> dict[str, float]:
    return {f: weight * _likelihood(step, answer_id, f) for f, weight in weights.items()}


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Shares that sum to 1; equal ones where the answers left nothing."""
    total = math.fsum(weights.values())
    if total <= 0:
        return {fault: 1 / len(weights) for fault in weights}
    return {fault: weight / total for fault, weight in weights.items()}


def _decide(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | Outcome:
    if outcome := _said(flow, done, belief):
        return outcome
    steps = _open(flow, attributes, done, actor)
    limit = _exhausted(flow, done, belief)
    if suspect := _suspect(flow, done, belief):
        settling = None if limit else _settling(steps, suspect, belief)
        return settling or _outcome("stop_use", belief, suspect.id, "likely")
    if limit:
        return limit
    step = _choose(flow, steps, done, belief, actor)
    return step or _outcome("call", belief, "call", "exhausted")


def _outcome(kind: Kind, belief: Belief, advice: str, reason: Reason) -> Outcome:
    ranked = sorted(belief.items(), key=lambda item: -item[1])[:TOP_CAUSES]
    return Outcome(
        kind, tuple((fault, round(weight, 6)) for fault, weight in ranked), advice, reason
    )


def _said(flow: Flow, done: Mapping[str, Answer], belief: Belief) -> Outcome | None:
    """An answer that ends the walk by itself: danger before success before the desk's business."""
    options = [_resolve(flow, answer) for answer in done.values()]
    for step, option in options:
        if option.stop:
            return _outcome("stop_use", belief, f"{step.id}.{option.id}", "answer")
    if any(isinstance(step, Fix) and option.id == "solved" for step, option in options):
        return _outcome("solved", belief, "done", "fixed")
    for step, option in options:
        if option.call:
            return _outcome("call", belief, f"{step.id}.{option.id}", "answer")
    return None


def _suspect(flow: Flow, done: Mapping[str, Answer], belief: Belief) -> Fault | None:
    """The cause that takes the terminal out of use, once it is likely enough."""
    suspects = [fault for fault in flow.faults if fault.stop_use]
    worst = max(suspects, key=lambda fault: belief[fault.id], default=None)
    if worst is None or not done or belief[worst.id] < flow.stop_threshold:
        return None
    return worst


def _settling(steps: Sequence[Step], suspect: Fault, belief: Belief) -> Step | None:
    """The safety screen, or a short check that speaks about this very cause, if one is open.

    Without it, a row of honest "no" to other questions would be enough to stop a good terminal.
    """
    for step in steps:
        if isinstance(step, Check) and step.safety:
            return step
    if belief[suspect.id] >= SETTLE_BELOW:
        return None
    for step in steps:
        if isinstance(step, Check) and step.minutes <= SETTLE_MINUTES:
            row = step.given.get(suspect.id)
            if row and any(n > usual for n, usual in zip(row, step.default, strict=True)):
                return step
    return None


def _exhausted(flow: Flow, done: Mapping[str, Answer], belief: Belief) -> Outcome | None:
    """The hard limits beside the rule: too many steps, minutes, or answers of "not sure"."""
    asked = [_resolve(flow, answer) for answer in done.values() if not answer.given]
    counted = [step for step, _ in asked if not (isinstance(step, Check) and step.safety)]
    last = [option.id for _, option in asked][-MAX_UNSURE:]
    if last == [UNSURE] * MAX_UNSURE:
        return _outcome("call", belief, "call", "unsure")
    if len(counted) >= MAX_STEPS:
        return _outcome("call", belief, "call", "steps")
    if sum(step.minutes for step, option in asked if option.id != "unable") >= MAX_MINUTES:
        return _outcome("call", belief, "call", "minutes")
    return None


def _open(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], actor: Actor
) -> list[Step]:
    """The steps not yet done that this person can do and no answer has made pointless."""
    return [
        step
        for step in flow.steps
        if step.id not in done
        and step.actor in _OFFERED[actor]
        and attributes.may_satisfy(step.requires)
        and not any(
            other in done and done[other].answer_id in answers
            for other, answers in step.unless.items()
        )
    ]


def _choose(
    flow: Flow, steps: Sequence[Step], done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | None:
    """Safety; then checks in authored order while they can tell; then fixes worth their minutes."""
    fixes = [step for step in steps if isinstance(step, Fix) and _worth(flow, step, belief)]
    leading = _leading(belief)
    cures = [fix for fix in fixes if leading in fix.cures] if belief[leading] >= LEADING else []
    checks = sum(isinstance(flow.step(n), Check) for n, a in done.items() if not a.given)
    ask = not cures and checks <= MAX_CHECKS
    for step in steps:
        if isinstance(step, Check) and (
            step.safety or step.always or (ask and _telling(step, belief, actor))
        ):
            return step
    # max keeps the first of equals, which is the authored one. For a leading cause its own cure
    # comes before a way round it.
    if cures:
        return max(cures, key=lambda fix: (-len(fix.cures), _chance(fix, belief)))
    return max(
        fixes, key=lambda fix: (fix.minutes < LONG_MINUTES, _chance(fix, belief)), default=None
    )


def _leading(belief: Belief) -> str:
    return max(belief, key=lambda fault: belief[fault])


def _chance(fix: Fix, belief: Belief) -> float:
    """P(the fix solves it)."""
    return math.fsum(belief[fault] * cure for fault, cure in fix.cures.items())


def _worth(flow: Flow, fix: Fix, belief: Belief) -> bool:
    """Chance times the call's minutes exceeds its own; a long one must cure the likeliest cause."""
    if fix.minutes >= LONG_MINUTES:
        return _leading(belief) in fix.cures
    chance = _chance(fix, belief)
    return chance >= MIN_CHANCE and chance * flow.call.minutes >= fix.minutes + fix.risk_minutes


def _telling(step: Check, belief: Belief, actor: Actor) -> bool:
    """Whether the check may still show something that matters."""
    if actor == "merchant" and step.minutes >= LONG_MINUTES:
        return False
    sign = math.fsum(
        weight * number
        for fault, weight in belief.items()
        if fault in step.given
        for number, usual in zip(step.row(fault), step.default, strict=True)
        if number > usual
    )
    return sign >= MIN_SIGN


def _minutes_left(
    flow: Flow,
    attributes: Attributes,
    done: Mapping[str, Answer],
    belief: Belief,
    step: Step | Outcome,
    actor: Actor,
) -> int:
    """Expected minutes to the end when every check gets its likeliest answer; at least 1.

    A long step counts only once it is the next one: it may never come, and says so itself.
    """
    answers = dict(done)
    reach, minutes = 1.0, 0.0
    while not isinstance(step, Outcome):
        if step.minutes < LONG_MINUTES or len(answers) == len(done):
            minutes += reach * step.minutes
        if isinstance(step, Fix):
            reach *= 1 - _chance(step, belief)
        expected = "unsolved" if isinstance(step, Fix) else _likeliest(step, belief)
        answers[step.id] = Answer(step.id, expected)
        belief = _normalised(_weighed(belief, step, expected))
        step = _decide(flow, attributes, answers, belief, actor)
    return max(1, math.ceil(minutes))


def _likeliest(step: Check, belief: Belief) -> str:
    """The answer this state of belief expects."""
    names = [option.id for option in step.telling]
    return max(
        names,
        key=lambda name: math.fsum(
            weight * _likelihood(step, name, fault) for fault, weight in belief.items()
        ),
    )
