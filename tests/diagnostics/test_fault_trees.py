"""From fault trees and texts to flows: golden facts, numbers, and the tone of every line."""

import copy
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lucide
import pytest
import yaml

from diagnostics.fault_trees import TextsError, build_flows, bundled_flows
from diagnostics.flow import (
    FLAGS,
    SAFETY,
    SAFETY_SIGNS,
    Check,
    Fix,
    Flow,
    Text,
    han,
    validate,
)

ROOT = Path(__file__).parents[2]
TREES: dict[str, Any] = yaml.safe_load((ROOT / "diagnostics/data/fault_trees.yaml").read_text())
TEXTS: dict[str, Any] = yaml.safe_load((ROOT / "diagnostics/data/merchant_texts.yaml").read_text())
MODELS: dict[str, Any] = yaml.safe_load((ROOT / "terminals/data/terminal_models.yaml").read_text())
FLOWS = {flow.id: flow for flow in bundled_flows()}


def check(flow: str, step: str) -> Check:
    """A check that must be there."""
    found = FLOWS[flow].step(step)
    assert isinstance(found, Check)
    return found


def fix(flow: str, step: str) -> Fix:
    """A fix that must be there."""
    found = FLOWS[flow].step(step)
    assert isinstance(found, Fix)
    return found


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_every_bundled_flow_may_be_published(flow: Flow) -> None:
    assert validate(flow) == []


# symptom: merchants' checks (the safety screen is one), merchants' fixes, everybody else's steps
COUNTS = {
    "cannot_sign_in": (17, 8, 25),
    "network_down": (14, 10, 17),
    "cannot_print": (10, 8, 5),
    "card_not_read": (9, 6, 8),
    "no_power": (7, 4, 7),
    "screen_keyboard": (7, 3, 6),
    "app_firmware": (7, 1, 17),
    "declines": (6, 3, 8),
    "tamper_locked": (5, 0, 9),
    "settlement_batch": (6, 3, 8),
}


def test_counts_per_symptom() -> None:
    found = {
        name: (
            sum(isinstance(s, Check) and s.actor == "merchant" for s in flow.steps),
            sum(isinstance(s, Fix) and s.actor == "merchant" for s in flow.steps),
            sum(s.actor != "merchant" for s in flow.steps),
        )
        for name, flow in FLOWS.items()
    }
    assert found == COUNTS


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_other_takes_a_twentieth_and_the_rest_keeps_its_ratio(flow: Flow) -> None:
    weights = {fault.id: fault.weight for fault in flow.faults}
    assert weights.pop("other") == 0.05
    tree = next(symptom for symptom in TREES["symptoms"] if symptom["id"] == flow.id)
    priors = {cause["id"]: 0.95 * cause["prior"] for cause in tree["causes"]}
    assert weights == pytest.approx(priors, abs=1e-5)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_rows_are_distributions_and_the_leak_stands_elsewhere(flow: Flow) -> None:
    for step in flow.steps:
        if isinstance(step, Check):
            for row in (step.default, *step.given.values()):
                assert sum(row) == pytest.approx(1, abs=1e-5)
            if [option.id for option in step.telling] == ["yes", "no"]:
                assert step.default == (0.04, 0.96)


def test_every_check_of_the_trees_is_somewhere_in_its_symptoms() -> None:
    for tree in TREES["symptoms"]:
        flow = FLOWS[tree["id"]]
        reachable = {step.id for step in flow.steps}
        for step in flow.steps:
            for option in step.choices:
                reachable |= {option.id, *option.covers}
        tries = {name for text in TEXTS["fixes"].values() for name in text.get("tries", ())}
        named = {name for cause in tree["causes"] for name in cause["evidence"]}
        assert named - tries - reachable == set(), tree["id"]


def test_a_try_out_becomes_a_fix_and_the_same_act_merges() -> None:
    router = fix("network_down", "restart_router")
    assert router.cures == {"nw_shop_line": 0.85}
    assert router.minutes == 5
    again = fix("cannot_sign_in", "sign_in_again")
    assert again.cures == {"si_batch_state": 0.5, "si_working_key": 0.85, "si_master_key": 0.02}
    adapter = fix("no_power", "other_adapter")
    assert adapter.cures == {"pw_adapter": 0.9, "pw_board": 0.03, "pw_port": 0.2}
    assert all(not step.id.endswith("_ok") for flow in FLOWS.values() for step in flow.steps)


