"""Plays the engine on practice models with known optimum, and the learner on practice worlds.

Reads the files of docs/diagnosis.md ("Evaluation"): a model has `name`, `faults`, `prior`,
`call_cost`, `steps` and perhaps `optimum`; a world has `authored`, `truth` (models both),
`tickets` and perhaps `optimum`. Pure, but for the clock that times single steps.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diagnostics import learning
from diagnostics.learning import Case, CheckRates, Rates
from diagnostics.planning import Branch, Exit, Move, Planner, Problem, Tree, expected_cost

SKIP = "skip"
LEARNED_AFTER = (0, 50, 200, 1000, 2000, 5000)
SUM_SLACK = 0.01


class EvaluationError(ValueError):
    """A file that cannot be played, or a step that is illegal or not always the same."""


# --- Models --------------------------------------------------------------------------


def evaluate_models(raw: object) -> Iterator[dict[str, Any]]:
    """One line per model, then a summary. Raises EvaluationError, before the line it concerns."""
    models = _list(raw.get("models") if isinstance(raw, Mapping) else raw, "models")
    gaps: list[float] = []
    for number, item in enumerate(models, start=1):
        line = _played(_object(item, f"model {number}"), f"model {number}")
        if line["gap_pct"] is not None:
            gaps.append(line["gap_pct"])
        yield line
    yield {
        "models": len(models),
        "mean_gap_pct": round(math.fsum(gaps) / len(gaps), 4) if gaps else None,
        "worst_gap_pct": max(gaps) if gaps else None,
        "within_1_pct": round(sum(gap <= 1 for gap in gaps) / len(gaps), 4) if gaps else None,
    }


def _played(model: Mapping[str, Any], where: str) -> dict[str, Any]:
    problem = read_model(model, where)
    tree = _compiled(problem, where)
    optimum = model.get("optimum")
    if optimum is not None:
        optimum = _number(optimum, f"{where}.optimum", above=0)
    times = sorted(step_seconds(problem))
    return {
        "name": model.get("name", where),
        "expected_cost": round(tree.minutes, 6),
        "optimum": optimum,
        "gap_pct": None if optimum is None else _gap_pct(tree.minutes, optimum),
        "call_share": round(tree.call_share, 6),
        "decisions": len(tree.decisions),
        "step_ms_p50": _percentile_ms(times, 0.50),
        "step_ms_p95": _percentile_ms(times, 0.95),
    }


def _compiled(problem: Problem, where: str) -> Tree:
    """The compiled tree, made twice: the engine has to be the same every time."""
    tree = Planner(problem).compile()
    if Planner(problem).compile().decisions != tree.decisions:
        raise EvaluationError(f"{where}: two runs chose different steps")
    return tree


def step_seconds(problem: Problem) -> Iterator[float]:
    """How long a live step takes in each state of the live policy's own tree; nothing is kept."""
    planner = Planner(problem)
    waiting = [(list(problem.prior), 0)]
    seen = set()
    while waiting:
        weights, key = waiting.pop()
        planner.forget()
        began = time.perf_counter()
        decision = planner.choose(weights, key)
        yield time.perf_counter() - began
        if decision.step_id is None:
            continue
        for outcome, child, ends in planner.after(decision.step_id, weights):
            state = key | outcome
            if not ends and state not in seen and math.fsum(child) > 0:
                seen.add(state)
                waiting.append((child, state))


def _gap_pct(cost: float, optimum: float) -> float:
    """Excess over the optimum in percent; never a negative nought."""
    return round(100 * (cost / optimum - 1), 4) + 0.0


def _percentile_ms(times: Sequence[float], share: float) -> float:
    return round(1000 * times[min(len(times) - 1, int(share * len(times)))], 3)


def read_model(model: Mapping[str, Any], where: str) -> Problem:
    """A model of the file as a problem. Raises EvaluationError with the member and the reason."""
    faults = _list(model.get("faults"), f"{where}.faults")
    prior = _row(model.get("prior"), len(faults), f"{where}.prior")
    if abs(math.fsum(prior) - 1) > SUM_SLACK:
        raise EvaluationError(f"{where}.prior: must sum to 1")
    call = _number(model.get("call_cost"), f"{where}.call_cost", above=0)
    moves = [
        _move(_object(step, f"{where}.steps[{i}]"), len(faults), f"{where}.steps[{i}]")
        for i, step in enumerate(_list(model.get("steps"), f"{where}.steps"))
    ]
    if len({move.id for move in moves}) < len(moves):
        raise EvaluationError(f"{where}.steps: an id stands there twice")
    return Problem(tuple(prior), tuple(moves), (Exit("call", (call,) * len(faults)),))


