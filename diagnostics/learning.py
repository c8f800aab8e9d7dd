"""From closed cases to better numbers: pure, no Django, deterministic.

Dirichlet and Beta counts on top of what was authored (Heckerman et al., decision-theoretic
case-based reasoning): the authored numbers weigh as much as so many cases, and every case adds
its own. What is asked depends only on what was seen, so counting only steps that were done is
fair given the cause; a step that was not done is missing, never negative.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostics.flow import Check, Fix, Flow, Step

# How many cases the authored numbers are worth: causes, answers, cures (docs/diagnosis.md).
CAUSE_WEIGHT, ANSWER_WEIGHT, CURE_WEIGHT = 30.0, 20.0, 10.0
# Of a single model: how many cases all models together are worth.
POOL_WEIGHT = 30.0
LEAST_PRIOR = 0.002
GUESS_WEIGHT = 0.5
HALF_LIFE_DAYS, HALF_LIFE_AFTER_RELEASE_DAYS = 90.0, 30.0
PLACES = 6


@dataclass(frozen=True, slots=True)
class CheckRates:
    """P(answer | fault) of one question: `rows[answer][fault]`, "not sure" left out."""

    answers: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """The numbers of one flow: P(fault), P(answer | fault) and P(solved | fault).

    `locked` faults keep their authored prior and rates.
    """

    faults: tuple[str, ...]
    prior: tuple[float, ...]
    checks: Mapping[str, CheckRates]
    cures: Mapping[str, tuple[float, ...]]
    locked: frozenset[str] = frozenset()


def rates_of(flow: Flow) -> Rates:
    """A flow's own numbers; causes that stop use are locked too."""
    total = math.fsum(fault.weight for fault in flow.faults)
    names = [fault.id for fault in flow.faults]
    return Rates(
        faults=tuple(names),
        prior=tuple(fault.weight / total for fault in flow.faults),
        checks={
            step.id: CheckRates(
                tuple(option.id for option in step.telling),
                tuple(zip(*(step.row(name) for name in names), strict=True)),
            )
            for step in flow.steps
            if isinstance(step, Check)
        },
        cures={
            step.id: tuple(step.cures.get(name, 0.0) for name in names)
            for step in flow.steps
            if isinstance(step, Fix)
        },
        locked=_locked(flow),
    )


def _locked(flow: Flow) -> frozenset[str]:
    """Whether use stops is for people to decide: no number of closed cases weakens it."""
    return frozenset(fault.id for fault in flow.faults if fault.locked or fault.stop_use)