def test_a_clear_test_page_is_something_seen_not_something_done() -> None:
    page = check("cannot_print", "print_test")
    best = page.row("pr_app_setting").index(max(page.row("pr_app_setting")))
    assert page.telling[best].id == "selftest_ok"
    assert page.telling[best].bad is False


def test_one_question_for_what_the_screen_says() -> None:
    screen = check("cannot_sign_in", "screen_message")
    ids = [option.id for option in screen.choices]
    assert ids == [
        "text_comm", "code_batch", "code_host", "code_registration", "code_key", "text_operator",
        "text_key_missing", "none", "unsure",
    ]  # fmt: skip
    assert screen.choices[1].covers == ("text_batch_reversal",)
    likeliest = screen.row("si_batch_state").index(max(screen.row("si_batch_state")))
    assert ids[likeliest] == "code_batch"


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_one_safety_screen_first_with_one_tap_for_the_normal_case(flow: Flow) -> None:
    first = flow.steps[0]
    assert first.id == SAFETY
    assert {*SAFETY_SIGNS, "none", "unsure"} == {option.id for option in first.choices}
    assert {option.id for option in first.choices if option.stop} == set(SAFETY_SIGNS)
    assert len({option.advice for option in first.choices if option.stop}) == len(SAFETY_SIGNS)


def test_the_four_signs_keep_their_evidence() -> None:
    screen = check("no_power", SAFETY)
    ids = [option.id for option in screen.telling]
    swollen = dict(zip(ids, screen.row("pw_swollen"), strict=True))
    assert swollen["battery_swollen"] > 0.9
    board = dict(zip(ids, screen.row("pw_board"), strict=True))
    assert board["liquid_or_drop"] > 0.4


def test_authored_order() -> None:
    for flow in FLOWS.values():
        kinds = [(step.kind, step.actor == "merchant") for step in flow.steps]
        assert kinds == sorted(kinds, key=lambda kind: (kind[0], kind[0] == "fix" and not kind[1]))
    steps = [step.id for step in FLOWS["no_power"].steps if step.actor == "merchant"]
    assert steps[-1] == "charge_half_hour", "half an hour comes last"
    assert steps[1:3] == ["idle_over_month", "charge_led_off"]
    assert FLOWS["declines"].steps[1].id == "unknown_result"
    fixes = [s.id for s in FLOWS["cannot_print"].steps if s.kind == "fix"]
    assert fixes[:4] == ["load_paper", "turn_paper", "close_cover", "clear_paper"]


def test_causes_without_a_merchants_fix_are_the_desks() -> None:
    for tree in TREES["symptoms"]:
        flow = FLOWS[tree["id"]]
        for cause in tree["causes"]:
            mine = any(item["actor"] == "merchant" for item in cause["fixes"])
            fault = flow.fault(cause["id"])
            assert fault is not None
            assert fault.desk_only is not mine
            assert fault.stop_use is cause["stop_use"]
            assert fault.advice is not None or not fault.stop_use


def test_staff_fixes_stay_in_the_document_with_their_actor() -> None:
    assert fix("cannot_sign_in", "si_registration_acquirer").actor == "acquirer"
    assert fix("cannot_sign_in", "si_tamper_field").cures == {"si_tamper": 0.85}


def test_a_missing_feature_or_another_link_makes_a_cause_unlikely() -> None:
    sim = FLOWS["network_down"].fault("nw_sim_state")
    assert sim is not None
    assert [(dict(when.conditions), when.times) for when in sim.when] == [
        ({"sim": (False,)}, 0.02),
        ({"connection": ("wifi", "ethernet", "bluetooth", "dial")}, 0.1),
    ]


# The signs at which card use ends whatever the numbers say.
STOP_AT_ONCE = {
    *SAFETY_SIGNS, "sn_differs", "foreign_object", "screen_cracked", "key_dead", "third_party_app",
    "text_key_missing",
}  # fmt: skip


