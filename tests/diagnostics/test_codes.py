"""The catalogue of codes: found as typed and misread, in any text, in linear time."""

import dataclasses
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.codes import (
    _DATA,
    CHECKS,
    CodeEntry,
    CodesError,
    bundled,
    checks_in,
    folded,
    guessed_scheme,
    parsed,
)
from diagnostics.engine import Ask, Attributes, known_answers, next_step
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import SAFETY_SIGNS, Text

ENTRIES = bundled().entries
FLOWS = {flow.id: flow for flow in bundled_flows()}


def full_width(text: str) -> str:
    return "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text
    )


def misread(text: str) -> str:
    return text.replace("0", "O").replace("1", "l")


MISREAD = {
    "as it is": str,
    "full width": full_width,
    "O for 0, l for 1": misread,
    "I for 1": lambda text: text.replace("1", "I"),
    "small": str.lower,
    "capital": str.upper,
    "without spaces": lambda text: text.replace(" ", ""),
    "spaced out": " ".join,
    "all of it": lambda text: full_width(misread(text).lower()),
}


@pytest.mark.parametrize("change", MISREAD.values(), ids=MISREAD)
def test_every_entry_is_found_by_its_code_and_its_words_however_they_are_typed(change):
    for entry in ENTRIES:
        typed = change(entry.code)
        assert entry in bundled().by_code(typed), (entry.key, typed)
        assert entry in bundled().by_code(typed, entry.scheme)
        for words in (*entry.words, *entry.weak):
            found = [match.entry for match in bundled().in_text(change(words))]
            assert entry in found, (entry.key, change(words))


def test_every_word_is_found_within_what_people_write():
    for entry in ENTRIES:
        for words in entry.words:
            text = f"刚才屏幕上 {words} ，怎么办"
            found = [m for m in bundled().in_text(text) if m.entry == entry]
            places = {folded(text[m.start : m.end]) for m in found}
            assert folded(words) in places, (entry.key, text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("签到失败 77", {"unionpay_pos/77"}),
        ("77 请向网络中心签到", {"unionpay_pos/77"}),
        ("交易失败[51]", {"unionpay_pos/51"}),
        ("屏幕显示 Ａ O", set()),  # only the A stands behind the label: no guess
        ("屏幕显示ＡO", {"unionpay_pos/A0", "rapyd/A0"}),
        ("Ａ　O", {"unionpay_pos/A0", "rapyd/A0"}),
        ("error 58.", {"unionpay_pos/58", "gicc/58"}),
        ("rc=96 host", {"unionpay_pos/96"}),
        ("应答码：９６", {"unionpay_pos/96"}),
        ("HOSTTIMEOUT", {"pos_local/comm_timeout"}),
        ("通讯\n超时", {"pos_local/comm_timeout"}),
        ('{"ErrorCondition": "Busy"}', {"nexo_error_condition/Busy"}),
        ("Busy", {"nexo_error_condition/Busy"}),
        # Nothing of this is a code or a text of the screen.
        ("the line is busy", set()),
        ("a simple cannon", set()),
        ("我等了 20 分钟", set()),
        ("收了 51 元，12:30 的事", set()),
        ("有 3 台坏了 2", set()),
        ("说 50 块", set()),
        ("提示 30 秒后重试", set()),
        ("电话 13877770077", set()),
        ("", set()),
    ],
)
def test_what_is_found_in_a_text(text: str, keys: set[str]):
    found = {"/".join(match.entry.key) for match in bundled().in_text(text, typed=True)}
    assert found == keys


def test_a_log_needs_a_label_before_a_code_where_people_do_not():
    line = "12:00:01 77 96 A0 51"
    assert not bundled().in_text(line)
    assert not bundled().in_text("签到失败 77")
    assert [m.entry.code for m in bundled().in_text("respCode=77 ...")] == ["77"]
    assert [m.entry.code for m in bundled().in_text("签到失败 77", typed=True)] == ["77"]


def test_the_longest_text_wins():
    keys = {match.entry.code for match in bundled().in_text("校验错，请重新签到")}
    assert keys == {"99", "A0"}


