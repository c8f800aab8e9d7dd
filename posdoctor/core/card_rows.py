"""Finds card numbers that are joined by slashes, commas and the like, and those in words.

Pure: no Django. Such marks stand between separate numbers far more often than inside one, so
more is asked for than between blanks and dashes: the row as a whole is one card number, or its
groups have the shape that is printed on cards; and the Luhn digit is right, but for UnionPay in
that shape.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise

from posdoctor.core.card_issuers import UNIONPAY, is_expiry, is_issued, luhn
from posdoctor.core.card_labels import REMOVED, Label, fits, label_before
from posdoctor.core.card_numbers import JOINER
from posdoctor.core.card_tracks import Region, masked

_MARKS = r",，、/／⁄∕;；|｜_＿+＋'’\"”~～"
# The same as blanks, as addresses, pages and programs write them.
_ESCAPED = (
    r"%20|%2[DdFfCcBb]|%0[AaDd]|&nbsp;|&#160;|<br ?/?>|\\[nrt]|\\xa0|\\u(?:00a0|200[b-d]|3000)"
)
_LINK = rf"(?:[{JOINER}{_MARKS}]|{_ESCAPED}){{1,12}}"
_MOST_GROUPS = 400
_OVERLAP = 24
_ROW = re.compile(rf"(?<![0-9])[0-9]++(?:{_LINK}[0-9]++){{1,{_MOST_GROUPS - 1}}}")
_MARK = re.compile(rf"[{_MARKS}]|{_ESCAPED}")
_REMOVED = re.escape(REMOVED)
# What masked numbers and removed words leave counts as what they were.
_GOES_ON_BEFORE = re.compile(
    rf"(?:(?:(?P<digits>(?<![0-9])[0-9]{{1,9}}+)|[0-9\]]){_LINK}|\*|[0-9][:：])$"
)
_GOES_ON_BEHIND = re.compile(
    rf"\*|[:：][0-9]|{_LINK}(?:(?P<digits>[0-9]{{1,9}}+(?![0-9]))|[0-9]|{_REMOVED})"
)
_LINKS = re.compile(rf"({_LINK})")
# By the sizes of the groups, a letter each: four fours, Amex, Diners, or one digit at a time.
_SHAPES = re.compile(r"(?<!4)4444(?:4$|[123]|(?!4))|465|464|(?<!1)1{13,19}(?!1)")
_DATES = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}[-./][01]?[0-9][-./][0-3]?[0-9]"
    r"|[0-3]?[0-9][-./][0-3]?[0-9][-./](?:19|20)[0-9]{2})(?![0-9])"
)
_AMOUNTS = re.compile(r"[0-9]+\.[0-9]{2}(?:[^0-9.][^0-9]{0,11}[0-9]+\.[0-9]{2})+")
# An address in a network, but for short ones: single digits between dots may be anything.
_ADDRESS = re.compile(r"(?<![0-9.])(?=[0-9.]{10})[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])")
_PLACE = re.compile(r"[0-9]{1,3}\.[0-9]{3,8}[^0-9.][^0-9]{0,11}[0-9]{1,3}\.[0-9]{3,8}")


def find_rows(text: str, taken: Sequence[Region], begin: int = 0) -> Iterator[Region]:
    """Yield the card numbers whose groups are joined by marks, left to right.

    ``taken``: what was found before, in order; nothing that overlaps it is yielded.
    """
    starts, ends = [region.start for region in taken], [region.end for region in taken]
    last = begin
    while match := _ROW.search(text, begin):
        start, begin = match.span()
        if begin - start < 14 or not _MARK.search(text, start, begin):
            continue
        row = _Row(text, start, begin)
        if row.count == _MOST_GROUPS:
            begin = row.starts[-_OVERLAP]
        walls = taken[bisect_right(ends, start) : bisect_left(starts, row.ends[-1])]
        for region in row.regions(walls):
            if region.start >= last:
                yield region
                last = region.end


class _Row:
    """Digit groups with the links between them; ``start`` to before ``end`` of the text."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        pieces = _LINKS.split(text[start:end])
        self.groups, self.links = pieces[::2], pieces[1::2]
        places = list(accumulate(map(len, pieces), initial=start))
        self.starts, self.ends = places[:-1:2], places[1::2]
        self.count = len(self.groups)

    @cached_property
    def before(self) -> re.Match[str] | None:
        """What the row continues, if digits or what is left of digits stand before it."""
        start = self.starts[0]
        return _GOES_ON_BEFORE.search(self.text, max(0, start - 80), start)

    @cached_property
    def behind(self) -> re.Match[str] | None:
        """What continues the row."""
        return _GOES_ON_BEHIND.match(self.text, self.ends[-1])

    def regions(self, taken: Sequence[Region]) -> Iterator[Region]:
        """Yield the card numbers of the row, which overlap nothing that is taken."""
        if not (taken or self.before or self.behind) and self._is_whole():
            yield self._region(0, self.count)
            return
        for shape in _SHAPES.finditer(self._sizes(taken)):
            first, stop = shape.span()
            if shape[0] == "44444" and not is_expiry(self.groups[stop - 1]):
                continue
            # What follows sixteen digits may be the rest of nineteen, or something else.
            stops = (
                (stop, stop - 1) if shape[0].startswith("4444") and stop - first > 4 else (stop,)
            )
            for end in stops:
                if not self._continues(first, end) and self._is_shaped_card(first, end):
                    yield self._region(first, end)
                    break

    def _sizes(self, taken: Sequence[Region]) -> str:
        """Return a letter for each group: its digits, or x where it is part of something else."""
        sizes = [str(len(group)) if len(group) < 10 else "x" for group in self.groups]
        for region in taken:
            first = bisect_right(self.ends, region.start)
            for n in range(first, bisect_left(self.starts, region.end)):
                sizes[n] = "x"
        if self.before and self.before[0].startswith("*"):
            sizes[0] = "x"
        if self.behind and self.behind[0] == "*":
            sizes[-1] = "x"
        return "".join(sizes)

    def _continues(self, first: int, stop: int) -> bool:
        """Say whether more groups of the same size stand outside the row."""
        size, outside = len(self.groups[first]), []
        if first == 0 and self.before:
            outside.append(self.before["digits"] or "")
        if stop == self.count and self.behind:
            outside.append(self.behind["digits"] or "")
        return any(len(digits) == size for digits in outside)

    def _is_whole(self) -> bool:
        digits = "".join(self.groups)
        if self.count > 19 or not 13 <= len(digits) <= 19 or not is_issued(digits):
            return False
        if luhn(digits):
            return not self._speaks_against(0, self.count)
        sizes = "".join(str(min(len(group), 9)) for group in self.groups)
        return bool(_SHAPES.fullmatch(sizes)) and self._is_shaped_card(0, self.count)

    def _is_shaped_card(self, first: int, stop: int) -> bool:
        digits = "".join(self.groups[first:stop])
        if not is_issued(digits) or not any(map(_MARK.search, self.links[first : stop - 1])):
            return False
        if not luhn(digits):
            # One and the same mark all the way, and no list of numbers that begin alike.
            heads = {group[:2] for group in self.groups[first:stop]}
            evenly = len(set(self.links[first : stop - 1])) == 1
            if digits[:2] not in UNIONPAY or len(heads) == 1 or not evenly:
                return False
            if first == 0 and label_before(self.text, self.starts[0]) is Label.FREE:
                return False
        return not self._speaks_against(first, stop)

    def _speaks_against(self, first: int, stop: int) -> bool:
        """Say whether these are plainly several numbers, or the first is a labelled one."""
        start, end = self.starts[first], self.ends[stop - 1]
        dates = (m.span() for m in _DATES.finditer(self.text, max(0, start - 10), end + 6))
        if any(s < end and start < e for s, e in dates):
            return True
        if _AMOUNTS.fullmatch(self.text, start, end) or _PLACE.fullmatch(self.text, start, end):
            return True
        groups = self.groups[first:stop]
        if _is_series(groups) or _ADDRESS.search(self.text, start, end):
            return True
        return first == 0 and fits(label_before(self.text, start), groups[0])

    def _region(self, first: int, stop: int) -> Region:
        digits = "".join(self.groups[first:stop])
        return Region(self.starts[first], self.ends[stop - 1], "pan", masked(digits))


