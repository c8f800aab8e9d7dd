"""Keeps the catalogue of user texts: finds them in the source, merges, compiles and judges them.

Needs neither GNU gettext nor configured settings. Not the place that chooses a language: that is
Django and ``posdoctor.core.language``. How to add a text: docs/howto/add-a-text.md.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polib
from babel.messages.extract import extract as babel_extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"

_PACKAGES = ("posdoctor", "merchants", "terminals", "diagnostics", "tickets")
_TEMPLATES = ("*.html", "*.txt", "*.svg", "*.xml")

_ONE: tuple[int, ...] = (1,)
_KEYWORDS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"], _ONE),
    **dict.fromkeys(["ngettext", "ngettext_lazy"], (1, 2)),
    **dict.fromkeys(["pgettext", "pgettext_lazy"], ((1, "c"), 2)),
    **dict.fromkeys(["npgettext", "npgettext_lazy"], ((1, "c"), 2, 3)),
}
# Texts of Django itself that are worded anew: no source file of ours holds them.
_FROM_DJANGO = ("This field is required.",)


class Key(NamedTuple):
    """What makes a text one: its English words and, where given, the context."""

    msgid: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A text found in the source, with its plural form and the files that use it."""

    key: Key
    plural: str | None
    files: tuple[str, ...]


@dataclass(slots=True)
class Update:
    """What ``update`` changed: texts that are new, no longer used, or newly translated."""

    added: list[Key] = field(default_factory=list)
    retired: list[Key] = field(default_factory=list)
    translated: list[Key] = field(default_factory=list)
    unknown: list[Key] = field(default_factory=list)


class BadTextError(ValueError):
    """A source file or a merge file cannot be read; the message names file and line."""


# --- Finding texts ------------------------------------------------------------------------------


def source_files(root: Path = ROOT) -> list[Path]:
    """Return the Python files and templates that may hold texts, in a stable order."""
    files = [file for package in _PACKAGES for file in (root / package).rglob("*.py")]
    for pattern in _TEMPLATES:
        files += (root / "templates").rglob(pattern)
        files += [
            file for name in _PACKAGES for file in (root / name).rglob(f"templates/**/{pattern}")
        ]
    return sorted(set(files))


def extract(root: Path = ROOT) -> list[Message]:
    """Return every text of the source, sorted. Raises BadTextError for a file that is broken."""
    plurals: dict[Key, str | None] = {Key(msgid): None for msgid in _FROM_DJANGO}
    files: dict[Key, list[str]] = {key: ["django"] for key in plurals}
    for file in source_files(root):
        name = file.relative_to(root).as_posix()
        try:
            found = list(
                _texts_in(file.read_text(encoding="utf-8"), is_python=file.suffix == ".py")
            )
        except (SyntaxError, ValueError) as error:
            raise BadTextError(f"{name}: {error}") from error
        for key, plural in found:
            plurals[key] = plurals.get(key) or plural
            if name not in files.setdefault(key, []):
                files[key].append(name)
    return [Message(key, plurals[key], tuple(files[key])) for key in sorted(plurals, key=_order)]


def _texts_in(source: str, *, is_python: bool) -> Iterator[tuple[Key, str | None]]:
    if not is_python:
        # Inside brackets Python's tokenizer does not mind how a template is indented.
        source = f"({templatize(source)}\n)"
    lines = io.BytesIO(source.encode("utf-8"))
    options = {"encoding": "utf-8"}
    for _, words, _, context in babel_extract("python", lines, _KEYWORDS, options=options):
        forms = words if isinstance(words, tuple) else (words, None)
        msgid, plural = forms[-2:] if len(forms) > 1 else (forms[0], None)
        if msgid:
            yield Key(msgid, context), plural


def _order(key: Key) -> tuple[str, str]:
    return key.msgid, key.context or ""


# --- The catalogue ------------------------------------------------------------------------------


