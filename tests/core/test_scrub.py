"""Card data never gets through; everything else gets through untouched."""

import io
import re
import sys
import time
import unicodedata
from typing import BinaryIO

import pytest
from django.core.management import call_command
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from posdoctor.core import scrub as scrub_module
from posdoctor.core.card_labels import REMOVED
from posdoctor.core.scrub import KINDS, scrub, scrub_report, scrub_stream

VISA, VISA_MASKED = "4111111111111111", "411111******1111"
# Not a right Luhn digit: UnionPay is found all the same.
UNION, UNION_MASKED = "6222021234567890", "622202******7890"
TRACK_2 = f"{VISA}=25121011000012345"
TRACK_1 = f"%B{VISA}^ZHANG/SAN^25121010000000000000?"


def luhn(digits: str) -> bool:
    """The sum as the standard words it, apart from how the scrubber computes it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# --- Worked cases -------------------------------------------------------------------------------

CARD_NUMBERS = [
    # every issuer
    (VISA, VISA_MASKED),
    ("4222222222222", "422222******2222"),
    ("4000000000000000006", "400000******0006"),
    ("5555555555554444", "555555******4444"),
    ("2223003122003222", "222300******3222"),
    ("378282246310005", "378282******0005"),
    ("341111111111111", "341111******1111"),
    ("3530111333300000", "353011******0000"),
    ("30569309025904", "305693******5904"),
    ("38520000023237", "385200******3237"),
    ("6011111111111117", "601111******1117"),
    ("6510000000000034", "651000******0034"),
    ("6304000000000000", "630400******0000"),
    ("6759649826438453", "675964******8453"),
    (UNION, UNION_MASKED),
    ("62220212345678901", "622202******8901"),
    ("622848040256489001", "622848******9001"),
    ("6228480402564890018", "622848******0018"),
    ("8171999927660000", "817199******0000"),
    ("9558820200001323775", "955882******3775"),
    # what stands between the digits
    ("4111 1111 1111 1111", VISA_MASKED),
    ("3782 822463 10005", "378282******0005"),
    ("6222 0212 3456 7890 123", "622202******0123"),
    ("4111-1111-1111-1111", VISA_MASKED),
    ("4111–1111—1111−1111", VISA_MASKED),
    ("4111.1111.1111.1111", VISA_MASKED),
    ("4111·1111·1111·1111", VISA_MASKED),
    ("4111\u00a01111\u20091111\u30001111", VISA_MASKED),
    ("4111\u200b1111\u20601111\ufeff1111", VISA_MASKED),
    ("4111 - 1111 - 1111 - 1111", VISA_MASKED),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", VISA_MASKED),
    ("62220212\n34567890", UNION_MASKED),
    ("6222 0212\r\n    3456 7890", UNION_MASKED),
    ("6222\t0212\t3456\t7890", UNION_MASKED),
    # digits of other scripts
    ("６２２２０２１２３４５６７８９０", UNION_MASKED),
    ("４１１１－１１１１－１１１１－１１１１", VISA_MASKED),
    ("٤١١١١١١١١١١١١١١١", VISA_MASKED),
    ("४१११ ११११ ११११ ११११", VISA_MASKED),
    # in a text
    ("卡号4111111111111111刷不了", "卡号411111******1111刷不了"),
    ("order4111111111111111abc", "order411111******1111abc"),
    ("（6222 0212 3456 7890）", "（622202******7890）"),
    ("*4111111111111111*", "*411111******1111*"),
    ("2026-11-21 6222021234567890 00", "2026-11-21 622202******7890 00"),
    ("+86 13812345678，卡6222 0212 3456 7890", "+86 13812345678，卡622202******7890"),
    (f"{VISA} {UNION}", f"{VISA_MASKED} {UNION_MASKED}"),
    (f"1.{VISA}", f"1.{VISA_MASKED}"),
    ("4111 1111 1111 1111 12/27", "411111******1111 12/27"),
    ("164111111111111111", "16411111******1111"),
    ("16 62 22 02 12 34 56 78 90", "16 622202******7890"),
    # without a label nothing tells these from a card
    ("490154203237518", "490154******7518"),
    ("89860012345678901238", "898600******1238"),
    # joined by marks that stand between separate numbers too
    ("4111/1111/1111/1111", VISA_MASKED),
    ("4111,1111,1111,1111", VISA_MASKED),
    ("4111，1111，1111，1111", VISA_MASKED),
    ("4111+1111+1111+1111", VISA_MASKED),
    ("4111%201111%201111%201111", VISA_MASKED),
    ("4111\\n1111\\n1111\\n1111", VISA_MASKED),
    ("4111-1111/1111 1111", VISA_MASKED),
    ("411/1-11,11 11111.1/11", VISA_MASKED),
    ("4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", VISA_MASKED),
    ("3782/822463/10005", "378282******0005"),
    ("6222/0212/3456/7890", UNION_MASKED),
    ("6222、0212、3456、7890、123，刷不了", "622202******0123，刷不了"),
    ("13812345678/4111/1111/1111/1111/12/27", f"13812345678/{VISA_MASKED}/12/27"),
    ("4111/1111/1111/1111/1227", f"{VISA_MASKED}/1227"),
    ("12345678, 6222/0212/3456/7890", f"12345678, {UNION_MASKED}"),
    # in a longer run that is explained
    ("0004111111111111111", f"000{VISA_MASKED}"),
    ("202611214111111111111111", f"20261121{VISA_MASKED}"),
    ("202611211230454111111111111111", f"20261121123045{VISA_MASKED}"),
    ("41111111111111115555555555554444", "411111******4444"),
    ("卡号41111111111111119999999", "卡号411111******9999"),
    # in words, circled
    ("六二二二零二一二三四五六七八九零", UNION_MASKED),
    ("④①①①①①①①①①①①①①①①", VISA_MASKED),
    # chip data
    ("5A086222021234567890", f"5A08{UNION_MASKED}"),
    ("5A0A6228480402564890018F", "5A0A622848******0018F"),
    ("9F0305A086222021234567890", f"9F0305A08{UNION_MASKED}"),
    ("5A0862220212345678905F2403", f"5A08{REMOVED}5F2403"),
]
LABEL_IS_NO_LOOPHOLE = [
    ("参考号 6222021234567890", "参考号 622202******7890"),
    ("RRN: 4111 1111 1111 1111", "RRN: 411111******1111"),
    ("商户号6222021234567890", "商户号622202******7890"),
    ("终端号 4111111111111111", "终端号 411111******1111"),
    ("IMEI 4111111111111111", "IMEI 411111******1111"),
    ("ICCID 6228480402564890018", "ICCID 622848******0018"),
    ("电话 4111 1111 1111 1111", "电话 411111******1111"),
    ("电话 6222 0212 3456 7890", "电话 622202******7890"),
    ("手机号:6222021234567890", "手机号:622202******7890"),
    ("tel 4111-1111-1111-1111", "tel 411111******1111"),
    ("SN 4111111111111111", "SN 411111******1111"),
    ("序列号：5555555555554444", "序列号：555555******4444"),
    ("订单号 4111111111111111", "订单号 411111******1111"),
    ("订单失败，6222021234567890 刷不了", "订单失败，622202******7890 刷不了"),
    ("SN 看不清 卡号 6222021234567890", "SN 看不清 卡号 622202******7890"),
    ("订单 1 6222021234567890", "订单 1 622202******7890"),
    ("TID 12345678 6222021234567890", "TID 12345678 622202******7890"),
    ("this isn 4111111111111111", "this isn 411111******1111"),
    ("参考号 411111111111 1111", "参考号 411111******1111"),
    ("凭证号 6222021234567890", "凭证号 622202******7890"),
    ("授权码：6222 0212 3456 7890", "授权码：622202******7890"),
    ("batch no. 6222021234567890", "batch no. 622202******7890"),
    ("身份证 6222021234567890123", "身份证 622202******0123"),
    ("T-4111111111111111", "T-411111******1111"),
    ("T-4111 1111 1111 1111", "T-411111******1111"),
    ("P-6222021234567890", "P-622202******7890"),
    ("IMEI: 4111/1111/1111/1111", "IMEI: 411111******1111"),
]
KEPT = [
    "ICCID 89860012345678901238",
    "SIM卡号：8986 0012 3456 7890 1238",
    "IMEI: 490154203237518",
    "IMEI1 490154203237518 IMEI2 490154203237518",
    "IMEI：490154203237518/490154203237518",
    "串号 490154203237518",
    "商户号898310148160001",
    "商户编号: 490154203237518",
    "MID=490154203237518",
    '"merchantId": "490154203237518"',
    "终端号12345678",
    "终端号 62000001 62000002 62000003",
    "TID:62345678",
    "参考号 622512345678",
    "检索参考号：412345678901\n2026-11-21 12:30",
    "RRN 621234567890",
    "批次000123 凭证号000456",
    "流水号 622202123456789013",
    "订单号 6222021234567890",
    "工单 6222021234567890",
    "SN 6222021234567890",
    "S/N: 378282246310005",
    "序列号 490154203237518",
    "serial no. 490154203237518",
    "电话 62345678 13812345678",
    "手机 13812345678 13912345678",
    "+86 138 1234 5678",
    "0086-13812345678",
    "座机 010-62345678",
    "010-62345678 13812345678",
    "致电 400-820-5555",
    "+49 1512 3456789",
    "T-234567 D-23456789",
    "I-23456 M-234567 6222 2345",
    "身份证 620102199001011234",
    "IMEI：490154203237518/01",
    "RRN 512345678901/0004",
    "终端 55210001/55210002",
    "6200,6201,6202,6203",
    "6200/6201/6202/6203/6204/6205",
    "30.572815,104.066801",
    "40.712776 -74.005974",
    "58.30.131.10, 58.30.131.11",
    "51.00,20.50,30.25,44.10",
    "30/11/2026 - 31/12/2026",
    "2026/11/21,12:30:45,62345678,12345678,100.00",
    "订单号 20261121123045678901234567",
    # neither labelled nor a card
    "4111111111111112",
    "5555555555554445",
    "1234567890123456",
    "20241115123045123456",
    "微信单4200001234202401151234567890",
    "6222 0212 3456",
    "622202******7890",
    "6222 **** **** 7890",
    "622202xxxxxx7890",
    "62000001\n62000002\n62000003",
    "6200.00 1200.00 3400.02",
    "628812345678\n2026-11-21 12:30",
    "81        1024      2048      4096      77",
    "51 52 53 54 55 56 57 58 59 61 62 63",
    "0.4111111111111111",
    "98.490154203237518",
    "6901234567892",
    "2026-11-21 12:30:45.123",
    "192.168.100.200:8443",
    "终端 V400m-324689776 01234PT12345678",
    "a3f5c9e1b7d2a3f5c9e1b7d2",
]
TRACKS = [
    (f";{TRACK_2}?", REMOVED),
    (TRACK_2, REMOVED),
    (f"{VISA}=2512", REMOVED),
    (f"{VISA}D25121011000012345", REMOVED),
    (f"{UNION}D2512101", REMOVED),
    (f"track2={VISA}d25121010000 end", f"track2={REMOVED} end"),
    (f";{UNION}＝２５１２１０１？", f"{REMOVED}？"),
    (";1234567890123456=2512101?", REMOVED),
    ("1234567890123456=25121010000000000", REMOVED),
    (TRACK_1, REMOVED),
    (f"{TRACK_1};{TRACK_2}?", REMOVED * 2),
    (f"B{VISA}^LI SI^2512101", REMOVED),
    (f"读到 {TRACK_2}? 之后死机", f"读到 {REMOVED} 之后死机"),
    ("62 22 02 12 34 56 78 90 D2 51 21 01", REMOVED),
    (f"37{UNION}D25122010000000000", REMOVED),
    (f"5711{UNION}D25122010000000000", REMOVED),
    (f"9F2701805711{UNION}D25122010000000000F9F36", f"9F2701805711{REMOVED}F9F36"),
    (f"{VISA}2512", REMOVED),
    (f"{VISA}2512123", REMOVED),
    (f"{UNION}2712", REMOVED),
    # not track data
    (f"{VISA}=abc", f"{VISA_MASKED}=abc"),
    (f"{VISA}^", f"{VISA_MASKED}^"),
    ("12345678=2512", "12345678=2512"),
    ("1234567890123456=7", "1234567890123456=7"),
]
SECURITY_CODES = [
    ("CVV 123", "CVV [removed]"),
    ("cvv2是123", "cvv2是[removed]"),
    ("CVC2 4567", "CVC2 [removed]"),
    ("CVN2：８８８", "CVN2：[removed]"),
    ("CVV:1 2 3", "CVV:[removed]"),
    ('{"cardCvv":"123"}', '{"cardCvv":"[removed]"}'),
    ("安全码为123", "安全码为[removed]"),
    ("卡背面后三位是456", "卡背面后三位是[removed]"),
    ("security code is 123", "security code is [removed]"),
    ("ＣＶＶ１２３", "ＣＶＶ[removed]"),
    ("安全碼 123", "安全碼 [removed]"),
    ("卡背面三位：123", "卡背面三位：[removed]"),
    ("last 3 digits on the back: 123", "last 3 digits on the back: [removed]"),
    ("安全码是一二三", "安全码是[removed]"),
    # not a security code
    ("CVV 12", "CVV 12"),
    ("CVV 12345", "CVV 12345"),
    ("CVV check failed, code N7", "CVV check failed, code N7"),
    ("CVV 2026-11-21", "CVV 2026-11-21"),
    ("手机号后三位 456", "手机号后三位 456"),
    ("卡号后四位 4567", "卡号后四位 4567"),
]
PINS = [
    ("PIN 1234", "PIN [removed]"),
    ("PIN: 123456", "PIN: [removed]"),
    ("pin=1234", "pin=[removed]"),
    ("密码是123456", "密码是[removed]"),
    ("密码 123456", "密码 [removed]"),
    ("密码：１２３４５６", "密码：[removed]"),
    ("口令为 8888", "口令为 [removed]"),
    ("password is 123456", "password is [removed]"),
    ("pwd=123456", "pwd=[removed]"),
    ('"pin":"1234"', '"pin":"[removed]"'),
    ("<PIN>1234</PIN>", "<PIN>[removed]</PIN>"),
    ("PIN码1234", "PIN码[removed]"),
    ("密码 1 2 3 4 5 6", "密码 [removed]"),
    ("操作员 01 密码 0000", "操作员 01 密码 [removed]"),
    ("PIN block 1234567890ABCDEF", "PIN block [removed]"),
    ("密码：6222 0212 3456 7890", "密码：622202******7890"),
    ("密码：4111/1111/1111/1111", "密码：411111******1111"),
    ("密碼是123456", "密碼是[removed]"),
    ("密码是一二三四五六", "密码是[removed]"),
    ("ＰＩＮ：１２３４", "ＰＩＮ：[removed]"),
    # not a PIN
    ("PIN pad 1234", "PIN pad 1234"),
    ("PINPAD=123456", "PINPAD=123456"),
    ("密码键盘 123456", "密码键盘 123456"),
    ("操作员号 0001", "操作员号 0001"),
    ("密码错误 55", "密码错误 55"),
    ("密码错误，代码 0055", "密码错误，代码 0055"),
    ("密码输错 3 次", "密码输错 3 次"),
    ("PIN 12", "PIN 12"),
    ("密码 12345678", "密码 12345678"),
    ("忘记密码 95588", "忘记密码 95588"),
    ("忘记密码 010-62345678", "忘记密码 010-62345678"),
    ("spin 1234", "spin 1234"),
    ("密码\n1234 号终端", "密码\n1234 号终端"),
]


@pytest.mark.parametrize(("text", "clean"), CARD_NUMBERS)
def test_card_numbers_keep_six_and_four(text: str, clean: str):
    assert scrub(text) == clean


@pytest.mark.parametrize(("text", "clean"), LABEL_IS_NO_LOOPHOLE)
def test_a_label_is_no_loophole(text: str, clean: str):
    assert scrub(text) == clean


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_stay_byte_for_byte(text: str):
    assert scrub(text) == text


@pytest.mark.parametrize(("text", "clean"), TRACKS)
def test_track_data_is_removed(text: str, clean: str):
    assert scrub(text) == clean


@pytest.mark.parametrize(("text", "clean"), SECURITY_CODES)
def test_security_codes_are_removed(text: str, clean: str):
    assert scrub(text) == clean


@pytest.mark.parametrize(("text", "clean"), PINS)
def test_pins_are_removed(text: str, clean: str):
    assert scrub(text) == clean


def test_the_report_counts_each_kind():
    text = f"{VISA}、{UNION}，CVV123，密码是1234，PIN 5678，密码：9999，;{TRACK_2}?"
    report = scrub_report(text)
    assert report.counts == {"pan": 2, "track": 1, "cvv": 1, "pin": 3}
    assert report.text == scrub(text)


def test_the_report_of_a_clean_text_names_every_kind():
    assert scrub_report("没有卡号").counts == dict.fromkeys(KINDS, 0)


def test_a_whole_report_of_a_merchant():
    text = (
        "顾客的卡４１１１ １１１１ １１１１ １１１１刷不了，CVV 123，密码是123456。\r\n"
        "商户号：898310148160001 终端号：12345678 参考号：622512345678\r\n"
        "联系电话 138-1234-5678，工单 T-7K3Q9M"
    )
    assert scrub(text) == (
        "顾客的卡411111******1111刷不了，CVV [removed]，密码是[removed]。\r\n"
        "商户号：898310148160001 终端号：12345678 参考号：622512345678\r\n"
        "联系电话 138-1234-5678，工单 T-7K3Q9M"
    )


# --- Laws ---------------------------------------------------------------------------------------

SEPARATORS = [
    "", " ", "-", ".", "\u00a0", "\u2009", "\u3000", "\u200b", "\u2060", "–", "－", "·", "\t",
    "\n", "\r\n", "  ", " - ", "\u00ad",
]  # fmt: skip
SCRIPTS = [0x30, 0xFF10, 0x0660, 0x0966]
PREFIXES = {
    "4": (13, 16, 19), "51": (16,), "55": (16,), "2221": (16,), "2720": (16,), "34": (15,),
    "37": (15,), "35": (16,), "36": (14,), "38": (14,), "300": (14,), "6011": (16,), "65": (16,),
    "644": (16,), "6304": (16, 19), "62": (16, 17, 18, 19), "81": (16, 17, 18, 19),
}  # fmt: skip


@st.composite
def card_numbers(draw: st.DrawFn, *, any_unionpay: bool = True) -> str:
    prefix = draw(st.sampled_from(sorted(PREFIXES)))
    size = draw(st.sampled_from(PREFIXES[prefix]))
    rest = size - len(prefix) - 1
    body = prefix + draw(st.text("0123456789", min_size=rest, max_size=rest))
    if any_unionpay and prefix in {"62", "81"}:
        return body + draw(st.sampled_from("0123456789"))
    return next(body + digit for digit in "0123456789" if luhn(body + digit))


unionpay_numbers = st.from_regex(r"(62|81)[0-9]{14,17}", fullmatch=True)


@st.composite
def disguised(draw: st.DrawFn, number: str) -> str:
    """The number in another script, with separators after every digit, every four, or some."""
    zero = draw(st.sampled_from(SCRIPTS))
    digits = [chr(zero + int(digit)) for digit in number]
    if draw(st.booleans()):
        separator = draw(st.sampled_from(SEPARATORS))
        return separator.join("".join(digits[n : n + 4]) for n in range(0, len(digits), 4))
    parts = st.lists(st.sampled_from(SEPARATORS), min_size=len(digits), max_size=len(digits))
    return "".join(d + s for d, s in zip(digits[:-1], draw(parts), strict=False)) + digits[-1]


def digits_of(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())


around = st.text(
    st.characters(exclude_categories=["Nd", "Cs"], exclude_characters="*=^"), max_size=20
)


@settings(deadline=None)
@given(data=st.data(), number=card_numbers(any_unionpay=False), before=around, after=around)
def test_no_disguise_gets_a_card_number_through(
    data: st.DataObject, number: str, before: str, after: str
):
    text = before + data.draw(disguised(number)) + after
    clean = scrub(text)
    assert number not in digits_of(clean)
    assert not any(luhn(run) for run in re.findall(r"\d{13,}", digits_of(clean)))
    # Labels cannot keep it: a card's number with a right Luhn digit fits none of their lengths.


@settings(deadline=None)
@given(number=unionpay_numbers, separator=st.sampled_from(SEPARATORS))
def test_unionpay_numbers_need_no_luhn_digit(number: str, separator: str):
    groups = [number[n : n + 4] for n in range(0, len(number), 4)]
    clean = scrub(f"卡 {separator.join(groups)}。")
    assert clean.startswith(f"卡 {number[:6]}******")
    if separator and luhn(number[:16]) and len(number) < 19:
        # One or two digits after a whole number may be another number, and then stay.
        assert len(digits_of(clean)) <= 12
    else:
        assert clean.endswith(f"******{number[-4:]}。")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Nd"])))
def test_a_text_without_digits_is_untouched(text: str):
    assert scrub(text) == text


PIECES = [
    "IMEI ", "SN:", "订单", "参考号 ", "RRN ", "电话", "密码", "PIN ", "CVV ", "密码是", "卡号",
    "商户号", "=", "D", "^", "%B", ";", "?", "*", "******", "622202******7890", REMOVED, "\n", " ",
    "-", ".", "/", ":", "，", "0", "1", "4", "62", "37", "021", "0755", "2026-11-21", "12.00", "30",
    "T-", "D-234567", "a", "中", "+86", "13812345678", "62345678", "8986", "16", "2512101",
    "\u200b",
]  # fmt: skip
messy = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text("0123456789", min_size=1, max_size=19),
        card_numbers().flatmap(disguised),
    ),
    max_size=25,
).map("".join)


@settings(deadline=None)
@given(messy)
@example(f"{VISA}=2512 {UNION}")
@example("密码是2026-11-4111111111111111=2512101")
@example("PIN 1685+4079170766976")
@example("021-62345678 12345678 4111 1111 1111 1111")
@example("350001111114 555900000000000")
@example(f"6717697850451=810\t5 - 42 30\t68913-6\n{VISA}")
def test_a_second_run_finds_nothing(text: str):
    once = scrub(text)
    assert scrub(once) == once


@settings(deadline=None)
@given(messy)
def test_only_what_is_reported_changes(text: str):
    report = scrub_report(text)
    assert (report.text == text) == (sum(report.counts.values()) == 0)
    assert len(digits_of(report.text)) <= len(digits_of(text))


@settings(deadline=None)
@given(
    label=st.sampled_from(
        ["商户号", "MID:", "IMEI ", "IMEI2: ", "imei=", '"merchantId":"', "Merchant no. "]
    ),
    number=st.text("0123456789", min_size=15, max_size=15),
    after=st.sampled_from(["", "\n", "，", " ok", '"', "\n2026-11-21 12:00"]),
)
def test_labelled_numbers_of_fifteen_digits_stay(label: str, number: str, after: str):
    assert scrub(label + number + after) == label + number + after


@settings(deadline=None)
@given(
    label=st.sampled_from(["参考号", "RRN ", "检索参考号：", "ref: ", "reference no. "]),
    number=st.text("0123456789", min_size=12, max_size=12),
    after=st.sampled_from(["", "\n2026-11-21", " 金额 1200.00", "，"]),
)
def test_labelled_references_stay(label: str, number: str, after: str):
    assert scrub(label + number + after) == label + number + after


@settings(deadline=None)
@given(
    label=st.sampled_from(["SN", "序列号：", "订单号 ", "流水号:", "工单", "trace no ", "batch "]),
    number=st.text("0123456789", min_size=1, max_size=28),
)
def test_labelled_free_numbers_stay_unless_they_are_a_card(label: str, number: str):
    assume(not (16 <= len(number) <= 19 and luhn(number)))
    assert scrub(label + number) == label + number


@settings(deadline=None)
@given(
    label=st.sampled_from(["电话", "手机：", "tel: ", "phone ", "", "+86 ", "联系 "]),
    rest=st.text("0123456789", min_size=9, max_size=9),
    second=st.sampled_from("3456789"),
    shape=st.sampled_from(["{}{}{}", "{} {} {}", "{}-{}-{}"]),
)
def test_mobile_numbers_stay(label: str, rest: str, second: str, shape: str):
    number = f"1{second}{rest}"
    text = label + shape.format(number[:3], number[3:7], number[7:])
    assert scrub(text) == text


# --- Size and streams ---------------------------------------------------------------------------

HOSTILE = {
    "digits": "1" * 300_000,
    "fours": "4 " * 150_000,
    "unionpay pairs": "62 " * 100_000,
    "card numbers": f"{VISA} " * 18_000,
    "track heads": f"%B{VISA}^" * 15_000,
    "tails": f"{VISA}=" * 18_000,
    "pins": "PIN " * 75_000,
    "open links": "密码" + ":" * 300_000,
    "invisible": "4\u200b" * 150_000,
    "gaps": ("1" + " " * 40) * 7_000,
    "masks": "622202******7890" * 19_000,
    "stars": "*" * 300_000,
    "labels": "IMEI" * 75_000,
    "dates": "2026-11-21 " * 27_000,
    "amounts": "62.00 81.50 " * 25_000,
    "carets": f"{VISA}^" + "A" * 300_000,
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_texts_take_time_in_step_with_their_length(kind: str):
    started = time.process_time()
    scrub(HOSTILE[kind])
    # 0.02 to 0.6 s for 300,000 characters here; anything worse than linear takes minutes.
    assert time.process_time() - started < 5


@settings(max_examples=25, deadline=None)
@given(st.lists(messy, min_size=5, max_size=25), st.integers(40, 900))
def test_a_stream_gives_what_the_whole_text_gives(texts: list[str], size: int):
    text = "。\n".join(texts) * 12
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scrub_module, "_CHUNK", 6000)
        pieces = (text[n : n + size] for n in range(0, len(text), size))
        assert "".join(scrub_stream(pieces)) == scrub(text)


@pytest.mark.parametrize("shift", range(40))
def test_a_number_across_two_chunks_is_found(shift: int):
    text = "x" * ((1 << 18) - 4096 - shift) + f"卡号：{VISA} 密码是123456 " + "y" * 20_000
    clean = "".join(scrub_stream(text[n : n + 65536] for n in range(0, len(text), 65536)))
    assert clean == text.replace(VISA, VISA_MASKED).replace("123456 ", f"{REMOVED} ")


def run_command(monkeypatch: pytest.MonkeyPatch, stream: BinaryIO) -> bytes:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    call_command("scrub")
    return out.getvalue()


def test_the_command_masks_and_leaves_other_bytes_alone(monkeypatch: pytest.MonkeyPatch):
    strange = b"\xff\xfe\x00\x80 \xe4\xb8\r\n" + bytes(range(256))
    given_bytes = strange + f"卡号 {VISA}\r\n".encode() + strange
    wanted = strange + f"卡号 {VISA_MASKED}\r\n".encode() + strange
    assert run_command(monkeypatch, io.BytesIO(given_bytes)) == wanted


def test_the_command_reads_characters_across_pieces(monkeypatch: pytest.MonkeyPatch):
    text = "签到失败。" * 60_000 + VISA
    clean = run_command(monkeypatch, io.BytesIO(text.encode()))
    assert clean.decode() == text.replace(VISA, VISA_MASKED)


def test_the_command_is_silent_on_nothing(monkeypatch: pytest.MonkeyPatch):
    assert run_command(monkeypatch, io.BytesIO(b"")) == b""


def test_every_dash_and_blank_of_unicode_joins_a_number():
    joiners = [
        chr(point)
        for point in range(0x10000)
        if unicodedata.category(chr(point)) in {"Pd", "Zs", "Zl", "Zp", "Cf"}
    ]
    assert len(joiners) > 60
    missed = [j for j in joiners if scrub(f"4111{j}1111{j}1111{j}1111") != VISA_MASKED]
    assert missed == []
