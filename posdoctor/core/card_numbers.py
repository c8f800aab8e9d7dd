"""Finds card numbers and track data in text whose digits are ASCII.

Pure: no Django. Not the place that replaces them: that is ``posdoctor.core.scrub``, whose docstring
says what counts as a card number and why. Numbers joined by slashes, commas and the like, and
those in words, are found by ``posdoctor.core.card_rows``.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, chain, groupby, pairwise

from posdoctor.core.card_issuers import (
    FINE,
    LENGTHS,
    LONGEST_RUN,
    UNIONPAY,
    Inside,
    inside,
    is_card,
    issuer_fits,
    luhn,
)
from posdoctor.core.card_labels import (
    REMOVED,
    Label,
    fits,
    is_index,
    is_our_reference,
    label_before,
)
from posdoctor.core.card_tracks import Region, masked, track

# --- Characters ---------------------------------------------------------------------------------


def _class_of(categories: set[str], extra: str) -> str:
    """Return the inside of a regex character class: these Unicode categories and characters."""
    points = [p for p in range(0x10000) if unicodedata.category(chr(p)) in categories]
    points = sorted({*points, *map(ord, extra)})
    runs = []
    for _, run in groupby(enumerate(points), lambda pair: pair[1] - pair[0]):
        members = [point for _, point in run]
        runs.append(f"\\U{members[0]:08x}-\\U{members[-1]:08x}")
    return "".join(runs)


# Hangul fillers and the braille blank are letters and symbols to Unicode, but nothing to the eye.
# The two blocks beyond the first plane are tags and variation selectors.
INVISIBLE = _class_of({"Cf", "Mn", "Me"}, "\u115f\u1160\u3164\uffa0\u2800") + (
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
JOINER = _class_of({"Zs", "Zl", "Zp", "Pd", "Cc"}, "._·•‧∙⋅・･．。−ー﹒") + INVISIBLE

# SECURITY: wide enough for a wrapped, indented or space-aligned number, narrow enough that a window
# (at most 19 groups) stays far below LOOKAHEAD.
_GAP = rf"[{JOINER}]{{1,40}}+"
# The first six of a mask already in the text are not the tail of a longer number.
_GROUP = r"[0-9]++(?!(?<=[0-9]{6})\*{6}[0-9]{4}(?![0-9]))"
# Clusters are read in blocks so that ten megabytes of digits need no ten million list entries.
_BLOCK = 2000
# More groups than any row of windows that hang together has.
_MOST_GROUPS = 80
_CLUSTER = re.compile(
    r"(?<![0-9])(?:[0-9]{6,}+\*{6}[0-9]{4}(?![0-9])"
    # Greedy, not possessive: nothing follows that could make it give back, and CPython before
    # 3.11.5 loses its place in a possessive group whose body backtracks (gh-106052).
    rf"|(?P<cluster>{_GROUP}(?:{_GAP}{_GROUP}){{0,{_BLOCK - 1}}}))"
)
_PIECES = re.compile(r"([^0-9]+)")
_AFTER_DIGIT = re.compile(rf"[0-9][{JOINER}]{{0,40}}$")
_VISIBLE = re.compile(rf"[^{INVISIBLE}]")
_HIDDEN = re.compile(rf"[{INVISIBLE}]")
LINE_END = re.compile(r"[\r\n\v\f\x85\u2028\u2029]")
# How far a decision looks beyond the place it is about: four windows and a track tail.
LOOKAHEAD = 4096
LOOKBACK = 128

# --- Clusters and windows -----------------------------------------------------------------------

_DOUBLED = bytes.maketrans(b"0123456789", b"\0\2\4\6\x08\1\3\5\7\x09")
_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
# One number per line or column: amounts, dates. A card number is never written like this.
_AMOUNTS = re.compile(r"[0-9]+\.[0-9]{2}(?:\s+[0-9]+\.[0-9]{2})+")
_CENTS = re.compile(r"\.[0-9]{2}(?![0-9])")
# Coordinates and drawings: a right Luhn digit is chance there. Six, since a card number that is
# split anyhow shows two or three such pairs.
_DECIMALS = re.compile(
    r"(?<![0-9.])[0-9]+\.[0-9]{1,2}(?:[ \t\r\n]+-?[0-9]+\.[0-9]{1,2}){5,}(?![0-9.])"
)
# A place on the map: two of them, as degrees with four decimals or more.
_PLACE = re.compile(r"[0-9]{1,3}\.[0-9]{4,8}\s+-?[0-9]{1,3}\.[0-9]{4,8}")
_DATE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}([-./])[01]?[0-9]\1[0-3]?[0-9](?![0-9])")
# What stands before the decimals of a number, masked or removed as it may be.
_FRACTION = re.compile(r"[0-9\]]\.$")
_AREA_CODE = re.compile(r"0[0-9]{2,3}")
_SHORT = frozenset({Label.PHONE, Label.TERMINAL})


class _Cluster:
    """The digit groups of one stretch of text, with what is needed to judge any window of them."""

    def __init__(self, text: str, start: int, pieces: list[str]) -> None:
        self.text = text
        self.groups = pieces[::2]
        self.raw_gaps = pieces[1::2]
        places = list(accumulate(map(len, pieces), initial=start))
        self.starts, self.ends = places[:-1:2], places[1::2]
        self.digits = "".join(self.groups)
        self.sizes = list(map(len, self.groups))
        self.offsets = list(accumulate(self.sizes, initial=0))
        self.count = len(self.groups)
        # The group that begins, or the end of the cluster that lies, at so many digits.
        self.group_at = dict(zip(self.offsets, range(self.count + 1), strict=True))
        # Running sums for windows that end at an even, at an odd number of digits.
        data = self.digits.encode()
        plain, doubled = data.translate(_PLAIN), data.translate(_DOUBLED)
        even, odd = bytearray(plain), bytearray(plain)
        even[0::2] = doubled[0::2]
        odd[1::2] = doubled[1::2]
        self.luhn_sums = (
            list(accumulate(even, initial=0)),
            list(accumulate(odd, initial=0)),
        )
        # True where characters stand between digits that the eye does not see.
        self.has_hidden = any(map(_HIDDEN.search, set(self.raw_gaps)))
        self.stops: list[int | None] = [None] * self.count
        self.odd: dict[int, Inside] = {}

    @cached_property
    def gaps(self) -> list[str]:
        """What stands between each group and the next; nothing where the eye sees nothing."""
        if not self.has_hidden:
            return self.raw_gaps
        return [gap if _VISIBLE.search(gap) else "" for gap in self.raw_gaps]

    def is_run(self, first: int, stop: int) -> bool:
        """Say whether the groups stand together to the eye."""
        return stop - first == 1 or (self.has_hidden and not any(self.gaps[first : stop - 1]))

    @cached_property
    def is_head(self) -> bool:
        """False where this block continues digits that stand before it."""
        start = self.starts[0]
        return not _AFTER_DIGIT.search(self.text, max(0, start - 64), start)

    @cached_property
    def label(self) -> Label | None:
        return label_before(self.text, self.starts[0])

    @cached_property
    def is_labelled_whole(self) -> bool:
        """True where all groups together are one labelled number."""
        if self.label is not None:
            return fits(self.label, self.digits)
        start = self.starts[0]
        return len(self.digits) <= 13 and self.text[max(0, start - 1) : start] in ("+", "＋")

    @cached_property
    def kept(self) -> int:
        """How many groups from the first are a labelled number each, or one of our references."""
        if self.label is None:
            return int(is_our_reference(self.text, self.starts[0], self.groups[0]))
        kept = 0
        while kept < self.count and fits(self.label, self.groups[kept]):
            kept += 1
        # SECURITY: a phone or a TID is short enough to be the first part of a card number.
        return 0 if self.label in _SHORT and kept < self.count else kept

    def is_kept(self, first: int, stop: int, *, luhn: bool) -> bool:
        """Say whether a label or our own notation speaks for what begins with ``first``."""
        if self.is_labelled_whole:
            return True
        if first >= self.kept:
            return False
        if self.label is None:
            # A reference alone, or with what follows it: but for the rest of a card's number.
            return not luhn or stop < self.count or self.several_numbers(first, stop)
        if stop - first == 1 or not luhn:
            return True
        return self.label not in _SHORT and bool(LINE_END.search(self.gaps[first]))

    @cached_property
    def is_calm(self) -> bool:
        """True where nothing around the groups can speak against a card number."""
        return not (self.is_mixed or self.label is not None or self.is_labelled_whole or self.kept)

    @cached_property
    def dates(self) -> list[tuple[int, int]]:
        """Where dates stand. One may end behind the last group, at a slash."""
        return [m.span() for m in _DATE.finditer(self.text, self.starts[0], self.ends[-1] + 6)]

    @cached_property
    def date_parts(self) -> set[int]:
        """Groups that are the month or the day of a date: no card number begins there."""
        places = set(chain.from_iterable(range(s + 4, e) for s, e in self.dates))
        return {n for n, s in enumerate(self.starts) if s in places} if places else set()

    def _touching(self, spans: list[tuple[int, int]]) -> list[int]:
        """Return running counts of the groups that lie in one of the spans."""
        flags, here = [], iter([*spans, (1 << 60, 1 << 60)])
        start, end = next(here)
        for group_start, group_end in zip(self.starts, self.ends, strict=True):
            while end <= group_start:
                start, end = next(here)
            flags.append(start < group_end)
        return list(accumulate(flags, initial=0))

    @cached_property
    def in_dates(self) -> list[int]:
        return self._touching(self.dates)

    @cached_property
    def in_decimals(self) -> list[int]:
        return self._touching(self.decimals)

    @cached_property
    def decimals(self) -> list[tuple[int, int]]:
        """Where rows of decimals stand."""
        if self.raw_gaps.count(".") < 6:
            return []
        return [m.span() for m in _DECIMALS.finditer(self.text, self.starts[0], self.ends[-1])]

    @cached_property
    def columns(self) -> list[int]:
        """Running counts of the groups after which the next one stands in another column."""
        wide = {g for g in set(self.gaps) if len(g) > 4 and not LINE_END.search(g)}
        return list(accumulate((g in wide for g in self.gaps), initial=0)) if wide else []

    def several_numbers(self, first: int, stop: int) -> bool:
        """Say whether the groups are plainly more than one number, each for itself."""
        if first == 1 and self.is_head and self._follows_area_code():
            return True
        return self._is_series(first, stop) or (self.is_mixed and self._is_table(first, stop))

    def is_list(self, first: int, stop: int) -> bool:
        """Say whether even a right Luhn digit is chance: decimals, or a rising row of codes."""
        if self.decimals and self.in_decimals[stop] > self.in_decimals[first]:
            return True
        if stop - first == 4 and "." in self.raw_gaps:
            start, end = self.starts[first], self.ends[stop - 1]
            if _PLACE.fullmatch(self.text, start, end):
                return True
        return self.sizes[first] == 2 and self._is_rising(first, stop)

    def _is_rising(self, first: int, stop: int) -> bool:
        # The first two tell in nearly every case.
        if self.groups[first] >= self.groups[first + 1]:
            return False
        codes = self.groups[first:stop]
        return all(len(code) == 2 for code in codes) and all(a < b for a, b in pairwise(codes))

    @cached_property
    def is_mixed(self) -> bool:
        """False where no window can be a table: columns, dates and amounts are all absent."""
        return bool("." in self.raw_gaps or self.columns or self.dates)

    def _is_table(self, first: int, stop: int) -> bool:
        """Say whether the groups stand in columns, touch a date or are a list of amounts."""
        if self.columns and self.columns[stop - 1] > self.columns[first]:
            return True
        if self.dates and self.in_dates[stop] > self.in_dates[first]:
            return True
        # The last one may have its decimals behind the window.
        start, end = self.starts[first], self.ends[stop - 1]
        cents = _CENTS.match(self.text, end)
        return bool(_AMOUNTS.fullmatch(self.text, start, cents.end() if cents else end))

    def _follows_area_code(self) -> bool:
        return self.sizes[1] in (7, 8) and bool(_AREA_CODE.fullmatch(self.groups[0]))

    def _is_series(self, first: int, stop: int) -> bool:
        """Say whether these are equally long numbers of one series: terminals, landlines."""
        size = self.sizes[first]
        if size < 7:
            return False
        groups = self.groups[first:stop]
        head = groups[0][:2]
        return all(len(group) == size and group[:2] == head for group in groups)

    def allows(self, first: int, stop: int, *, luhn: bool) -> bool:
        """Apply what the surroundings say about a window that has the digits of a card number."""
        if not self.is_calm and self._is_something_else(first, stop, luhn=luhn):
            return False
        if stop - first == 1:
            return True
        return not self.is_list(first, stop) and (luhn or not self.several_numbers(first, stop))

    def _is_something_else(self, first: int, stop: int, *, luhn: bool) -> bool:
        """Say whether a label, a date or a fraction speaks for what begins with ``first``."""
        if first in self.date_parts or self.is_kept(first, stop, luhn=luhn):
            return True
        if first == 0:
            size = self.offsets[stop]
            return self.label is Label.FREE and not (luhn and size >= 16)
        # The decimals of a fraction are no number of their own.
        return stop == 2 and first == 1 and self.gaps[0] == "." and self.groups[0] == "0"

    def best(self, first: int, limit: int) -> int:
        """Return where the likeliest card number that begins with group ``first`` ends, or 0.

        It ends by ``limit``.
        """
        if limit != self.count:
            return self._judge(first, limit)
        stop = self.stops[first]
        if stop is None:
            stop = self.stops[first] = self._judge(first, limit)
        return stop

    def _judge(self, first: int, limit: int) -> int:
        begin = self.offsets[first]
        prefix = self.digits[begin : begin + 2]
        likeliest = 0
        if prefix in LENGTHS:
            group_at = self.group_at
            # Most groups begin no row of groups that is as long as a card number.
            ends = [begin + size for size in LENGTHS[prefix] if begin + size in group_at]
            if ends:
                likeliest = self._likeliest(first, limit, prefix, ends)
        if likeliest or self.sizes[first] < 15:
            return likeliest
        return self._judge_odd(first)

    def _likeliest(self, first: int, limit: int, prefix: str, ends: list[int]) -> int:
        """Return the best of the windows that end after so many digits, longer ones first, or 0."""
        begin, likeliest, rank = self.offsets[first], 0, -1
        # Of small groups nothing but a rising row of codes needs a closer look.
        is_plain = (
            self.is_calm and self.sizes[first] < 7 and self.groups[first] > self.groups[first + 1]
        )
        for end in ends:
            sums = self.luhn_sums[end & 1]
            luhn = (sums[end] - sums[begin]) % 10 == 0
            if not luhn and prefix not in UNIONPAY:
                continue
            stop = self.group_at[end]
            if stop > limit or (prefix in FINE and not issuer_fits(self.digits[begin:end])):
                continue
            if is_plain or self.allows(first, stop, luhn=luhn):
                # A shorter one must be better.
                is_sure = luhn or (end - begin == 19 and self._is_printed_19(first, stop))
                found = 2 * is_sure + self.is_run(first, stop)
                if found > rank:
                    likeliest, rank = stop, found
        return likeliest

    def _is_printed_19(self, first: int, stop: int) -> bool:
        """Say whether the groups are 4-4-4-4-3, evenly spaced, as debit cards are embossed."""
        if self.sizes[first:stop] != [4, 4, 4, 4, 3]:
            return False
        return len(set(self.gaps[first : stop - 1])) == 1

    def region(self, first: int, stop: int) -> Region:
        """Return what the window becomes: its first six digits, the mask, its last four."""
        start, end = self.starts[first], self.ends[stop - 1]
        begin = self.offsets[first]
        odd = self.odd.get(first)
        if odd is not None:
            if odd.with_more and stop - first == 1:
                return Region(start, end, "track", REMOVED)
            start, begin = start + odd.start, begin + odd.start
        return Region(start, end, "pan", masked(self.digits[begin : self.offsets[stop]]))

    def _judge_odd(self, first: int) -> int:
        """Judge one run of digits that is no issuer's number as it stands."""
        label = self.label if first == 0 else None
        found = odd_run(self.text, self.starts[first], self.groups[first], label)
        if found is None or not self.allows(first, first + 1, luhn=True):
            return 0
        self.odd[first] = found
        return first + 1


