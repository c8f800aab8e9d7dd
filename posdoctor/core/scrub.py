"""Takes card data out of text before it is stored, indexed, logged or sent.

Pure: no Django. Not a validator, and not for pictures: text baked into a photo cannot be seen here.

What goes
    pan    a card number becomes its first six digits, ``******`` and its last four
    track  track 1 or track 2 data becomes ``[removed]``, sentinels and all
    cvv    the 3-4 digits after CVV, CVC, CVN, 安全码, 后三位 ... become ``[removed]``
    pin    the 4-6 digits after PIN, 密码, 口令, password ... and PIN blocks become ``[removed]``
Everything else stays character for character, and ``scrub(scrub(x)) == scrub(x)``.

How a card number is found
    1. Digits of any script that are joined by nothing, spaces of any kind, dashes, dots, line
       breaks or invisible characters form a cluster. Any other character ends it.
    2. A window is a row of whole digit groups of a cluster with 13 to 19 digits. It is a card
       number when its first digits belong to an issuer, its length is one of that issuer's and
       the Luhn digit is right. UnionPay (62, 81; 16 to 19 digits) needs no Luhn digit: many of
       its real cards fail it. So do lists of other numbers that happen to begin with 62 or 81;
       where the groups are plainly several numbers (amounts, a date, equal long numbers, a
       landline with its area code, wide columns) Luhn is asked for after all.
    3. Windows that overlap become one, since no one can know which of them is the card: the mask
       then stands for all of them. A single run of digits wins over such chance neighbours.
    4. Without a label a single number of 15 digits with a right Luhn digit, or of 19-20 digits
       beginning 89 with one, is masked too: nothing tells it from a card for sure.

Why a label is not a loophole
    A label within twelve characters before a number keeps it only where the number can be what
    the label says: RRN has 12 digits, MID 15, TID 8, IMEI and IMSI 15, ICCID 19-20 beginning 89,
    a phone 7-13. "参考号 6222021234567890" has 16 digits, so it is no reference number and is
    masked. Serial, order, trace and work-order numbers have no fixed length: they are kept
    unless they are 16-19 digits of an issuer with a right Luhn digit. A card label (卡号) nearer
    to the number outweighs the other. A labelled number that fits but continues in further
    groups is still masked where the whole passes Luhn.

What is not found
    A card number inside a longer run of digits (but for the two digits of length before field 2),
    one joined by other characters than those of step 1 (slash, comma, colon), one in words or
    circled digits, a UnionPay number with a wrong Luhn digit behind the label of a serial or order,
    and more than forty joiners in a row.

The work is linear in the length of the text, whatever the text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from posdoctor.core.card_numbers import (
    INVISIBLE,
    LINE_END,
    LOOKAHEAD,
    LOOKBACK,
    REMOVED,
    Region,
    find_numbers,
    last_of,
)

KINDS = ("pan", "track", "cvv", "pin")

# --- Security codes and PINs --------------------------------------------------------------------


def _secret_digits(least: int, most: int) -> str:
    """Match ``least`` to ``most`` digits, together or one by one, that are not part of more."""
    hidden = rf"[{INVISIBLE}]{{0,4}}+"
    more = rf"{{{least - 1},{most - 1}}}+"
    together = rf"\d(?:{hidden}\d){more}(?!{hidden}\d)"
    one_by_one = rf"\d(?:[ \u3000]\d){more}(?![ \u3000]?\d)"
    return rf"(?:{together}|{one_by_one})(?!\*|年)"


_LINK = (
    r"(?P<{name}>(?:[\s:：=＝\"'“”‘’「」『』（(【\[<>＞→–—-]|是|为|就|的|码|号|值|数字?|设成?|改成?"
    r"|is|are|was|code|number|value|no\.?|[三四六]位){{0,10}}+)"
)
_SECRETS = re.compile(
    r"(?P<cvv_label>(?i:cvv|cvc|cvn|cav)2?|安全码|后三位|末三位"
    r"|(?i:security code|verification (?:code|value)))"
    + _LINK.format(name="cvv_link")
    + rf"(?P<cvv>{_secret_digits(3, 4)})"
    r"|(?P<pin_label>(?i:pin(?:[ _-]?block)?|password|passcode|passwd|pwd)|密码|口令)"
    + _LINK.format(name="pin_link")
    + rf"(?:(?P<block>[0-9A-Fa-f]{{16}})(?![0-9A-Fa-f])|(?P<pin>{_secret_digits(4, 6)}))"
)
# 卡号后三位 is asked for too; the last three of a phone or a serial are not a security code.
_OTHER_LAST_THREE = re.compile(
    r"(?:手机号?|电话号?|序列号|编号|单号|终端号|商户号|参考号|SN|IMEI|ICCID)码?的?$"
)
_EXPLICIT = re.compile(r"[:：=＝是为>设改]|is|was")
_HOTLINE = re.compile(r"95\d{3}|100\d\d")
_MONTH = re.compile(r"[-./](?:0[1-9]|1[0-2])(?!\d)", re.ASCII)


def _secrets(text: str, begin: int) -> Iterator[Region]:
    """Yield security codes, PINs and PIN blocks whose label begins at ``begin`` or later."""
    for match in _SECRETS.finditer(text, begin):
        kind = "cvv" if match["cvv"] else "pin"
        real = _is_cvv(text, match) if kind == "cvv" else _is_pin(text, match)
        if real:
            group = "block" if match["block"] else kind
            yield Region(match.start(group), match.end(group), kind, REMOVED)


def _glued_to_word(text: str, start: int) -> bool:
    return start > 0 and text[start - 1].isascii() and text[start - 1].isalpha()


def _is_cvv(text: str, match: re.Match[str]) -> bool:
    start, label = match.start(), match["cvv_label"]
    if label.endswith("三位") and _OTHER_LAST_THREE.search(text, max(0, start - 10), start):
        return False
    if label[:3].lower() in ("cvc", "cvn", "cav") and _glued_to_word(text, start):
        return False
    return not _is_year(text, match, "cvv")


def _is_pin(text: str, match: re.Match[str]) -> bool:
    label, link = match["pin_label"].lower(), match["pin_link"]
    if _glued_to_word(text, match.start()) and label.startswith("pin"):
        return False
    if match["block"]:
        return "block" in label
    follows = text[match.end() : match.end() + 2]
    continues = follows[1:].isdigit() and follows[0] in "-–."
    if _is_year(text, match, "pin") or (continues and follows[0] == "."):
        return False
    if _EXPLICIT.search(link):
        return True
    # Without "is" or a colon: on the same line, and neither a hotline nor a landline.
    return not (continues or LINE_END.search(link) or _HOTLINE.fullmatch(match["pin"]))


def _is_year(text: str, match: re.Match[str], group: str) -> bool:
    is_four = len(match[group]) == 4 and match[group].startswith(("19", "20"))
    return is_four and bool(_MONTH.match(text, match.end()))


# --- The whole ----------------------------------------------------------------------------------


def find_regions(text: str, begin: int = 0) -> list[Region]:
    """Return what ``scrub`` replaces at ``begin`` or later, in order, never overlapping.

    Up to 64 characters before ``begin`` are read as context: the label of the first number.
    """
    numbers = list(find_numbers(text, begin))
    taken = iter(numbers)
    number = next(taken, None)
    secrets = []
    for secret in _secrets(text, max(0, begin - LOOKBACK)):
        while number is not None and number.end <= secret.start:
            number = next(taken, None)
        free = number is None or secret.end <= number.start
        if free and secret.start >= begin:
            secrets.append(secret)
    return sorted(numbers + secrets)


def _replace(text: str, begin: int, end: int, regions: Iterable[Region]) -> str:
    parts = []
    for region in regions:
        parts += [text[begin : region.start], region.replacement]
        begin = region.end
    return "".join([*parts, text[begin:end]])


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without card data, and how many of each kind (pan, track, cvv, pin) were taken out."""

    text: str
    counts: dict[str, int]


