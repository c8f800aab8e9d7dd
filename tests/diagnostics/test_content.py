"""What the ten flows say and ask: the rules that hold whatever common advice says."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from diagnostics import engine
from diagnostics.engine import Answer, Ask, Attributes
from diagnostics.fault_trees import OBSERVED, bundled_flows
from diagnostics.flow import INSTRUCTION_HAN, SAFETY, Check, Fix, Flow, Step, Text, han, validate
from tests.diagnostics.walks import asked, but, plain, policies, policies_towards, typical

ROOT = Path(__file__).parents[2]
TREES: dict[str, Any] = yaml.safe_load((ROOT / "diagnostics/data/fault_trees.yaml").read_text())
TEXTS: dict[str, Any] = yaml.safe_load((ROOT / "diagnostics/data/merchant_texts.yaml").read_text())
FLOWS = {flow.id: flow for flow in bundled_flows()}
EVERY_FLOW = pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
NOTHING_KNOWN = Attributes()


def words_of(step: Step) -> Iterator[Text]:
    """Everything a step says."""
    yield step.text
    if step.how is not None:
        yield step.how
    for option in step.answers:
        yield option.text
        yield from (text for text in (option.detail, option.advice) if text is not None)


def merchant_words() -> Iterator[tuple[str, Text]]:
    """Everything that a merchant can come to read in a walk, with where it stands."""
    for flow in FLOWS.values():
        for step in flow.steps:
            if step.actor == "merchant":
                yield from ((f"{flow.id}/{step.id}", text) for text in words_of(step))
        for fault in flow.faults:
            if fault.advice is not None:
                yield f"{flow.id}/{fault.id}", fault.advice
        yield from ((f"{flow.id}/exit", way.advice) for way in flow.exits)
        for text in (flow.title, flow.hint, flow.keep_selling, flow.done, flow.stop_text):
            yield flow.id, text


WORDS = list(merchant_words())


def fixes() -> Iterator[tuple[Flow, Fix]]:
    """Every fix of every flow."""
    for flow in FLOWS.values():
        for step in flow.steps:
            if isinstance(step, Fix):
                yield flow, step


def said(text: Text) -> str:
    """Both languages, for a search."""
    return f"{text.zh} {text.en}"


def how(flow: str, step_id: str) -> str:
    """The line below an instruction, in both languages."""
    step = FLOWS[flow].step(step_id)
    assert step is not None
    assert step.how is not None
    return said(step.how)


# --- Sentences that would do harm ----------------------------------------------------


def test_nobody_but_the_depot_opens_it() -> None:
    for where, text in WORDS:
        # To open is named only to forbid it, to ask whether somebody did, or to get out of it.
        for found in re.finditer("拆", text.zh):
            before = text.zh[: found.start()]
            forbidden = re.search("(不要|别|不)[^，。]{0,4}$", before)
            told = "被拆" in text.zh or "防拆" in text.zh or "做不到" in text.zh
            assert forbidden or told or "拆成几笔" in text.zh, (where, text.zh)
        assert not re.search("主板|内存|硬盘|螺丝刀|撬", text.zh), (where, text.zh)
        assert not re.search(r"main ?board|motherboard|hard dis[ck]|pry", text.en, re.IGNORECASE), (
            where
        )
    for flow in FLOWS.values():
        screen = flow.steps[0]
        assert screen.how is not None
        for word in ("只看", "只听", "不要拆"):
            assert word in screen.how.zh
        # Something loose inside is heard, and stops use.
        rattle = next(option for option in screen.answers if option.id == "liquid_or_drop")
        assert rattle.detail is not None
        assert rattle.stop
        assert "响声" in rattle.detail.zh
        assert "rattle" in rattle.detail.en
    inside = {"pw_board", "nw_module", "cr_hw", "sk_broken_screen", "sk_key", "sk_backlight",
              "tp_backup_cell", "pr_hw", "pw_port"}  # fmt: skip
    for _, fix in fixes():
        for fault in inside & set(fix.cures):
            if fix.cures[fault] >= 0.5:
                assert fix.actor in {"field", "depot"}, (fix.id, fault)


RESTARTING = {flow.id: flow for flow in FLOWS.values() if flow.step("restart")}
GATED = [
    (flow, fix)
    for flow, fix in fixes()
    if fix.actor == "merchant" and "last_sale_open" in fix.after
]


def test_a_restart_waits_for_the_last_payment_and_comes_once() -> None:
    assert set(RESTARTING) == {
        "cannot_sign_in", "cannot_print", "card_not_read", "no_power", "screen_keyboard",
        "app_firmware",
    }  # fmt: skip
    assert {fix.id for _, fix in GATED} == {"restart", "refit_sim", "reseat_battery"}
    for flow in RESTARTING.values():
        restart = flow.step("restart")
        assert restart is not None
        found = 0
        for policy in (*policies(flow), *policies_towards(flow, restart)):
            steps = asked(flow, NOTHING_KNOWN, "merchant", policy)
            if "restart" in steps:
                found += 1
                assert steps.count("restart") == 1
                assert "last_sale_open" in steps[: steps.index("restart")], (flow.id, steps)
                for answer in ("yes", "unsure"):
                    unknown = but(policy, "last_sale_open", answer)
                    assert "restart" not in asked(flow, NOTHING_KNOWN, "merchant", unknown)
            if found == 3:
                break
        assert found, flow.id
    assert "只重启一次" in how("app_firmware", "restart")
    question = FLOWS["app_firmware"].step("last_sale_open")
    assert question is not None
    assert question.how is not None
    assert "先别再收一次" in question.how.zh


def test_the_question_before_a_restart_holds_by_either_order() -> None:
    flow = FLOWS["app_firmware"]
    known = [Answer(SAFETY, "none"), Answer("third_party_app", "no"), Answer("app_crash", "yes")]
    for order in ("expected", "authored"):
        answers = list(known)
        steps: list[str] = []
        while isinstance(
            found := engine.next_step(flow, NOTHING_KNOWN, answers, actor="merchant", order=order),
            Ask,
        ):
            steps.append(found.step.id)
            answers.append(Answer(found.step.id, plain(found.step)))
        assert "restart" in steps, order
        assert steps[steps.index("restart") - 1] == "last_sale_open", order


def test_updates_are_the_desks_and_wait_until_nothing_can_be_lost() -> None:
    for where, text in WORDS:
        for found in re.finditer("更新|升级|刷机|固件|安装包", text.zh):
            before = text.zh[: found.start()]
            # Seen on the screen, or told to leave it alone.
            assert re.search("正在$|提示|、$", before) or "失败" in text.zh, (where, text.zh)
    pushes = {
        fix.id for _, fix in fixes() if re.search("推送|更新", fix.text.zh) and fix.actor == "desk"
    } - {"pr_app_setting_desk", "st_old_records_desk"}
    assert pushes == {"si_software_desk", "ap_update_fail_desk", "ap_old_desk"}
    for flow, fix in fixes():
        if fix.id in pushes:
            assert fix.after == ("update_not_ready",), fix.id
            assert fix.unless == {"update_not_ready": ("yes",)}
            gate = flow.step("update_not_ready")
            assert gate is not None
            assert gate.actor == "desk"
            assert gate.how is not None
            for word in ("未结算", "电量", "没插电", "营业"):
                assert word in gate.how.zh
            assert "结算" in fix.text.zh, fix.id
    for name in ("ap_old_desk", "si_software_desk"):
        flow_id = "app_firmware" if name.startswith("ap") else "cannot_sign_in"
        found_fix = FLOWS[flow_id].step(name)
        assert found_fix is not None
        assert "厂商或收单渠道" in found_fix.text.zh


def test_an_update_is_not_offered_to_the_desk_while_something_can_be_lost() -> None:
    flow = FLOWS["app_firmware"]
    old = typical(flow, "ap_old")
    ready = asked(flow, NOTHING_KNOWN, "desk", but(old, "update_not_ready", "no"))
    assert "update_not_ready" in ready[: ready.index("ap_old_desk")]
    for answer in ("yes",):
        waiting = asked(flow, NOTHING_KNOWN, "desk", but(old, "update_not_ready", answer))
        assert "ap_old_desk" not in waiting


def test_parts_are_original_and_from_outside() -> None:
    parts = [
        (cause["id"], fix)
        for tree in TREES["symptoms"]
        for cause in tree["causes"]
        for fix in cause["fixes"]
        if fix["kind"] == "part"
    ]
    assert len(parts) >= 7
    for name, fix in parts:
        good = re.search("原装|底座|里面的件不寄", fix["zh"])
        assert good, (name, fix["zh"])
        assert fix["actor"] in {"merchant", "desk"}, name
    for where, text in WORDS:
        if "换" in text.zh and "充电器" in text.zh:
            assert "原装" in text.zh, (where, text.zh)
    battery = FLOWS["no_power"].step("reseat_battery")
    assert battery is not None
    assert battery.requires == {"battery": (True,), "removable_battery": (True,)}
    sealed = Attributes({"removable_battery": False})
    for policy in policies(FLOWS["no_power"]):
        assert "reseat_battery" not in asked(FLOWS["no_power"], sealed, "merchant", policy)


def test_cleaning_is_dry() -> None:
    head = how("cannot_print", "clean_print_head")
    for word in ("干布", "不用水", "酒精", "刀片", "Dry lint-free"):
        assert word in head
    fix = FLOWS["cannot_print"].step("clean_print_head")
    assert fix is not None
    assert "关机" in fix.text.zh
    assert "湿布" in how("card_not_read", "clean_reader")
    assert "不喷清洁剂" in how("screen_keyboard", "wipe_dry")
    assert "不要用刀和镊子" in how("cannot_print", "clear_paper") or "不要用刀" in how(
        "cannot_print", "clear_paper"
    )
    for where, text in WORDS:
        for found in re.finditer("酒精|湿布|刀|喷|吹风机|镊子", text.zh):
            before = text.zh[: found.start()]
            assert re.search("(不要|别|不)[^。；]{0,8}$", before), (where, text.zh)


def test_nobody_copies_card_data() -> None:
    for where, text in WORDS:
        assert not re.search("备份|拷贝|抄下|复制", text.zh), (where, text.zh)
        assert not re.search("back ?up|copy", text.en, re.IGNORECASE), (where, text.en)
        for found in re.finditer("卡号|密码", text.zh):
            before = text.zh[: found.start()]
            around = text.zh[max(0, found.start() - 8) : found.end() + 6]
            harmless = re.search(
                "不用|不要|错|您自己输|要密码|带密码|设密码|要输|输密码|改过|告诉|管理", around
            )
            assert harmless, (where, text.zh)
            assert not re.search("(告诉|发给)(我们|客服)[^，。]{0,3}$", before) or "不用" in before
    for flow in FLOWS.values():
        way = flow.exit("acquirer")
        assert way is not None
        assert "不用报卡号和密码" in way.advice.zh
        swap = flow.exit("replacement")
        assert swap is not None
        assert "先结算" in swap.advice.zh
        assert "不要删除交易" in swap.advice.zh
    after = FLOWS["settlement_batch"].step("st_after_swap_desk")
    assert isinstance(after, Fix)
    for word in ("主机", "交易历史", "补打", "合计"):
        assert word in after.text.zh
    for _, fix in fixes():
        if fix.actor == "depot":
            assert "不附任何卡资料" in fix.text.zh


def test_bluetooth_is_a_room_not_a_network() -> None:
    pair = FLOWS["network_down"].step("pair_again")
    assert isinstance(pair, Fix)
    assert pair.requires == {"bluetooth": (True,)}
    assert "底座" in pair.text.zh
    for word in ("同一间屋", "10 米", "same room"):
        assert word in how("network_down", "pair_again")
    for where, text in WORDS:
        if "蓝牙" in text.zh:
            assert "网络范围" not in text.zh, where
            assert "同一网络" not in text.zh, where
        assert "安装在机器" not in text.zh, where


def test_no_public_wifi() -> None:
    own = how("network_down", "use_own_wifi")
    assert "不用公共的" in own
    assert "密码" in own
    assert "热点要设密码" in how("network_down", "switch_network")
    for where, text in WORDS:
        for found in re.finditer("公共", text.zh):
            before = text.zh[: found.start()]
            assert before.endswith("不用") or "也算" in text.zh, (where, text.zh)


def test_the_firewall_stays_on() -> None:
    for where, text in WORDS:
        for found in re.finditer("防火墙", text.zh):
            assert re.search("不用?关$", text.zh[: found.start()]), (where, text.zh)
        if "firewall" in text.en:
            assert "stays on" in text.en, (where, text.en)
    for flow_id, step_id in [("network_down", "nw_firewall_desk"),
                             ("cannot_sign_in", "si_host_path_desk_2")]:  # fmt: skip
        step = FLOWS[flow_id].step(step_id)
        assert step is not None
        for word in ("按域名", "出站", "不关防火墙"):
            assert word in step.text.zh, step_id


def test_no_make_no_offer_no_link() -> None:
    everything = [*WORDS, *((flow.id, text) for flow in FLOWS.values()
                            for step in flow.steps for text in words_of(step))]  # fmt: skip
    for where, text in everything:
        assert not re.search("银联|支付宝|微信|拉卡拉|申请办理|免费领", text.zh), (where, text.zh)
        assert not re.search(r"https?:|www\.|\.com", said(text)), where


# --- Stops and order -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow_id", "step_id"),
    [
        ("card_not_read", "foreign_object"),
        ("app_firmware", "third_party_app"),
        ("cannot_sign_in", "sn_differs"),
        ("screen_keyboard", "screen_cracked"),
    ],
)
def test_a_sign_of_meddling_or_damage_stops_use(flow_id: str, step_id: str) -> None:
    flow = FLOWS[flow_id]
    outcome = engine.next_step(
        flow, NOTHING_KNOWN, [Answer(SAFETY, "none"), Answer(step_id, "yes")], actor="merchant"
    )
    assert isinstance(outcome, engine.Outcome)
    assert (outcome.kind, outcome.advice) == ("stop_use", f"{step_id}.yes")


def test_something_in_the_slot_is_the_question_of_a_skimmer() -> None:
    flow = FLOWS["card_not_read"]
    step = flow.step("foreign_object")
    assert isinstance(step, Check)
    assert step.always
    assert "加装" in step.text.zh
    assert step.row("cr_skimmer")[0] > 0.9
    belief = engine.posterior(flow, NOTHING_KNOWN, [Answer("foreign_object", "yes")])
    assert belief["cr_skimmer"] > 5 * flow.faults[-1].weight * 0.04


def test_router_first_then_two_minutes_then_the_terminal() -> None:
    router = FLOWS["network_down"].step("restart_router")
    assert isinstance(router, Fix)
    assert router.wait_seconds == 150
    line = how("network_down", "restart_router")
    assert line.index("2 分钟") < line.index("重启机器")
    assert "先看上一笔" in line


def test_an_address_is_changed_only_where_it_was_seen_to_be_wrong() -> None:
    flow = FLOWS["network_down"]
    answer = typical(flow, "nw_ip_config")
    steps = asked(flow, NOTHING_KNOWN, "merchant", answer)
    assert steps.index("bad_ip") < steps.index("automatic_address")
    for seen in ("no", "unsure"):
        other = but(answer, "bad_ip", seen)
        assert "automatic_address" not in asked(flow, NOTHING_KNOWN, "merchant", other)


def test_a_flat_battery_is_asked_early_and_charged_first() -> None:
    flow = FLOWS["cannot_sign_in"]
    answer = typical(flow, "si_power")
    steps = asked(flow, NOTHING_KNOWN, "merchant", answer)
    assert steps[1] == "battery_low"
    assert "charge_then_sign_in" in steps
    full = asked(flow, NOTHING_KNOWN, "merchant", but(answer, "battery_low", "no"))
    assert "charge_then_sign_in" not in full


def test_half_an_hour_on_the_charger_then_ten_seconds() -> None:
    fix = FLOWS["no_power"].step("charge_half_hour")
    assert isinstance(fix, Fix)
    assert fix.wait_seconds == 1800
    assert "原装" in fix.text.zh
    assert "10 秒" in how("no_power", "charge_half_hour")


def test_a_wifi_with_a_web_page_gets_its_own_way_out() -> None:
    flow = FLOWS["network_down"]
    wifi = Attributes({"connection": "wifi"})
    steps = asked(flow, wifi, "merchant", typical(flow, "nw_portal"))
    assert steps.index("portal_wifi") < steps.index("use_own_wifi")
    cable = Attributes({"wifi": False, "connection": "ethernet"})
    for policy in policies(flow):
        assert "use_own_wifi" not in asked(flow, cable, "merchant", policy)


# --- Numbers -------------------------------------------------------------------------


@EVERY_FLOW
def test_nothing_keeps_it_from_being_published(flow: Flow) -> None:
    assert validate(flow) == []


def told_apart(flow: Flow, one: str, other: str) -> bool:
    """Whether some check answers differently, or some fix cures only one, in somebody's hands."""
    for step in flow.steps:
        if isinstance(step, Check) and step.row(one) != step.row(other):
            return True
        if isinstance(step, Fix) and step.cures.get(one, 0) != step.cures.get(other, 0):
            return True
    return False


