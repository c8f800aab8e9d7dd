"""The choice by expected minutes: near the exact optimum, deterministic, never out of its depth."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.planning import (
    UNSOLVED,
    Branch,
    Exit,
    Move,
    OutcomeError,
    Planner,
    Problem,
    expected_cost,
)

Seen = frozenset[tuple[str, str]]


def branches_of(move: Move) -> tuple[Branch, ...]:
    if move.cures is None:
        return move.branches
    return (Branch(UNSOLVED, tuple(1 - cure for cure in move.cures)),)


def cost_out(problem: Problem, weights: list[float]) -> float:
    return min(
        math.fsum(w * c for w, c in zip(weights, way.minutes, strict=True)) for way in problem.exits
    )


def optimum(problem: Problem) -> float:
    """Exact least expected cost, by trying everything: the slow oracle."""

    def through(move: Move, seen: Seen, weights: list[float]) -> float:
        cost = move.minutes * math.fsum(weights)
        for branch in branches_of(move):
            left = [w * f for w, f in zip(weights, branch.factors, strict=True)]
            after = seen | {(move.id, branch.label)}
            cost += cost_out(problem, left) if branch.ends else best(after, left)
        return cost

    def best(seen: Seen, weights: list[float]) -> float:
        done = {step for step, _label in seen}
        left = [m for m in problem.moves if m.id not in done and not m.unless & seen]
        return min([cost_out(problem, weights), *(through(move, seen, weights) for move in left)])

    return best(frozenset(), list(problem.prior))


def chances(size: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0.02, 1.0), min_size=size, max_size=size)


@st.composite
def problems(draw: st.DrawFn, *, steps: int = 5) -> Problem:
    """Up to four faults and five steps; answers may end, steps may make others pointless."""
    size = draw(st.integers(2, 4))
    prior = draw(chances(size))
    total = math.fsum(prior)
    moves: list[Move] = []
    for i in range(draw(st.integers(1, steps))):
        minutes = draw(st.floats(0.2, 15.0))
        unless = frozenset(
            {(moves[0].id, "a")} if moves and moves[0].cures is None and draw(st.booleans()) else ()
        )
        if draw(st.booleans()):
            cure = st.sampled_from([0.0, 0.3, 0.85])
            cures = draw(st.lists(cure, min_size=size, max_size=size))
            moves.append(Move(f"fix{i}", minutes, cures=tuple(cures), unless=unless))
            continue
        yes = draw(chances(size))
        ends = draw(st.booleans()) and draw(st.booleans())
        skip = draw(st.sampled_from([0.0, 0.1]))
        branches = [
            Branch("a", tuple((1 - skip) * y for y in yes), ends=ends),
            Branch("b", tuple((1 - skip) * (1 - y) for y in yes)),
        ]
        if skip:
            branches.append(Branch("unsure", (skip,) * size))
        moves.append(Move(f"check{i}", minutes, tuple(branches), unless=unless))
    exits = [Exit("desk", (draw(st.floats(5, 60)),) * size)]
    if draw(st.booleans()):
        exits.append(Exit("line", tuple(draw(st.floats(5, 90)) for _ in range(size))))
    return Problem(tuple(p / total for p in prior), tuple(moves), tuple(exits))


@given(problems())
def test_a_whole_tree_costs_what_the_optimum_does_and_never_less(problem: Problem) -> None:
    tree = Planner(problem).compile()
    best = optimum(problem)
    assert tree.minutes >= best - 1e-9
    # Six looks ahead over at most five steps is everything there is.
    assert tree.minutes == pytest.approx(best, rel=1e-9)


@given(problems())
def test_the_live_step_is_a_legal_one_and_always_the_same(problem: Problem) -> None:
    planner = Planner(problem)
    evidence: list[tuple[str, str]] = []
    for _ in range(len(problem.moves) + 1):
        key, weights = planner.state(evidence)
        decision = planner.choose(weights, key)
        assert Planner(problem).choose(weights, key) == decision
        if decision.step_id is None:
            assert decision.exit_id in {way.id for way in problem.exits}
            return
        move = next(move for move in problem.moves if move.id == decision.step_id)
        assert decision.step_id not in [step for step, _ in evidence]
        assert not move.unless & set(evidence)
        going_on = [branch.label for branch in move.branches if not branch.ends]
        if move.cures is None and not going_on:
            return
        evidence.append((move.id, UNSOLVED if move.cures is not None else going_on[0]))
    raise AssertionError("it goes on for ever")


@given(problems())
def test_a_look_ahead_is_never_dearer_than_none(problem: Problem) -> None:
    planner = Planner(problem)
    key, weights = planner.state([])
    decision = planner.choose(weights, key)
    out = min(
        math.fsum(w * c for w, c in zip(weights, way.minutes, strict=True)) for way in problem.exits
    )
    assert decision.minutes <= decision.without + 1e-6
    assert decision.without <= out + 1e-6


@given(problems(), st.integers(0, 3))
def test_a_small_budget_chooses_worse_perhaps_but_chooses(problem: Problem, budget: int) -> None:
    key, weights = Planner(problem).state([])
    decision = Planner(problem).choose(weights, key, budget=budget)
    assert decision.step_id is None or decision.step_id in {move.id for move in problem.moves}


@given(problems())
def test_a_tree_costs_under_its_own_numbers_what_it_says(problem: Problem) -> None:
    planner = Planner(problem)
    tree = planner.compile()
    assert expected_cost(problem, tree.decisions, planner) == pytest.approx(tree.minutes)


@given(problems())
def test_a_cut_tree_still_says_what_to_do_everywhere(problem: Problem) -> None:
    whole = Planner(problem).compile()
    cut = Planner(problem).compile(most_states=1)
    assert cut.minutes >= whole.minutes - 1e-9
    assert set(cut.prospects) == set(cut.decisions)


TWO = Problem(
    prior=(0.5, 0.5),
    moves=(
        Move("look", 1.0, (Branch("a", (0.9, 0.1)), Branch("b", (0.1, 0.9)))),
        Move("fix_a", 4.0, cures=(0.9, 0.0)),
        Move("fix_b", 4.0, cures=(0.0, 0.9)),
    ),
    exits=(Exit("desk", (40.0, 40.0)),),
)


def test_it_looks_before_it_leaps() -> None:
    planner = Planner(TWO)
    key, weights = planner.state([])
    assert planner.choose(weights, key).step_id == "look"
    key, weights = planner.state([("look", "b")])
    assert planner.choose(weights, key).step_id == "fix_b"


def test_a_question_must_save_more_than_delta() -> None:
    worth = Planner(TWO)
    key, weights = worth.state([])
    decision = worth.choose(weights, key)
    saved = decision.without - decision.minutes
    nervous = Problem(TWO.prior, TWO.moves, TWO.exits, delta=saved + 0.01)
    assert Planner(nervous).choose(weights, key).step_id in {"fix_a", "fix_b"}


def test_a_rule_comes_before_the_choice_and_its_end_hands_over() -> None:
    planner = Planner(TWO)
    first = planner.compile(rule=lambda key, _weights: None if key else "fix_b")
    assert first.decisions[0].step_id == "fix_b"
    at_once = planner.compile(rule=lambda _key, _weights: "")
    assert at_once.minutes == pytest.approx(40)
    assert at_once.call_share == 1


def test_the_cheapest_exit_depends_on_what_is_known() -> None:
    exits = (Exit("desk", (30.0, 30.0)), Exit("line", (10.0, 90.0)), Exit("dear", (40.0, 30.0)))
    planner = Planner(Problem((0.5, 0.5), (), exits))
    assert planner.exit_of([0.5, 0.5]) == "desk"
    assert planner.exit_of([0.9, 0.1]) == "line"


def test_what_says_nothing_uses_the_step_up_only() -> None:
    planner = Planner(TWO)
    key, weights = planner.state([("fix_a", "unable")])
    assert weights == list(TWO.prior)
    assert planner.choose(weights, key).step_id != "fix_a"
    assert planner.labels(key) == [("fix_a", "")]


def test_an_unknown_step_is_an_error() -> None:
    with pytest.raises(OutcomeError):
        Planner(TWO).state([("nowhere", "a")])


def test_answers_that_cannot_be_hand_over() -> None:
    decision = Planner(TWO).choose([0.0, 0.0], 0)
    assert (decision.step_id, decision.exit_id) == (None, "desk")
