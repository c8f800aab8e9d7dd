"""Finds card numbers and track data in text.

Pure: no Django. Not the place that replaces them: that is ``posdoctor.core.scrub``, whose docstring
says what counts as a card number and why.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, chain, groupby, pairwise
from typing import NamedTuple

REMOVED = "[removed]"
MASK = "******"

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
_JOINER = _class_of({"Zs", "Zl", "Zp", "Pd", "Cc"}, "._·•‧∙⋅・･．。−ー﹒") + INVISIBLE

# SECURITY: wide enough for a wrapped, indented or space-aligned number, narrow enough that a window
# (at most 19 groups) stays far below LOOKAHEAD.
_GAP = rf"[{_JOINER}]{{1,40}}+"
# The first six of a mask already in the text are not the tail of a longer number.
_GROUP = r"\d++(?!(?<=\d{6})\*{6}\d{4}(?!\d))"
# Clusters are read in blocks so that ten megabytes of digits need no ten million list entries.
_BLOCK = 2000
# More groups than any row of windows that hang together has.
_MOST_GROUPS = 80
_CLUSTER = re.compile(
    r"(?<!\d)(?:\d{6,}+\*{6}\d{4}(?!\d)"
    # Greedy, not possessive: nothing follows that could make it give back, and CPython before
    # 3.11.5 loses its place in a possessive group whose body backtracks (gh-106052).
    rf"|(?P<cluster>{_GROUP}(?:{_GAP}{_GROUP}){{0,{_BLOCK - 1}}}))"
)
_RUN = re.compile(r"\d+")
_AFTER_DIGIT = re.compile(rf"\d[{_JOINER}]{{0,40}}$")
_VISIBLE = re.compile(rf"[^{INVISIBLE}]")
LINE_END = re.compile(r"[\r\n\v\f\x85\u2028\u2029]")
# How far a decision looks beyond the place it is about: four windows and a track tail.
LOOKAHEAD = 4096
LOOKBACK = 64

# --- Issuers ------------------------------------------------------------------------------------

_TO_19 = (19, 18, 17, 16)
_LENGTHS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(map(str, range(40, 50)), (19, 16, 13)),  # Visa
    **dict.fromkeys(["51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"], (16,)),
    **dict.fromkeys(["34", "37"], (15,)),  # Amex
    "35": _TO_19,  # JCB
    **dict.fromkeys(["30", "36", "38", "39"], (*_TO_19, 14)),  # Diners
    # Discover, RuPay and older Chinese debit cards. Not below 16: 69 begins Chinese bar codes (13).
    **dict.fromkeys(["60", "61", "64", "65", "66", "68", "69"], _TO_19),
    **dict.fromkeys(["50", "56", "57", "58", "63", "67"], (*_TO_19, 15, 14, 13)),  # Maestro
    **dict.fromkeys(["62", "81"], _TO_19),  # UnionPay
    "95": _TO_19,  # ICBC debit cards from before UnionPay: 9558
}
_UNIONPAY = ("62", "81")


def _issuer_fits(digits: str) -> bool:
    """Say whether the finer prefix rules hold for a number whose first two digits are listed."""
    first = digits[:4]
    if digits[0] == "2":
        return "2221" <= first <= "2720"
    if digits[:2] == "95":
        return first == "9558"
    if digits[:2] == "30" and len(digits) > 14:
        return "3000" <= first <= "3059"
    return True


# --- Labels -------------------------------------------------------------------------------------


class _Label(StrEnum):
    CARD = "card"
    SECRET = "secret"  # noqa: S105 (the name of a kind, not a password)
    ICCID = "iccid"
    DEVICE = "device"
    MERCHANT = "merchant"
    TERMINAL = "terminal"
    REFERENCE = "reference"
    PHONE = "phone"
    FREE = "free"


_NO = r"[ _.-]{0,2}(?:id|no|nr|num|number|code|cd|#)?"
_LABEL_WORDS: dict[_Label, str] = {
    _Label.ICCID: rf"iccid|(?:u?sim|物联网|流量) ?卡(?:号码?)?|\bsim{_NO}",
    _Label.CARD: rf"卡号|银行卡|信用卡|借记卡|储蓄卡|主账号|\bcard{_NO}|\bpan\b",
    _Label.SECRET: r"cv[vcn]2?|安全码|后三位|\bpin\b|密码|口令|password|passwd|pwd",
    _Label.DEVICE: r"\bimei[1-4]?|\bimsi|\bmeid|串号|设备识别码",
    _Label.MERCHANT: (
        rf"商户(?:编?号|代码|id)|商编|\bmid\b|merchant{_NO}|\bmch(?:nt)?{_NO}|\bmer_?id"
    ),
    _Label.TERMINAL: rf"终端(?:编?号|代码|id)|\btid\b|\bterm(?:inal)?{_NO}",
    _Label.REFERENCE: rf"参考号|检索号|\brrn\b|\bref(?:erence)?{_NO}",
    _Label.PHONE: (
        r"电话|手机|座机|固话|热线|客服|联系方式|传真|拨打|致电|"
        r"\b(?:tele)?phone|\bmobile|\btel\b|\bcell\b|\bfax|\bcall\b|\bhotline"
    ),
    _Label.FREE: (
        r"\bs/?n\b|\b(?:device|terminal|term|pos)[ _]?sn\b|\btusn|\bserial"
        rf"|序列号|机身号|机器号|设备编?号|批次|凭证|流水|订单|单号|工单|小票号|授权|交易号|身份证|证件号"
        rf"|\bbatch|\bvoucher|\btrace|\bstan\b|\border{_NO}|\btrade{_NO}|\binvoice|\bticket"
        rf"|\b(?:transaction|txn|trans|tran){_NO}|\bauth{_NO}|\btracking{_NO}|\btimestamp"
    ),
}
# A word boundary that also holds beside Chinese, an underscore and inside camelCase's first word.
_START, _STOP = r"(?<![A-Za-z])", r"(?![A-Za-z])"


def _label_pattern(words: str) -> str:
    alternatives = []
    for word in re.split(r"\|(?![^(]*\))", words):
        bounded = word.replace(r"\b", _START, 1) if word.startswith(r"\b") else word
        alternatives.append(bounded.replace(r"\b", _STOP))
    return "|".join(alternatives)


_LABELS = re.compile(
    "|".join(f"(?P<{kind}>{_label_pattern(words)})" for kind, words in _LABEL_WORDS.items()),
    re.IGNORECASE,
)
# What was removed held digits once: a second run must see no label that the first did not.
_CLAUSE_END = re.compile(rf"{re.escape(REMOVED)}|[\d,，。;；!！?？、]")
_NUMBERED = re.compile(r"imei[1-4]$", re.IGNORECASE)
# "IMEI: 861…/861…": the second number belongs to the same label.
_TWIN = re.compile(r"\d{15}\s{0,2}[/,，、;；|]\s{0,2}$")
_OUR_REF = re.compile(r"(?<![A-Za-z0-9])[TMSPDI]-$")

_FIXED_LENGTHS: dict[_Label, tuple[int, ...]] = {
    _Label.DEVICE: (15,),
    _Label.MERCHANT: (15,),
    _Label.TERMINAL: (8,),
    _Label.REFERENCE: (12,),
}
_PHONE = re.compile(r"(?:0?0?86)?1[3-9]\d{9}|(?:0|0?0?86)\d{2,3}\d{7,8}|[48]00\d{7}|\d{7,8}")


def last_of(matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    last = None
    for match in matches:
        last = match
    return last


def _label_before(text: str, start: int) -> _Label | None:
    """Return the kind of the nearest label that speaks for the number at ``start``."""
    tail = text[max(0, start - LOOKBACK) : start]
    twin = _TWIN.search(tail)
    if twin:
        tail = tail[: twin.start()]
    # A label stands behind the last digit and the last end of a clause, or is IMEI1 itself.
    clause = _CLAUSE_END.split(tail)[-1]
    before = tail[: len(tail) - len(clause)]
    tail = before[-5:] + clause if _NUMBERED.search(before) else clause
    nearest = last_of(_LABELS.finditer(tail))
    if nearest is None or len(tail) - nearest.end() > 12:
        return None
    kind = _Label(nearest.lastgroup or "")
    return None if twin and kind is not _Label.DEVICE and kind is not _Label.MERCHANT else kind


def _fits(label: _Label, digits: str) -> bool:
    """Say whether ``digits`` can be what the label says."""
    if label is _Label.ICCID:
        return len(digits) in (19, 20) and digits.startswith("89")
    if label is _Label.PHONE:
        return bool(_PHONE.fullmatch(digits))
    return len(digits) in _FIXED_LENGTHS.get(label, ())


# --- Clusters and windows -----------------------------------------------------------------------

_DOUBLED = bytes.maketrans(b"0123456789", b"\0\2\4\6\x08\1\3\5\7\x09")
_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
# One number per line or column: amounts, dates. A card number is never written like this.
_AMOUNTS = re.compile(r"\d+\.\d\d(?:\s+\d+\.\d\d)+")
_CENTS = re.compile(r"\.\d\d(?!\d)")
# Coordinates and drawings: a right Luhn digit is chance there. Six, since a card number that is
# split anyhow shows two or three such pairs.
_DECIMALS = re.compile(r"(?<![\d.])\d+\.\d{1,2}(?:[ \t\r\n]+-?\d+\.\d{1,2}){5,}(?![\d.])")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d([-./])[01]?\d\1[0-3]?\d(?!\d)", re.ASCII)
# What stands before the decimals of a number, masked or removed as it may be.
_FRACTION = re.compile(r"[\d\]]\.$")
_AREA_CODE = re.compile(r"0\d{2,3}")


class _Window(NamedTuple):
    """Groups ``first`` to before ``stop`` of a cluster, read as one card number.

    ``is_run``: its digits stand together to the eye. ``skip``: leading digits that are not its own.
    """

    first: int
    stop: int
    is_run: bool
    skip: int = 0


class Region(NamedTuple):
    """Characters ``start`` to before ``end`` that are replaced."""

    start: int
    end: int
    kind: str
    replacement: str


class _Cluster:
    """The digit groups of one stretch of text, with what is needed to judge any window of them."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.spans = [run.span() for run in _RUN.finditer(text, start, end)]
        digits = "".join([text[s:e] for s, e in self.spans])
        if not digits.isascii():
            digits = "".join(map(str, map(int, digits)))
        self.digits = digits
        self.offsets = [0, *accumulate(e - s for s, e in self.spans)]
        self.group_at = dict(zip(self.offsets, range(len(self.offsets)), strict=True))
        plain, doubled = digits.encode().translate(_PLAIN), digits.encode().translate(_DOUBLED)
        self.judged: dict[tuple[int, int], _Window | None] = {}
        self.luhn_sums = []
        for parity in (0, 1):
            weights = bytearray(plain)
            weights[parity::2] = doubled[parity::2]
            self.luhn_sums.append([0, *accumulate(weights)])

    def luhn(self, begin: int, stop: int) -> bool:
        """Say whether digits ``begin`` to before ``stop`` end in a right Luhn digit."""
        sums = self.luhn_sums[stop & 1]
        return (sums[stop] - sums[begin]) % 10 == 0

    def size(self, window: _Window) -> int:
        """Return how many digits the window has."""
        return self.offsets[window.stop] - self.offsets[window.first]

    @cached_property
    def gaps(self) -> list[str]:
        """What stands between each group and the next; nothing where the eye sees nothing."""
        gaps = [self.text[a[1] : b[0]] for a, b in pairwise(self.spans)]
        return [gap if _VISIBLE.search(gap) else "" for gap in gaps]

    @cached_property
    def is_head(self) -> bool:
        """False where this block continues digits that stand before it."""
        start = self.spans[0][0]
        return not _AFTER_DIGIT.search(self.text, max(0, start - LOOKBACK), start)

    @cached_property
    def label(self) -> _Label | None:
        return _label_before(self.text, self.spans[0][0])

    @cached_property
    def is_labelled_whole(self) -> bool:
        """True where all groups together are one labelled number."""
        if self.label is not None:
            return _fits(self.label, self.digits)
        start = self.spans[0][0]
        return len(self.digits) <= 13 and self.text[max(0, start - 1) : start] in ("+", "＋")

    @cached_property
    def kept(self) -> int:
        """How many groups from the first are a labelled number each, or one of our references."""
        if self.label is None:
            start = self.spans[0][0]
            return 1 if _OUR_REF.search(self.text, max(0, start - 3), start) else 0
        fitting = [_fits(self.label, self.digits[a:b]) for a, b in pairwise(self.offsets)]
        kept = fitting.index(False) if False in fitting else len(fitting)
        # SECURITY: a phone or a TID is short enough to be the first part of a card number.
        is_short = self.label in (_Label.PHONE, _Label.TERMINAL)
        return 0 if is_short and kept < len(fitting) else kept

    def is_kept(self, first: int, stop: int, *, luhn: bool) -> bool:
        """Say whether a label or our own notation speaks for what begins with ``first``."""
        if self.is_labelled_whole:
            return True
        if first >= self.kept:
            return False
        if stop - first == 1 or self.label is None or not luhn:
            return True
        is_short = self.label in (_Label.PHONE, _Label.TERMINAL)
        return not is_short and bool(LINE_END.search(self.gaps[first]))

    @cached_property
    def dates(self) -> list[tuple[int, int]]:
        """Where dates stand. One may end behind the last group, at a slash."""
        start, end = self.spans[0][0], self.spans[-1][1]
        return [m.span() for m in _DATE.finditer(self.text, start, end + 6)]

    @cached_property
    def date_parts(self) -> set[int]:
        """Groups that are the month or the day of a date: no card number begins there."""
        places = set(chain.from_iterable(range(s + 4, e) for s, e in self.dates))
        return {n for n, (s, _) in enumerate(self.spans) if s in places} if places else set()

    @cached_property
    def columns(self) -> list[int]:
        """Groups after which the next one stands in another column."""
        wide = {g for g in set(self.gaps) if len(g) > 4 and not LINE_END.search(g)}
        return [n for n, gap in enumerate(self.gaps) if gap in wide] if wide else []

    def several_numbers(self, first: int, stop: int) -> bool:
        """Say whether the groups are plainly more than one number, each for itself."""
        if first == 1 and self.is_head and self._follows_area_code():
            return True
        return self._is_series(first, stop) or (self.is_mixed and self._is_table(first, stop))

    def is_list(self, first: int, stop: int) -> bool:
        """Say whether even a right Luhn digit is chance: decimals, or a rising row of codes."""
        start, end = self.spans[first][0], self.spans[stop - 1][1]
        if any(start < list_end and list_start < end for list_start, list_end in self.decimals):
            return True
        return self.rows[first] >= stop

    @cached_property
    def rows(self) -> list[int]:
        """For each group the end of the rising row of two-digit codes that begins there."""
        codes = [self.digits[a:b] if b - a == 2 else "" for a, b in pairwise(self.offsets)]
        ends = list(range(1, len(codes) + 1))
        for n in range(len(codes) - 2, -1, -1):
            if "" < codes[n] < codes[n + 1]:
                ends[n] = ends[n + 1]
        return ends

    @cached_property
    def decimals(self) -> list[tuple[int, int]]:
        """Where rows of decimals stand."""
        if self.gaps.count(".") < 6:
            return []
        start, end = self.spans[0][0], self.spans[-1][1]
        return [m.span() for m in _DECIMALS.finditer(self.text, start, end)]

    @cached_property
    def is_mixed(self) -> bool:
        """False where no window can be a table: columns, dates and amounts are all absent."""
        return bool(self.columns or self.dates or "." in self.gaps)

    def _is_table(self, first: int, stop: int) -> bool:
        """Say whether the groups stand in columns, touch a date or are a list of amounts."""
        if any(first <= n < stop - 1 for n in self.columns):
            return True
        start, end = self.spans[first][0], self.spans[stop - 1][1]
        if any(start < date_end and date_start < end for date_start, date_end in self.dates):
            return True
        # The last one may have its decimals behind the window.
        cents = _CENTS.match(self.text, end)
        return bool(_AMOUNTS.fullmatch(self.text, start, cents.end() if cents else end))

    def _follows_area_code(self) -> bool:
        size = self.spans[1][1] - self.spans[1][0]
        return size in (7, 8) and bool(_AREA_CODE.fullmatch(self.digits[: self.offsets[1]]))

    def _is_series(self, first: int, stop: int) -> bool:
        """Say whether these are equally long numbers of one series: terminals, landlines."""
        if self.spans[first][1] - self.spans[first][0] < 7:
            return False
        sizes = {e - s for s, e in self.spans[first:stop]}
        heads = {self.digits[n : n + 2] for n in self.offsets[first:stop]}
        return len(sizes) == len(heads) == 1

    def allows(self, first: int, stop: int, *, luhn: bool) -> bool:
        """Apply what the surroundings say about a window that has the digits of a card number."""
        if first in self.date_parts or self.is_kept(first, stop, luhn=luhn):
            return False
        size = self.offsets[stop] - self.offsets[first]
        if first == 0 and self.label is _Label.FREE and not (luhn and size >= 16):
            return False
        if stop - first == 1:
            # The decimals of a fraction are no number of their own.
            return not (
                first == 1 and self.gaps[0] == "." and self.digits[: self.offsets[1]] == "0"
            )
        if self.is_list(first, stop):
            return False
        return luhn or not self.several_numbers(first, stop)

    def best(self, first: int, limit: int) -> _Window | None:
        """Return the likeliest card number that begins with group ``first``, ends by ``limit``."""
        known = self.judged.get((first, limit), self)
        if isinstance(known, _Cluster):
            known = self.judged[first, limit] = self._judge(first, limit)
        return known

    def _judge(self, first: int, limit: int) -> _Window | None:
        begin = self.offsets[first]
        prefix = self.digits[begin : begin + 2]
        ends = []
        for size in _LENGTHS.get(prefix, ()):
            stop = self.group_at.get(begin + size)
            if stop is not None and stop <= limit:
                ends.append((self.luhn(begin, begin + size), stop))
        if prefix not in _UNIONPAY:
            ends = [entry for entry in ends if entry[0]]
        found = [
            (luhn or self._is_printed_19(first, stop), not any(self.gaps[first : stop - 1]), stop)
            for luhn, stop in ends
            if _issuer_fits(self.digits[begin : self.offsets[stop]])
            and self.allows(first, stop, luhn=luhn)
        ]
        if found:
            _, is_run, stop = max(found)
            return _Window(first, stop, is_run)
        return self._odd_single(first)

    def _is_printed_19(self, first: int, stop: int) -> bool:
        """Say whether the groups are 4-4-4-4-3, evenly spaced, as debit cards are embossed."""
        offsets = self.offsets[first : stop + 1]
        sizes = [b - a for a, b in pairwise(offsets)]
        return sizes == [4, 4, 4, 4, 3] and len(set(self.gaps[first : stop - 1])) == 1

    def region(self, window: _Window) -> Region:
        """Return what the window becomes: its first six digits, the mask, its last four."""
        digits = self.digits[self.offsets[window.first] + window.skip : self.offsets[window.stop]]
        start, end = self.spans[window.first][0] + window.skip, self.spans[window.stop - 1][1]
        return Region(start, end, "pan", digits[:6] + MASK + digits[-4:])

    def _odd_single(self, first: int) -> _Window | None:
        """Judge one run of digits that is no issuer's number as it stands."""
        begin, stop = self.offsets[first], self.offsets[first + 1]
        size = stop - begin
        if not 15 <= size <= 21 or not self._odd(first):
            return None
        if not self.allows(first, first + 1, luhn=True):
            return None
        skip = 2 if self._has_length_prefix(begin, size) else 0
        return _Window(first, first + 1, is_run=True, skip=skip)

    def _odd(self, first: int) -> bool:
        begin, stop = self.offsets[first], self.offsets[first + 1]
        size = stop - begin
        if self._has_length_prefix(begin, size):
            return True
        if _FRACTION.search(self.text, max(0, self.spans[first][0] - 2), self.spans[first][0]):
            return False
        if size == 15 or (size in (19, 20) and self.digits.startswith("89", begin)):
            return self.luhn(begin, stop)
        return False

    def _has_length_prefix(self, begin: int, size: int) -> bool:
        """Say whether this is field 2 as it is sent: two digits of length, then the number."""
        number = self.digits[begin + 2 : begin + size]
        return (
            self.digits[begin : begin + 2] == str(size - 2)
            and size - 2 in _LENGTHS.get(number[:2], ())
            and self.luhn(begin + 2, begin + size)
            and _issuer_fits(number)
        )