def _open(catalogue: Path) -> Any:
    if catalogue.exists():
        return polib.pofile(str(catalogue), encoding="utf-8", wrapwidth=-1)
    return polib.POFile(encoding="utf-8", wrapwidth=-1)


def _key(entry: Any) -> Key:
    return Key(entry.msgid, entry.msgctxt)


def update(
    messages: Iterable[Message],
    merges: Iterable[tuple[Key, str]] = (),
    *,
    catalogue: Path = CATALOGUE,
    prune: bool = False,
) -> Update:
    """Write the catalogue anew: every text of ``messages``, sorted, no line numbers, no dates.

    Translations stay. A text that is no longer used is kept as obsolete, so that it is not lost
    when the source comes back; ``prune`` drops it. ``merges`` gives translations; one for a text
    that no source file has is kept as obsolete too and named in ``unknown``.
    """
    old = {_key(entry): entry for entry in _open(catalogue)}
    wanted = {message.key: message for message in messages}
    changes = Update()
    entries = dict(old)
    for key, message in wanted.items():
        if key not in old or old[key].obsolete:
            changes.added.append(key)
        entries[key] = _entry(message, old.get(key))
    for key, chinese in merges:
        _merge(entries, wanted, key, chinese, changes)
    for key, entry in entries.items():
        if key not in wanted and not entry.obsolete:
            changes.retired.append(key)
        entry.obsolete = key not in wanted
    _write(catalogue, [e for k, e in entries.items() if k in wanted or not prune])
    return changes


def _entry(message: Message, old: Any) -> Any:
    entry = polib.POEntry(msgid=message.key.msgid, msgctxt=message.key.context)
    before = "" if old is None else old.msgstr or old.msgstr_plural.get(0, "")
    if message.plural is None:
        entry.msgstr = before
    else:
        entry.msgid_plural, entry.msgstr_plural = message.plural, {0: before}
    if old is not None:
        entry.tcomment = old.tcomment
        entry.flags = [flag for flag in old.flags if flag == "fuzzy"]
    return entry


def _merge(
    entries: dict[Key, Any], wanted: dict[Key, Message], key: Key, chinese: str, changes: Update
) -> None:
    if key not in wanted:
        # The plural form may stand for the whole text in a merge file.
        whole = (k for k, m in wanted.items() if m.plural == key.msgid and k.context == key.context)
        key = next(whole, key)
    if key not in wanted:
        changes.unknown.append(key)
    entry = entries.setdefault(key, polib.POEntry(msgid=key.msgid, msgctxt=key.context))
    if chinese != _chinese(entry):
        changes.translated.append(key)
    if entry.msgid_plural:
        entry.msgstr_plural = {0: chinese}
    else:
        entry.msgstr = chinese
    entry.flags = []


def _chinese(entry: Any) -> str:
    return str(entry.msgstr_plural.get(0, "") if entry.msgid_plural else entry.msgstr)


