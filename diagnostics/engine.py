"""The choice of the next step: pure and deterministic, from a flow, a terminal and the answers.

Rules come first: danger, success, what the desk must do, hard limits. Between them the step with
the least expected minutes is chosen (`diagnostics.planning`), or the authored order is kept.
This module reads no clock and no database; `next_step` is the only door to the choice.
"""

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from diagnostics.flow import (
    INCIDENT,
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
from diagnostics.planning import Branch, Exit, Key, Move, Planner, Problem, Tree, Weights

Actor: TypeAlias = Literal["merchant", "desk"]
# By least expected minutes; or as it was written, for comparison and as the fallback.
Order: TypeAlias = Literal["expected", "authored"]
Belief: TypeAlias = Mapping[str, float]
Kind: TypeAlias = Literal["solved", "call", "stop_use"]
# A fix worked; an answer that ends; a likely stop cause; a hard limit; or nothing left worth doing.
Reason: TypeAlias = Literal["fixed", "answer", "likely", "steps", "minutes", "unsure", "exhausted"]

MAX_STEPS = 12  # the safety screen is not counted
MAX_MINUTES = 25.0
MAX_UNSURE = 3  # in a row
MAX_CHECKS = 8  # in authored order, then it is time to try something
TOP_CAUSES = 3
# One wrong tap must never rule a cause out.
TEMPER = 0.05
# Minutes that a question must save over the best that needs none: fewer questions, same end.
DELTA = 0.2
# Answers that together are less likely than this contradict each other: the flow's authors know
# better what to do then than its numbers.
CONTRADICTION = 1e-9
# A check is pointless while fewer than one terminal in twenty in this state would show its sign.
MIN_SIGN = 0.05
MIN_CHANCE = 0.05
# Above this a cause is worth trying to cure before anything else is asked.
LEADING = 0.6
# A cause that would stop use, but is far from sure, first gets the short checks that settle it.
SETTLE_BELOW, SETTLE_MINUTES = 0.5, 3.0
# Half an hour of charging is kept for the case that nothing else is likelier.
LONG_MINUTES = 15.0
# A cause that this terminal had within the last month is as many times as likely now.
REPEATED_TIMES = 3.0
DESK = "desk"

_OFFERED: Mapping[Actor, frozenset[str]] = {
    "merchant": frozenset({"merchant"}),
    "desk": frozenset({"merchant", "desk"}),
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of the terminal: feature -> value, None = not known, which hides nothing.

    `repeated`: causes that this terminal had lately. `opens_in`: minutes until the desk opens.
    """

    values: Mapping[str, Scalar | None] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    opens_in: float = 0.0

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Attributes":
        """From `{"connection", "features", "verified", "incident", "repeated", "opens_in"}`.

        Of the model's features only those that a source states count as known. The connection
        in use is this machine's own record and counts as it is; "" is not known. Further keys
        are not for the choice.
        """
        verified = stored.get("verified") or {}
        features = stored.get("features") or {}
        known = {name: value for name, value in features.items() if verified.get(name)}
        known["connection"] = stored.get("connection") or None
        known[INCIDENT] = bool(stored.get(INCIDENT))
        return cls(
            known,
            repeated=frozenset(stored.get("repeated") or ()),
            opens_in=float(stored.get("opens_in") or 0),
        )

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
    """Do this step next. `index` counts from 1; minutes are the expected rest of the walk.

    `order`: how it was chosen. `is_degraded`: the answers contradict each other.
    """

    step: Step
    index: int
    minutes_left: int | None
    order: Order = "authored"
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of the walk. `causes`: the likeliest first, with their share of the belief.

    `advice` names a text of the flow (see `Flow.advice`), so that an outcome can be stored.
    `exit`: to whom a call goes, the desk or one of the flow's other ways to hand over.
    """

    kind: Kind
    causes: tuple[tuple[str, float], ...]
    advice: str
    reason: Reason
    exit: str = ""
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A compiled policy as a look-up: key of the answers -> (step, minutes of steps from there).

    The step is "" where the walk is handed over. See `compile_flow` and `table_of`.
    """

    steps: Mapping[str, tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence for the desk. `is_bad` None: the answer says nothing."""

    step: Step
    answer: AnswerOption
    is_bad: bool | None


def next_step(
    flow: Flow,
    attributes: Attributes,
    answers: Sequence[Answer],
    *,
    actor: Actor,
    order: Order = "expected",
    table: Table | None = None,
    looks_ahead: bool = True,
) -> Ask | Outcome:
    """What to do after these answers; the same input always gives the same result.

    A step answered twice counts with its last answer. Contradictions lower the belief, they
    never raise. `table` is a compiled policy for these attributes and this actor; what it does
    not hold is worked out. `looks_ahead`: in authored order the minutes left are
    told too. Raises AnswerError for a step or answer the flow does not have.
    """
    done = latest(flow, answers)
    belief = posterior(flow, attributes, answers)
    ruled = _ruled(flow, attributes, done, belief, actor)
    if isinstance(ruled, Outcome):
        return _with_exit(flow, attributes, ruled, belief)
    index = sum(not answer.given for answer in done.values()) + 1
    if order == "expected":
        found = _looked_up(flow, done, table) if table and actor == "merchant" else None
        is_contradictory = False
        if found is None:
            found, is_contradictory = _worked_out(flow, attributes, done, actor, ruled)
        if not is_contradictory:
            answered = _answered(flow, attributes, belief, ruled, index, found)
            return _waiting(flow, attributes, done, actor, answered)
    else:
        is_contradictory = False
    decided = ruled or _authored(flow, attributes, done, belief, actor)
    if isinstance(decided, Outcome):
        return _with_exit(flow, attributes, decided, belief, is_degraded=is_contradictory)
    left = None
    if looks_ahead:
        left = _minutes_left(flow, attributes, done, belief, decided, actor)
    asked = Ask(decided, index, left, is_degraded=is_contradictory)
    return _waiting(flow, attributes, done, actor, asked)


def _waiting(
    flow: Flow,
    attributes: Attributes,
    done: Mapping[str, Answer],
    actor: Actor,
    chosen: Ask | Outcome,
) -> Ask | Outcome:
    """In front of a fix the question that it waits for, as long as that one is open.

    Such a question costs its minutes only where it is needed: what it finds out is no cause.
    """
    if not isinstance(chosen, Ask):
        return chosen
    first = awaited_step(flow, attributes, done, actor, chosen.step)
    return dataclasses.replace(chosen, step=first) if first else chosen


def awaited_step(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], actor: Actor, step: Step
) -> Step | None:
    """The check that `step` still waits for after these answers, by step id; None: it may go on."""
    waits = step.after if isinstance(step, Fix) else ()
    steps = {other.id: other for other in _open(flow, attributes, done, actor)} if waits else {}
    return next((steps[name] for name in waits if name in steps), None)


def _answered(
    flow: Flow,
    attributes: Attributes,
    belief: Belief,
    ruled: Step | None,
    index: int,
    found: tuple[str, float | None],
) -> Ask | Outcome:
    name, minutes = found
    step = ruled or flow.step(name)
    if step is None:
        return _with_exit(flow, attributes, _outcome("call", belief, "call", "exhausted"), belief)
    left = None if minutes is None else max(1, math.ceil(minutes))
    return Ask(step, index, left, "expected")


def _looked_up(
    flow: Flow, done: Mapping[str, Answer], table: Table
) -> tuple[str, float | None] | None:
    return table.steps.get(evidence_key(flow, done.values()))


def _worked_out(
    flow: Flow,
    attributes: Attributes,
    done: Mapping[str, Answer],
    actor: Actor,
    ruled: Step | None,
) -> tuple[tuple[str, float | None], bool]:
    """The live choice; and whether the answers contradict each other."""
    planner = Planner(problem_of(flow, attributes, actor, done))
    key, weights = planner.state((name, answer.answer_id) for name, answer in done.items())
    if math.fsum(weights) < CONTRADICTION:
        return ("", None), True
    if ruled is not None:
        return (ruled.id, None), False
    return (planner.choose(weights, key).step_id or "", None), False


def evidence_key(flow: Flow, answers: Iterable[Answer]) -> str:
    """Names a set of answers, whatever their order: their numbers in the flow, ascending."""
    numbers = _answer_numbers(flow)
    return ",".join(
        map(str, sorted(numbers[answer.step_id, answer.answer_id] for answer in answers))
    )


def _answer_numbers(flow: Flow) -> dict[tuple[str, str], int]:
    pairs = ((step.id, option.id) for step in flow.steps for option in step.answers)
    return {pair: number for number, pair in enumerate(pairs)}


# --- The flow as numbers -------------------------------------------------------------


def problem_of(
    flow: Flow, attributes: Attributes, actor: Actor, done: Container[str] = ()
) -> Problem:
    """What the choice depends on: the steps that this person can do on this machine, and those
    of `done`, which were answered all the same, by records or by somebody else.

    Answers are tempered and the usual share of "not sure" taken off; minutes of a fix include
    the time that its going wrong would cost.
    """
    weights = _prior(flow, attributes)
    total = math.fsum(weights.values())
    return Problem(
        prior=tuple(weights[fault.id] / total for fault in flow.faults),
        moves=tuple(
            _move(flow, step)
            for step in flow.steps
            if step.id in done
            or (step.actor in _OFFERED[actor] and attributes.may_satisfy(step.requires))
        ),
        exits=tuple(_exits(flow, attributes)),
        delta=DELTA,
    )


def _move(flow: Flow, step: Step) -> Move:
    unless = frozenset((other, name) for other, names in step.unless.items() for name in names)
    if isinstance(step, Fix):
        cures = tuple(step.cures.get(fault.id, 0.0) for fault in flow.faults)
        return Move(step.id, step.minutes + step.risk_minutes, cures=cures, unless=unless)
    usual = _heard(step, step.default)
    rows = [
        _heard(step, step.given[fault.id]) if fault.id in step.given else usual
        for fault in flow.faults
    ]
    branches = [
        Branch(option.id, tuple(row[number] for row in rows), ends=option.stop or option.call)
        for number, option in enumerate(step.telling)
    ]
    branches.append(Branch(UNSURE, (step.skip,) * len(flow.faults)))
    return Move(step.id, step.minutes, tuple(branches), unless=unless)


def _heard(step: Check, row: Sequence[float]) -> list[float]:
    """P(answer | fault) of the telling answers, tempered, less the share of "not sure"."""
    heard = 1 - step.skip
    return [heard * _tempered(plain, len(row)) for plain in row]


def _exits(flow: Flow, attributes: Attributes) -> Iterable[Exit]:
    """The desk first: of equals it is the one."""
    call, later = flow.call, attributes.opens_in
    desk = min(call.minutes + later, call.minutes_closed)
    yield Exit(DESK, (desk,) * len(flow.faults))
    for way in flow.exits:
        wait = min(later, call.minutes_closed - call.minutes) if way.waits else 0.0
        yield Exit(way.id, tuple(way.minutes_for(fault) + wait for fault in flow.faults))


def compile_flow(
    flow: Flow,
    attributes: Attributes,
    *,
    actor: Actor = "merchant",
    given: Sequence[Answer] = (),
) -> Tree:
    """The whole policy for terminals of these attributes, `given` known beforehand.

    Takes up to some seconds of processor time for a large flow.
    """
    known = {answer.step_id for answer in given}
    planner = Planner(problem_of(flow, attributes, actor, known))

    def done(key: Key) -> dict[str, Answer]:
        return {
            name: Answer(name, label, given=name in known)
            for name, label in planner.labels(key)
            if label
        }

    def rule(key: Key, _weights: Weights) -> str | None:
        answers = done(key)
        belief = posterior(flow, attributes, answers.values())
        ruled = _ruled(flow, attributes, answers, belief, actor)
        return "" if isinstance(ruled, Outcome) else ruled.id if ruled else None

    def before(key: Key, step_id: str) -> str | None:
        step = flow.step(step_id)
        waits = awaited_step(flow, attributes, done(key), actor, step) if step else None
        return waits.id if waits else None

    evidence_given = [(answer.step_id, answer.answer_id) for answer in given]
    return planner.compile(evidence_given, rule=rule, before=before, least=CONTRADICTION)


def table_of(
    flow: Flow,
    attributes: Attributes,
    tree: Tree,
    *,
    actor: Actor = "merchant",
    given: Sequence[Answer] = (),
) -> Table:
    """A tree that was compiled for the same of these, as a look-up by `evidence_key`."""
    known = {answer.step_id for answer in given}
    planner = Planner(problem_of(flow, attributes, actor, known))
    steps = {}
    for key, decision in tree.decisions.items():
        answers = [Answer(name, label) for name, label in planner.labels(key)]
        rest = round(tree.prospects[key].steps, 1)
        steps[evidence_key(flow, answers)] = (decision.step_id or "", rest)
    return Table(steps)


def class_of(
    flow: Flow, attributes: Attributes, *, actor: Actor = "merchant", given: Sequence[Answer] = ()
) -> str:
    """The same for all terminals for which a tree of this flow is the same; plain text."""
    problem = problem_of(flow, attributes, actor)
    parts = [
        ",".join(move.id for move in problem.moves),
        ",".join(f"{weight:.6f}" for weight in problem.prior),
        ",".join(f"{min(way.minutes):g}-{max(way.minutes):g}" for way in problem.exits),
        evidence_key(flow, given),
    ]
    return "|".join(parts)


# --- Belief --------------------------------------------------------------------------


def posterior(flow: Flow, attributes: Attributes, answers: Iterable[Answer]) -> dict[str, float]:
    """P(fault | answers) by naive Bayes, in the order of the flow's faults; sums to 1."""
    weights = _prior(flow, attributes)
    for answer in latest(flow, answers).values():
        weights = _weighed(weights, _resolve(flow, answer)[0], answer.answer_id)
    return _normalised(weights)


def _prior(flow: Flow, attributes: Attributes) -> dict[str, float]:
    """Weights by what is known of the terminal and its past; not normalised."""
    weights = {fault.id: fault.weight for fault in flow.faults}
    for fault in flow.faults:
        if fault.id in attributes.repeated:
            weights[fault.id] *= REPEATED_TIMES
        for when in fault.when:
            if attributes.satisfy(when.conditions):
                weights[fault.id] *= when.times
    return weights


def offered(
    flow: Flow, attributes: Attributes, answers: Sequence[Answer], *, actor: Actor
) -> list[Step]:
    """The steps not done yet that this person can do here and no answer has made pointless."""
    return _open(flow, attributes, latest(flow, answers), actor)


def evidence(flow: Flow, answers: Iterable[Answer]) -> list[Finding]:
    """What was found, in the order of asking, for the desk. Raises AnswerError."""
    found = []
    for answer in latest(flow, answers).values():
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


def latest(flow: Flow, answers: Iterable[Answer]) -> dict[str, Answer]:
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
    return _tempered(plain, len(names))


def _tempered(chance: float, answers: int) -> float:
    """As it is believed, of so many answers."""
    return (1 - TEMPER) * chance + TEMPER / answers


def _weighed(weights: Belief, step: Step, answer_id: str) -> dict[str, float]:
    return {f: weight * _likelihood(step, answer_id, f) for f, weight in weights.items()}


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Shares that sum to 1; equal ones where the answers left nothing."""
    total = math.fsum(weights.values())
    if total <= 0:
        return {fault: 1 / len(weights) for fault in weights}
    return {fault: weight / total for fault, weight in weights.items()}


# --- Rules before the choice ---------------------------------------------------------


def _ruled(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | Outcome | None:
    """What must be whatever it costs: an end, the safety screen, a check that is always made."""
    if outcome := _said(flow, done, belief):
        return outcome
    steps = _open(flow, attributes, done, actor)
    limit = _exhausted(flow, done, belief)
    if suspect := _suspect(flow, done, belief):
        settling = None if limit else _settling(steps, suspect, belief)
        return settling or _outcome("stop_use", belief, suspect.id, "likely")
    if limit:
        return limit
    checks = [step for step in steps if isinstance(step, Check)]
    screen = [check for check in checks if check.safety]
    return next(iter([*screen, *(check for check in checks if check.always)]), None)


def _with_exit(
    flow: Flow,
    attributes: Attributes,
    outcome: Outcome,
    belief: Belief,
    *,
    is_degraded: bool = False,
) -> Outcome:
    """A call goes to whoever is expected to end it soonest, with that way's own advice."""
    if outcome.kind != "call":
        return outcome
    costs = {
        way.id: math.fsum(
            belief[fault.id] * minutes
            for fault, minutes in zip(flow.faults, way.minutes, strict=True)
        )
        for way in _exits(flow, attributes)
    }
    best = min(costs, key=lambda name: costs[name])
    advice = best if outcome.advice == "call" and best != DESK else outcome.advice
    return dataclasses.replace(outcome, exit=best, advice=advice, is_degraded=is_degraded)


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


# --- Authored order ------------------------------------------------------------------


def _decide(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | Outcome:
    return _ruled(flow, attributes, done, belief, actor) or _authored(
        flow, attributes, done, belief, actor
    )


def _authored(
    flow: Flow, attributes: Attributes, done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | Outcome:
    """Checks in authored order while they can tell; then fixes worth their minutes."""
    steps = _open(flow, attributes, done, actor)
    step = _choose(flow, steps, done, belief, actor)
    return step or _outcome("call", belief, "call", "exhausted")


def _choose(
    flow: Flow, steps: Sequence[Step], done: Mapping[str, Answer], belief: Belief, actor: Actor
) -> Step | None:
    fixes = [step for step in steps if isinstance(step, Fix) and _worth(flow, step, belief)]
    leading = _leading(belief)
    cures = [fix for fix in fixes if leading in fix.cures] if belief[leading] >= LEADING else []
    checks = sum(isinstance(flow.step(n), Check) for n, a in done.items() if not a.given)
    ask = not cures and checks <= MAX_CHECKS
    for step in steps:
        if isinstance(step, Check) and ask and _telling(step, belief, actor):
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
