"""Laws of the scrubber: disguises are seen through, labelled keepers stay, twice is once."""

import io
import re
import sys

import pytest
from django.core.management import call_command
from hypothesis import example, given
from hypothesis import strategies as st

from posdoctor.core.card_issuers import is_card
from posdoctor.core.card_labels import REMOVED
from posdoctor.core.scrub import find_regions, scrub, scrub_report
from tests.core.test_scrub import (
    SCRIPTS,
    card_numbers,
    digits_of,
    disguised,
    luhn,
    messy,
    unionpay_numbers,
)

MARKS = ["/", ",", "，", "、", "+", "_", "|", ";", "／", "%20", "&nbsp;", " / ", ", "]
LOOSE = [" ", "-", ".", "\u3000", "\u200b", "\n"]
quiet = st.text(st.sampled_from("刷不了卡退款abc \n。！"), max_size=8)


def fours(number: str) -> list[str]:
    return [number[n : n + 4] for n in range(0, len(number), 4)]


def is_masked(number: str, clean: str) -> bool:
    return f"{number[:6]}******{number[-4:]}" in clean and number not in digits_of(clean)


@given(
    number=card_numbers(any_unionpay=False),
    marks=st.lists(st.sampled_from([*MARKS, *LOOSE]), min_size=4, max_size=4),
    zero=st.sampled_from(SCRIPTS),
    before=quiet,
    after=quiet,
)
def test_marks_of_any_mixture_join_a_number(
    number: str, marks: list[str], zero: int, before: str, after: str
):
    shown = "".join(chr(zero + int(digit)) for digit in number)
    groups = fours(shown)
    text = groups[0] + "".join(m + g for m, g in zip(marks, groups[1:], strict=False))
    if len(groups) > 1 and len({g[:2] for g in fours(number)}) > 1:
        # UnionPay's sixteen digits may be found before the mark and the rest of nineteen.
        assert number[:16] not in digits_of(scrub(before + text + after))


@given(number=card_numbers(any_unionpay=False), mark=st.sampled_from(MARKS[:9]))
def test_single_digits_between_marks_join_a_number(number: str, mark: str):
    assert is_masked(number, scrub(f"卡 {mark.join(number)}。"))


@given(number=unionpay_numbers, mark=st.sampled_from(MARKS))
def test_unionpay_in_its_printed_shape_needs_no_check_digit(number: str, mark: str):
    groups = fours(number)
    if len({group[:2] for group in groups}) == 1:
        return  # a list of numbers that begin alike
    assert number not in digits_of(scrub(f"卡 {mark.join(groups)}。"))


@given(
    number=card_numbers(any_unionpay=False),
    lead=st.sampled_from(["0", "000", "20261121", "20261121123045"]),
)
def test_an_explained_lead_hides_no_number(number: str, lead: str):
    if len(number) >= 16:
        clean = scrub(lead + number)
        assert number not in digits_of(clean)


@given(
    number=card_numbers(any_unionpay=False),
    expiry=st.sampled_from(["2712", "3001", "1227", "2712123"]),
)
def test_a_glued_expiry_date_goes_with_the_number(number: str, expiry: str):
    if len(number) >= 16:
        assert number not in digits_of(scrub(f"{number}{expiry}"))