def _write(catalogue: Path, entries: Iterable[Any]) -> None:
    file = polib.POFile(encoding="utf-8", wrapwidth=-1)
    file.metadata = {
        "Language": "zh_Hans",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    file.extend(sorted(entries, key=lambda entry: (entry.obsolete, *_order(_key(entry)))))
    catalogue.parent.mkdir(parents=True, exist_ok=True)
    _replace(catalogue, f"{file}".encode())


def _replace(path: Path, content: bytes) -> None:
    """Put the file there whole: servers and tests that start at the same moment read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as temporary:
        temporary.write(content)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def read_merge_file(file: Path) -> list[tuple[Key, str]]:
    """Read lines of ``msgid TAB zh`` or ``context TAB msgid TAB zh``; ``\\n`` is a line break.

    Empty lines and lines that begin with ``#`` and a space are skipped. Raises BadTextError.
    """
    merges = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        columns = [column.replace("\\n", "\n") for column in line.split("\t")]
        if len(columns) not in (2, 3) or not columns[-2] or not columns[-1]:
            raise BadTextError(f"{file}:{number}: expected two or three columns, tab between them")
        context = columns[0] if len(columns) == 3 else None
        merges.append((Key(columns[-2], context or None), columns[-1]))
    return merges


def compile_catalogue(catalogue: Path = CATALOGUE) -> bool:
    """Write ``django.mo`` beside the catalogue if that is newer; return whether it was written."""
    compiled = catalogue.with_suffix(".mo")
    if not catalogue.exists():
        return False
    changed_at = catalogue.stat().st_mtime_ns
    if compiled.exists() and compiled.stat().st_mtime_ns == changed_at:
        return False
    _replace(compiled, _open(catalogue).to_binary())
    # The same time, not a later one: a checkout of an older catalogue must be compiled as well.
    os.utime(compiled, ns=(changed_at, changed_at))
    return True


# --- Judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one text, for people to read."""

    key: Key
    what: str

    def __str__(self) -> str:
        context = f" ({self.key.context})" if self.key.context else ""
        return f"{self.what}: {self.key.msgid!r}{context}"


_PERCENT = re.compile(r"%(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]|%%")
_BRACES = re.compile(r"\{\w*\}")
_TAG = re.compile(r"</?(\w+)")
_HAN = "[\u4e00-\u9fff]"
# Words of ui.md's tone, and the spellings that Chinese copy rules ask for.
_FORBIDDEN = (
    (re.compile("亲(?![自手身友属])"), "亲"),
    (re.compile("哦"), "哦"),
    (re.compile("登陆"), "登陆, use 登录"),
    (re.compile("其它"), "其它, use 其他"),
    (re.compile("[!！]"), "an exclamation mark"),
)
_HALF_WIDTH = re.compile(rf"{_HAN}[,;:?]|[,;:?]{_HAN}|{_HAN}\.(?!\w)|{_HAN}\(|\){_HAN}")


def problems(messages: Iterable[Message], *, catalogue: Path = CATALOGUE) -> list[Problem]:
    """Return what is missing or wrong in the catalogue for these texts, in the order of texts."""
    entries = {_key(entry): entry for entry in _open(catalogue) if not entry.obsolete}
    found = []
    for message in messages:
        entry = entries.get(message.key)
        if entry is None:
            where = ", ".join(message.files)
            found.append(Problem(message.key, f"not in the catalogue, used in {where}"))
        else:
            found += [Problem(message.key, what) for what in _judge(message, entry)]
    return found


def _judge(message: Message, entry: Any) -> Iterator[str]:
    chinese = _chinese(entry)
    if not chinese:
        yield "not translated"
        return
    if entry.fuzzy:
        yield "marked fuzzy"
    if (message.plural or "") != (entry.msgid_plural or ""):
        yield "its plural form changed"
    if not _same_placeholders(message, chinese):
        yield "other placeholders in the translation"
    for pattern, word in _FORBIDDEN:
        if pattern.search(chinese):
            yield f"forbidden in Chinese: {word}"
    bare = _PERCENT.sub("X", _BRACES.sub("X", chinese))
    if _HALF_WIDTH.search(bare):
        yield "half-width punctuation beside Chinese"


def _same_placeholders(message: Message, chinese: str) -> bool:
    """Say whether the translation has the placeholders of one of the English forms."""
    forms = [message.key.msgid, *([message.plural] if message.plural else [])]
    return any(_placeholders(form) == _placeholders(chinese) for form in forms)


def _placeholders(text: str) -> list[str]:
    named = set(_BRACES.findall(text)) | {p for p in _PERCENT.findall(text) if "(" in p}
    positional = [p for p in _PERCENT.findall(text) if "(" not in p and p != "%%"]
    tags = [name.lower() for name in _TAG.findall(text)]
    return sorted([*named, *positional, *tags])