def odd_run(text: str, start: int, run: str, label: Label | None) -> Inside | None:
    """Return the card number in a run that is no issuer's as it stands: all of it, or a part."""
    size = len(run)
    if size > LONGEST_RUN:
        return None
    found = inside(run, is_labelled_card=label is Label.CARD)
    if found is not None:
        # The number of an order is as long as somebody liked.
        return None if label is Label.FREE and size > 21 else found
    if size != 15 and not (size in (19, 20) and run.startswith("89")):
        return None
    if not luhn(run) or _FRACTION.search(text, max(0, start - 2), start):
        return None
    return Inside(0, size)


# Three windows may hang together; a chain without end would be one number without end.
_MOST_DIGITS = 57
_LONGEST = 19


def _choose(cluster: _Cluster, first: int, until: int, limit: int) -> Iterator[Region]:
    """Yield the card numbers that begin in groups ``first`` to before ``until``, left to right.

    1. A run of fifteen digits or more wins over groups that only together look like a number.
    2. SECURITY: other windows that overlap become one. Which of them is the card cannot be known,
       and the last four of the wrong one may be the first four of the right one.
    After that no window fits into what is left: a second run finds nothing.
    """
    while first < until:
        stop = cluster.best(first, limit)
        if not stop:
            first += 1
            continue
        run = 0 if cluster.is_run(first, stop) else _run_inside(cluster, first, stop, limit)
        if run:
            yield from _choose(cluster, first, run, run)
            first, stop = run, cluster.best(run, limit)
        else:
            stop = _merged(cluster, first, stop, limit)
        yield cluster.region(first, stop)
        first = stop


