"""What stands between learned numbers and merchants: pure, no Django, deterministic.

One night moves the numbers in use only so far, locked causes not at all; and new numbers must
foretell the causes of the last closed cases at least as well as those in use.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostics.flow import Flow
from diagnostics.learning import (
    PLACES,
    Case,
    CheckRates,
    Rates,
    count,
    learn,
    prior_of_group,
    rates_of,
    responsibility,
    stored,
    with_rates,
)

# A night at most doubles or halves a cause, and moves an answer or a cure by so much.
MOST_TIMES = 2.0
MOST_STEP = 0.15
# No single case weighs more than -ln of this: a wrong tap must not decide.
LEAST_CHANCE = 0.001
# Below this a higher loss is rounding.
LOSS_SLACK = 1e-4
# What a report tells of: the largest moves, none smaller than this.
MOST_MOVES, LEAST_MOVE = 8, 0.01


@dataclass(frozen=True, slots=True)
class Learned:
    """Numbers of one flow: of all models together, and P(fault) of each model."""

    rates: Rates
    by_model: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def prior_of(self, model: str) -> tuple[float, ...]:
        """P(fault) of a model; of all where it has none of its own."""
        return self.by_model.get(model, self.rates.prior)

    def to_dict(self) -> dict[str, Any]:
        """As `learning.stored`."""
        return stored(self.rates, self.by_model)


def in_use(flow: Flow, numbers: Mapping[str, Any] | None) -> Learned:
    """What a snapshot's numbers make of the flow; None: the flow's own."""
    if numbers is None:
        return Learned(rates_of(flow))
    by_model = {
        model: rates_of(with_rates(flow, numbers, model=model)).prior
        for model in numbers["by_model"]
    }
    return Learned(rates_of(with_rates(flow, numbers)), by_model)


def learned(flow: Flow, cases: Sequence[Case]) -> Learned:
    """The flow's own numbers after these cases; a model has its own where it had cases."""
    authored = rates_of(flow)
    pooled = learn(authored, cases)
    counts = count(pooled, cases)
    models = sorted(group for group in counts.by_group if group)
    return Learned(
        pooled, {model: prior_of_group(authored, pooled, counts, model) for model in models}
    )


# --- At most so far a night ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What one night could not move all the way: causes by name, and how many other numbers."""

    causes: tuple[str, ...] = ()
    rates: int = 0

    def __bool__(self) -> bool:
        return bool(self.causes or self.rates)


def limited(before: Learned, wanted: Learned) -> tuple[Learned, Held]:
    """As far towards `wanted` as one night allows, and what was held back."""
    locked = _locked(wanted.rates)
    prior = _towards(before.rates.prior, wanted.rates.prior, locked)
    # A model whose cases are all forgotten goes back to what all models have, as slowly.
    goals = dict.fromkeys(before.by_model, wanted.rates.prior) | dict(wanted.by_model)
    by_model = {
        model: _towards(before.prior_of(model), share, locked) for model, share in goals.items()
    }
    pairs = [(prior, wanted.rates.prior)]
    pairs += [(by_model[model], share) for model, share in goals.items()]
    checks, held_answers = _checks(before.rates, wanted.rates)
    cures, held_cures = _cures(before.rates, wanted.rates)
    held = tuple(
        fault
        for f, fault in enumerate(wanted.rates.faults)
        if any(abs(got[f] - goal[f]) > LEAST_MOVE / 2 for got, goal in pairs)
    )
    rates = dataclasses.replace(wanted.rates, prior=prior, checks=checks, cures=cures)
    return Learned(rates, by_model), Held(held, held_answers + held_cures)


def _locked(rates: Rates) -> frozenset[int]:
    return frozenset(f for f, fault in enumerate(rates.faults) if fault in rates.locked)


def _towards(
    before: Sequence[float], wanted: Sequence[float], locked: frozenset[int]
) -> tuple[float, ...]:
    """The shares scaled by one factor and cut to half and double of before, so that they sum to 1.

    The factor is found by halving: the sum grows with it.
    """
    free = [f for f in range(len(wanted)) if f not in locked]
    room = 1 - math.fsum(wanted[f] for f in locked)

    def cut(f: int, scale: float) -> float:
        return min(max(wanted[f] * scale, before[f] / MOST_TIMES), before[f] * MOST_TIMES)

    low, high = 1e-6, 1e6
    for _ in range(80):
        scale = math.sqrt(low * high)
        if math.fsum(cut(f, scale) for f in free) < room:
            low = scale
        else:
            high = scale
    found = {f: cut(f, high) for f in free}
    return tuple(wanted[f] if f in locked else round(found[f], PLACES) for f in range(len(wanted)))