def _is_series(groups: list[str]) -> bool:
    """Say whether these are terminals or landlines of one series, or a rising row of codes."""
    size, head = len(groups[0]), groups[0][:2]
    if any(len(group) != size for group in groups):
        return False
    if size == 2:
        return all(a < b for a, b in pairwise(groups))
    return size >= 7 and all(group[:2] == head for group in groups)


# --- In words -----------------------------------------------------------------------------------

_SPOKEN = {
    **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖幺兩两", "123456789122", strict=True)),
    **{
        chr(point): str(unicodedata.digit(chr(point)))
        for point in range(0x10000)
        if unicodedata.category(chr(point)) == "No" and unicodedata.digit(chr(point), -1) >= 0
    },
}
_WORD = f"[{re.escape(''.join(_SPOKEN))}]"
_SPOKEN_NUMBER = re.compile(
    rf"(?<!{_WORD}){_WORD}(?:[{JOINER}，、]{{0,3}}{_WORD}){{12,18}}(?!{_WORD})"
)
_NOT_A_WORD = re.compile(rf"(?!{_WORD}).", re.DOTALL)


def find_spoken(text: str, begin: int = 0) -> Iterator[Region]:
    """Yield card numbers in Chinese numerals, circled or raised digits."""
    for match in _SPOKEN_NUMBER.finditer(text, begin):
        digits = "".join(map(_SPOKEN.__getitem__, _NOT_A_WORD.sub("", match[0])))
        if is_issued(digits) and (digits[:2] in UNIONPAY or luhn(digits)):
            yield Region(match.start(), match.end(), "pan", masked(digits))
