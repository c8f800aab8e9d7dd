"""The choice in a run: by expected minutes, from compiled trees, with what is known beforehand."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from diagnostics import planning
from diagnostics.actions import answer, start, step_after, trees
from diagnostics.engine import (
    MAX_STEPS,
    Answer,
    Ask,
    Attributes,
    Outcome,
    Table,
    class_of,
    compile_flow,
    next_step,
    table_of,
)
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import SAFETY, Check, Flow, Step
from diagnostics.models import CompiledTree, DiagnosisRun
from diagnostics.tasks import compile_trees
from posdoctor.accounts.actor import reporter
from terminals.models import Terminal
from tests.builders import make_own_code, make_provider, make_store, make_terminal, make_ticket

FLOWS = {flow.id: flow for flow in bundled_flows()}
T0 = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)  # a Wednesday, 10:00 in Shanghai
WIFI = Attributes({"connection": "wifi"})


def plain(step: Step) -> str:
    """The answer that finds nothing and solves nothing."""
    if not isinstance(step, Check):
        return "unsolved"
    return "none" if any(option.id == "none" for option in step.choices) else "no"


def walk(
    flow: Flow, said: Mapping[str, str], *, table: Table | None = None
) -> tuple[list[str], Outcome]:
    answers: list[Answer] = []
    while isinstance(asked := next_step(flow, WIFI, answers, actor="merchant", table=table), Ask):
        assert asked.order == "expected"
        step = asked.step
        answers.append(Answer(step.id, said.get(step.id, plain(step))))
    return [answer.step_id for answer in answers], asked


def begun(terminal: Terminal, symptom: str = "cannot_sign_in", **more: str) -> DiagnosisRun:
    actor = reporter(provider_id=terminal.provider_id)
    return start(
        actor, terminal=terminal, symptom=symptom, language="zh-hans", now=T0,
        browser_key=more.pop("browser", "b" * 64), **more,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _own_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    trees._TABLES.clear()
    # As deep as live steps: how deep a tree looks is the planner's own tests' business.
    monkeypatch.setattr(planning, "COMPILED_DEPTHS", ())
    monkeypatch.setattr(planning, "COMPILED_DEPTH", 2)


# --- The choice ----------------------------------------------------------------------


def test_it_asks_for_the_code_before_it_sends_anybody_round_the_shop() -> None:
    asked, outcome = walk(FLOWS["cannot_sign_in"], {"screen_message": "code_key"})
    assert asked[:2] == [SAFETY, "screen_message"]
    assert outcome.kind in {"call", "stop_use"}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_the_table_says_what_the_search_says_and_knows_the_rest(flow: Flow) -> None:
    tree = compile_flow(flow, WIFI)
    table = table_of(flow, WIFI, tree)
    answers: list[Answer] = []
    while isinstance(asked := next_step(flow, WIFI, answers, actor="merchant", table=table), Ask):
        assert asked.minutes_left is not None
        assert asked.minutes_left >= 1
        answers.append(Answer(asked.step.id, plain(asked.step)))
    assert tree.minutes < flow.call.minutes + tree.prospects[tree.start].steps
    assert 0 < tree.call_share < 1.00001


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_states_outside_of_the_table_are_worked_out(flow: Flow) -> None:
    empty = Table({})
    assert walk(flow, {}, table=empty) == walk(flow, {})


ANSWERS = st.lists(st.integers(0, 7), min_size=40, max_size=40)


@settings(max_examples=40)
@given(st.sampled_from(list(FLOWS.values())), ANSWERS)
def test_any_answers_end_within_the_limits_and_always_the_same(
    flow: Flow, picks: list[int]
) -> None:
    answers: list[Answer] = []
    for pick in picks:
        asked = next_step(flow, WIFI, answers, actor="merchant")
        assert asked == next_step(flow, WIFI, answers, actor="merchant")
        if isinstance(asked, Outcome):
            break
        assert asked.step.id not in {answer.step_id for answer in answers}
        options = asked.step.choices
        answers.append(Answer(asked.step.id, options[pick % len(options)].id))
    assert isinstance(next_step(flow, WIFI, answers, actor="merchant"), Outcome)
    assert len(answers) <= MAX_STEPS + 1


@settings(max_examples=40)
@given(st.sampled_from(list(FLOWS.values())), st.lists(st.integers(0, 99), min_size=1), ANSWERS)
def test_any_step_may_be_answered_beforehand_whoever_could_be_asked(
    flow: Flow, known: list[int], picks: list[int]
) -> None:
    """By records, a log, or a colleague: also steps for the desk or for another machine."""
    told = {}
    for number in known:
        step = flow.steps[number % len(flow.steps)]
        options = [option.id for option in step.choices if not (option.stop or option.call)]
        told[step.id] = Answer(step.id, options[number % len(options)], given=True)
    answers = list(told.values())
    for pick in picks:
        asked = next_step(flow, WIFI, answers, actor="merchant")
        if isinstance(asked, Outcome):
            break
        assert asked.step.id not in {answer.step_id for answer in answers}
        choices = asked.step.choices
        answers.append(Answer(asked.step.id, choices[pick % len(choices)].id))
    assert isinstance(next_step(flow, WIFI, answers, actor="merchant"), Outcome)


def test_an_outage_that_records_know_of_is_in_the_table_and_weighs() -> None:
    flow = FLOWS["network_down"]
    told = [Answer("many_down", "yes", given=True)]
    assert flow.step("many_down").actor == "desk"
    tree = compile_flow(flow, WIFI, given=told)
    table = table_of(flow, WIFI, tree, given=told)
    first = next_step(flow, WIFI, told, actor="merchant", table=table)
    assert isinstance(first, Ask)
    assert first.step.id == SAFETY
    assert first.minutes_left is not None  # found, not worked out
    # A merchant in an outage is kept busy for less long.
    usual = compile_flow(flow, WIFI)
    assert tree.prospects[tree.start].steps < usual.prospects[usual.start].steps


def test_a_call_goes_to_whoever_ends_it_soonest() -> None:
    flow = FLOWS["declines"]
    _asked, usual = walk(flow, {})
    assert (usual.kind, usual.exit, usual.advice) == ("call", "desk", "call")
    found = {"screen_message": "code_registration", "new_function": "yes"}
    _asked, outcome = walk(flow, found)
    assert (outcome.kind, outcome.exit, outcome.advice) == ("call", "acquirer", "acquirer")
    assert flow.advice(outcome.advice) != flow.call.text


def test_a_closed_desk_makes_more_steps_worth_their_minutes() -> None:
    flow = FLOWS["cannot_print"]
    by_day = compile_flow(flow, WIFI)
    by_night = compile_flow(flow, Attributes({"connection": "wifi"}, opens_in=205))
    assert by_night.prospects[by_night.start].steps > by_day.prospects[by_day.start].steps
    assert by_night.call_share < by_day.call_share


def test_a_repeated_cause_weighs_more() -> None:
    flow = FLOWS["cannot_print"]
    cause = flow.faults[0].id
    plain_class = class_of(flow, WIFI)
    again = Attributes({"connection": "wifi"}, repeated=frozenset({cause}))
    assert class_of(flow, again) != plain_class
    assert class_of(flow, Attributes({"connection": "wifi"}, repeated=frozenset({"x"}))) == (
        plain_class
    )


# --- Runs ----------------------------------------------------------------------------


def test_the_first_run_of_a_class_wants_its_tree_and_the_next_ones_walk_it(
    terminal: Terminal,
) -> None:
    first = begun(terminal)
    wanted = CompiledTree.objects.get()
    assert (wanted.key, wanted.made_at) == (first.tree_key, None)
    live = step_after(first, [Answer(SAFETY, "none")])
    compile_trees()
    made = CompiledTree.objects.get()
    assert made.made_at is not None
    assert made.table
    assert made.minutes is not None
    second = begun(terminal, browser="c" * 64)
    assert second.tree_key == first.tree_key
    walked = step_after(second, [Answer(SAFETY, "none")])
    assert isinstance(live, Ask)
    assert isinstance(walked, Ask)
    assert walked.step == live.step
    assert (live.minutes_left, walked.minutes_left is not None) == (None, True)
    assert CompiledTree.objects.count() == 1


def test_a_worker_that_died_leaves_its_tree_to_another(terminal: Terminal) -> None:
    begun(terminal)
    CompiledTree.objects.update(leased_until=T0 + timedelta(minutes=10))
    assert trees.compile_wanted(T0) == 0
    assert trees.compile_wanted(T0 + timedelta(minutes=11)) == 1
    assert trees.compile_wanted(T0 + timedelta(minutes=11)) == 0


def test_a_tree_that_no_worker_finishes_is_given_up(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: object, **_more: object) -> None:
        raise MemoryError

    begun(terminal)
    monkeypatch.setattr("diagnostics.engine.compile_flow", killed)
    for hours in range(3):
        with pytest.raises(MemoryError):
            trees.compile_wanted(T0 + timedelta(hours=hours))
    assert trees.compile_wanted(T0 + timedelta(hours=4)) == 0
    run = begun(terminal, browser="c" * 64)
    assert isinstance(step_after(run, run.answers()), Ask)  # worked out live


def test_trees_of_last_quarter_go_and_come_back_when_wanted(terminal: Terminal) -> None:
    begun(terminal)
    assert trees.purge_trees(now=T0 + timedelta(days=90)) == 0
    assert trees.purge_trees(now=T0 + timedelta(days=90, seconds=1)) == 1
    begun(terminal, browser="c" * 64)
    assert trees.compile_wanted(T0) == 1


def test_what_the_screen_says_is_not_asked(terminal: Terminal) -> None:
    run = begun(terminal, screen_text="77 请重新签到")
    assert ["screen_message", "screen"] in [[step, whence] for step, _a, whence in run.given]
    said = {step: answer_ for step, answer_, _whence in run.given}
    assert said["screen_message"].startswith(("code_", "text_"))
    asked = []
    for _ in range(20):
        found = step_after(run, run.answers())
        if isinstance(found, Outcome):
            break
        asked.append(found.step.id)
        actor = reporter(provider_id=run.provider_id, run_id=run.pk)
        run = answer(
            actor, run_id=run.pk, step_id=found.step.id, answer_id=plain(found.step), now=T0
        )
        run = DiagnosisRun.objects.get(pk=run.pk)
    assert "screen_message" not in asked
    assert "screen_message" in [finding.step.id for finding in run.findings()]


def test_a_providers_own_code_is_not_asked_for_either(terminal: Terminal) -> None:
    make_own_code(terminal.provider, code="Q7", check_id="code_key")
    assert begun(terminal, screen_text="Q7").known() == [
        Answer("screen_message", "code_key", given=True)
    ]
    other = make_terminal(make_store(make_provider()))
    assert begun(other, screen_text="Q7").known() == []


def test_what_was_answered_a_moment_ago_is_not_asked_again(terminal: Terminal) -> None:
    run = begun(terminal, "network_down")
    actor = reporter(provider_id=run.provider_id, run_id=run.pk)
    for _ in range(3):
        found = step_after(run, run.answers())
        assert isinstance(found, Ask)
        run = answer(
            actor, run_id=run.pk, step_id=found.step.id, answer_id=plain(found.step), now=T0
        )
        run = DiagnosisRun.objects.get(pk=run.pk)
    checks = [step.step_id for step in run.ordered_steps() if step.answer_id in {"no", "none"}]
    soon = start(
        reporter(provider_id=terminal.provider_id), terminal=terminal, symptom="network_down",
        language="en", now=T0 + timedelta(minutes=5), browser_key="d" * 64,
    )  # fmt: skip
    known = [step for step, _answer, _whence in soon.given]
    assert known == [step for step in checks if step != SAFETY]
    later = start(
        reporter(provider_id=terminal.provider_id), terminal=terminal, symptom="network_down",
        language="en", now=T0 + timedelta(minutes=11), browser_key="e" * 64,
    )  # fmt: skip
    assert later.given == []


def test_a_cause_of_last_month_is_known_and_an_older_one_is_not(terminal: Terminal) -> None:
    ticket = make_ticket(terminal, status="resolved", resolved_at=T0 - timedelta(days=3))
    ticket.cause = "pr_paper"
    ticket.save(update_fields=["cause"])
    assert begun(terminal, "cannot_print").attributes["repeated"] == ["pr_paper"]
    ticket.resolved_at = T0 - timedelta(days=31)
    ticket.save(update_fields=["resolved_at"])
    assert begun(terminal, "cannot_print", browser="f" * 64).attributes["repeated"] == []


def test_one_in_ten_keeps_the_authored_order(terminal: Terminal, settings: Settings) -> None:
    settings.DIAGNOSIS_HELD_BACK = 1
    held = begun(terminal)
    settings.DIAGNOSIS_HELD_BACK = 0
    free = begun(terminal, browser="c" * 64)
    assert (held.order, free.order) == ("authored", "expected")
    orders = [found.order for run in (held, free) if isinstance(found := step_after(run, []), Ask)]
    assert orders == ["authored", "expected"]


def test_a_degraded_choice_is_logged(
    terminal: Terminal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diagnostics.engine.CONTRADICTION", 2.0)
    run = begun(terminal)
    with caplog.at_level(logging.WARNING):
        found = step_after(run, [Answer(SAFETY, "none")])
    assert found.is_degraded
    assert isinstance(found, Ask)
    assert found.order == "authored"
    assert f"run {run.ref}" in caplog.text