def _move(step: Mapping[str, Any], size: int, where: str) -> Move:
    name = step.get("id")
    if not isinstance(name, str) or not name:
        raise EvaluationError(f"{where}.id: a text is needed")
    minutes = _number(step.get("cost"), f"{where}.cost", above=0)
    if step.get("kind") == "fix":
        return Move(name, minutes, cures=_row(step.get("cure"), size, f"{where}.cure"))
    if step.get("kind") != "check":
        raise EvaluationError(f"{where}.kind: check or fix is needed")
    skip = _number(step.get("skip", 0), f"{where}.skip", most=1)
    answers = _list(step.get("answers"), f"{where}.answers")
    rows = _list(step.get("likelihood"), f"{where}.likelihood")
    if not answers or len(rows) != len(answers):
        raise EvaluationError(f"{where}.likelihood: one row per answer is needed")
    branches = [
        Branch(
            str(answer), tuple((1 - skip) * p for p in _row(row, size, f"{where}.likelihood[{i}]"))
        )
        for i, (answer, row) in enumerate(zip(answers, rows, strict=True))
    ]
    if skip:
        branches.append(Branch(SKIP, (skip,) * size))
    return Move(name, minutes, tuple(branches))


# --- Worlds --------------------------------------------------------------------------


def evaluate_learning(raw: object) -> Iterator[dict[str, Any]]:
    """One line per world: how far the learned numbers' policy is from the optimum of the truth.

    A world without `optimum` gets the gap to the policy of the true numbers. Raises
    EvaluationError.
    """
    worlds = _list(raw.get("worlds") if isinstance(raw, Mapping) else raw, "worlds")
    for number, item in enumerate(worlds, start=1):
        where = f"world {number}"
        world = _object(item, where)
        yield {"name": world.get("name", where), "gap_pct": _learned(world, where)}


def _learned(world: Mapping[str, Any], where: str) -> dict[str, float]:
    authored_model = _object(world.get("authored"), f"{where}.authored")
    authored = read_rates(authored_model, f"{where}.authored")
    truth = read_model(_object(world.get("truth"), f"{where}.truth"), f"{where}.truth")
    optimum = world.get("optimum") or Planner(truth).compile().minutes
    tickets = _list(world.get("tickets"), f"{where}.tickets")
    cases = [_case(ticket, f"{where}.tickets[{i}]") for i, ticket in enumerate(tickets)]
    gaps = {}
    for n in LEARNED_AFTER:
        if n > len(cases):
            break
        rates = learning.learn(authored, cases[:n])
        planner = Planner(read_model(_with_rates(authored_model, rates), f"{where}.learned"))
        cost = expected_cost(truth, planner.compile().decisions, planner)
        gaps[str(n)] = _gap_pct(cost, optimum)
    return gaps


def read_rates(model: Mapping[str, Any], where: str) -> Rates:
    """The numbers of a model of the file, for the learner. Raises EvaluationError."""
    read_model(model, where)  # says what is wrong with it
    return Rates(
        faults=tuple(model["faults"]),
        prior=tuple(model["prior"]),
        checks={
            step["id"]: CheckRates(
                tuple(step["answers"]), tuple(tuple(row) for row in step["likelihood"])
            )
            for step in model["steps"]
            if step["kind"] == "check"
        },
        cures={step["id"]: tuple(step["cure"]) for step in model["steps"] if step["kind"] == "fix"},
    )


def _with_rates(model: Mapping[str, Any], rates: Rates) -> dict[str, Any]:
    steps = [
        {**step, "likelihood": rates.checks[step["id"]].rows}
        if step["kind"] == "check"
        else {**step, "cure": rates.cures[step["id"]]}
        for step in model["steps"]
    ]
    return {**model, "prior": rates.prior, "steps": steps}


def _case(raw: object, where: str) -> Case:
    ticket = _object(raw, where)
    return Case(
        trace=tuple(_pair(pair, f"{where}.trace") for pair in _list(ticket.get("trace"), where)),
        cause=ticket.get("cause"),
        fixes=tuple(
            (step, label == "solved")
            for step, label in (_pair(p, f"{where}.desk") for p in ticket.get("desk") or ())
        ),
    )


# --- Reading -------------------------------------------------------------------------


def _object(raw: object, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise EvaluationError(f"{where}: an object is needed")
    return raw


def _list(raw: object, where: str) -> Sequence[Any]:
    if not isinstance(raw, list | tuple):
        raise EvaluationError(f"{where}: a list is needed")
    return raw


def _pair(raw: object, where: str) -> tuple[str, str]:
    if not isinstance(raw, list) or len(raw) != 2 or not all(isinstance(x, str) for x in raw):
        raise EvaluationError(f"{where}: pairs of a step and its outcome are needed")
    return raw[0], raw[1]


def _number(raw: object, where: str, *, above: float | None = None, most: float = 1e6) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= most:
        raise EvaluationError(f"{where}: a number from 0 to {most:g} is needed")
    if above is not None and raw <= above:
        raise EvaluationError(f"{where}: must be above {above:g}")
    return float(raw)


def _row(raw: object, size: int, where: str) -> tuple[float, ...]:
    row = _list(raw, where)
    if len(row) != size:
        raise EvaluationError(f"{where}: {size} numbers are needed, one per fault")
    return tuple(_number(number, where, most=1) for number in row)