def _run_inside(cluster: _Cluster, first: int, stop: int, limit: int) -> int:
    """Return the group inside the window at which a run of fifteen digits or more begins, or 0."""
    if not cluster.has_hidden and max(cluster.sizes[first + 1 : stop]) < 15:
        return 0
    for inner in range(first + 1, stop):
        end = cluster.best(inner, limit)
        is_run = bool(end) and cluster.is_run(inner, end)
        if is_run and cluster.offsets[end] - cluster.offsets[inner] >= 15:
            return inner
    return 0


def _merged(cluster: _Cluster, first: int, stop: int, limit: int) -> int:
    """Return where the window ends when those are added that overlap it."""
    offsets = cluster.offsets
    most, inner = offsets[first] + _MOST_DIGITS, stop - 1
    # From the end: what begins later reaches further, and a number has at most nineteen digits.
    while inner > first and offsets[stop] - offsets[inner] < _LONGEST:
        other = cluster.best(inner, limit)
        if other > stop and offsets[other] <= most:
            stop, inner = other, other
        inner -= 1
    return stop


# --- The whole ----------------------------------------------------------------------------------


def find_numbers(text: str, begin: int = 0) -> Iterator[Region]:
    """Yield card numbers and track data that begin at ``begin`` or later, left to right."""
    while match := _CLUSTER.search(text, begin):
        start, begin = match.span()
        if begin - start < 13 or match["cluster"] is None:
            continue
        if is_index(text, start):
            begin = start + 1
            continue
        if text[start:begin].isdecimal():
            region = _single(text, start, begin) if begin - start <= LONGEST_RUN else None
            if region is not None:
                yield region
                begin = region.end
            continue
        pieces = _PIECES.split(text[start:begin])
        cluster = _Cluster(text, start, pieces)
        if cluster.count == _BLOCK:
            # The block may be cut out of a longer cluster: leave the last windows to the next one.
            begin = cluster.starts[-_MOST_GROUPS]
        for region in _regions(cluster):
            yield region
            begin = max(begin, region.end)