# Three windows may hang together; a chain without end would be one number without end.
_MOST_DIGITS = 57


def _choose(cluster: _Cluster, first: int, until: int, limit: int) -> Iterator[_Window]:
    """Yield the card numbers that begin in groups ``first`` to before ``until``, left to right.

    1. A run of fifteen digits or more wins over groups that only together look like a number.
    2. SECURITY: other windows that overlap become one. Which of them is the card cannot be known,
       and the last four of the wrong one may be the first four of the right one.
    After that no window fits into what is left: a second run finds nothing.
    """
    while first < until:
        window = cluster.best(first, limit)
        if window is None:
            first += 1
            continue
        run = None if window.is_run else _run_inside(cluster, window, limit)
        if run:
            yield from _choose(cluster, first, run.first, run.first)
        taken = run or _merged(cluster, window, limit)
        yield taken
        first = taken.stop


def _run_inside(cluster: _Cluster, window: _Window, limit: int) -> _Window | None:
    for first in range(window.first + 1, window.stop):
        other = cluster.best(first, limit)
        if other and other.is_run and cluster.size(other) >= 15:
            return other
    return None


def _merged(cluster: _Cluster, window: _Window, limit: int) -> _Window:
    first = window.first + 1
    while first < window.stop:
        other = cluster.best(first, limit)
        if other and other.stop > window.stop:
            whole = window._replace(stop=other.stop, is_run=False)
            if cluster.size(whole) > _MOST_DIGITS:
                return window
            window = whole
        first += 1
    return window