def test_signs_that_stop_whatever_the_numbers_say() -> None:
    stops = set()
    for flow in FLOWS.values():
        for step in flow.steps:
            for option in step.choices:
                if option.stop:
                    assert option.advice is not None
                    stops.add(step.id if option.id == "yes" else option.id)
    assert stops == STOP_AT_ONCE


def test_building_names_what_has_no_text() -> None:
    for part, name, key in [
        ("checks", "paper_out", None),
        ("checks", "paper_out", "negative"),
        ("fixes", "load_paper", None),
        ("symptoms", "cannot_print", "keep_selling"),
    ]:
        texts = copy.deepcopy(TEXTS)
        if key is None:
            del texts[part][name]
        else:
            del texts[part][name][key]
        with pytest.raises(TextsError):
            build_flows(TREES, texts)


# The words


def texts_of(value: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, zh, en) of every text in the file."""
    if isinstance(value, dict):
        if set(value) == {"zh", "en"}:
            yield where, value["zh"], value["en"]
            return
        for key, inner in value.items():
            yield from texts_of(inner, f"{where}/{key}")


ALL_TEXTS = list(texts_of(TEXTS))


def test_both_languages_everywhere() -> None:
    assert len(ALL_TEXTS) > 500
    for where, zh, en in ALL_TEXTS:
        assert zh.strip(), where
        assert en.strip(), where
        # A list of codes reads the same in both.
        assert han(zh) or re.fullmatch(r"[0-9A-Z、]+", zh), where
        assert not han(en), where


FORBIDDEN_ZH = re.compile("[亲哦呢啦！!你]|登陆|其它|请您务必|抱歉|主板|内存|硬盘")
FORBIDDEN_EN = re.compile(r"!|\boops\b|\binvalid\b|\bvalid\b|\bplease\b", re.IGNORECASE)


def test_the_tone_of_every_line() -> None:
    for where, zh, en in ALL_TEXTS:
        assert not FORBIDDEN_ZH.search(zh), where
        assert not FORBIDDEN_EN.search(en), where
        assert "'" not in en, f"{where}: a typographic apostrophe"
        assert zh == zh.strip(), where
        assert en == en.strip(), where


def test_lengths_for_a_phone() -> None:
    for name, entry in {**TEXTS["checks"], **TEXTS["composites"]}.items():
        question = entry["question"]
        assert han(question["zh"]) <= 18, name
        assert len(question["zh"]) <= 26, name
        assert question["zh"].endswith("？"), name
        assert len(question["en"]) <= 60, name
        for part in ("positive", "negative", "option", "none"):
            if part in entry:
                assert 2 <= han(entry[part]["zh"]) <= 8, (name, part)
    for name, entry in TEXTS["fixes"].items():
        assert han(entry["text"]["zh"]) <= 24, name
        assert len(entry["text"]["en"]) <= 60, name
    for where, zh, en in ALL_TEXTS:
        if where.endswith("/how"):
            assert len(zh) <= 40, where
            assert len(en) <= 110, where
    for name, entry in TEXTS["symptoms"].items():
        assert han(entry["title"]["zh"]) <= 7, name
        assert len(entry["hint"]["zh"]) <= 13, name


def test_every_check_and_fix_says_how() -> None:
    for part in ("checks", "fixes", "composites"):
        for name, entry in TEXTS[part].items():
            assert entry["how"]["zh"], name


def test_all_100_checks_have_words() -> None:
    assert len(TREES["checks"]) == 100
    tries = {name for entry in TEXTS["fixes"].values() for name in entry.get("tries", ())}
    assert {item["id"] for item in TREES["checks"]} == set(TEXTS["checks"]) | tries


def test_texts_speak_only_of_what_is_there() -> None:
    repairs = {
        f"{cause['id']}/{n}"
        for tree in TREES["symptoms"]
        for cause in tree["causes"]
        for n, item in enumerate(cause["fixes"])
        if item["actor"] == "merchant"
    }
    claimed = [key for entry in TEXTS["fixes"].values() for key in entry.get("repairs", ())]
    assert sorted(claimed) == sorted(repairs)
    causes = {cause["id"] for tree in TREES["symptoms"] for cause in tree["causes"]}
    assert set(TEXTS["faults"]) <= causes
    for part in ("checks", "fixes", "composites", "symptoms"):
        for name, entry in TEXTS[part].items():
            assert set(entry.get("requires", ())) <= FLAGS, name


def test_every_icon_exists_in_lucide() -> None:
    archive = Path(lucide.__file__).parent / "lucide.zip"
    with zipfile.ZipFile(archive) as icons:
        names = {Path(name).stem for name in icons.namelist()}
    used = set()
    for flow in FLOWS.values():
        used.add(flow.icon)
        for step in flow.steps:
            used |= {step.icon, *(option.icon for option in step.choices)}
    assert used - names == {""}
    for flow in FLOWS.values():
        assert all(step.icon for step in flow.steps), flow.id


# What a merchant must never be told to do, and what must be said.


def merchant_words() -> Iterator[tuple[str, Text]]:
    """Instruction and how line of every step a merchant can meet."""
    for flow in FLOWS.values():
        for step in flow.steps:
            if step.actor == "merchant":
                yield f"{flow.id}/{step.id}", step.text
                if step.how is not None:
                    yield f"{flow.id}/{step.id}/how", step.how


def test_turning_it_off_asks_for_the_last_payment_first() -> None:
    for flow in FLOWS.values():
        for step in flow.steps:
            if isinstance(step, Fix) and step.actor == "merchant" and "关机" in step.text.zh:
                said = step.text.zh + (step.how.zh if step.how else "")
                assert "上一笔" in said or step.id == "refit_sim", step.id


def test_nobody_is_asked_for_a_password_or_to_open_the_case() -> None:
    for where, text in merchant_words():
        assert not re.search("告诉我们.{0,4}密码|把密码发", text.zh), where
        if "螺丝" in text.zh and "选" in text.zh:
            assert "做不到" in text.zh, where
    wifi = fix("network_down", "rejoin_wifi")
    assert wifi.how is not None
    assert "不用告诉我们" in wifi.how.zh
    for step in ("refit_sim", "reseat_battery"):
        how = TEXTS["fixes"][step]["how"]["zh"]
        assert "螺丝" in how, step
        assert "做不到" in how, step
    assert "房东" in TEXTS["fixes"]["restart_router"]["how"]["zh"]


def test_instructions_name_the_buttons_that_exist() -> None:
    unable = TEXTS["fix_answers"]["unable"]
    unsure = TEXTS["unsure"]
    for where, text in merchant_words():
        if "选“做" in text.zh or "就选“做" in text.zh:
            assert f"“{unable['zh']}”" in text.zh, where
            assert f"“{unable['en']}”" in text.en, where
        if "选“看" in text.zh:
            assert "“看不清”" in text.zh, where
            assert unsure["zh"].startswith("看不清")
            assert f"“{unsure['en']}”" in text.en, where


# Terminal models


def test_models_use_one_vocabulary_and_mark_what_a_source_states() -> None:
    for model in MODELS["models"]:
        assert set(model["connections"]) <= {"wifi", "cellular", "ethernet", "bluetooth", "dial"}
        assert set(model["features"]) == FLAGS, model["id"]
        assert all(value in (True, False, None) for value in model["features"].values())
        assert all(mark is True for mark in model["verified"].values())
        for name in model["verified"]:
            assert model["features"].get(name, True) is not None, (model["id"], name)
        assert bool(model["verified"]) <= bool(model["sources"]), model["id"]
        assert set(model["sources"]) <= set(MODELS["sources"])
    assert len({model["id"] for model in MODELS["models"]}) == 52


def test_a_socket_in_the_dock_is_ethernet_with_a_dock() -> None:
    models = {model["id"]: model for model in MODELS["models"]}
    pro = models["pax_a920pro"]
    assert "ethernet" in pro["connections"]
    assert pro["features"]["dock"] is True
    assert pro["verified"]["dock"] is True


def test_low_authority_sources_are_gone() -> None:
    for path in ("diagnostics/data/fault_trees.yaml", "terminals/data/terminal_models.yaml"):
        text = (ROOT / path).read_text()
        for word in ("low-authority", "low authority", "aliyun", "hfpos88", "cowontech", "seed"):
            assert word not in text, (path, word)
