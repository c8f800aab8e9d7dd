"""Comparing versions as makers write them: `3.2.14`, `V1.0.9`, `2023.11.02`. Pure."""

import itertools
import re
import unicodedata
from collections.abc import Iterable

# Nothing that is kept is as long.
_LONGEST = 200
_MARK = re.compile(r"\s*v(?:er(?:sion)?)?[\s.:_-]*(?=[0-9])")
_PART = re.compile(r"[0-9]+|[^\W_0-9]+")
_YEARS = range(1990, 2100)
_LEAST_STAMP = 100_000


def is_behind(own: str, least: str) -> bool | None:
    """Whether `own` is older than `least`; None where that cannot be said.

    Runs of digits are compared as numbers, the first difference decides, a missing one is 0.
    The words between them have to be the same, whatever their case and what separates them; a
    "v" in front is no word. Never raises.
    """
    known, wanted = _parsed(own), _parsed(least)
    if known is None or wanted is None or known[0] != wanted[0]:
        return None
    for ours, theirs in zip(known[1], wanted[1], strict=True):
        for mine, other in itertools.zip_longest(ours, theirs):
            if (mine or 0) == (other or 0):
                continue
            if other is None:
                return False  # it goes on where the wanted one ends
            if _kind(mine or 0) != _kind(other):
                return None
            return (mine or 0) < other
    return False


def is_any_behind(pairs: Iterable[tuple[str, str]]) -> bool | None:
    """Of (own, least) pairs, where an empty `least` asks for nothing: True where one is behind,
    False where all are known and none is, else None.
    """
    found = [is_behind(own, least) for own, least in pairs if least]
    if True in found:
        return True
    return False if found and None not in found else None


def is_comparable(text: str) -> bool:
    """Whether other versions can be older or newer than this one: it has a number."""
    return _parsed(text) is not None


def _parsed(text: str) -> tuple[tuple[str, ...], list[list[int]]] | None:
    """Words, and the numbers that follow each, the first word empty where none leads; None without
    a number.
    """
    if len(text) > _LONGEST:
        return None
    plain = unicodedata.normalize("NFKC", text).casefold()
    mark = _MARK.match(plain)
    words = [""]
    numbers: list[list[int]] = [[]]
    for part in _PART.findall(plain, mark.end() if mark else 0):
        if part[0] in "0123456789":
            numbers[-1].append(int(part))
        elif numbers[-1]:
            words.append(part)
            numbers.append([])
        else:
            words[-1] += part  # separators aside, words in a row are one
    return (tuple(words), numbers) if any(numbers) else None


def _kind(number: int) -> str:
    """A maker who begins to count in dates starts anew: these cannot be compared."""
    if number >= _LEAST_STAMP:
        return "stamp"
    return "year" if number in _YEARS else "plain"
