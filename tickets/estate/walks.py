"""Walks through the real flows by the real engine, a pool per symptom and kind of terminal.

A million runs need no million searches: what the engine says after the same answers about the
same kind of terminal is worked out once, and whole walks are drawn from a pool.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostics.actions import attributes_of, step_after
from diagnostics.engine import Answer, Ask, Attributes, Outcome
from diagnostics.flow import UNSURE, Check, Fault, Fix, Flow, Step
from diagnostics.models import DiagnosisRun, FlowVersion
from terminals.models import Terminal, TerminalModel
from tickets.estate.people import Machine
from tickets.estate.rows import document
from tickets.estate.seeded import Weighted

POOL = 48
# Enough for a pool that holds each kind of ending; the rest of the time is not worth it.
_TRIES = 120
_UNSURE = 0.06
_UNABLE = 0.08
_SECONDS_PER_STEP = 25


@dataclass(frozen=True, slots=True)
class Walk:
    """One finished walk: what was answered, what it ended with, and what was really wrong.

    `steps` holds position, step id and answer id as finished cells and the seconds since the
    start; `outcome` is a JSON cell.
    """

    symptom: str
    version_id: int
    cause: str
    kind: str
    steps: tuple[tuple[str, str, str, int], ...]
    outcome: str
    stopped_for: str
    seconds: int


class Walks:
    """Pools of walks, filled when first asked for; the same seed fills them the same."""

    def __init__(self, seed: int) -> None:
        self.versions = {v.symptom: v for v in FlowVersion.objects.published()}
        if not self.versions:
            raise LookupError("no flow is published")
        self._seed = seed
        self._pools: dict[tuple[str, str], dict[str, list[Walk]]] = {}
        self._next: dict[tuple[str, str, tuple[Answer, ...]], Ask | Outcome] = {}
        self._kinds: dict[tuple[str, int, str], str] = {}
        self._symptoms: dict[int, Weighted[str]] = {}
        self._names = {symptom: _named(v.flow) for symptom, v in self.versions.items()}

    def flow(self, symptom: str) -> Flow:
        """The published flow."""
        return self.versions[symptom].flow

    def fault(self, symptom: str, cause: str) -> Fault | None:
        """The fault of that id; None for a symptom or cause without one."""
        return self.flow(symptom).fault(cause) if symptom else None

    def symptom_for(self, machine: Machine, chance: random.Random) -> str:
        """A symptom by its share, of those that this model can have."""
        drawn = self._symptoms.get(machine.model.pk)
        if drawn is None:
            known = _known(machine.model, "")
            fits = [v for v in self.versions.values() if known.may_satisfy(v.flow.requires)]
            drawn = Weighted([v.symptom for v in fits], [max(v.share, 0.001) for v in fits])
            self._symptoms[machine.model.pk] = drawn
        return drawn.draw(chance)

    def draw(self, machine: Machine, symptom: str, kind: str, chance: random.Random) -> Walk | None:
        """A walk that ended as `kind` (solved, call, stop_use); None where none was found."""
        key = (symptom, self._kind(machine, symptom))
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._fill(machine, key)
        walks = pool.get(kind)
        return chance.choice(walks) if walks else None

    def _kind(self, machine: Machine, symptom: str) -> str:
        """Terminals that no question of this flow can tell apart share a pool."""
        where = (symptom, machine.model.pk, machine.connection)
        if where not in self._kinds:
            known = _known(machine.model, machine.connection).values
            names = self._names[symptom]
            self._kinds[where] = repr([(name, known.get(name)) for name in names])
        return self._kinds[where]

    def _fill(self, machine: Machine, key: tuple[str, str]) -> dict[str, list[Walk]]:
        chance = random.Random(f"{self._seed}/{key}")  # noqa: S311 - not a secret
        run = DiagnosisRun(
            flow_version=self.versions[key[0]],
            attributes=attributes_of(Terminal(model=machine.model, connection=machine.connection)),
        )
        known = _known(machine.model, machine.connection)
        pool: dict[str, list[Walk]] = {}
        for tried in range(_TRIES):
            if tried >= POOL and {"solved", "call"} <= pool.keys():
                break
            walk = self._walk(run, key, known, chance)
            pool.setdefault(walk.kind, []).append(walk)
        return pool

    def _walk(
        self, run: DiagnosisRun, key: tuple[str, str], known: Attributes, chance: random.Random
    ) -> Walk:
        """Somebody with one real cause answers what the engine asks, mostly truthfully."""
        flow = self.flow(key[0])
        cause = _cause(flow, known, chance)
        answers: tuple[Answer, ...] = ()
        steps: list[tuple[str, str, str, int]] = []
        seconds = 0
        while True:
            node = (*key, answers)
            result = self._next.get(node)
            if result is None:
                result = self._next[node] = step_after(run, list(answers))
            if isinstance(result, Outcome):
                break
            step = result.step
            answer = Answer(step.id, _answer(step, cause, chance))
            answers = (*answers, answer)
            seconds += int(step.minutes * 60 * chance.uniform(0.5, 1.3)) + _SECONDS_PER_STEP
            steps.append((str(len(answers)), step.id, answer.answer_id, seconds))
        return Walk(
            symptom=key[0],
            version_id=run.flow_version_id or 0,
            cause=cause,
            kind=result.kind,
            steps=tuple(steps),
            outcome=document(outcome_data(result)),
            stopped_for=result.advice if result.kind == "stop_use" else "",
            seconds=seconds,
        )


def outcome_data(result: Outcome) -> dict[str, Any]:
    """The JSON that a finished run keeps."""
    return {
        "kind": result.kind,
        "reason": result.reason,
        "causes": [[cause, weight] for cause, weight in result.causes],
        "advice": result.advice,
        "exit": result.exit,
    }


def _known(model: TerminalModel, connection: str) -> Attributes:
    return Attributes.from_dict(attributes_of(Terminal(model=model, connection=connection)))


def _named(flow: Flow) -> list[str]:
    """Every feature that some question or cause of the flow depends on."""
    conditions: list[Mapping[str, Any]] = [step.requires for step in flow.steps]
    conditions += [when.conditions for fault in flow.faults for when in fault.when]
    return sorted({name for condition in conditions for name in condition})


def _cause(flow: Flow, known: Attributes, chance: random.Random) -> str:
    weights = []
    for fault in flow.faults:
        weight = fault.weight
        for when in fault.when:
            weight *= when.times if known.satisfy(when.conditions) else 1
        weights.append(weight)
    return chance.choices(flow.faults, weights)[0].id


def _answer(step: Step, cause: str, chance: random.Random) -> str:
    if isinstance(step, Fix):
        if chance.random() < _UNABLE:
            return "unable"
        return "solved" if chance.random() < step.cures.get(cause, 0.0) else "unsolved"
    return _seen(step, cause, chance)


def _seen(step: Check, cause: str, chance: random.Random) -> str:
    can_be_unsure = any(option.id == UNSURE for option in step.answers)
    if can_be_unsure and not step.safety and chance.random() < _UNSURE:
        return UNSURE
    row = step.row(cause)
    if step.safety and cause not in step.given:
        # The leak of a naive-Bayes row times four signs would stop every sixth terminal.
        row = (*(weight / 12 for weight in row[:-1]), row[-1])
    return chance.choices(step.telling, row)[0].id