def stored(rates: Rates, by_model: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The numbers as JSON data, named, so that they outlive a change of the order."""
    faults = rates.faults
    return {
        "causes": dict(zip(faults, rates.prior, strict=True)),
        "by_model": {
            model: dict(zip(faults, prior, strict=True)) for model, prior in by_model.items()
        },
        "answers": {
            step: {
                answer: dict(zip(faults, row, strict=True))
                for answer, row in zip(check.answers, check.rows, strict=True)
            }
            for step, check in rates.checks.items()
        },
        "cures": {step: dict(zip(faults, row, strict=True)) for step, row in rates.cures.items()},
    }


def with_rates(flow: Flow, numbers: Mapping[str, Any], *, model: str = "") -> Flow:
    """The flow with `stored` numbers in place of its own; `model`: the terminal's.

    What the numbers do not speak of keeps the flow's own, and so do locked causes and those that
    stop use, also where the numbers are older than that.
    """
    causes = numbers["by_model"].get(model) or numbers["causes"]
    locked = _locked(flow)
    return dataclasses.replace(
        flow,
        faults=tuple(
            fault
            if fault.id in locked
            else dataclasses.replace(fault, weight=causes.get(fault.id, fault.weight))
            for fault in flow.faults
        ),
        steps=tuple(_with_rates(flow, step, numbers, locked) for step in flow.steps),
    )


def _with_rates(flow: Flow, step: Step, numbers: Mapping[str, Any], locked: frozenset[str]) -> Step:
    if isinstance(step, Fix):
        found = numbers["cures"].get(step.id, {})
        learned = {fault: cure for fault, cure in found.items() if fault not in locked}
        cures = {fault: learned.get(fault, cure) for fault, cure in step.cures.items()}
        # A cause that the author did not think of, and that the desk saw this fix cure.
        cures |= {
            fault.id: learned[fault.id]
            for fault in flow.faults
            if fault.id not in cures and learned.get(fault.id, 0.0) > 0
        }
        return dataclasses.replace(step, cures=cures)
    answers = numbers["answers"].get(step.id)
    if answers is None:
        return step
    rows = {}
    for fault in flow.faults:
        own = dict(zip((option.id for option in step.telling), step.row(fault.id), strict=True))
        if fault.id in locked:
            rows[fault.id] = step.row(fault.id)
            continue
        rows[fault.id] = tuple(
            answers.get(name, {}).get(fault.id, chance) for name, chance in own.items()
        )
    return dataclasses.replace(step, given=rows)


@dataclass(frozen=True, slots=True)
class Case:
    """One closed case.

    `trace`: (step, label) as they were done; a label that no row has (not sure, unable) counts
    for nothing. `cause`: what the desk wrote down, None for a case that the merchant solved.
    `fixes`: (fix, worked) that staff made for that cause, failed ones too. `certainty`: 1 sure,
    0.5 a guess. `weight` fades with age. `group`: the terminal's model.
    """

    trace: tuple[tuple[str, str], ...]
    cause: str | None
    fixes: tuple[tuple[str, bool], ...] = ()
    certainty: float = 1.0
    weight: float = 1.0
    group: str = ""


@dataclass(slots=True)
class Counts:
    """What the cases add up to, in cases per fault; kept apart for each group of causes."""

    causes: list[float]
    by_group: dict[str, list[float]] = field(default_factory=dict)
    answers: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cured: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, list[float]] = field(default_factory=dict)


def faded(age_days: float, half_life_days: float = HALF_LIFE_DAYS) -> float:
    """Weight of a case of that age: halves every half-life."""
    return math.pow(2.0, -max(0.0, age_days) / half_life_days)


def count(rates: Rates, cases: Iterable[Case]) -> Counts:
    """Adds up the cases; `rates` are the best numbers so far, for cases without a cause."""
    size = len(rates.faults)
    counts = Counts([0.0] * size)
    for case in cases:
        shares = responsibility(rates, case)
        if shares is None:
            continue
        _add(counts.causes, shares)
        _add(counts.by_group.setdefault(case.group, [0.0] * size), shares)
        for step, label in case.trace:
            if step in rates.checks and label in rates.checks[step].answers:
                _add(counts.answers.setdefault((step, label), [0.0] * size), shares)
            elif step in rates.cures and label in {"solved", "unsolved"}:
                tally = counts.cured if label == "solved" else counts.failed
                _add(tally.setdefault(step, [0.0] * size), shares)
        for step, worked in case.fixes:
            if step in rates.cures:
                tally = counts.cured if worked else counts.failed
                _add(tally.setdefault(step, [0.0] * size), shares)
    return counts


def _add(tally: list[float], shares: Sequence[float]) -> None:
    for f, share in enumerate(shares):
        tally[f] += share


def responsibility(rates: Rates, case: Case) -> list[float] | None:
    """How much each fault is answerable for the case; sums to its weight. None: not counted.

    With a cause written down all of it is that fault's; else each gets its share of the belief
    after all that was seen, the fix that worked included.
    """
    weight = case.weight * case.certainty
    if case.cause is not None:
        if case.cause not in rates.faults:
            return None
        return [weight if fault == case.cause else 0.0 for fault in rates.faults]
    belief = list(rates.prior)
    for step, label in case.trace:
        factors = _factors(rates, step, label)
        if factors is not None:
            belief = [b * f for b, f in zip(belief, factors, strict=True)]
    total = math.fsum(belief)
    if total <= 0:
        return None
    return [weight * b / total for b in belief]


def _factors(rates: Rates, step: str, label: str) -> Sequence[float] | None:
    check, cure = rates.checks.get(step), rates.cures.get(step)
    if check is not None and label in check.answers:
        return check.rows[check.answers.index(label)]
    if cure is not None and label == "solved":
        return cure
    if cure is not None and label == "unsolved":
        return [1 - c for c in cure]
    return None


def learn(authored: Rates, cases: Sequence[Case], *, rounds: int = 3) -> Rates:
    """The numbers after these cases, of all groups together. No cases: the authored ones.

    `rounds`: how often cases without a cause are shared out anew by better numbers (EM).
    """
    rates = authored
    for _ in range(rounds):
        counts = count(rates, cases)
        better = _updated(authored, counts)
        if better == rates:
            break
        rates = better
    return rates


def prior_of_group(authored: Rates, pooled: Rates, counts: Counts, group: str) -> tuple[float, ...]:
    """P(fault) of one model: its own cases on top of all models' (partial pooling)."""
    own = counts.by_group.get(group)
    if own is None:
        return pooled.prior
    return _prior(authored, pooled.prior, own, POOL_WEIGHT)


def _updated(authored: Rates, counts: Counts) -> Rates:
    return Rates(
        faults=authored.faults,
        prior=_prior(authored, authored.prior, counts.causes, CAUSE_WEIGHT),
        checks={
            step: _answers(authored, step, check, counts) for step, check in authored.checks.items()
        },
        cures={
            step: _cures(authored, step, cures, counts) for step, cures in authored.cures.items()
        },
        locked=authored.locked,
    )


def _prior(
    authored: Rates, base: Sequence[float], tally: Sequence[float], weight: float
) -> tuple[float, ...]:
    """(weight * base + n) / (weight + N), no fault below the least, locked ones as authored."""
    total = math.fsum(tally)
    found = [
        max(LEAST_PRIOR, (weight * share + n) / (weight + total))
        for share, n in zip(base, tally, strict=True)
    ]
    kept = {
        f: authored.prior[f] for f, fault in enumerate(authored.faults) if fault in authored.locked
    }
    free = math.fsum(share for f, share in enumerate(found) if f not in kept)
    room = 1 - math.fsum(kept.values())
    return tuple(
        round(kept[f] if f in kept else share * room / free, PLACES)
        for f, share in enumerate(found)
    )


def _answers(authored: Rates, step: str, check: CheckRates, counts: Counts) -> CheckRates:
    tallies = [counts.answers.get((step, answer)) for answer in check.answers]
    if not any(tallies):
        return check
    rows: list[list[float]] = [[] for _ in check.answers]
    for f, fault in enumerate(authored.faults):
        seen = [tally[f] if tally else 0.0 for tally in tallies]
        total = math.fsum(seen)
        for a, row in enumerate(check.rows):
            learned = (ANSWER_WEIGHT * row[f] + seen[a]) / (ANSWER_WEIGHT + total)
            rows[a].append(round(row[f] if fault in authored.locked else learned, PLACES))
    return CheckRates(check.answers, tuple(tuple(row) for row in rows))


def _cures(authored: Rates, step: str, cures: Sequence[float], counts: Counts) -> tuple[float, ...]:
    size = len(cures)
    good = counts.cured.get(step, [0.0] * size)
    bad = counts.failed.get(step, [0.0] * size)
    return tuple(
        cure
        if authored.faults[f] in authored.locked
        else round((CURE_WEIGHT * cure + good[f]) / (CURE_WEIGHT + good[f] + bad[f]), PLACES)
        for f, cure in enumerate(cures)
    )
