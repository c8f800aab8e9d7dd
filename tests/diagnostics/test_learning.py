"""The arithmetic of learning and of its gate: pure, by properties."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics import gate
from diagnostics.fault_trees import bundled_flows
from diagnostics.gate import Learned
from diagnostics.learning import (
    Case,
    CheckRates,
    Rates,
    count,
    faded,
    learn,
    prior_of_group,
    rates_of,
    stored,
    with_rates,
)

FAULTS = ("fuse", "cable", "flap", "other")
AUTHORED = Rates(
    faults=FAULTS,
    prior=(0.4, 0.3, 0.1, 0.2),
    checks={"light": CheckRates(("on", "off"), ((0.9, 0.2, 0.5, 0.5), (0.1, 0.8, 0.5, 0.5)))},
    cures={"press": (0.8, 0.0, 0.1, 0.0), "plug": (0.0, 0.9, 0.0, 0.0)},
    locked=frozenset({"flap"}),
)

labels = st.sampled_from(
    [("light", "on"), ("light", "off"), ("light", "unsure"), ("press", "solved"),
     ("press", "unsolved"), ("plug", "solved"), ("plug", "unable"), ("gone", "yes")]
)  # fmt: skip
cases = st.lists(
    st.builds(
        Case,
        trace=st.lists(labels, max_size=4).map(tuple),
        cause=st.sampled_from([None, None, *FAULTS, "unknown"]),
        fixes=st.lists(
            st.tuples(st.sampled_from(["press", "plug", "gone"]), st.booleans()), max_size=2
        ).map(tuple),
        certainty=st.sampled_from([1.0, 0.5]),
        weight=st.floats(0.01, 1),
        group=st.sampled_from(["", "a920", "a8"]),
    ),
    max_size=40,
)


def learned_from(some: list[Case]) -> Learned:
    pooled = learn(AUTHORED, some)
    counts = count(pooled, some)
    models = [group for group in counts.by_group if group]
    return Learned(pooled, {m: prior_of_group(AUTHORED, pooled, counts, m) for m in models})


def is_simplex(shares: tuple[float, ...]) -> bool:
    return math.isclose(sum(shares), 1, abs_tol=1e-4) and all(0 < share < 1 for share in shares)


@given(cases)
def test_learning_never_leaves_the_simplex(some):
    found = learned_from(some)
    for prior in (found.rates.prior, *found.by_model.values()):
        assert is_simplex(prior)
    for f in range(len(FAULTS)):
        assert math.isclose(sum(row[f] for row in found.rates.checks["light"].rows), 1,
                            abs_tol=1e-4)  # fmt: skip
    assert all(0 <= cure <= 1 for row in found.rates.cures.values() for cure in row)


@given(cases)
def test_locked_rows_stay_through_learning_and_gate(some):
    found = learned_from(some)
    assert gate.unlocked(AUTHORED, found) == []
    kept, _held = gate.limited(Learned(AUTHORED), found)
    assert gate.unlocked(AUTHORED, kept) == []


def test_causes_that_stop_use_keep_what_people_wrote():
    """However many cases of other causes come in, and whatever was answered in them."""
    checked = 0
    for flow in bundled_flows():
        stopping = [fault.id for fault in flow.faults if fault.stop_use]
        free = next(fault.id for fault in flow.faults if not fault.stop_use)
        trace = tuple((step.id, step.choices[0].id) for step in flow.steps)
        found = gate.learned(flow, [Case(trace, free, group="a920")] * 60)
        own = with_rates(flow, found.to_dict(), model="a920")
        assert own.fault(free).weight > flow.fault(free).weight
        for name in stopping:
            assert math.isclose(own.fault(name).weight, flow.fault(name).weight, abs_tol=1e-5)
            for step in flow.steps:
                if step.kind == "check":
                    assert own.step(step.id).row(name) == step.row(name)
                else:
                    assert own.step(step.id).cures.get(name, 0) == step.cures.get(name, 0)
            checked += 1
    assert checked > 10


def test_numbers_from_before_a_cause_stopped_use_do_not_move_it():
    """Kept numbers outlive a change of the flow, and of the rule."""
    flow = next(one for one in bundled_flows() if one.id == "no_power")
    own = rates_of(flow)
    size = len(own.faults)
    numbers = stored(
        dataclasses.replace(
            own,
            prior=(1 / size,) * size,
            checks={
                step: dataclasses.replace(
                    check, rows=((1 / len(check.answers),) * size,) * len(check.answers)
                )
                for step, check in own.checks.items()
            },
            cures=dict.fromkeys(own.cures, (0.5,) * size),
        ),
        {"a920": (1 / size,) * size},
    )
    for model in ("", "a920"):
        got = with_rates(flow, numbers, model=model)
        for fault in flow.faults:
            assert (got.fault(fault.id) == fault) is fault.stop_use
            for step in flow.steps:
                found = got.step(step.id)
                if step.kind == "fix":
                    same = found.cures.get(fault.id) == step.cures.get(fault.id)
                    assert same is fault.stop_use
                elif fault.stop_use:
                    assert found.row(fault.id) == step.row(fault.id)


def test_no_case_leaves_what_was_authored():
    assert learn(AUTHORED, []) == AUTHORED
    assert learn(AUTHORED, [Case((("gone", "yes"),), "unknown")]) == AUTHORED
    for flow in bundled_flows():
        assert gate.learned(flow, []).rates == rates_of(flow)


@given(cases)
def test_one_night_moves_at_most_so_far_and_stays_a_distribution(some):
    before = Learned(AUTHORED)
    after, held = gate.limited(before, learned_from(some))
    for prior in (after.rates.prior, *after.by_model.values()):
        assert is_simplex(prior)
        for new, was in zip(prior, AUTHORED.prior, strict=True):
            assert was / 2 - 1e-5 <= new <= was * 2 + 1e-5
    pairs = [
        (new, was)
        for row, old in zip(after.rates.checks["light"].rows, AUTHORED.checks["light"].rows,
                            strict=True)
        for new, was in zip(row, old, strict=True)
    ] + [
        (new, was)
        for step in AUTHORED.cures
        for new, was in zip(after.rates.cures[step], AUTHORED.cures[step], strict=True)
    ]  # fmt: skip
    assert all(abs(new - was) <= gate.MOST_STEP + 1e-5 for new, was in pairs)
    if not held:
        assert after.rates.cures == learned_from(some).rates.cures


@given(cases)
def test_what_is_within_the_limits_passes_unchanged(some):
    wanted = learned_from(some)
    again, held = gate.limited(wanted, wanted)
    assert not held
    for got, goal in zip(again.rates.prior, wanted.rates.prior, strict=True):
        assert math.isclose(got, goal, abs_tol=1e-5)


def test_several_nights_get_where_one_may_not():
    wanted = learned_from([Case((), "cable") for _ in range(400)])
    now, held = gate.limited(Learned(AUTHORED), wanted)
    assert "cable" in held.causes
    for _ in range(6):
        now, held = gate.limited(now, wanted)
    assert not held
    assert math.isclose(now.rates.prior[1], wanted.rates.prior[1], abs_tol=1e-4)


def test_a_failed_fix_counts_as_much_as_one_that_worked():
    worked = learn(AUTHORED, [Case((), "cable", (("plug", True),))] * 10)
    failed = learn(AUTHORED, [Case((), "cable", (("plug", False),))] * 10)
    assert worked.cures["plug"][1] == pytest.approx(19 / 20)
    assert failed.cures["plug"][1] == pytest.approx(9 / 20)


def test_a_guess_counts_half_and_age_fades():
    sure = learn(AUTHORED, [Case((), "fuse")] * 10).prior[0]
    guess = learn(AUTHORED, [Case((), "fuse", certainty=0.5)] * 20).prior[0]
    assert sure == pytest.approx(guess)
    assert faded(0) == 1
    assert faded(90) == pytest.approx(0.5)
    assert faded(180) == pytest.approx(0.25)


def test_loss_rises_where_numbers_foretell_worse():
    closed = [Case((("light", "off"),), "cable")] * 8 + [Case((), None)]
    good, n = gate.log_loss(learned_from(closed), closed)
    bad, _n = gate.log_loss(learned_from([Case((), "fuse")] * 60), closed)
    assert n == 8
    assert gate.is_worse(good, bad)
    assert not gate.is_worse(bad, good)
    assert gate.log_loss(Learned(AUTHORED), [Case((), None)]) == (None, 0)
    assert not gate.is_worse(None, None)


def test_stored_numbers_are_read_back_and_a_model_has_its_own():
    flow = bundled_flows()[0]
    fault = flow.faults[0].id
    found = gate.learned(flow, [Case((), fault, group="a920")] * 50)
    again = gate.in_use(flow, found.to_dict())
    assert again.rates.checks == found.rates.checks
    for got, goal in zip(again.by_model["a920"], found.by_model["a920"], strict=True):
        assert math.isclose(got, goal, abs_tol=1e-5)
    assert again.prior_of("a920")[0] > again.prior_of("unknown")[0]


def test_the_desk_can_teach_a_cure_that_nobody_authored():
    flow = bundled_flows()[0]
    fix = next(step for step in flow.steps if step.kind == "fix")
    fault = next(f.id for f in flow.faults if f.id not in fix.cures)
    found = gate.learned(flow, [Case((), fault, ((fix.id, True),))] * 10)
    after = with_rates(flow, stored(found.rates, {}))
    assert after.step(fix.id).cures[fault] == pytest.approx(0.5)
    other = next(s for s in after.steps if s.kind == "fix" and s.id != fix.id)
    assert other.cures.keys() == flow.step(other.id).cures.keys()