def test_the_same_code_of_several_schemes_is_told_apart():
    found = bundled().by_code("58")
    assert [entry.scheme for entry in found] == ["unionpay_pos", "gicc"]
    assert len({entry.scheme_name for entry in found}) == 2
    assert [entry.scheme for entry in bundled().by_code("58", "gicc")] == ["gicc"]
    assert bundled().by_code("58", "nothing") == ()
    assert bundled().colliding == {"58", "03", "A0", "A1", "A2", "A3", "90", "91"}


def test_search_goes_from_the_code_over_the_words_to_what_holds_them():
    assert [entry.key for entry in bundled().search("77")] == [("unionpay_pos", "77")]
    assert bundled().search("签到失败 77")[0].code == "77"
    assert "51" in {entry.code for entry in bundled().search("余额")}
    assert bundled().search("E-9X") == ()
    assert bundled().search("失") == ()
    assert len(bundled().search("失败", limit=5)) == 5


# --- Evidence ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("签到失败 77", ("code_batch",)),
        ("AO", ("code_key",)),
        ("主密钥不存在", ("text_key_missing",)),
        ("通讯超时", ("text_comm",)),
        ("请先结算", ("text_batch_reversal", "batch_full_text")),
        ("77 通讯超时", ("code_batch", "text_comm")),
        ("打不出来", ()),
        # Somebody has to look: a safety sign is never taken from words.
        ("PED Tampered", ()),
        ("已触发", ()),
    ],
)
def test_what_the_screen_says_answers_checks(text: str, checks: tuple[str, ...]):
    assert checks_in(text) == checks


def test_the_checks_are_questions_of_the_flows_and_none_is_of_the_safety_screen():
    asked = set()
    for flow in FLOWS.values():
        for step in flow.steps:
            asked.add(step.id)
            for option in step.answers:
                asked |= {option.id, *getattr(option, "covers", ())}
    assert set(CHECKS) <= asked
    assert not set(CHECKS) & set(SAFETY_SIGNS)
    assert {entry.symptom for entry in ENTRIES} <= {"", *FLOWS}


def test_a_known_code_answers_its_question_and_hides_it():
    flow = FLOWS["cannot_sign_in"]
    given = known_answers(flow, checks_in("77"))
    assert [(answer.step_id, answer.answer_id) for answer in given] == [
        ("screen_message", "code_batch")
    ]
    asked = []
    answers = list(given)
    while isinstance(result := next_step(flow, Attributes(), answers, actor="merchant"), Ask):
        asked.append(result.step.id)
        ids = [option.id for option in result.step.answers]
        answers.append(type(given[0])(result.step.id, ids[-1]))
    assert asked
    assert "screen_message" not in asked


# --- The data ------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: "/".join(entry.key))
def test_the_texts_are_written_for_their_readers(entry: CodeEntry):
    merchant = entry.merchant
    # 机器 to merchants; 终端号 stands on their slips.
    assert "终端" not in merchant.zh.replace("终端号", "")
    for text in (merchant.zh, entry.desk.zh, entry.meaning.zh):
        assert not set(text) & set("!！?？,;")
        assert text == text.strip()
    for text in (merchant.en, entry.desk.en, entry.meaning.en):
        assert text.isascii() or not any("\u4e00" <= c <= "\u9fff" for c in text)
        assert "lease " not in text
    assert merchant.zh.endswith("。")
    assert len(merchant.zh) <= 70


@pytest.mark.parametrize("code", ["68", "94", "98", "comm_timeout", "reversal_pending"])
def test_nobody_is_told_to_charge_again_before_the_first_try_is_known(code: str):
    (entry,) = bundled().by_code(code)
    assert any(words in entry.merchant.zh for words in ("别再收", "别重复收", "先查上一笔"))


def test_where_the_meaning_has_a_source_it_is_named():
    assert all(entry.sources for entry in ENTRIES if entry.is_sourced)
    assert sum(entry.is_sourced for entry in ENTRIES) > 180
    by_name = {entry.key: entry for entry in ENTRIES}
    assert all(("unionpay_pos", entry.parent) in by_name for entry in ENTRIES if entry.parent)


