"""One pass over the lines of a log, after card data was taken out of it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from diagnostics.codes import Catalogue, CodeEntry, Match, bundled
from diagnostics.flow import Text
from diagnostics.log_reader import device_json, events
from diagnostics.log_reader.addresses import Addresses
from diagnostics.log_reader.conclusions import Tally, conclude
from diagnostics.log_reader.findings import Findings, Moment, Pattern, Seen
from diagnostics.log_reader.sources import pieces_of_bytes, pieces_of_text
from diagnostics.log_reader.times import Clock
from posdoctor.core.scrub import KINDS, scrub, scrub_stream

# A longer line is read in parts, each as a line with the same number.
_LINE = 1000
_BREAK = re.compile(r"\r\n?|\n|\x0b|\x0c|\x85|\u2028|\u2029")
# Up to here it is what somebody typed from a screen: a bare code counts.
_TYPED_CHARS, _TYPED_LINES = 200, 6
# A moment speaks for the lines that follow it, for so many.
_SAME_RECORD = 12
_MOST_SHAPES = 8000
_SHAPE = 160
_MOST_FINDS, _MOST_OF_ONE = 200, 20
_MOST_MOMENTS = 120
# The same thing again within so many lines is one entry of the time line.
_SPELL = 500
_MOST_PATTERNS, _LEAST_REPEATS = 8, 5
_MOST_VALUE = 60

# Possessive: a word of letters is read once.
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]*+\d[A-Za-z0-9]*+")
_WORDY = re.compile(r"[A-Za-z]{3}|[\u4e00-\u9fff]{2}")
_LABELLED_CODE = re.compile(
    r"[码碼代]号?|39域|域39|code|error|\berr\b|\brc\b|f39|de39|field ?39|condition|status|状态"
)
_TRADE = re.compile(
    r"签到|签退|交易|消费|应答|返回|退货|撤销|冲正|结算|刷卡|插卡|挥卡|扫码|查余|预授权|提示|显示"
    r"|\bsale\b|sign[ -]?(?:in|on)|log[ -]?on|declin|refus|transaction|payment"
)
_FAILED = re.compile(
    r"失败|错误|拒绝|异常|不成功|提示|显示|返回|报错|fail|declin|error|refus|reject|shows|says"
)
# Beside such words a short number is something else.
_OTHER_NUMBER = re.compile(
    r"操作员|柜员|金额|合计|笔数|批次|凭证|流水|参考号|终端号|商户|日期|时间|卡号|有效期|第\s?\d"
    r"|operator|clerk|cashier|amount|total|batch|trace|voucher|\bref|date|time|thread|line|port"
)
_FACTS = re.compile(
    r"ip|[1l]p(?=[\s:=])|addr|地址|mask|掩码|gate|网关|\bgw\b|dns|inet|nameserver"
    r"|default via|rssi|dbm|signal|信号"
)
_VERSION = re.compile(r"ver|版本|firm|\bfw|固件|系统|android|安卓|software")
# A certain answer of the host, so that digits decide what the line says.
_BY_DIGITS = re.compile(r"\+cme error|\+c[eg]?reg|signal 1")
_ALARM = r"(?:tamper\w*|irruption|触发|自毁|攻击|锁定|ped[ _]?lock\w*|lock(?:ed)?)"
# "Tamper status: OK" is the opposite of an alarm.
_NO_ALARM = re.compile(
    rf"{_ALARM}[^\n]{{0,16}}(?:\bok\b|\bfalse\b|\bnone\b|\bnormal\b|\bno\b|正常|[=:：]\s?0\b|未|无异常"
    r"|\bclear|\bdisabled|\bpass)"
    rf"|(?:\bno\b|\bnot|\bun|未|没有|无|check(?:ing)?|检测|\bif) ?(?:被|been |be )?{_ALARM}"
)
_FIRM_CODE = re.compile(
    r"(?:应答码|响应码|返回码|(?:resp(?:onse)?|rsp)[ _-]?code|39域|域39|field ?39|\bf39|\bde39)"
    r"[\s:=\"'\[\](（【]{0,4}([0-9a-z]\d|\d[a-z])(?![0-9a-z.])"
)
# Numbers of these mean something only where the log speaks of their owner.
_OWNED = {
    "gicc": "gicc", "tsys": "tsys", "rapyd": "rapyd", "acquirer_private": "", "adyen": "adyen",
}  # fmt: skip
_PRINTS = re.compile(r"print|打印|sunmi|商米")
# The scheme of a code that a log names and no table has.
UNKNOWN = "unknown"
_FINE = frozenset({"success", "soft_success"})


def read(source: str | bytes, catalogue: Catalogue | None = None) -> Findings:
    """What a pasted text or the bytes of a file say. Raises RejectedLog.

    `catalogue`: the codes that count, with a provider's own; the product's without it.
    """
    is_typed = len(source) <= _TYPED_CHARS * (3 if isinstance(source, bytes) else 1)
    pieces = pieces_of_text(source) if isinstance(source, str) else pieces_of_bytes(source)
    reader = _Reader(catalogue or bundled(), is_typed=is_typed)
    head = _Head()
    for piece in scrub_stream(head.of(pieces), reader.masked):
        reader.feed(piece)
    report = device_json.report_of(head.text)
    return reader.findings(report)


class _Head:
    """Lets pieces pass and keeps them while they can be one document of JSON."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def of(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            if self._length == 0 and piece.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
                self._length = device_json.MAX_CHARS + 1
            self._length += len(piece)
            if self._length <= device_json.MAX_CHARS:
                self._parts.append(piece)
            else:
                self._parts.clear()
            yield piece

    @property
    def text(self) -> str:
        """The whole, or nothing where it is no JSON or too long for a diagnosis."""
        return "".join(self._parts)


