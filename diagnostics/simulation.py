"""Plays merchants against the flows: what the choice saves over the authored order. Pure.

Merchants are drawn from a flow's own numbers, so it shows what the choice gains if these are
right; `noise` is the share of answers given at random. Each merchant meets every policy with the
same fault and the same luck, so that differences are the policies' and not chance's.
"""

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from diagnostics.engine import (
    Actor,
    Answer,
    Ask,
    Attributes,
    Outcome,
    awaited_step,
    compile_flow,
    latest,
    next_step,
    offered,
    posterior,
    table_of,
)
from diagnostics.flow import UNSURE, Check, Fault, Fix, Flow, Step

ACTOR: Actor = "merchant"
# The written list from its first step to its last: only what cannot apply is left out.
LISTED = "listed"
# The same, less what the answers have made pointless: what held-back runs walk.
AUTHORED = "authored"
# Fix after fix by chance per minute as it was authored, handed over at its best cut: no question.
STATIC = "static"
EXPECTED = "expected"
POLICIES = (LISTED, AUTHORED, STATIC, EXPECTED)

_CALL = Outcome("call", (), "call", "exhausted", exit="desk")

Policy: TypeAlias = Callable[[Sequence[Answer]], Ask | Outcome]


@dataclass(frozen=True, slots=True)
class Played:
    """What one policy cost on average. `minutes` with handing over, `steps` without the screen."""

    minutes: float
    steps: float
    solved: float


def simulate(
    flow: Flow, attributes: Attributes, *, merchants: int, noise: float = 0.0, seed: int = 1
) -> dict[str, Played]:
    """Plays `merchants` walks of this flow with every policy; the same seed plays the same."""
    table = table_of(flow, attributes, compile_flow(flow, attributes))
    policies: Mapping[str, Policy] = {
        LISTED: _remembered(_listed(flow, attributes)),
        AUTHORED: _remembered(
            lambda answers: next_step(
                flow, attributes, answers, actor=ACTOR, order="authored", looks_ahead=False
            )
        ),
        STATIC: _remembered(_static(flow, attributes)),
        EXPECTED: _remembered(
            lambda answers: next_step(flow, attributes, answers, actor=ACTOR, table=table)
        ),
    }
    faults = _faults(flow, attributes)
    totals = {name: [0.0, 0.0, 0.0] for name in policies}
    draw = random.Random(seed)  # noqa: S311 - a simulation
    for number in range(merchants):
        fault = draw.choices(flow.faults, weights=faults)[0]
        luck = _Luck(f"{seed}/{flow.id}/{number}", flow, fault, noise)
        for name, policy in policies.items():
            for i, value in enumerate(_walk(flow, policy, luck)):
                totals[name][i] += value
    return {
        name: Played(*(round(value / merchants, 4) for value in sums))
        for name, sums in totals.items()
    }


def _remembered(policy: Policy) -> Policy:
    """Many merchants come the same way, and a policy always says the same there."""
    known: dict[tuple[Answer, ...], Ask | Outcome] = {}

    def remembered(answers: Sequence[Answer]) -> Ask | Outcome:
        key = tuple(answers)
        if key not in known:
            known[key] = policy(answers)
        return known[key]

    return remembered


def _faults(flow: Flow, attributes: Attributes) -> list[float]:
    belief = posterior(flow, attributes, [])
    return [belief[fault.id] for fault in flow.faults]


class _Luck:
    """What a merchant with this fault says to each step: fixed before anything is asked."""

    def __init__(self, name: str, flow: Flow, fault: Fault, noise: float) -> None:
        self.name, self.flow, self.fault, self.noise = name, flow, fault, noise

    def answer(self, step: Step) -> str:
        """The same for the same step, whoever asks and when."""
        digest = hashlib.sha256(f"{self.name}/{step.id}".encode()).digest()
        draw = random.Random(digest)  # noqa: S311 - a simulation
        if isinstance(step, Fix):
            return "solved" if draw.random() < step.cures.get(self.fault.id, 0.0) else "unsolved"
        if draw.random() < step.skip:
            return UNSURE
        names = [option.id for option in step.telling]
        # Danger is seen, not guessed: a random tap there would end the walk for no reason.
        if not step.safety and draw.random() < self.noise:
            return draw.choice([o.id for o in step.telling if not o.stop and not o.call] or names)
        return draw.choices(names, weights=step.row(self.fault.id))[0]


def _walk(flow: Flow, policy: Policy, luck: _Luck) -> tuple[float, float, float]:
    """Minutes, steps and whether it was solved."""
    answers: list[Answer] = []
    minutes, steps = 0.0, 0
    while isinstance(asked := policy(answers), Ask):
        step = asked.step
        minutes += step.minutes
        steps += not (isinstance(step, Check) and step.safety)
        answers.append(Answer(step.id, luck.answer(step)))
    if asked.kind == "solved":
        return minutes, steps, 1.0
    way = flow.exit(asked.exit)
    out = way.minutes_for(luck.fault) if way else flow.call.minutes
    return minutes + out, steps, 0.0


def _listed(flow: Flow, attributes: Attributes) -> Policy:
    """Every step in its written order until one ends the walk or a hard limit does."""
    return _in_order(
        flow, attributes, lambda answers: offered(flow, attributes, answers, actor=ACTOR)
    )


def _static(flow: Flow, attributes: Attributes) -> Policy:
    """Fixes by authored chance per minute up to the best cut; no question but those of rules."""
    belief = posterior(flow, attributes, [])
    fixes = [step for step in offered(flow, attributes, [], actor=ACTOR) if isinstance(step, Fix)]

    def chance(fix: Fix) -> float:
        return math.fsum(belief[fault] * cure for fault, cure in fix.cures.items())

    order = sorted(fixes, key=lambda fix: -chance(fix) / fix.minutes)
    kept = order[: _best_cut(order, belief, flow.call.minutes)]

    def left(answers: Sequence[Answer]) -> Sequence[Step]:
        done = {answer.step_id for answer in answers}
        return [fix for fix in kept if fix.id not in done]

    return _in_order(flow, attributes, left)


def _in_order(
    flow: Flow, attributes: Attributes, left: Callable[[Sequence[Answer]], Sequence[Step]]
) -> Policy:
    """The first of what is left, under the same rules as everybody: ends, limits, what must be."""

    def policy(answers: Sequence[Answer]) -> Ask | Outcome:
        ruled = next_step(
            flow, attributes, answers, actor=ACTOR, order="authored", looks_ahead=False
        )
        if isinstance(ruled, Outcome):
            if ruled.reason != "exhausted":
                return ruled
        elif isinstance(ruled.step, Check) and (ruled.step.safety or ruled.step.always):
            return ruled
        steps = left(answers)
        if not steps:
            return _CALL
        waits = awaited_step(flow, attributes, latest(flow, answers), ACTOR, steps[0])
        return Ask(waits or steps[0], len(answers) + 1, None)

    return policy


def _best_cut(order: Sequence[Fix], belief: Mapping[str, float], call: float) -> int:
    """How many of the fixes to try before handing over."""
    left = dict(belief)
    best, best_at, cost = call, 0, 0.0
    for number, fix in enumerate(order, start=1):
        cost += fix.minutes * math.fsum(left.values())
        for fault, cure in fix.cures.items():
            left[fault] *= 1 - cure
        total = cost + call * math.fsum(left.values())
        if total < best:
            best, best_at = total, number
    return best_at
