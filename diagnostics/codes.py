"""Response codes and the words of the screen: what they mean, and what they answer.

Pure: no Django. The catalogue is data (`data/response_codes.yaml`); a provider's own definitions
are joined to it with `Catalogue.with_own`.

One code means different things elsewhere, so an entry is named by (scheme, code) and a look-up
without a scheme returns all of them. What people type and misread is folded: full width becomes
half width, case, spaces and punctuation do not count, O is 0, and I and l are 1.

    bundled().by_code("A0")              every scheme's A0, the terminals' own scheme first
    bundled().by_code("Ａ O", "rapyd")    one scheme's
    bundled().in_text(line)              codes behind a label, and texts of the screen, with places
    bundled().in_text(words, typed=True) the same in what a person copied: a bare code counts too
    bundled().search(words)              for a look-up field: the best first
    checks_in(screen_text)               check ids that the words answer with yes

Every function takes any text, never raises on one, and is linear in its length.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml

from diagnostics.flow import Text

SignIn: TypeAlias = Literal["yes", "maybe", "no"]

# The scheme of what a provider defined for itself.
OWN = "own"
# Checks that a code or a text of the screen can answer. The safety screen's are not among them:
# somebody has to look.
CHECKS = (
    "code_registration", "code_key", "code_batch", "code_host", "text_comm", "text_key_missing",
    "text_batch_reversal", "text_operator", "issuer_code", "batch_full_text", "sim_missing_text",
    "tls_text", "paper_out", "overheat_text", "download_text",
)  # fmt: skip
# Longer input than this is no code.
MAX_CODE = 24
_SEARCHED = 12
_DATA = Path(__file__).parent / "data" / "response_codes.yaml"


class CodesError(ValueError):
    """The data file is not a catalogue; the message names the entry."""


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """What one code of one scheme means, or one text of the screen.

    `code` of a text is our own name for it (`comm_timeout`) and is not on any screen: `on_screen`
    is then empty. `merchant` and `desk` say what to do. `words` are texts of the screen as they
    are printed. `checks` are the checks that this answers with yes.
    """

    scheme: str
    code: str
    scheme_name: Text
    meaning: Text
    merchant: Text
    desk: Text
    on_screen: str = ""
    words: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    category: str = "other"
    # UnionPay's class: A approved, B may be tried again, C not again, D somebody must act, E fault.
    action_class: str = ""
    sign_in: SignIn = "no"
    # The terminal must be taken out of card use.
    stop_use: bool = False
    # The flow that deals with it; empty: no flow of its own.
    symptom: str = ""
    # The code on the screen that this finer one of the back office belongs to.
    parent: str = ""
    note: Text | None = None
    # The meaning stands in a source (`sources`); else it is recall.
    is_sourced: bool = False
    sources: tuple[str, ...] = ()
    # A provider's own definition.
    is_own: bool = False
    # Words too common to be found inside a longer text; alone they count.
    weak: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """(scheme, code): what names the entry."""
        return self.scheme, self.code


@dataclass(frozen=True, slots=True)
class Match:
    """A find: `text[start:end]` names the entry. `is_code`: by its code, not by its words."""

    entry: CodeEntry
    start: int
    end: int
    is_code: bool


# --- Folding ---------------------------------------------------------------------------

_WIDTH = 0xFEE0
_FOLDED = {code: code - _WIDTH for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def _table() -> dict[int, int]:
    """One character for one, so that places in the folded text are places in the text."""
    table = dict(_FOLDED)
    for small in range(ord("a"), ord("z") + 1):
        table[small] = table[small + _WIDTH] = small - 32
    for letter, digit in ("O0", "o0", "I1", "i1", "L1", "l1"):
        table[ord(letter)] = table[ord(letter) + _WIDTH] = ord(digit)
    return table


_TABLE = _table()
_RUN = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """As it is compared: letters and digits only, half width, upper case, O as 0, I and l as 1."""
    return "".join(_RUN.findall(text.translate(_TABLE)))


class _Squeezed:
    """A folded text without its gaps, that knows where each character stood."""

    def __init__(self, text: str) -> None:
        self.full = text.translate(_TABLE)
        self._starts: list[int] = []
        self._places: list[int] = []
        parts, length = [], 0
        for run in _RUN.finditer(self.full):
            self._starts.append(length)
            self._places.append(run.start())
            parts.append(run.group())
            length += run.end() - run.start()
        self.text = "".join(parts)

    def place(self, index: int) -> int:
        """Where the character of the squeezed text stands in the text."""
        run = bisect_right(self._starts, index) - 1
        return self._places[run] + index - self._starts[run]

    def is_whole(self, start: int, end: int) -> bool:
        """Whether no Latin word or number goes on at either end of these places."""
        full = self.full
        cut_before = start > 0 and _latin(full[start]) and _latin(full[start - 1])
        cut_after = end < len(full) and _latin(full[end - 1]) and _latin(full[end])
        return not (cut_before or cut_after)


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


# --- Words -----------------------------------------------------------------------------


def _branch(node: Mapping[str, Any]) -> str:
    """The pattern of a tree of words: every step has one way on, so nothing is tried twice."""
    ways = [re.escape(letter) + _branch(node[letter]) for letter in sorted(node) if letter]
    if not ways:
        return ""
    joined = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
    return f"(?:{joined})?" if "" in node else joined


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}
    return re.compile(_branch(tree)) if tree else re.compile(r"(?!)")


# --- Codes -----------------------------------------------------------------------------

# Labels that only ever stand before a code, and words of speech that often do.
_LABELS = (
    "错误代码", "失败代码", "代码", "代号", "错误码", "响应码", "应答码", "返回码", "结果码",
    "故障码", "状态码", "39域", "域39", "resp code", "respcode", "response code", "responsecode",
    "rspcode", "return code", "error code", "errorcode", "errcode", "errorcondition", "result code",
    "code", "rc", "f39", "de39", "field39", "field 39", "err", "error", "printer status",
    "printerstatus", "打印机状态", "打印状态",
)  # fmt: skip
_SAID = (
    "返回", "显示", "提示", "出现", "报", "报错", "说", "写着", "失败", "shows", "says", "failed",
)  # fmt: skip
_LINK = r"[\s:=\"'“”‘’「」『』\[(（【<>{#_：是为-]{0,6}+"
_TOKEN = r"[0-9A-Z]{1,24}+"  # noqa: S105 - a pattern
# "30 秒", "12:30", "50 元" and "77%" are no codes.
_NO_AMOUNT = r"(?![.:/-]\d)(?!\s{0,2}[元块毛分秒点天台次个笔张年月日号时小周岁楼桌米%°])"


def _labelled(labels: Iterable[str]) -> re.Pattern[str]:
    known = sorted({label.translate(_TABLE) for label in labels}, key=len, reverse=True)
    inner = "|".join(re.escape(label) for label in known)
    return re.compile(rf"(?<![0-9A-Z])(?:{inner}){_LINK}({_TOKEN}){_NO_AMOUNT}")


_FIRM = _labelled(_LABELS)
_SPOKEN = _labelled((*_LABELS, *_SAID))
# Alone in its clause or at an end of it, or in brackets: "签到失败 77", "77 请重新签到", "[A0]".
_BARE = re.compile(
    rf"(?:(?:^|(?<=[,;，。；、!！\n\[(（【「“\"]))\s{{0,8}}+({_TOKEN})(?=[\s\])）】」”\"]|[^\x00-\x7f]|$)"
    rf"|(?<![0-9A-Z.:/-])({_TOKEN})(?=\s{{0,8}}(?:[,;，。；、!！.\n\])）】」”\"]|$))){_NO_AMOUNT}"
)


# --- The catalogue ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All entries, in the order in which they are shown: the terminals' own scheme first."""

    entries: tuple[CodeEntry, ...]
    schemes: Mapping[str, Text] = field(default_factory=dict)

    def by_code(self, code: str, scheme: str | None = None) -> tuple[CodeEntry, ...]:
        """Every entry of this code, in all schemes or in one; empty where it is not known."""
        found = self._codes.get(folded(code[: MAX_CODE * 4]), ())
        return tuple(entry for entry in found if scheme in (None, entry.scheme))

    def in_text(self, text: str, *, typed: bool = False) -> tuple[Match, ...]:
        """What the text names, in its order; several entries may share one place.

        Codes count behind a label ("code: 77", "应答码 77"). With `typed`, for what a person
        copied from a screen, also behind words of speech and bare ("签到失败 77"). Texts of the
        screen count anywhere, and a few spaces or a line break may stand within one.
        """
        squeezed = _Squeezed(text)
        whole = squeezed.text
        found = [*self._found_words(squeezed), *self._found_codes(text, squeezed.full, typed=typed)]
        if whole and len(whole) <= MAX_CODE * 4:
            start, end = squeezed.place(0), squeezed.place(len(whole) - 1) + 1
            found += [Match(e, start, end, is_code=False) for e in self._alone.get(whole, ())]
            if typed:
                found += [Match(e, start, end, is_code=True) for e in self._codes.get(whole, ())]
        return _in_order(found)

    def search(self, query: str, limit: int = _SEARCHED) -> tuple[CodeEntry, ...]:
        """For a look-up field: the code itself, then the words, then meanings that hold it."""
        found = [*self.by_code(query), *(m.entry for m in self.in_text(query[:500], typed=True))]
        part = folded(query[:100])
        if len(part) >= 2 and not found:
            found += [e for e, words in self._haystack if any(part in word for word in words)]
        return tuple(dict.fromkeys(found))[:limit]

    @cached_property
    def colliding(self) -> frozenset[str]:
        """Folded codes of the screen that more than one scheme has."""
        return frozenset(
            name
            for name, entries in self._shown.items()
            if len({entry.scheme for entry in entries}) > 1
        )

    def with_own(self, own: Sequence[CodeEntry]) -> "Catalogue":
        """This catalogue with a provider's own entries before it."""
        return _joined(self, tuple(own)) if own else self

    # --- Parts

    def _found_words(self, squeezed: _Squeezed) -> Iterator[Match]:
        at = 0
        while found := self._pattern.search(squeezed.text, at):
            word = self._fitting(squeezed, found.start(), found.group())
            at = found.start() + (len(word) or 1)
            if word:
                start = squeezed.place(found.start())
                end = squeezed.place(found.start() + len(word) - 1) + 1
                for entry in self._words[word]:
                    yield Match(entry, start, end, is_code=False)

    def _fitting(self, squeezed: _Squeezed, start: int, longest: str) -> str:
        """The longest known word here that stands whole and together; empty if none does."""
        for length in self._lengths:
            word = longest[:length]
            if len(word) == length and word in self._words:
                first, last = squeezed.place(start), squeezed.place(start + length - 1) + 1
                if last - first <= 3 * length + 4 and squeezed.is_whole(first, last):
                    return word
        return ""

    def _found_codes(self, text: str, full: str, *, typed: bool) -> Iterator[Match]:
        for pattern in (_SPOKEN, _BARE) if typed else (_FIRM,):
            for found in pattern.finditer(full):
                group = found.lastindex or 1
                token = found.group(group)
                if pattern is _BARE and not _looks_like_code(text[slice(*found.span(group))]):
                    continue
                for entry in self._shown.get(token, ()):
                    yield Match(entry, *found.span(group), is_code=True)

    @cached_property
    def _codes(self) -> Mapping[str, tuple[CodeEntry, ...]]:
        return _index((folded(entry.code), entry) for entry in self.entries)

    @cached_property
    def _shown(self) -> Mapping[str, tuple[CodeEntry, ...]]:
        return _index((folded(e.on_screen), e) for e in self.entries if e.on_screen)

    @cached_property
    def _words(self) -> Mapping[str, tuple[CodeEntry, ...]]:
        return _index((folded(word), entry) for entry in self.entries for word in entry.words)

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        """Of the words, the longest first: a word of 400 letters is one try, not 400."""
        return tuple(sorted({len(word) for word in self._words}, reverse=True))

    @cached_property
    def _alone(self) -> Mapping[str, tuple[CodeEntry, ...]]:
        return _index((folded(word), entry) for entry in self.entries for word in entry.weak)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _pattern(self._words)

    @cached_property
    def _haystack(self) -> tuple[tuple[CodeEntry, tuple[str, ...]], ...]:
        return tuple(
            (e, tuple(folded(t) for t in (e.meaning.zh, e.meaning.en, *e.words, *e.weak)))
            for e in self.entries
        )


