"""Practice models and worlds: what the commands print, and what they refuse."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.engine import Answer, Ask, Attributes, Outcome, next_step
from diagnostics.evaluation import EvaluationError, evaluate_learning, evaluate_models
from diagnostics.fault_trees import bundled_flows
from diagnostics.reasons import left_out, why
from diagnostics.simulation import EXPECTED, LISTED, POLICIES, simulate

FLOWS = {flow.id: flow for flow in bundled_flows()}
WIFI = Attributes({"connection": "wifi"})
# Looking first costs 1 + 0.5 * 4 + 0.5 * (0.1 * 40) at most; worked out by hand below.
MODEL: dict[str, Any] = {
    "name": "two faults",
    "faults": ["a", "b"],
    "prior": [0.5, 0.5],
    "call_cost": 40.0,
    "steps": [
        {"id": "look", "kind": "check", "cost": 1.0, "answers": ["a", "b"],
         "likelihood": [[1.0, 0.0], [0.0, 1.0]], "skip": 0},
        {"id": "fix_a", "kind": "fix", "cost": 4.0, "cure": [0.9, 0.0]},
        {"id": "fix_b", "kind": "fix", "cost": 4.0, "cure": [0.0, 0.9]},
    ],
}  # fmt: skip
# One minute to look, then the right fix, and one in ten is handed over.
OPTIMUM = 1 + 4 + 0.1 * 40


def run(tmp_path: Path, document: object, *options: str) -> list[dict[str, Any]]:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(document))
    out = io.StringIO()
    call_command("evaluate_diagnosis", str(file), *options, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_model_is_played_to_its_optimum(tmp_path: Path) -> None:
    line, summary = run(tmp_path, {"models": [{**MODEL, "optimum": OPTIMUM}]})
    assert line["name"] == "two faults"
    assert line["expected_cost"] == pytest.approx(OPTIMUM)
    assert (line["gap_pct"], line["decisions"]) == (0, 5)
    assert line["call_share"] == pytest.approx(0.1)
    assert 0 < line["step_ms_p50"] <= line["step_ms_p95"]
    assert summary == {
        "models": 1, "mean_gap_pct": 0, "worst_gap_pct": 0, "within_1_pct": 1,
    }  # fmt: skip


def test_a_model_without_an_optimum_has_no_gap(tmp_path: Path) -> None:
    line, summary = run(tmp_path, [MODEL])
    assert (line["optimum"], line["gap_pct"]) == (None, None)
    assert (summary["mean_gap_pct"], summary["within_1_pct"]) == (None, None)


def test_a_skip_uses_the_question_up() -> None:
    look = {**MODEL["steps"][0], "skip": 1.0}
    line, _summary = evaluate_models([{**MODEL, "steps": [look, *MODEL["steps"][1:]]}])
    # Both fixes, the second only where the first did nothing; 55 % and then 10 % are left.
    assert line["expected_cost"] == pytest.approx(4 + 0.55 * 4 + 0.1 * 40)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prior": [0.5]}, "one per fault"),
        ({"prior": [0.9, 0.9]}, "sum to 1"),
        ({"prior": ["x", 0.5]}, "a number"),
        ({"call_cost": 0}, "above 0"),
        ({"steps": [{"id": "x", "kind": "guess", "cost": 1}]}, "check or fix"),
        ({"steps": [{"id": "", "kind": "fix", "cost": 1}]}, "a text"),
        ({"steps": [MODEL["steps"][1]] * 2}, "twice"),
        ({"steps": 3}, "a list"),
        ({"steps": [{**MODEL["steps"][0], "likelihood": [[1, 0]]}]}, "one row per answer"),
        ({"optimum": -1}, "a number from 0"),
    ],
)
def test_a_wrong_model_is_one_clear_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(EvaluationError, match=words) as error:
        list(evaluate_models([MODEL | change]))
    assert str(error.value).startswith("model 1")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?i)no such"):
        call_command("evaluate_diagnosis", str(tmp_path / "nowhere.json"))
    file = tmp_path / "file.json"
    file.write_text("{")
    with pytest.raises(CommandError, match="no JSON"):
        call_command("evaluate_diagnosis", str(file))
    file.write_text("[3]")
    with pytest.raises(CommandError, match="an object is needed"):
        call_command("evaluate_diagnosis", str(file))


def test_a_learner_that_sees_the_truth_comes_closer_to_it() -> None:
    """The authors took the two fixes for each other; every ticket shows that they did."""
    wrong = [
        MODEL["steps"][0],
        {**MODEL["steps"][1], "cure": [0.05, 0.9]},
        {**MODEL["steps"][2], "cure": [0.9, 0.05]},
    ]
    # No fix of the wrong guess helps; the desk then makes the other one, and it works.
    tickets = [
        {
            "trace": [["look", fault]], "end": "call", "cause": fault,
            "desk": [[other, "unsolved"], [right, "solved"]],
        }
        for fault, other, right in [("a", "fix_b", "fix_a"), ("b", "fix_a", "fix_b")] * 100
    ]  # fmt: skip
    world = {
        "name": "mixed up", "authored": {**MODEL, "steps": wrong}, "truth": MODEL,
        "optimum": OPTIMUM, "tickets": tickets,
    }  # fmt: skip
    (line,) = evaluate_learning({"worlds": [world]})
    gaps = line["gap_pct"]
    assert list(gaps) == ["0", "50", "200"]
    assert gaps["0"] > 50
    assert gaps["200"] == 0
    assert gaps["50"] <= gaps["0"]


def test_a_world_without_its_optimum_is_measured_by_the_truth_s_own_policy() -> None:
    world = {"name": "same", "authored": MODEL, "truth": MODEL, "tickets": []}
    (line,) = evaluate_learning([world])
    assert line["gap_pct"] == {"0": 0}


# --- Merchants against the flows -----------------------------------------------------


def test_a_simulation_is_the_same_twice_and_the_choice_beats_the_list() -> None:
    flow = FLOWS["settlement_batch"]
    first = simulate(flow, WIFI, merchants=60, seed=3)
    assert first == simulate(flow, WIFI, merchants=60, seed=3)
    assert list(first) == list(POLICIES)
    assert first[EXPECTED].minutes < first[LISTED].minutes
    assert first[EXPECTED].steps < first[LISTED].steps
    assert all(0 <= played.solved <= 1 for played in first.values())


# --- Reasons -------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.sampled_from(list(FLOWS.values())), st.lists(st.integers(0, 7), min_size=14, max_size=14))
def test_there_is_a_reason_for_every_step_and_for_every_one_left_out(
    flow: Any, picks: list[int]
) -> None:
    answers: list[Answer] = []
    for pick in picks:
        asked = next_step(flow, WIFI, answers, actor="merchant")
        if isinstance(asked, Outcome):
            break
        assert isinstance(asked, Ask)
        reason = why(flow, WIFI, answers, asked, actor="merchant", with_minutes=True)
        assert reason.kind in {"safety", "always", "before", "ask", "try"}
        assert len(reason.leading) == 2
        assert all(0 <= share <= 1 for _fault, share in reason.leading)
        assert reason.saves is None or reason.saves >= 0
        assert (reason.chance is None) == (asked.step.kind == "check")
        options = asked.step.choices
        answers.append(Answer(asked.step.id, options[pick % len(options)].id))
    unmade = [item.step.id for item in left_out(flow, WIFI, answers, actor="merchant")]
    done = [answer.step_id for answer in answers]
    assert sorted(unmade + done) == sorted(step.id for step in flow.steps)