# --- Track data ---------------------------------------------------------------------------------

_TRACK_2 = re.compile(r"[=＝Dd](?P<data>\d{4,40}+)(?![\d*])(?:=\d{0,40}+(?![\d*])){0,3}+\??")
_TRACK_2_BYTES = re.compile(r" ?[Dd] ?(?P<data>\d(?: ?\d){3,36}+)(?! ?\d|\*)F?")
_TRACK_1 = re.compile(r"\s?\^[^\^\r\n\d]{1,40}+\^\d{3,40}+(?![\d*])(?:[0-9A-Z .=]{0,60}+\?)?")
_SENTINEL = re.compile(r"(?:%[A-Za-z]|(?<![A-Za-z])[Bb]|[;；])$")


def _track(cluster: _Cluster, end: int) -> tuple[int, Region] | None:
    """Return the first group and the region of track data whose number ends at ``end``."""
    text = cluster.text
    if text[end : end + 2].strip(" \t")[:1] not in ("=", "＝", "D", "d", "^"):
        return None
    for first in range(len(cluster.spans) - 1, -1, -1):
        size = len(cluster.digits) - cluster.offsets[first]
        if size > 21:
            break
        tail = _track_tail(cluster, first, end) if size >= 13 else None
        if tail is not None:
            start = cluster.spans[first][0]
            mark = _SENTINEL.search(text, max(0, start - 3), start)
            return first, Region(mark.start() if mark else start, tail, "track", REMOVED)
    return None


