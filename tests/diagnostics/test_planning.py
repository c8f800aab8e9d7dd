"""The choice by expected minutes: near the exact optimum, deterministic, never out of its depth."""

import itertools
import math
from operator import mul

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.planning import (
    MOST_GROWN,
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
            {(moves[0].id, draw(st.sampled_from(["a", "unsure"])))}
            if moves and moves[0].cures is None and draw(st.booleans())
            else ()
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


def fixes_only(problem: Problem, seen: Seen, weights: list[float]) -> float:
    """The best cut of the greedy fix sequence, as it is written in the book: the slow oracle."""
    done = {step for step, _label in seen}
    left = [
        (move, move.cures)
        for move in problem.moves
        if move.cures is not None and move.id not in done and not move.unless & seen
    ]
    cost, best = 0.0, cost_out(problem, weights)
    while left:
        rates = [sum(map(mul, weights, cures)) / move.minutes for move, cures in left]
        move, cures = left.pop(rates.index(max(rates)))
        cost += move.minutes * math.fsum(weights)
        weights = [w * (1 - cure) for w, cure in zip(weights, cures, strict=True)]
        best = min(best, cost + cost_out(problem, weights))
    return best


def looked_ahead(problem: Problem, seen: Seen, weights: list[float], depth: int) -> float:
    """Expectimin over every open step, nothing left out, with `fixes_only` at its ends."""
    found = options(problem, seen, weights, depth - 1) if depth else {}
    return min([fixes_only(problem, seen, weights), *found.values()])


def options(problem: Problem, seen: Seen, weights: list[float], depth: int) -> dict[str, float]:
    """Cost of every open step and of what follows it, looked at so deep."""
    done = {step for step, _label in seen}
    found = {}
    for move in problem.moves:
        if move.id not in done and not move.unless & seen:
            cost = move.minutes * math.fsum(weights)
            for branch in branches_of(move):
                child = [w * f for w, f in zip(weights, branch.factors, strict=True)]
                after = seen | {(move.id, branch.label)}
                cost += (
                    cost_out(problem, child)
                    if branch.ends
                    else looked_ahead(problem, after, child, depth)
                )
            found[move.id] = cost
    return found


@given(problems(), st.data())
def test_what_is_given_up_or_reckoned_up_costs_no_accuracy(
    problem: Problem, data: st.DataObject
) -> None:
    move = data.draw(st.sampled_from(problem.moves))
    label = data.draw(st.sampled_from([branch.label for branch in branches_of(move)]))
    seen = data.draw(st.sampled_from([(), ((move.id, label),)]))
    planner = Planner(problem)
    key, weights = planner.state(seen)
    decision = planner.choose(weights, key, depth=2, beam=len(problem.moves))
    total = math.fsum(weights)
    plainly = fixes_only(problem, frozenset(seen), weights) / total
    assert decision.without == pytest.approx(plainly, abs=2e-6)
    best = options(problem, frozenset(seen), weights, 1)
    assert dict(decision.options) == pytest.approx(
        {step: cost / total for step, cost in best.items()}, abs=2e-6
    )


@given(problems())
def test_a_planner_that_was_used_before_chooses_as_a_fresh_one(problem: Problem) -> None:
    used = Planner(problem)
    tree = used.compile()
    for key in tree.decisions:
        _key, weights = used.state(used.labels(key))
        used.forget()
        assert used.choose(weights, key) == Planner(problem).choose(weights, key)


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


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("times", [0.9, 0.99, 1.01])
def test_a_fix_pays_up_to_the_minutes_that_it_saves(share: float, times: float) -> None:
    fix = Move("fix", times * share * 40, cures=(1.0, 0.0))
    planner = Planner(Problem((share, 1 - share), (fix,), (Exit("desk", (40.0, 40.0)),)))
    key, weights = planner.state([])
    decision = planner.choose(weights, key)
    assert decision.step_id == ("fix" if times < 1 else None)
    assert decision.without == pytest.approx(min(40, fix.minutes + 40 * (1 - share)), abs=1e-6)


def test_not_sure_can_take_a_fix_away() -> None:
    unsure = Branch("unsure", (0.2, 0.2))
    look = Move("look", 1.0, (Branch("a", (0.8, 0.0)), Branch("b", (0.0, 0.8)), unsure))
    unless = frozenset({("look", "unsure")})
    fix = Move("fix", 4.0, cures=(0.9, 0.9), unless=unless)
    planner = Planner(Problem((0.5, 0.5), (look, fix), (Exit("desk", (40.0, 40.0)),)))
    key, weights = planner.state([])
    # 8 of 10 are spared nine tenths of the call, the others are not.
    asked = 1 + 0.8 * (4 + 0.1 * 40) + 0.2 * 40
    assert dict(planner.choose(weights, key).options)["look"] == pytest.approx(asked)
    key, weights = planner.state([("look", "unsure")])
    assert planner.choose(weights, key).minutes == pytest.approx(40)


def test_of_equal_steps_the_one_that_was_written_first_is_looked_into() -> None:
    """Sums in another order may differ in their last digit, which must not decide."""
    rows = [
        Branch("a", (0.7, 0.1, 0.2)),
        Branch("b", (0.2, 0.7, 0.7)),
        Branch("c", (0.1, 0.2, 0.1)),
    ]
    fixes = (Move("fix_a", 9.0, cures=(0.9, 0.0, 0.3)), Move("fix_b", 9.0, cures=(0.0, 0.9, 0.7)))
    exits = (Exit("desk", (40.0,) * 3),)
    for order in itertools.permutations(itertools.permutations(rows), 2):
        checks = [Move(name, 0.2, tuple(o)) for name, o in zip(("one", "two"), order, strict=True)]
        planner = Planner(Problem((0.5, 0.3, 0.2), (*checks, *fixes), exits))
        key, weights = planner.state([])
        decision = planner.choose(weights, key, beam=1)
        # The look into it makes the first cheaper; the second was not looked into.
        assert decision.options[0][0] == decision.step_id == "one"
        assert decision.options[1][1] > decision.options[0][1]


def test_a_policy_that_nobody_lives_to_see_is_cut_off_and_priced_as_handing_over() -> None:
    """Ten questions that are always asked, of eleven answers each, have 11 ** 10 states."""
    questions = tuple(
        Move(f"q{n}", 0.01, tuple(Branch(f"a{k}", (1 / 11, 1 / 11)) for k in range(11)))
        for n in range(10)
    )
    problem = Problem((0.5, 0.5), questions, (Exit("desk", (35.0, 35.0)),))
    planner = Planner(problem)

    def rule(key: int, _weights: object) -> str | None:
        asked = {step for step, _label in planner.labels(key)}
        return next((move.id for move in questions if move.id not in asked), "")

    tree = planner.compile(rule=rule)
    assert len(tree.decisions) == MOST_GROWN
    assert 35.0 < tree.minutes <= 35.1
    assert tree.call_share == pytest.approx(1.0)
