"""Card data to plant, and a plain detector that shares nothing with the scrubber."""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_plus

VISA = "4539578763621486"
MASTERCARD = "5425233430109903"
AMEX = "371449635398431"
# UnionPay's with a wrong check digit, and with nineteen digits.
UNIONPAY = "6222021234567891"
UNIONPAY_19 = "6228480402564890018"
JCB = "3566002020360505"
NUMBERS = (VISA, MASTERCARD, AMEX, UNIONPAY, UNIONPAY_19, JCB)
CVV, PIN = "739", "864209"


def _full_width(digits: str) -> str:
    return "".join(chr(ord(digit) + 0xFEE0) for digit in digits)


def _fours(digits: str, mark: str) -> str:
    return mark.join(digits[n : n + 4] for n in range(0, len(digits), 4))


# Short ones, for fields of sixty characters; together every disguise and every kind.
SHORT = (
    VISA,
    _fours(MASTERCARD, " "),
    _fours(UNIONPAY, "-"),
    _full_width(UNIONPAY_19),
    _fours(JCB, "/"),
    _fours(VISA, "\u200b"),
    f"{AMEX[:4]}.{AMEX[4:10]}.{AMEX[10:]}",
    f"CVV {CVV}",
    f"密码是{PIN}",
    f";{VISA}=2712101{CVV}?",
    _fours(UNIONPAY, "，"),
)
LONG = (
    f"卡 {_full_width(VISA)} 刷不了，{_fours(UNIONPAY, ' ')}，"
    f"也试过 {_fours(UNIONPAY_19, chr(10))}；"
    f"{_fours(MASTERCARD, '/')}、{AMEX}、{_fours(JCB, chr(0x200B))}。"
    f"安全码：{CVV}，PIN {PIN}，%B{VISA}^ZHANG/SAN^2712101000000{CVV}000000?"
    f" ;{MASTERCARD}=27121011000012345? 5A08{UNIONPAY} 尾 {VISA}2712"
)

_SECRETS = re.compile(rf"(?:CVV|安全码)\W*{CVV}(?!\d)|(?:PIN|密码是?)\W*{PIN}(?!\d)", re.IGNORECASE)
_NO_DIGITS = re.compile(r"[^0-9]+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BYTES = re.compile(r"\\+x((?:[0-9a-f]{2}){8,})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")


def found_in(text: str) -> list[str]:
    """What was planted and stands in the text, however it is written, quoted or wrapped."""
    found = []
    for reading in _readings(text):
        plain = unicodedata.normalize("NFKC", reading)
        digits = _NO_DIGITS.sub("", plain)
        found += [number for number in NUMBERS if number in digits]
        # All but the last of a number give the last away.
        found += [f"{number[:-1]}." for number in NUMBERS if number[:-1] in digits]
        found += [match[0] for match in _SECRETS.finditer(plain)]
    return sorted(set(found))


def _readings(text: str) -> Iterator[str]:
    yield text
    yield html.unescape(unquote_plus(text))
    if "\\u" in text:
        yield _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    for match in _BYTES.finditer(text):
        yield bytes.fromhex(match[1]).decode("utf-8", "replace")
    for match in _BASE64.finditer(text):
        try:
            raw = base64.b64decode(match[0] + "==", altchars=b"-_")
        except (binascii.Error, ValueError):
            continue
        yield raw.decode("utf-8", "replace")


def as_json(value: object) -> str:
    """Any value as text, nothing escaped."""
    return json.dumps(value, ensure_ascii=False, default=str)
