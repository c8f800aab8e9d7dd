"""The walk in authored order, and the rules of any order: paths, stops, limits, no way to fail."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics import engine
from diagnostics.engine import (
    MAX_MINUTES,
    MAX_STEPS,
    Actor,
    Answer,
    AnswerError,
    Ask,
    Attributes,
    Outcome,
    evidence,
    known_answers,
    posterior,
)
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import SAFETY, SAFETY_SIGNS, Check, Flow, Step

next_step = partial(engine.next_step, order="authored")
FLOWS = {flow.id: flow for flow in bundled_flows()}
NOTHING_KNOWN = Attributes()
NOTHING_FOUND: Mapping[str, str] = {}
ROOT = Path(__file__).parents[2]
MODELS = {
    model["id"]: model
    for model in yaml.safe_load((ROOT / "terminals/data/terminal_models.yaml").read_text())[
        "models"
    ]
}


def plain(step: Step) -> str:
    """The answer that finds nothing and solves nothing."""
    if not isinstance(step, Check):
        return "unsolved"
    return "none" if any(option.id == "none" for option in step.choices) else "no"


def walk(
    symptom: str,
    found: Mapping[str, str] = NOTHING_FOUND,
    *,
    attributes: Attributes = NOTHING_KNOWN,
    actor: Actor = "merchant",
    known: tuple[Answer, ...] = (),
) -> tuple[list[str], Outcome]:
    """The ids asked, answering plainly but for `found`; and how it ended."""
    answers = list(known)
    asked: list[str] = []
    for _ in range(40):
        result = next_step(FLOWS[symptom], attributes, answers, actor=actor)
        if isinstance(result, Outcome):
            return asked, result
        asked.append(result.step.id)
        answers.append(Answer(result.step.id, found.get(result.step.id, plain(result.step))))
    raise AssertionError("the walk does not end")


def of_model(model: str, **more: Any) -> Attributes:
    """What is known of a terminal of that model."""
    entry = MODELS[model]
    return Attributes.from_dict(
        {"features": entry["features"], "verified": entry["verified"], **more}
    )


@pytest.mark.parametrize("symptom", FLOWS)
def test_safety_comes_first_and_counts_as_step_one(symptom: str) -> None:
    first = next_step(FLOWS[symptom], NOTHING_KNOWN, [], actor="merchant")
    assert isinstance(first, Ask)
    assert (first.step.id, first.index) == (SAFETY, 1)


@pytest.mark.parametrize("symptom", FLOWS)
@pytest.mark.parametrize("sign", SAFETY_SIGNS)
def test_a_safety_sign_stops_at_once_with_its_own_advice(symptom: str, sign: str) -> None:
    outcome = next_step(FLOWS[symptom], NOTHING_KNOWN, [Answer(SAFETY, sign)], actor="merchant")
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == ("stop_use", "answer")
    assert outcome.advice == f"{SAFETY}.{sign}"
    assert FLOWS[symptom].advice(outcome.advice) != FLOWS[symptom].stop_text


@pytest.mark.parametrize("symptom", FLOWS)
def test_nothing_found_ends_in_a_call_within_eight_questions(symptom: str) -> None:
    asked, outcome = walk(symptom)
    assert outcome.kind == "call"
    checks = [name for name in asked if isinstance(FLOWS[symptom].step(name), Check)]
    assert len(checks) - 1 <= 8
    assert len(asked) - 1 <= 11


PLEASANT = [
    ("cannot_print", {"paper_out": "yes"}, ["safety", "paper_out", "load_paper"]),
    (
        "cannot_print",
        {"paper_jam": "yes"},
        ["safety", "paper_out", "paper_wrong", "cover_not_shut", "paper_jam", "clear_paper"],
    ),
    ("no_power", {"charge_led_off": "yes"}, ["safety", "idle_over_month", "charge_led_off",
                                             "port_damaged", "other_adapter"]),
    ("no_power", {"idle_over_month": "yes"}, ["safety", "idle_over_month", "charge_half_hour"]),
    ("network_down", {"shop_offline": "yes"}, ["safety", "shop_offline", "restart_router"]),
    (
        "cannot_sign_in",
        {"screen_message": "code_batch"},
        ["safety", "battery_low", "no_net_icon", "screen_message", "settle_then_sign_in"],
    ),
    (
        "cannot_sign_in",
        {"screen_message": "code_key"},
        ["safety", "battery_low", "no_net_icon", "screen_message", "sign_in_again"],
    ),
    (
        "card_not_read",
        {"payment_way": "qr_only"},
        ["safety", "foreign_object", "one_card_only", "payment_way", "clean_lens"],
    ),
    (
        "card_not_read",
        {"one_card_only": "yes"},
        ["safety", "foreign_object", "one_card_only", "other_card"],
    ),
    ("app_firmware", {"app_crash": "yes"}, ["safety", "third_party_app", "app_crash",
                                                "last_sale_open", "restart"]),
    (
        "declines",
        {"screen_message": "issuer_code"},
        ["safety", "unknown_result", "screen_message", "ask_other_card"],
    ),
    (
        "settlement_batch",
        {"screen_message": "batch_full_text"},
        ["safety", "payout_only", "screen_message", "settle_then_sign_in"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("symptom", "found", "path"), PLEASANT)
def test_a_clear_sign_leads_straight_to_its_fix(
    symptom: str, found: dict[str, str], path: list[str]
) -> None:
    asked, outcome = walk(symptom, {**found, path[-1]: "solved"})
    assert asked == path
    assert (outcome.kind, outcome.advice) == ("solved", "done")


def reachable_kinds(symptom: str, actor: Actor) -> set[str]:
    """Outcome kinds met by answering one step unlike the plain walk, at each place in turn."""
    flow = FLOWS[symptom]
    kinds: set[str] = set()
    for step in flow.steps:
        for option in step.choices:
            kinds.add(walk(symptom, {step.id: option.id}, actor=actor)[1].kind)
    return kinds


@pytest.mark.parametrize("symptom", sorted(set(FLOWS) - {"tamper_locked"}))
def test_every_end_can_be_reached(symptom: str) -> None:
    # One finding and one success: the fix that answers it.
    flow = FLOWS[symptom]
    solved = {step.id: "solved" for step in flow.steps if step.kind == "fix"}
    kinds = reachable_kinds(symptom, "merchant")
    for step in flow.steps:
        for option in step.choices:
            if step.kind == "check":
                kinds.add(walk(symptom, {**solved, step.id: option.id})[1].kind)
    assert kinds == {"solved", "call", "stop_use"}


def test_a_locked_terminal_is_never_the_merchants_to_solve_but_the_desk_may() -> None:
    assert reachable_kinds("tamper_locked", "merchant") == {"call", "stop_use"}
    asked, outcome = walk(
        "tamper_locked",
        {
            "backend_blocked": "unsure",
            "text_operator": "yes",
            "tp_operator_lock_desk": "solved",
        },
        actor="desk",
    )
    assert "tp_operator_lock_desk" in asked
    assert outcome.kind == "solved"


# What the terminal is


PRINTER_STEPS = {
    step.id
    for flow in FLOWS.values()
    for step in flow.steps
    if "printer" in step.requires
}  # fmt: skip


def test_no_paper_question_without_a_printer() -> None:
    asked, outcome = walk("cannot_print", attributes=of_model("pax_a35"))
    assert PRINTER_STEPS
    assert not PRINTER_STEPS & set(asked)
    assert outcome.kind == "call"


def test_a_guess_hides_nothing() -> None:
    mpos = MODELS["generic_mpos"]
    assert mpos["features"]["printer"] is False
    assert "printer" not in mpos["verified"]
    asked, _ = walk("cannot_print", attributes=of_model("generic_mpos"))
    assert "paper_out" in asked


def test_the_connection_in_use_leaves_the_other_links_out() -> None:
    sim_only = {"sim_missing_text", "weak_signal_place"}
    asked, _ = walk("network_down", attributes=Attributes.from_dict({"connection": "ethernet"}))
    assert "cable_link_off" in asked
    assert not sim_only & set(asked)
    cellular = Attributes.from_dict({"connection": "cellular"})
    asked, _ = walk("network_down", attributes=cellular)
    assert "cable_link_off" not in asked
    assert "weak_signal_place" in asked
    assert len(asked) <= 9
    asked, _ = walk("network_down", {"no_net_icon": "yes"}, attributes=cellular)
    assert sim_only <= set(asked)


def test_attributes_from_a_stored_run() -> None:
    known = Attributes.from_dict({
        "model": "x",
        "connection": "",
        "connections": ["wifi"],
        "features": {"printer": False, "battery": True, "sim": False},
        "verified": {"printer": True, "form": True},
    })  # fmt: skip
    assert dict(known.values) == {"printer": False, "connection": None, "incident": False}
    assert not known.may_satisfy({"printer": (True,)})
    assert known.may_satisfy({"battery": (True,), "sim": (True,)})
    assert known.satisfy({"printer": (False,)})
    assert not known.satisfy({"battery": (True,)})
    assert Attributes.from_dict({}).may_satisfy({"printer": (True,)})


# Stops


def test_a_likely_stop_cause_stops_only_after_the_check_that_settles_it() -> None:
    asked, outcome = walk("screen_keyboard")
    assert "key_state" in asked
    assert outcome.kind == "call"
    _, outcome = walk("screen_keyboard", {"black_but_beeps": "yes"})
    assert (outcome.kind, outcome.reason, outcome.advice) == ("stop_use", "likely", "sk_backlight")


def test_elimination_may_end_in_a_stop() -> None:
    asked, outcome = walk("cannot_sign_in", {"screen_message": "code_key"})
    assert asked[-2:] == ["sign_in_again", "clock_state"]
    assert (outcome.kind, outcome.advice) == ("stop_use", "si_master_key")
    assert dict(outcome.causes)["si_master_key"] >= FLOWS["cannot_sign_in"].stop_threshold


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_asking_on_means_no_stop_cause_is_likely_or_a_check_for_it_is_open(flow: Flow) -> None:
    stops = {fault.id for fault in flow.faults if fault.stop_use}
    answers: list[Answer] = []
    while isinstance(result := next_step(flow, NOTHING_KNOWN, answers, actor="merchant"), Ask):
        belief = posterior(flow, NOTHING_KNOWN, answers)
        likely = {name for name in stops if belief[name] >= flow.stop_threshold}
        if answers and likely:
            assert isinstance(result.step, Check)
            assert likely & set(result.step.given)
        answers.append(Answer(result.step.id, plain(result.step)))


def test_not_knowing_about_a_locked_terminal_stops_it() -> None:
    asked, outcome = walk("tamper_locked", {"safety": "unsure"})
    assert asked == [SAFETY]
    assert (outcome.kind, outcome.reason) == ("stop_use", "likely")


def test_a_danger_outranks_a_success() -> None:
    answers = [Answer(SAFETY, "none"), Answer("restart", "solved"), Answer(SAFETY, "case_opened")]
    outcome = next_step(FLOWS["card_not_read"], NOTHING_KNOWN, answers, actor="merchant")
    assert isinstance(outcome, Outcome)
    assert outcome.kind == "stop_use"


def test_a_charged_customer_goes_to_the_desk_before_anyone_charges_again() -> None:
    asked, outcome = walk("declines", {"unknown_result": "yes"})
    assert asked == [SAFETY, "unknown_result"]
    assert (outcome.kind, outcome.reason) == ("call", "answer")
    assert "先别再收一次" in FLOWS["declines"].advice(outcome.advice).zh
    assert outcome.causes[0][0] == "dc_unknown"


# Limits


def test_three_unsure_in_a_row_call() -> None:
    flow = FLOWS["network_down"]
    answers = [Answer(SAFETY, "none")]
    for count in range(3):
        result = next_step(flow, NOTHING_KNOWN, answers, actor="merchant")
        assert isinstance(result, Ask), count
        answers.append(Answer(result.step.id, "unsure"))
    outcome = next_step(flow, NOTHING_KNOWN, answers, actor="merchant")
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == ("call", "unsure")
    answers[2] = Answer(answers[2].step_id, "no")
    assert isinstance(next_step(flow, NOTHING_KNOWN, answers, actor="merchant"), Ask)


def twelve_steps(*, given: bool) -> list[Answer]:
    """The safety screen and twelve more answers in network_down: ten "no", two "can't do this"."""
    flow = FLOWS["network_down"]
    mine = [step for step in flow.steps if step.actor == "merchant"]
    checks = [Answer(step.id, plain(step), given) for step in mine if isinstance(step, Check)]
    fixes = [Answer(name, "unable", given) for name in ("rejoin_wifi", "replug_cable")]
    answers = [*checks[: MAX_STEPS - 1], *fixes]
    assert len(answers) == MAX_STEPS + 1
    return answers


def test_twelve_steps_call_and_known_answers_do_not_count() -> None:
    flow = FLOWS["network_down"]
    outcome = next_step(flow, NOTHING_KNOWN, twelve_steps(given=False), actor="merchant")
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == ("call", "steps")
    shorter = next_step(flow, NOTHING_KNOWN, twelve_steps(given=False)[:-1], actor="merchant")
    assert isinstance(shorter, Ask)
    known = next_step(flow, NOTHING_KNOWN, twelve_steps(given=True), actor="merchant")
    assert isinstance(known, Ask)
    assert known.index == 1


def test_what_cannot_be_done_costs_no_minutes() -> None:
    flow = FLOWS["network_down"]
    tried = [
        Answer(SAFETY, "none"),
        Answer("ask_network_admin", "unsolved"),
        Answer("switch_network", "unsolved"),
        Answer("restart_router", "unsolved"),
    ]
    outcome = next_step(flow, NOTHING_KNOWN, tried, actor="merchant")
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == ("call", "minutes")
    tried[1] = Answer("ask_network_admin", "unable")
    assert isinstance(next_step(flow, NOTHING_KNOWN, tried, actor="merchant"), Ask)


def test_half_an_hour_of_charging_ends_the_walk() -> None:
    asked, outcome = walk("no_power", {"idle_over_month": "yes"})
    assert asked[-1] == "charge_half_hour"
    assert (outcome.kind, outcome.reason) == ("call", "minutes")


def test_half_an_hour_is_not_asked_where_something_else_is_likelier() -> None:
    asked, _ = walk("no_power", {"only_runs_plugged": "yes"})
    assert "charge_half_hour" not in asked
    assert "dead_after_charge" not in asked


def test_a_long_fix_says_so_only_when_it_is_next() -> None:
    flow = FLOWS["no_power"]
    first = next_step(flow, NOTHING_KNOWN, [], actor="merchant")
    assert isinstance(first, Ask)
    assert first.minutes_left is not None
    assert first.minutes_left < 30
    answers = [Answer(SAFETY, "none"), Answer("idle_over_month", "yes")]
    charge = next_step(flow, NOTHING_KNOWN, answers, actor="merchant")
    assert isinstance(charge, Ask)
    assert charge.minutes_left is not None
    assert charge.minutes_left >= 35


def test_a_merchant_is_never_given_somebody_elses_step_and_the_desk_is() -> None:
    mine, _ = walk("app_firmware")
    desk, _ = walk("app_firmware", actor="desk")
    flow = FLOWS["app_firmware"]
    actors = {name: step.actor for name in {*mine, *desk} if (step := flow.step(name))}
    assert {actors[name] for name in mine} == {"merchant"}
    assert {actors[name] for name in desk} == {"merchant", "desk"}


def test_a_fix_that_was_already_tried_is_not_proposed() -> None:
    asked, _ = walk("card_not_read", {"one_card_only": "no"})
    assert "other_card" not in asked
    asked, _ = walk("card_not_read", {"payment_way": "chip_only"})
    assert not {"metal_near", "lens_dirty", "code_screen_dim", "clean_lens"} & set(asked)


# Known beforehand


def test_a_code_read_from_a_log_answers_its_question_and_costs_nothing() -> None:
    flow = FLOWS["cannot_sign_in"]
    known = known_answers(flow, ["code_key"])
    assert known == (Answer("screen_message", "code_key", given=True),)
    asked, _ = walk("cannot_sign_in", known=known)
    assert "screen_message" not in asked
    first = next_step(flow, NOTHING_KNOWN, known, actor="merchant")
    assert isinstance(first, Ask)
    assert (first.step.id, first.index) == (SAFETY, 1)


def test_known_checks_inside_and_outside_of_composites() -> None:
    flow = FLOWS["cannot_sign_in"]
    assert known_answers(flow, ["text_batch_reversal"])[0].answer_id == "code_batch"
    assert known_answers(flow, ["tls_text"]) == (Answer("tls_text", "yes", given=True),)
    assert known_answers(flow, ["paper_out", "nonsense"]) == ()
    assert known_answers(flow, ["tamper_text"]) == (), "the merchant has to look"


def test_a_known_stop_sign_stops() -> None:
    flow = FLOWS["cannot_sign_in"]
    known = known_answers(flow, ["text_key_missing"])
    outcome = next_step(flow, NOTHING_KNOWN, known, actor="merchant")
    assert isinstance(outcome, Outcome)
    assert outcome.kind == "stop_use"


# Evidence and belief


def test_evidence_for_the_desk() -> None:
    flow = FLOWS["card_not_read"]
    answers = [
        Answer(SAFETY, "none"),
        Answer("one_card_only", "yes"),
        Answer("payment_way", "none"),
        Answer("app_crash", "unsure"),
        Answer("restart", "unsolved"),
        Answer("clean_reader", "unable"),
    ]
    found = evidence(flow, answers)
    assert [(finding.step.id, finding.is_bad) for finding in found] == [
        (SAFETY, False),
        ("one_card_only", False),
        ("payment_way", True),
        ("app_crash", None),
        ("restart", True),
        ("clean_reader", None),
    ]
    assert found[1].answer.text.zh == "别的卡能用"


def test_unsure_and_unable_are_no_evidence() -> None:
    flow = FLOWS["cannot_print"]
    before = posterior(flow, NOTHING_KNOWN, [])
    after = posterior(
        flow, NOTHING_KNOWN, [Answer("paper_out", "unsure"), Answer("load_paper", "unable")]
    )
    assert after == before


def test_the_tempered_answer_moves_the_belief_as_written() -> None:
    flow = FLOWS["cannot_print"]
    belief = posterior(flow, NOTHING_KNOWN, [Answer("paper_out", "yes")])
    row = {"pr_no_paper": 0.97, "pr_cover": 0.2}
    weights = {
        fault.id: fault.weight * (0.95 * row.get(fault.id, 0.04) + 0.025) for fault in flow.faults
    }
    total = sum(weights.values())
    assert belief == pytest.approx({name: value / total for name, value in weights.items()})


def test_a_failed_fix_leaves_what_it_does_not_cure() -> None:
    flow = FLOWS["cannot_print"]
    before = posterior(flow, NOTHING_KNOWN, [])
    after = posterior(flow, NOTHING_KNOWN, [Answer("load_paper", "unsolved")])
    ratio = (after["pr_no_paper"] / after["pr_jam"]) / (before["pr_no_paper"] / before["pr_jam"])
    assert ratio == pytest.approx(0.15)


def test_no_single_answer_rules_the_true_cause_out() -> None:
    flow = FLOWS["cannot_print"]
    belief = posterior(flow, NOTHING_KNOWN, [Answer("paper_out", "no")])
    assert belief["pr_no_paper"] > 0.01


@pytest.mark.parametrize(
    "wrong", [Answer("no_such_step", "yes"), Answer("paper_out", "perhaps"), Answer("", "")]
)
def test_an_unknown_id_is_one_clear_error(wrong: Answer) -> None:
    flow = FLOWS["cannot_print"]
    for act in (
        lambda: next_step(flow, NOTHING_KNOWN, [wrong], actor="merchant"),
        lambda: evidence(flow, [wrong]),
        lambda: posterior(flow, NOTHING_KNOWN, [wrong]),
    ):
        with pytest.raises(AnswerError):
            act()


def test_answering_again_counts_once_with_the_last_word() -> None:
    flow = FLOWS["cannot_print"]
    changed = [Answer(SAFETY, "none"), Answer("paper_out", "yes"), Answer("paper_out", "no")]
    straight = [Answer(SAFETY, "none"), Answer("paper_out", "no")]
    assert next_step(flow, NOTHING_KNOWN, changed, actor="merchant") == next_step(
        flow, NOTHING_KNOWN, straight, actor="merchant"
    )


# Anything at all


@st.composite
def any_answers(draw: st.DrawFn) -> tuple[Flow, list[Answer], Attributes]:
    """Any flow, any answers in any order, contradictions and repeats included."""
    flow = draw(st.sampled_from(list(FLOWS.values())))
    pairs = [(step.id, option.id) for step in flow.steps for option in step.choices]
    one = st.builds(
        lambda pair, given: Answer(pair[0], pair[1], given), st.sampled_from(pairs), st.booleans()
    )
    answers = draw(st.lists(one, max_size=30))
    known = draw(
        st.dictionaries(
            st.sampled_from(["printer", "wifi", "sim", "battery", "camera", "keypad"]),
            st.sampled_from([True, False, None]),
        )
    )
    return flow, answers, Attributes(known)


@settings(max_examples=150, deadline=None)
@given(any_answers(), st.sampled_from(["merchant", "desk"]))
def test_contradictions_never_raise_and_the_same_input_gives_the_same_step(
    case: tuple[Flow, list[Answer], Attributes], actor: Actor
) -> None:
    flow, answers, attributes = case
    result = next_step(flow, attributes, answers, actor=actor)
    assert result == next_step(flow, attributes, list(answers), actor=actor)
    belief = posterior(flow, attributes, answers)
    assert sum(belief.values()) == pytest.approx(1)
    assert len(evidence(flow, answers)) == len({answer.step_id for answer in answers})
    if isinstance(result, Ask):
        assert result.step.id not in {answer.step_id for answer in answers}
        assert result.minutes_left is not None
        assert result.minutes_left >= 1
    else:
        weights = [weight for _, weight in result.causes]
        assert weights == sorted(weights, reverse=True)
        assert flow.advice(result.advice).zh


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(FLOWS.values())), st.sampled_from(["merchant", "desk"]), st.data())
def test_every_walk_ends_within_the_limits(flow: Flow, actor: Actor, data: st.DataObject) -> None:
    answers: list[Answer] = []
    minutes = 0.0
    while True:
        result = next_step(flow, NOTHING_KNOWN, answers, actor=actor)
        if isinstance(result, Outcome):
            break
        assert result.index == len(answers) + 1
        assert minutes < MAX_MINUTES
        choices = [option.id for option in result.step.choices]
        chosen = data.draw(st.sampled_from(choices))
        minutes += 0 if chosen == "unable" else result.step.minutes
        answers.append(Answer(result.step.id, chosen))
        assert len(answers) <= MAX_STEPS + 1
    if any(answer.answer_id == "solved" for answer in answers):
        assert result.kind == "solved"