def document() -> Any:
    return yaml.safe_load(_DATA.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "nobody"}, "known scheme"),
        ({"code": 77}, "in quotes"),
        ({"action": "nothing at all"}, "no action"),
        ({"checks": ["battery_swollen"]}, "unknown checks"),
        ({"sources": ["S999"]}, "unknown sources"),
        ({"meaning": {"zh": "只有中文"}}, "zh and en"),
        ({"code": "01"}, "twice"),
    ],
)
def test_a_fault_in_the_file_is_named(change: dict[str, Any], words: str):
    changed = document()
    changed["codes"][0] |= change
    with pytest.raises(CodesError, match=words):
        parsed(changed)


def test_an_own_definition_comes_first_and_leaves_the_shipped_ones_alone():
    own = CodeEntry(
        scheme="own", code="58", scheme_name=Text("自有", "Own"), meaning=Text("甲", "A"),
        merchant=Text("乙", "B"), desk=Text("丙", "C"), on_screen="58", words=("请找市场部",),
        checks=("code_host",), is_own=True,
    )  # fmt: skip
    catalogue = bundled().with_own([own])
    assert catalogue.by_code("58")[0] is own
    assert checks_in("请找 市场部", catalogue) == ("code_host",)
    assert own not in bundled().by_code("58")
    assert bundled().with_own([]) is bundled()
    assert bundled().with_own([own]) is catalogue  # built once


@pytest.mark.parametrize(
    ("text", "scheme"), [("Z9", "unionpay_pos"), ("请找市场部", "pos_local"), ("E77X", "")]
)
def test_a_scheme_is_guessed_from_the_form(text: str, scheme: str):
    assert guessed_scheme(text) == scheme


# --- Any text ------------------------------------------------------------------------

PIECES = st.sampled_from([
    *(words for entry in ENTRIES for words in entry.words), "77", "Ａ０", "代码", "code", "[", "]",
    "\n", " ", "\u3000", "：", "显示", "_", "\u200b", "０", "lO", "\ud800", "😀", "%", "元",
])  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))


@given(TEXTS)
def test_no_text_breaks_the_reader(text: str):
    for typed in (False, True):
        found = bundled().in_text(text, typed=typed)
        for match in found:
            assert 0 <= match.start < match.end <= len(text)
        assert [m.start for m in found] == sorted(m.start for m in found)
        assert len({(m.start, m.end, m.entry.key) for m in found}) == len(found)
    assert set(checks_in(text)) <= set(CHECKS)
    assert len(bundled().search(text)) <= 12
    assert folded(folded(text)) == folded(text)
    guessed_scheme(text)


@given(TEXTS)
def test_what_a_log_names_a_person_names_too(text: str):
    strict = {(m.start, m.end, m.entry.key) for m in bundled().in_text(text)}
    typed = {(m.start, m.end, m.entry.key) for m in bundled().in_text(text, typed=True)}
    assert strict <= typed


@pytest.mark.parametrize(
    "piece",
    [
        "代码",
        "校验错 ",
        "T A M P E ",
        "7",
        "code ",
        "[",
        "交易失败，请联系发卡",
        "_a",
        "\n 77",
        "代码:::",
    ],
)
def test_time_grows_with_the_length_only(piece: str):
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        best = 9e9
        for _ in range(3):
            start = time.process_time()
            bundled().in_text(text, typed=True)
            best = min(best, time.process_time() - start)
        return best

    bundled().in_text(piece)
    # Eight times the text; a quadratic reader would take sixty-four times as long.
    assert seconds(160_000) < 24 * max(seconds(20_000), 0.001)


def test_a_long_word_of_ones_own_does_not_slow_reading_down():
    """Each place of a text is tried once for each length that a word has, not for each letter."""
    long = dataclasses.replace(bundled().entries[0], words=("b" * 400,))
    catalogue = bundled().with_own([long])
    started = time.process_time()
    catalogue.in_text("b" * 20_000)
    # 0.1 s here; one try for each letter took 8 s.
    assert time.process_time() - started < 3
