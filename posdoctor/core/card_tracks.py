"""Finds the data of a magnetic stripe, as readers, field 35 and chips give it.

Pure: no Django.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from posdoctor.core.card_issuers import is_card, is_issued, luhn
from posdoctor.core.card_labels import REMOVED

MASK = "******"
_TRACK_2 = re.compile(
    r"[=＝Dd](?P<data>[0-9]{4,40}+)(?![0-9*])(?:=[0-9]{0,40}+(?![0-9*])){0,3}+\??"
)
_TRACK_2_BYTES = re.compile(r" ?[Dd] ?(?P<data>[0-9](?: ?[0-9]){3,36}+)(?! ?[0-9]|\*)F?")
_TRACK_1 = re.compile(r"\s?\^[^\^\r\n0-9]{1,40}+\^[0-9]{3,40}+(?![0-9*])(?:[0-9A-Z .=]{0,60}+\?)?")
_SENTINEL = re.compile(r"(?:%[A-Za-z]|(?<![A-Za-z])[Bb]|[;；])$")
_SIGNS = frozenset("=＝Dd^")
# EMV in hexadecimal without blanks: 5A is the card number, 57 what the stripe would hold. The next
# byte is the length; a number with an odd count of digits ends in F.
_CHIP_NUMBER = re.compile(r"(?i:5A)0([6789A])([0-9]{12,20})")
_CHIP_TRACK = re.compile(
    r"57(?:0[89A-Fa-f]|1[0-3])(?P<number>[0-9]{12,19})[Dd](?P<data>[0-9]{4,30}+)F?(?![0-9*])"
)
_TAGS = re.compile(r"(?i:5A)0[6789Aa][0-9]|57(?:0[89A-Fa-f]|1[0-3])[0-9]")


class Region(NamedTuple):
    """Characters ``start`` to before ``end`` that are replaced."""

    start: int
    end: int
    kind: str
    replacement: str


def masked(digits: str) -> str:
    """Return the first six digits, the mask, the last four."""
    return digits[:6] + MASK + digits[-4:]


def track(text: str, spans: list[tuple[int, int]], digits: str) -> tuple[int, Region] | None:
    """Return the first group and the region of track data whose number ends with the last group.

    ``spans``: where the digit groups of a cluster stand; ``digits``: all of them together.
    """
    end = spans[-1][1]
    if text[end : end + 1] not in _SIGNS and text[end : end + 2].lstrip(" \t")[:1] not in _SIGNS:
        return None
    size = 0
    for first in range(len(spans) - 1, -1, -1):
        size += spans[first][1] - spans[first][0]
        if size > 23:
            break
        if size < 13:
            continue
        tail = _tail(text, spans, first, digits[len(digits) - size :])
        if tail is not None:
            start = spans[first][0]
            mark = _SENTINEL.search(text, max(0, start - 3), start)
            return first, Region(mark.start() if mark else start, tail, "track", REMOVED)
    return None


def _tail(text: str, spans: list[tuple[int, int]], first: int, number: str) -> int | None:
    """Return where the track ends whose number is all groups from ``first``, if it is one."""
    end = spans[-1][1]
    one = _TRACK_1.match(text, end)
    if one:
        return one.end() if len(number) <= 21 else None
    single = first == len(spans) - 1
    two = _TRACK_2.match(text, end) or (None if single else _TRACK_2_BYTES.match(text, end))
    if two is None:
        return None
    data = two["data"].replace(" ", "")
    # Field 35 has its length before it, a chip's data its tag too.
    known = is_card(number) or (single and (is_card(number[2:]) or is_card(number[4:])))
    if len(number) > 21:
        return two.end() if known else None
    dated = "01" <= data[2:4] <= "12"
    if text[end] in "=＝":
        sentinel = text[max(0, spans[first][0] - 1)] in ";；"
        is_track = known or sentinel or (single and (len(data) >= 10 or (len(data) >= 7 and dated)))
    else:
        is_track = dated and (known or (single and len(number) <= 19 and len(data) >= 7))
    return two.end() if is_track else None


def find_chip_data(text: str, begin: int = 0) -> Iterator[Region]:
    """Yield card numbers and track data in a chip's data that begin at ``begin`` or later."""
    while tag := _TAGS.search(text, max(0, begin - 4)):
        region = _chip_number(text, tag.start()) or _chip_track(text, tag.start())
        if region is not None and region.start >= begin:
            yield region
        begin = max(begin, tag.start() + 5) if region is None else max(begin, region.end)


def _chip_number(text: str, start: int) -> Region | None:
    match = _CHIP_NUMBER.match(text, start)
    if match is None:
        return None
    nibbles = 2 * int(match[1], 16)
    begin, most = match.span(2)
    end = min(begin + nibbles, most)
    is_padded = begin + nibbles == end + 1 and text[end : end + 1] in ("F", "f")
    if not is_padded and end - begin != nibbles:
        return None
    number = text[begin:end]
    if not is_card(number):
        return None
    # Its last four would become part of what follows.
    instead = REMOVED if text[end : end + 1].isdecimal() else masked(number)
    return Region(begin, end, "pan", instead)


def _chip_track(text: str, start: int) -> Region | None:
    match = _CHIP_TRACK.match(text, start)
    if match is None or not "01" <= match["data"][2:4] <= "12":
        return None
    number = match["number"]
    is_known = is_issued(number) or luhn(number)
    return Region(match.start("number"), match.end(), "track", REMOVED) if is_known else None