@lru_cache(maxsize=32)
def _joined(catalogue: Catalogue, own: tuple[CodeEntry, ...]) -> Catalogue:
    """Kept a while: building the index takes longer than any look-up."""
    return Catalogue((*own, *catalogue.entries), catalogue.schemes)


def _looks_like_code(token: str) -> bool:
    """A single digit in running text is a count, and a longer row of letters a word."""
    return len(token) == 2 or (len(token) > 2 and any(c.isdigit() for c in token))


def _index(pairs: Iterable[tuple[str, CodeEntry]]) -> dict[str, tuple[CodeEntry, ...]]:
    index: dict[str, dict[CodeEntry, None]] = {}
    for name, entry in pairs:
        if name:
            index.setdefault(name, {})[entry] = None
    return {name: tuple(entries) for name, entries in index.items()}


def _in_order(found: Iterable[Match]) -> tuple[Match, ...]:
    """By place, each entry once a place; what was found by its code stands before words."""
    unique = {(m.start, m.end, m.entry.key): m for m in sorted(found, key=lambda m: m.is_code)}
    return tuple(sorted(unique.values(), key=lambda m: (m.start, -m.end, not m.is_code)))


def checks_in(screen_text: str, catalogue: Catalogue | None = None) -> tuple[str, ...]:
    """Check ids that what the screen says answers with yes, in the order of `CHECKS`.

    For `engine.known_answers`. Empty where nothing is known of the words.
    """
    known = catalogue or bundled()
    found = {
        check for match in known.in_text(screen_text, typed=True) for check in match.entry.checks
    }
    return tuple(check for check in CHECKS if check in found)