@EVERY_FLOW
def test_every_two_causes_are_told_apart(flow: Flow) -> None:
    names = [fault.id for fault in flow.faults]
    assert [pair for pair in combinations(names, 2) if not told_apart(flow, *pair)] == []


@EVERY_FLOW
def test_every_cause_but_the_other_has_a_fix_of_somebody(flow: Flow) -> None:
    cured = {fault for step in flow.steps if isinstance(step, Fix) for fault in step.cures}
    assert {fault.id for fault in flow.faults} - cured == {"other"}
    for step in flow.steps:
        if isinstance(step, Fix):
            assert max(step.cures.values()) >= 0.25, f"{step.id} helps hardly anybody"


# Pairs that ask nearly the same: one question with one tap, wherever both apply.
NEARLY_THE_SAME = [
    ("clock_wrong", "clock_lost"),
    ("key_dead", "stuck_key_beep"),
    ("lens_dirty", "code_screen_dim"),
    ("one_card_only", "many_cards_same"),
    ("chip_only", "nfc_only"),
    ("code_key", "text_key_missing"),
    ("code_batch", "text_batch_reversal"),
    ("selftest_faint", "selftest_no_feed"),
]


def test_questions_that_ask_nearly_the_same_are_one() -> None:
    for flow in FLOWS.values():
        steps = {step.id for step in flow.steps}
        for one, other in NEARLY_THE_SAME:
            assert not {one, other} <= steps, (flow.id, one, other)
    # Charging for half an hour is a fix and not a question beside it.
    assert "dead_after_charge" not in {check["id"] for check in TREES["checks"]}
    assert FLOWS["declines"].step("which_cards") is not None
    assert FLOWS["cannot_sign_in"].step("clock_state") is not None


