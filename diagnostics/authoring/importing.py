"""Reading a flow from a file that somebody brings: bounded in every direction, never trusted."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from diagnostics.authoring.edits import (
    MOST_ANSWERS,
    MOST_EXITS,
    MOST_FAULTS,
    MOST_STEPS,
    Document,
    is_id,
)

MAX_BYTES = 262_144
MAX_DEPTH = 12
MAX_VALUES = 20_000
MAX_TEXT = 1_000
MAX_NUMBER = 1_000_000
LONGEST_ID = 60


_MARKS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


class BadFileError(ValueError):
    """The file is no flow. `code` is stable; `where` is the path, or line and column.

    Codes: size, json, duplicate, depth, values, characters, text, number, steps, faults, exits,
    answers, id.
    """

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code}: {where}")
        self.code = code
        self.where = where


def read(text: str) -> Document:
    """The JSON object in `text`. Raises BadFileError; whether it is a flow, `parse` says."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise BadFileError("size")
    _refuse_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadFileError("json", f"{error.lineno}:{error.colno}") from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, BadFileError):
            raise
        raise BadFileError("number") from error  # digits without end
    if not isinstance(value, dict):
        raise BadFileError("json", "1:1")
    for count, (path, inner) in enumerate(_walk(value, "flow")):
        if count > MAX_VALUES:
            raise BadFileError("values")
        _check(path, inner)
    _refuse_crowds(value)
    _refuse_ids(value)
    return value


def _refuse_depth(text: str) -> None:
    """Before parsing: the parser itself recurses, and so does everything behind it."""
    depth, in_string = 0, False
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark == '"':
            in_string = not in_string
        elif not in_string and len(mark) == 1:
            depth += 1 if mark in "[{" else -1
            if depth > MAX_DEPTH:
                before = text[: found.start()]
                column = found.start() - before.rfind("\n")
                raise BadFileError("depth", f"{before.count(chr(10)) + 1}:{column}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once: of two the reader would see one and the product another."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadFileError("duplicate", _shown(key))
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise BadFileError("number", name)


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            below = f"{path}.{_shown(key)}"
            yield below, key
            yield from _walk(inner, below)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{index}]")


def _check(path: str, value: Any) -> None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise BadFileError("text", path)
        # Neither NUL nor half a character can be stored.
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise BadFileError("characters", path)
    elif isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise BadFileError("number", path)


def _refuse_crowds(document: Document) -> None:
    """More than a page could show or the engine could weigh."""
    steps = _list(document, "steps")
    if len(steps) > MOST_STEPS:
        raise BadFileError("steps", "flow.steps")
    if len(_list(document, "faults")) > MOST_FAULTS:
        raise BadFileError("faults", "flow.faults")
    if len(_list(document, "exits")) > MOST_EXITS:
        raise BadFileError("exits", "flow.exits")
    for index, step in enumerate(steps):
        if isinstance(step, dict) and len(_list(step, "answers")) > MOST_ANSWERS:
            raise BadFileError("answers", f"flow.steps[{index}].answers")


def _refuse_ids(document: Document) -> None:
    """Short names stand in addresses and in names of fields: without a page for a part, what is
    wrong with it could not be put right.
    """
    for kind in ("steps", "faults", "exits"):
        for index, part in enumerate(_list(document, kind)):
            path = f"flow.{kind}[{index}]"
            _refuse_id(part, path)
            for number, answer in enumerate(_list(part, "answers") if _is_object(part) else ()):
                _refuse_id(answer, f"{path}.answers[{number}]")


def _refuse_id(part: Any, path: str) -> None:
    name = part.get("id") if _is_object(part) else None
    if isinstance(name, str) and not is_id(name, LONGEST_ID):
        raise BadFileError("id", f"{path}.id")


def _is_object(part: Any) -> bool:
    return isinstance(part, dict)


def _list(holder: Document, key: str) -> Sequence[Any]:
    found = holder.get(key)
    return found if isinstance(found, list) else []


def _shown(key: str) -> str:
    """A key as it can stand in a message."""
    return "".join(c if c.isprintable() else "?" for c in key[:60])