@given(number=card_numbers(any_unionpay=False))
def test_numerals_are_digits(number: str):
    spoken = number.translate(str.maketrans("0123456789", "零一二三四五六七八九"))
    circled = number.translate(str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨"))
    for text in (spoken, circled):
        assert is_masked(number, scrub(f"卡号{text}。"))


@given(number=card_numbers(any_unionpay=False))
def test_chip_data_hides_no_number(number: str):
    padded = number + "F" * (len(number) % 2)
    clean = scrub(f"9F2701805A{len(padded) // 2:02X}{padded}5F24")
    assert number not in digits_of(clean)


@given(
    number=card_numbers(),
    label=st.sampled_from(
        [
            "参考号 ",
            "RRN: ",
            "终端号",
            "TID ",
            "电话",
            "手机号：",
            "批次",
            "凭证号 ",
            "授权码 ",
            "T-",
            "M-",
            "IMEI ",
            "商户号：",
            "ICCID ",
        ]
    ),
)
def test_no_label_keeps_what_it_cannot_mean(number: str, label: str):
    if len(number) < 16:
        return
    assert number not in digits_of(scrub(label + number))


KEEPERS = st.one_of(
    st.from_regex(r"ICCID[: ]?8986[0-9]{16}", fullmatch=True),
    st.from_regex(r"IMEI[: ]35[0-9]{13}", fullmatch=True),
    st.from_regex(r"(商户号|MID=|商户编号：)[0-9]{15}", fullmatch=True),
    st.from_regex(r"(终端号|TID[: ])[0-9]{8}", fullmatch=True),
    st.from_regex(r"(参考号|RRN |检索参考号：)[0-9]{12}", fullmatch=True),
    st.from_regex(r"(手机|电话：|tel )1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"0(10|21|28|755)-[2-8][0-9]{7}", fullmatch=True),
    st.from_regex(r"[TMSP]-[2-9A-HJKMNP-Z]{6}", fullmatch=True),
    st.from_regex(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])", fullmatch=True),
    st.from_regex(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", fullmatch=True),
    st.from_regex(r"¥[1-9][0-9]{0,2}(,[0-9]{3}){0,2}\.[0-9]{2}", fullmatch=True),
    st.from_regex(r"批次[0-9]{6} 凭证号[0-9]{6}", fullmatch=True),
    st.from_regex(r"(10|172|192)(\.(25[0-5]|1[0-9]{2}|[1-9]?[0-9])){3}", fullmatch=True),
)


@given(st.lists(KEEPERS, min_size=1, max_size=6), st.sampled_from(["；", "\n店里 ", "，机器 "]))
def test_keepers_stay_byte_for_byte(keepers: list[str], between: str):
    text = between.join(keepers)
    assert scrub(text) == text


@given(number=st.from_regex(r"62[0-9]{14}", fullmatch=True))
def test_an_unsure_serial_is_kept_and_a_sure_card_is_not(number: str):
    kept = scrub(f"SN {number}") == f"SN {number}"
    assert kept == (not luhn(number))


@given(st.lists(st.one_of(messy, disguised("6228480402564890018")), max_size=6).map("/".join))
@example("２２２１０００００００００００００９T-000000000000000")
@example("9T-CVV ３３８４/６８１２/６９１１/０９７９/８182商户号57")
@example("密码8986[removed]/4111,1111,1111,1111")
@example("5A0841111111111111115A08411111111111111162")
@example("4111111111111111/4222/2222/2222/2")
@example("4222/2222/2222/2222 4111 1111 1111 1111")
def test_twice_is_once(text: str):
    once = scrub(text)
    assert scrub(once) == once
    assert not find_regions(once)


@given(messy)
def test_counts_tell_every_change(text: str):
    report = scrub_report(text)
    masks = report.text.count("******") - text.count("******")
    removed = report.text.count(REMOVED) - text.count(REMOVED)
    assert report.counts["pan"] >= masks
    assert sum(report.counts.values()) >= masks + removed


def test_no_single_card_number_stands_in_what_is_left():
    text = scrub("；".join(f"卡{n}" for n in ("4111111111111111", "6222021234567890")))
    assert not [run for run in re.findall(r"[0-9]{13,19}", text) if is_card(run)]


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("卡号 6222 0212 3456 7890，密码 123456\n", "卡号 622202******7890，密码 [removed]\n"),
        ("4111/1111/1111/1111,CVV 123\r\n", "411111******1111,CVV [removed]\r\n"),
        ("商户号 898310148160001 终端号 12345678\n", "商户号 898310148160001 终端号 12345678\n"),
        (";4111111111111111=25121011000012345?\n", "[removed]\n"),
    ],
)
def test_the_command(monkeypatch: pytest.MonkeyPatch, given_text: str, wanted: str):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given_text.encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    call_command("scrub")
    assert out.getvalue().decode() == wanted