def test_what_ends_in_ok_is_something_to_do() -> None:
    tries = {name for entry in TEXTS["fixes"].values() for name in entry.get("tries", ())}
    acts = {check["id"] for check in TREES["checks"] if check["id"].endswith("_ok")} - OBSERVED
    assert acts == tries


def test_what_goes_with_the_desks_fixes_belongs_to_one() -> None:
    known = {fix.id for _, fix in fixes() if fix.actor != "merchant"}
    assert set(TEXTS["desk_fixes"]) <= known


def test_the_share_of_each_actor_is_the_trees_own() -> None:
    shares: dict[str, float] = {}
    for tree in TREES["symptoms"]:
        for cause in tree["causes"]:
            who = cause["who_fixes"]
            shares[who] = shares.get(who, 0) + tree["share"] * cause["prior"]
    assert shares == pytest.approx(TREES["calibration"]["model_result"], abs=0.001)


# --- Words of handing over -----------------------------------------------------------


def test_each_way_to_hand_over_says_what_to_do() -> None:
    ways = TEXTS["outcomes"]["exits"]
    assert set(ways) == {"desk", "acquirer", "network_provider", "replacement"}
    for name, words in ways.items():
        assert han(words["title"]["zh"]) <= 8, name
        assert len(words["title"]["en"]) <= 30, name
        assert han(words["advice"]["zh"]) <= 80, name
        for sentence in words["advice"]["zh"].split("。"):
            assert han(sentence) <= 2 * INSTRUCTION_HAN, name
    assert ways["desk"]["advice"] == TEXTS["outcomes"]["call"]