def _track_tail(cluster: _Cluster, first: int, end: int) -> int | None:
    """Return where the track ends whose number is all groups from ``first``, if it is one."""
    text, begin, total = cluster.text, cluster.offsets[first], len(cluster.digits)
    one = _TRACK_1.match(text, end)
    if one:
        return one.end()
    single = first == len(cluster.spans) - 1
    two = _TRACK_2.match(text, end) or (None if single else _TRACK_2_BYTES.match(text, end))
    if two is None:
        return None
    data = two["data"].replace(" ", "")
    known = _is_known_number(cluster, begin)
    sentinel = text[max(0, cluster.spans[first][0] - 1)] in ";；"
    dated = "01" <= data[2:4] <= "12"
    if text[end] in "=＝":
        is_track = known or sentinel or (single and (len(data) >= 10 or (len(data) >= 7 and dated)))
    else:
        is_track = dated and (known or (single and total - begin <= 19 and len(data) >= 7))
    return two.end() if is_track else None


def _is_known_number(cluster: _Cluster, begin: int) -> bool:
    number = cluster.digits[begin:]
    if len(number) not in _LENGTHS.get(number[:2], ()) or not _issuer_fits(number):
        return False
    return number[:2] in _UNIONPAY or cluster.luhn(begin, len(cluster.digits))