# --- The data file ---------------------------------------------------------------------


@lru_cache(maxsize=1)
def bundled() -> Catalogue:
    """The catalogue that ships with the product; read once a process."""
    return parsed(yaml.safe_load(_DATA.read_text(encoding="utf-8")))


def parsed(document: Mapping[str, Any]) -> Catalogue:
    """A catalogue from the document of the data file. Raises CodesError."""
    schemes = {name: _text(value, name) for name, value in document["schemes"].items()}
    seen: dict[tuple[str, str], CodeEntry] = {}
    for row in document["codes"]:
        entry = _entry(row, document, schemes)
        if entry.key in seen:
            raise CodesError(f"{entry.scheme}/{entry.code}: stands twice")
        seen[entry.key] = entry
    return Catalogue(tuple(seen.values()), schemes)


def _entry(
    row: Mapping[str, Any], document: Mapping[str, Any], schemes: Mapping[str, Text]
) -> CodeEntry:
    name = f"{row.get('scheme')}/{row.get('code')}"
    if row.get("scheme") not in schemes or not isinstance(row.get("code"), str):
        raise CodesError(f"{name}: needs a known scheme and a code in quotes")
    action = row.get("action")
    todo = document["actions"].get(action) if isinstance(action, str) else action
    if not isinstance(todo, Mapping):
        raise CodesError(f"{name}: has no action {action!r}")
    checks = tuple(row.get("checks", ()))
    if unknown := set(checks) - set(CHECKS):
        raise CodesError(f"{name}: unknown checks {sorted(unknown)}")
    sources = tuple(row.get("sources", ()))
    if unknown := set(sources) - set(document["sources"]):
        raise CodesError(f"{name}: unknown sources {sorted(unknown)}")
    is_named = document["schemes"][row["scheme"]].get("codes") == "ours"
    return CodeEntry(
        scheme=row["scheme"],
        code=row["code"],
        scheme_name=schemes[row["scheme"]],
        meaning=_text(row.get("meaning"), name),
        merchant=_text(todo.get("merchant"), name),
        desk=_text(todo.get("desk"), name),
        on_screen="" if is_named else row["code"],
        words=tuple(row.get("words", ())),
        checks=checks,
        category=row["category"],
        action_class=row.get("class", ""),
        sign_in=row.get("sign_in", "no"),
        stop_use=bool(row.get("stop_use", False)),
        symptom=row.get("symptom", ""),
        parent=row.get("parent", ""),
        note=_text(row["note"], name) if "note" in row else None,
        is_sourced=bool(row.get("verified", {}).get("meaning", False)),
        sources=sources,
        weak=tuple(row.get("weak", ())),
    )


def _text(value: Any, where: str) -> Text:
    if not isinstance(value, Mapping) or not value.get("zh") or not value.get("en"):
        raise CodesError(f"{where}: a text in zh and en is needed")
    return Text(zh=str(value["zh"]), en=str(value["en"]))


def guessed_scheme(text: str) -> str:
    """Which scheme a text that is in none may belong to, by its form; empty: could be any."""
    if re.search("[\u4e00-\u9fff]", text):
        return "pos_local"
    return "unionpay_pos" if len(folded(text)) == 2 else ""