def scrub_report(text: str) -> Scrubbed:
    """Return the scrubbed text with its counts; every kind of ``KINDS`` has an entry."""
    regions = find_regions(text)
    counts = dict.fromkeys(KINDS, 0)
    _count(regions, counts)
    return Scrubbed(_replace(text, 0, len(text), regions) if regions else text, counts)


def scrub(text: str) -> str:
    """Return ``text`` with card numbers masked and track data, security codes and PINs removed."""
    return scrub_report(text).text


_CHUNK = 1 << 18
# A cut after such a character splits neither a number nor a track.
_DIGITS = re.compile(r"\d+")
_CALM = re.compile(r"[^\W\dBbDdFf_][^\d*=^;%?]{0,20}?(?=[^\W\d_])")


def scrub_stream(chunks: Iterable[str], counts: dict[str, int] | None = None) -> Iterator[str]:
    """Scrub a text that comes in pieces; a number across pieces is found as in one text.

    Memory stays bounded: what is yielded lags at most some 270,000 characters behind. What was
    taken out is added to `counts`, per kind of ``KINDS``.
    """
    taken = dict.fromkeys(KINDS, 0) if counts is None else counts
    held, begin = "", 0
    for chunk in chunks:
        held += chunk
        if len(held) - begin < _CHUNK:
            continue
        regions = find_regions(held, begin)
        cut = _calm_cut(held, len(held) - LOOKAHEAD)
        regions = [region for region in regions if region.start < cut]
        if regions and regions[-1].end > cut:
            cut = regions.pop().start
        _count(regions, taken)
        yield _replace(held, begin, cut, regions)
        context = max(0, cut - LOOKBACK)
        held, begin = held[context:], cut - context
    regions = find_regions(held, begin)
    _count(regions, taken)
    yield _replace(held, begin, len(held), regions)


def _count(regions: Iterable[Region], counts: dict[str, int]) -> None:
    for region in regions:
        counts[region.kind] = counts.get(region.kind, 0) + 1


def _calm_cut(text: str, cut: int) -> int:
    """Return a place shortly before ``cut`` inside plain words, or before a digit group."""
    last = last_of(_CALM.finditer(text, max(0, cut - 1024), cut))
    if last is not None:
        return last.end()
    return next((m.start() for m in _DIGITS.finditer(text, cut - 1024, cut)), cut)