def _checks(before: Rates, wanted: Rates) -> tuple[dict[str, CheckRates], int]:
    """Each cause's answers move together, so that their sum stays what it was."""
    found, held = {}, 0
    for step, check in wanted.checks.items():
        old = before.checks[step]
        columns = []
        for f in range(len(wanted.faults)):
            moves = [new[f] - was[f] for new, was in zip(check.rows, old.rows, strict=True)]
            largest = max(map(abs, moves), default=0.0)
            share = 1.0 if largest <= MOST_STEP else MOST_STEP / largest
            held += share < 1
            columns.append(
                [
                    round(was[f] + share * move, PLACES)
                    for was, move in zip(old.rows, moves, strict=True)
                ]
            )
        rows = tuple(zip(*columns, strict=True)) if columns else ()
        found[step] = CheckRates(check.answers, rows)
    return found, held


def _cures(before: Rates, wanted: Rates) -> tuple[dict[str, tuple[float, ...]], int]:
    found, held = {}, 0
    for step, row in wanted.cures.items():
        old = before.cures[step]
        cut = [
            round(min(max(new, was - MOST_STEP), was + MOST_STEP), PLACES)
            for new, was in zip(row, old, strict=True)
        ]
        held += sum(abs(new - got) > 1e-9 for new, got in zip(row, cut, strict=True))
        found[step] = tuple(cut)
    return found, held


# --- At least as good ----------------------------------------------------------------


def unlocked(authored: Rates, found: Learned) -> list[str]:
    """Locked causes whose numbers are not the authored ones any more; must be empty."""
    wrong = []
    for f, fault in enumerate(authored.faults):
        if fault not in authored.locked:
            continue
        priors = [found.rates.prior, *found.by_model.values()]
        same = all(abs(prior[f] - authored.prior[f]) < 1e-5 for prior in priors)
        same &= all(row[f] == authored.cures[step][f] for step, row in found.rates.cures.items())
        same &= all(
            new[f] == was[f]
            for step, check in found.rates.checks.items()
            for new, was in zip(check.rows, authored.checks[step].rows, strict=True)
        )
        if not same:
            wrong.append(fault)
    return wrong


def log_loss(numbers: Learned, cases: Iterable[Case]) -> tuple[float | None, int]:
    """Mean of -ln P(cause | what was answered), and over how many cases with a known cause.

    What staff tried afterwards is left out: it would give the cause away. None for no case.
    """
    total = weights = 0.0
    counted = 0
    for case in cases:
        if case.cause is None or case.cause not in numbers.rates.faults:
            continue
        rates = dataclasses.replace(numbers.rates, prior=numbers.prior_of(case.group))
        shares = responsibility(
            rates, dataclasses.replace(case, cause=None, weight=1.0, certainty=1.0)
        )
        chance = shares[rates.faults.index(case.cause)] if shares else 0.0
        total += case.certainty * -math.log(max(chance, LEAST_CHANCE))
        weights += case.certainty
        counted += 1
    return (total / weights if weights else None), counted


def is_worse(before: float | None, after: float | None) -> bool:
    """Whether the loss rose."""
    return before is not None and after is not None and after > before + LOSS_SLACK


# --- What moved ----------------------------------------------------------------------


def moves(before: Learned, after: Learned) -> dict[str, list[list[Any]]]:
    """The largest moves as JSON data: `causes` [fault, was, is], `answers` [step, answer, fault,
    was, is], `cures` [step, fault, was, is].
    """
    old, new = before.rates, after.rates
    causes = [[fault, old.prior[f], new.prior[f]] for f, fault in enumerate(new.faults)]
    answers = [
        [step, answer, fault, was[f], now[f]]
        for step, check in new.checks.items()
        for answer, was, now in zip(check.answers, old.checks[step].rows, check.rows, strict=True)
        for f, fault in enumerate(new.faults)
    ]
    cures = [
        [step, fault, old.cures[step][f], row[f]]
        for step, row in new.cures.items()
        for f, fault in enumerate(new.faults)
    ]
    return {"causes": _largest(causes), "answers": _largest(answers), "cures": _largest(cures)}


def _largest(rows: list[list[Any]]) -> list[list[Any]]:
    moved = [row for row in rows if abs(row[-1] - row[-2]) >= LEAST_MOVE]
    return sorted(moved, key=lambda row: -round(abs(row[-1] - row[-2]), PLACES))[:MOST_MOVES]