# --- The whole ----------------------------------------------------------------------------------


def find_numbers(text: str, begin: int = 0) -> Iterator[Region]:
    """Yield card numbers and track data that begin at ``begin`` or later, left to right."""
    while match := _CLUSTER.search(text, begin):
        start, begin = match.span()
        if match["cluster"] is None or not _is_worth_reading(text, start, begin):
            continue
        if _is_index(text, start):
            begin = start + 1
            continue
        cluster = _Cluster(text, start, begin)
        if len(cluster.spans) == _BLOCK:
            # The block may be cut out of a longer cluster: leave the last windows to the next one.
            begin = cluster.spans[-_MOST_GROUPS][0]
        for region in _regions(cluster, match.end()):
            yield region
            begin = max(begin, region.end)


def _is_index(text: str, start: int) -> bool:
    """Say whether the digit at ``start`` belongs to a label: IMEI1."""
    end = start + 1
    return not text[end : end + 1].isdecimal() and bool(
        _NUMBERED.search(text, max(0, start - 4), end)
    )


def _is_worth_reading(text: str, start: int, end: int) -> bool:
    return end - start >= 13 and (end - start <= 21 or not text[start:end].isdecimal())


def _regions(cluster: _Cluster, end: int) -> Iterator[Region]:
    if len(cluster.digits) < 13:
        return
    until = limit = len(cluster.spans)
    track = None
    if until == _BLOCK:
        until -= _MOST_GROUPS
    else:
        track = _track(cluster, end)
        if track:
            until = limit = track[0]
    for window in _choose(cluster, 0, until, limit):
        yield cluster.region(window)
    if track:
        yield track[1]