class _Shape:
    """Lines that differ in digits only, and what was found in the first of them."""

    __slots__ = ("at", "count", "kinds", "last_at", "last_line", "line", "needs", "sample", "words")

    def __init__(self, sample: str, line: int, at: str) -> None:
        self.sample = sample
        self.count = 0
        self.line = line
        self.at = at
        self.last_line = line
        self.last_at = at
        self.kinds: tuple[events.Kind, ...] = ()
        self.words: tuple[tuple[CodeEntry, str], ...] = ()
        self.needs: frozenset[str] = frozenset()


class _Reader:
    """The state of one pass."""

    def __init__(self, catalogue: Catalogue, *, is_typed: bool) -> None:
        self.masked = dict.fromkeys(KINDS, 0)
        self._catalogue = catalogue
        self._is_typed = is_typed
        self._rest = ""
        self._number = 0
        self._clock = Clock()
        self._at, self._at_line = "", 0
        self._addresses = Addresses()
        self._shapes: dict[int, _Shape] = {}
        self._codes: list[Seen] = []
        self._texts: list[Seen] = []
        self._kept: Counter[tuple[str, str, str]] = Counter()
        self._versions: dict[str, str] = {}
        self._moments: list[Moment] = []
        self._open: dict[tuple[str, str], Moment] = {}
        self._owners: set[str] = set()
        self._tally = Tally()

    def feed(self, piece: str) -> None:
        """The next piece of text, cut anywhere."""
        text = self._rest + piece
        # Half of a line's end: the other half may come.
        held = "\r" if text.endswith("\r") else ""
        *lines, self._rest = _BREAK.split(text.removesuffix("\r"))
        self._rest += held
        for line in lines:
            self._number += 1
            if line:
                self._parts(line)
        if len(self._rest) > _LINE * 4:
            # One line without an end: read what there is, its number stays.
            cut = len(self._rest) - _LINE
            self._number += 1
            self._parts(self._rest[:cut])
            self._rest = self._rest[cut:]
            self._number -= 1

    def findings(self, report: device_json.DeviceReport | None) -> Findings:
        """Ends the pass."""
        if self._rest:
            self._number += 1
            self._parts(self._rest.removesuffix("\r"))
            self._rest = ""
        if report:
            self._device(report)
        network = self._addresses.found
        failures = {kind.id: n for kind in events.KINDS if kind.is_link
                    and (n := self._tally.count("event", kind.id))}  # fmt: skip
        if failures:
            network["failures"] = failures
        for problem in network.get("problems", ()):
            self._tally.problem(problem)
        if self._clock.is_wrong:
            self._tally.wrong_clock()
        evidence, symptoms = conclude(self._tally)
        return Findings(
            codes=tuple(self._codes),
            texts=tuple(self._texts),
            network=network,
            versions=dict(sorted(self._versions.items())),
            times=self._clock.edges,
            masked=dict(self.masked),
            symptoms=symptoms,
            timeline=tuple(sorted(self._moments, key=lambda moment: moment.line)),
            patterns=self._patterns(),
            evidence=evidence,
            device=_device_facts(report) if report else {},
            stop_use=self._tally.stop_use,
            lines=self._number,
        )

    # --- Lines

    def _parts(self, line: str) -> None:
        if len(line) <= _LINE:
            self._line(line)
            return
        for at in range(0, len(line), _LINE):
            self._line(line[at : at + _LINE])

    def _line(self, line: str) -> None:
        if line.isspace() or not line:
            return
        shape = _NUMBER.sub("#", line)
        at = self._moment(line) if shape != line else self._late_moment()
        known = self._shapes.get(hash(shape))
        folded = ""
        if known is None:
            folded = _folded(line)
            known = self._learn(line, folded, shape, at)
        known.count += 1
        known.last_line, known.last_at = self._number, at or known.last_at
        if known.kinds or known.words or known.needs:
            self._note(known, line, folded or _folded(line), at)

    def _moment(self, line: str) -> str:
        at = self._clock.read(line)
        if at:
            self._at, self._at_line = at, self._number
            return at
        return self._late_moment()

    def _late_moment(self) -> str:
        """The moment of a line above that this one belongs to."""
        return self._at if self._at and self._number - self._at_line <= _SAME_RECORD else ""

    def _learn(self, line: str, folded: str, shape: str, at: str) -> _Shape:
        if len(self._shapes) >= _MOST_SHAPES:
            self._forget()
        learnt = _Shape(shape[:_SHAPE], self._number, at)
        learnt.kinds = tuple(kind for kind in events.KINDS if kind.pattern.search(folded))
        matches = self._catalogue.in_text(line)
        # A line says a thing once, however often.
        words: dict[CodeEntry, Match] = {}
        for match in matches:
            if not match.is_code:
                words.setdefault(match.entry, match)
        learnt.words = tuple((e, _shown(line[m.start : m.end])) for e, m in words.items())
        needs = set()
        if self._is_typed or _LABELLED_CODE.search(folded) or _TRADE.search(folded):
            needs.add("code")
        if _FACTS.search(folded):
            needs.add("facts")
        if _VERSION.search(folded):
            needs.add("version")
        if _BY_DIGITS.search(folded):
            needs.add("kinds")
        learnt.needs = frozenset(needs)
        self._owners.update(name for name, word in _OWNED.items() if word and word in folded)
        self._shapes[hash(shape)] = learnt
        return learnt

    def _forget(self) -> None:
        """Drops shapes seen once; where all repeat, the rarer half."""
        usual = sorted(shape.count for shape in self._shapes.values())[len(self._shapes) // 2]
        self._shapes = {k: s for k, s in self._shapes.items() if s.count > usual}

    def _note(self, shape: _Shape, line: str, folded: str, at: str) -> None:
        kinds = events.KINDS if "kinds" in shape.needs else shape.kinds
        for kind in kinds:
            if kind.tells(folded):
                self._tally.event(kind, self._number)
                self._mark("event", kind.id, kind.text, "r", at)
        is_alarm = not (any(e.stop_use for e, _ in shape.words) and _NO_ALARM.search(folded))
        for entry, words in shape.words:
            if is_alarm or not entry.stop_use:
                self._text(entry, words, at)
        if "code" in shape.needs:
            self._read_codes(line, folded, at)
        if "facts" in shape.needs:
            self._addresses.read(folded, self._number)
        if "version" in shape.needs:
            self._read_versions(line, folded, at)

    # --- Finds

    def _read_codes(self, line: str, folded: str, at: str) -> None:
        is_loose = self._is_typed or bool(_TRADE.search(folded) and _FAILED.search(folded))
        typed = is_loose and not _OTHER_NUMBER.search(folded)
        matches = [m for m in self._catalogue.in_text(line, typed=typed) if m.is_code]
        for _place, same in groupby(matches, key=lambda match: (match.start, match.end)):
            entry = self._chosen([match.entry for match in same], folded)
            if entry:
                self._code(entry, at)
        firm = _FIRM_CODE.search(folded)
        if firm and not self._catalogue.by_code(firm[1]):
            meaning = Text("不在码表里", "Not in the code table")
            self._keep(self._codes, Seen(UNKNOWN, firm[1].upper(), meaning, self._number, at))
            self._mark("code", firm[1].upper(), meaning, "b", at)

    def _chosen(self, entries: list[CodeEntry], folded: str) -> CodeEntry | None:
        """Whose code it is: of the owner that the log names, else the terminals' own."""
        fitting = [
            entry
            for entry in entries
            if (entry.scheme not in _OWNED or entry.scheme in self._owners)
            and (entry.scheme != "sunmi_printer" or _PRINTS.search(folded))
            and (entry.scheme != "nexo_error_condition" or "condition" in folded)
        ]
        owned = [entry for entry in fitting if entry.scheme in self._owners]
        return next(iter(owned or fitting), None)

    def _code(self, entry: CodeEntry, at: str) -> None:
        seen = Seen(entry.scheme, entry.code, entry.meaning, self._number, at)
        self._keep(self._codes, seen)
        self._tally.entry(entry, self._number, is_code=True)
        if entry.category not in _FINE:
            self._mark("code", entry.code, entry.meaning, "r", at)

    def _text(self, entry: CodeEntry, words: str, at: str) -> None:
        if entry.category in _FINE:
            return
        seen = Seen(entry.scheme, entry.code, entry.meaning, self._number, at, text=words)
        self._keep(self._texts, seen)
        self._tally.entry(entry, self._number, is_code=False)
        self._mark("text", entry.code, entry.meaning, "r", at)

    def _keep(self, finds: list[Seen], seen: Seen) -> None:
        key = ("text" if seen.text else "code", seen.scheme, seen.code)
        self._kept[key] += 1
        if len(finds) < _MOST_FINDS and self._kept[key] <= _MOST_OF_ONE:
            finds.append(seen)

    def _read_versions(self, line: str, folded: str, at: str) -> None:
        for name, start, end in events.versions_in(folded):
            same_places = len(folded) == len(line)
            value = _shown((line if same_places else folded)[start:end])
            before = self._versions.get(name)
            self._versions[name] = value
            if before and before != value:
                text = Text(f"版本变了：{before} → {value}", f"Version changed: {before} → {value}")
                self._mark("version", name, text, "b", at)
                self._tally.changed_version(name)

    def _mark(self, kind: str, name: str, text: Text, tone: str, at: str) -> None:
        moment = self._open.get((kind, name))
        is_full = len(self._moments) >= _MOST_MOMENTS
        if moment is not None and (is_full or self._number - moment.last_line <= _SPELL):
            moment.count += self._number != moment.last_line
            moment.last_line, moment.last_at = self._number, at or moment.last_at
            return
        if is_full:
            return
        number = self._number
        moment = Moment(kind, name, text, tone, number, at, last_line=number, last_at=at)
        self._moments.append(moment)
        self._open[kind, name] = moment

    def _patterns(self) -> tuple[Pattern, ...]:
        often = [
            shape
            for shape in self._shapes.values()
            if shape.count >= _LEAST_REPEATS and _WORDY.search(shape.sample)
        ]
        often.sort(key=lambda shape: (-shape.count, shape.line))
        return tuple(
            Pattern(
                _shown(s.sample.lstrip("#-:./,; \t[]()+|"), _SHAPE),
                s.count, s.line, s.last_line, s.at, s.last_at,
            )
            for s in often[:_MOST_PATTERNS]
        )  # fmt: skip

    def _device(self, report: device_json.DeviceReport) -> None:
        for name in ("firmware", "app"):
            if value := getattr(report, name):
                self._versions[name] = _shown(value)
        for address in report.addresses[:4]:
            self._addresses.set_ip(address, self._number)
        for sign in report.signs:
            self._tally.sign(sign)


def _folded(line: str) -> str:
    """Half width and lower case, for patterns."""
    return (line if line.isascii() else unicodedata.normalize("NFKC", line)).lower()


def _shown(text: str, most: int = _MOST_VALUE) -> str:
    """A piece of a line as it may be kept: on one line, printable, short, masked once more, since
    what stood around it is gone.
    """
    plain = "".join(c if c.isprintable() else " " for c in text[: most * 2])
    return scrub(" ".join(plain.split()))[:most]


def _device_facts(report: device_json.DeviceReport) -> dict[str, object]:
    facts = {
        "battery_percent": report.battery,
        "unconfirmed_batch_count": report.batch,
        "error_condition": _shown(report.condition) or None,
        "signs": report.signs or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
