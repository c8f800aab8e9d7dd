"""The flow document: round trip, shape errors, and what keeps a flow from being published."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Check, Flow, FlowError, Text, parse, validate

FLOWS = {flow.id: flow for flow in bundled_flows()}
Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    """A small real flow as JSON data, free to be spoilt."""
    return copy.deepcopy(FLOWS["no_power"].to_dict())


def codes(document: Document) -> set[str]:
    """The problem codes of a document."""
    return {problem.code for problem in validate(parse(document))}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_a_flow_survives_json(flow: Flow) -> None:
    assert parse(json.loads(json.dumps(flow.to_dict(), ensure_ascii=False))) == flow


def test_the_sound_flow_has_no_problem(document: Document) -> None:
    assert codes(document) == set()


def test_text_falls_back_to_english() -> None:
    text = Text(zh="好", en="good")
    assert [text.get(code) for code in ("zh-hans", "zh", "en", "fr")] == [
        "好",
        "好",
        "good",
        "good",
    ]


def test_unsure_is_a_button_but_no_evidence() -> None:
    screen = FLOWS["cannot_sign_in"].step("screen_message")
    assert isinstance(screen, Check)
    assert [option.id for option in screen.choices][-1] == "unsure"
    assert "unsure" not in [option.id for option in screen.telling]
    assert len(screen.telling) == len(screen.default)


def _drop_id(d: Document) -> None:
    del d["id"]


def _misspell(d: Document) -> None:
    d["steps"][1]["anwsers"] = []


def _number_as_text(d: Document) -> None:
    d["steps"][1]["minutes"] = "3"


def _true_as_number(d: Document) -> None:
    d["faults"][0]["weight"] = True


def _list_as_object(d: Document) -> None:
    d["call"] = []


def _unknown_kind(d: Document) -> None:
    d["steps"][1]["kind"] = "guess"


def _text_in_one_language(d: Document) -> None:
    d["title"] = "开不了机"


def _row_of_words(d: Document) -> None:
    d["steps"][1]["default"] = ["often", "rarely"]


def _condition_as_text(d: Document) -> None:
    d["steps"][1]["requires"] = {"printer": "yes"}


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (_drop_id, "flow.id"),
        (_misspell, "flow.steps[1]: unknown anwsers"),
        (_number_as_text, "flow.steps[1].minutes"),
        (_true_as_number, "flow.faults[0].weight"),
        (_list_as_object, "flow.call"),
        (_unknown_kind, "flow.steps[1].kind"),
        (_text_in_one_language, "flow.title"),
        (_row_of_words, "flow.steps[1].default[0]"),
        (_condition_as_text, "flow.steps[1].requires.printer"),
    ],
)
def test_a_wrong_shape_is_named_by_its_path(
    document: Document, spoil: Callable[[Document], None], path: str
) -> None:
    spoil(document)
    with pytest.raises(FlowError) as error:
        parse(document)
    assert str(error.value).startswith(path)


def test_anything_but_an_object_is_refused() -> None:
    with pytest.raises(FlowError):
        parse([])


def _fix(d: Document) -> Document:
    fix: Document = next(step for step in d["steps"] if step["kind"] == "fix")
    return fix


def _same_step_twice(d: Document) -> None:
    d["steps"].append(copy.deepcopy(d["steps"][1]))


def _same_answer_twice(d: Document) -> None:
    d["steps"][1]["answers"][1]["id"] = "yes"


def _id_with_spaces(d: Document) -> None:
    d["faults"][0]["id"] = "Flat battery"


def _row_for_nobody(d: Document) -> None:
    d["steps"][1]["given"]["ghost"] = [0.5, 0.5]


def _cure_for_nobody(d: Document) -> None:
    _fix(d)["cures"]["ghost"] = 0.5


def _useless_fix(d: Document) -> None:
    _fix(d)["cures"] = {"pw_flat": 0}


def _no_other(d: Document) -> None:
    d["faults"].pop()


def _english_missing(d: Document) -> None:
    d["steps"][1]["how"]["en"] = " "


def _advice_missing_in_chinese(d: Document) -> None:
    d["steps"][0]["answers"][0]["advice"]["zh"] = ""


def _safety_second(d: Document) -> None:
    d["steps"].insert(0, d["steps"].pop(1))


def _safety_gone(d: Document) -> None:
    d["steps"].pop(0)


def _safety_sign_gone(d: Document) -> None:
    d["steps"][0]["answers"] = d["steps"][0]["answers"][1:]


def _safety_sign_harmless(d: Document) -> None:
    d["steps"][0]["answers"][0]["stop"] = False


def _safety_only_with_battery(d: Document) -> None:
    d["steps"][0]["requires"] = {"battery": [True]}


def _long_question(d: Document) -> None:
    d["steps"][1]["text"]["zh"] = "这台机器是不是已经有一个多月都没有开过机了"


def _long_answer(d: Document) -> None:
    d["steps"][1]["answers"][0]["text"]["zh"] = "已经有一个多月没有用过"


def _one_answer(d: Document) -> None:
    d["steps"][1]["answers"] = d["steps"][1]["answers"][1:]


def _short_row(d: Document) -> None:
    d["steps"][1]["default"] = [1.0]


def _fix_answers_renamed(d: Document) -> None:
    _fix(d)["answers"][0]["id"] = "fixed"


def _likelihood_above_one(d: Document) -> None:
    d["steps"][1]["default"] = [1.2, -0.2]


def _cure_above_one(d: Document) -> None:
    _fix(d)["cures"]["pw_flat"] = 1.5


def _weights_too_small(d: Document) -> None:
    d["faults"][0]["weight"] = 0.1


def _no_minutes(d: Document) -> None:
    d["steps"][1]["minutes"] = 0


def _call_costs_nothing(d: Document) -> None:
    d["call"]["minutes"] = 0


def _unknown_feature(d: Document) -> None:
    d["steps"][1]["requires"] = {"fingerprint_reader": [True]}


def _unknown_connection(d: Document) -> None:
    d["faults"][0]["when"] = [{"if": {"connection": ["pigeon"]}, "times": 2}]


def _fact_that_drowns_all_others(d: Document) -> None:
    d["faults"][0]["when"] = [{"if": {"connection": ["wifi"]}, "times": 100_000}]


def _fact_that_rules_out(d: Document) -> None:
    d["faults"][0]["when"] = [{"if": {"connection": ["wifi"]}, "times": 0}]


def _unknown_actor(d: Document) -> None:
    d["faults"][0]["actor"] = "nobody"


def _pointless_after_nothing(d: Document) -> None:
    d["steps"][1]["unless"] = {"boot_loop": ["maybe"]}


def _dead_end(d: Document) -> None:
    d["faults"][0]["weight"] -= 0.01
    d["faults"].insert(0, {**copy.deepcopy(d["faults"][0]), "id": "pw_ghost", "weight": 0.01})


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_same_step_twice, "duplicate"),
        (_same_answer_twice, "duplicate"),
        (_id_with_spaces, "id"),
        (_row_for_nobody, "unknown_fault"),
        (_cure_for_nobody, "unknown_fault"),
        (_useless_fix, "cures_nothing"),
        (_no_other, "other_missing"),
        (_english_missing, "language"),
        (_advice_missing_in_chinese, "language"),
        (_safety_second, "safety"),
        (_safety_gone, "safety"),
        (_safety_sign_gone, "safety"),
        (_safety_sign_harmless, "safety"),
        (_safety_only_with_battery, "safety"),
        (_long_question, "length"),
        (_long_answer, "length"),
        (_one_answer, "answers"),
        (_short_row, "row"),
        (_fix_answers_renamed, "answers"),
        (_likelihood_above_one, "probability"),
        (_cure_above_one, "probability"),
        (_weights_too_small, "weights"),
        (_no_minutes, "minutes"),
        (_call_costs_nothing, "limits"),
        (_unknown_feature, "condition"),
        (_unknown_connection, "condition"),
        (_fact_that_drowns_all_others, "times"),
        (_fact_that_rules_out, "times"),
        (_unknown_actor, "actor"),
        (_pointless_after_nothing, "unless"),
        (_dead_end, "dead_end"),
        (_dead_end, "alike"),
    ],
)
def test_what_keeps_a_flow_from_being_published(
    document: Document, spoil: Callable[[Document], None], code: str
) -> None:
    spoil(document)
    assert code in codes(document)


def test_a_dead_end_that_is_the_desks_is_none(document: Document) -> None:
    _dead_end(document)
    document["faults"][0]["desk_only"] = True
    assert "dead_end" not in codes(document)


@pytest.mark.parametrize(
    ("advice", "words"),
    [
        ("done", "成功就可以接着用"),
        ("call", "剩下的要我们来查"),
        ("safety.battery_swollen", "拔掉充电器"),
        ("si_master_key", "密钥"),
        ("si_no_network", "先别用这台机器收款"),
        ("no_such.thing", "先别用这台机器收款"),
    ],
)
def test_advice_by_its_id(advice: str, words: str) -> None:
    assert words in FLOWS["cannot_sign_in"].advice(advice).zh