def _single(text: str, start: int, end: int) -> Region | None:
    """Judge a run of digits that stands alone, as most do: what a cluster does, in short."""
    run = text[start:end]
    found = track(text, [(start, end)], run)
    if found:
        return found[1]
    is_whole = is_card(run)
    if not is_whole and len(run) < 15:
        return None
    label = label_before(text, start)
    if fits(label, run) or (label is Label.FREE and not _is_card_for_sure(run)):
        return None
    if is_whole:
        # A telephone number of another country.
        is_kept = label is None and len(run) == 13 and text[max(0, start - 1)] in "+＋"
        return None if is_kept else Region(start, end, "pan", masked(run))
    odd = odd_run(text, start, run, label)
    return None if odd is None else _part(odd, start, run)


def _part(odd: Inside, start: int, run: str) -> Region:
    """Return what replaces the card number in a run that begins at ``start`` of the text."""
    end = start + len(run)
    if odd.with_more:
        return Region(start, end, "track", REMOVED)
    return Region(start + odd.start, end, "pan", masked(run[odd.start :]))


def _is_card_for_sure(run: str) -> bool:
    return len(run) >= 16 and (run[:2] not in UNIONPAY or len(run) > 19 or luhn(run))


def _regions(cluster: _Cluster) -> Iterator[Region]:
    if len(cluster.digits) < 13:
        return
    until = limit = cluster.count
    found = None
    if until == _BLOCK:
        until -= _MOST_GROUPS
    else:
        spans = list(zip(cluster.starts[-24:], cluster.ends[-24:], strict=True))
        found = track(cluster.text, spans, cluster.digits)
        if found:
            until = limit = found[0] + cluster.count - len(spans)
    yield from _choose(cluster, 0, until, limit)
    if found:
        yield found[1]
