"""What differs between two flows, part by part, for people who have to judge it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from diagnostics.authoring.edits import Document, Kind, Part
from diagnostics.authoring.safety import changed_safety
from diagnostics.flow import UNSURE, Flow

Where: TypeAlias = Literal["flow", "steps", "faults", "exits"]
How: TypeAlias = Literal["added", "removed", "changed", "moved"]

# Named by their own page, or not shown to people.
_NOT_COMPARED = frozenset(
    {"id", "version", "steps", "faults", "exits", "answers", "default", "given"}
)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` and `after` are plain values of the document, None = not there.

    `answer` and `fault` narrow it: the likelihood of that answer under that cause. `fault` ""
    with an answer and field "likelihood" is the row of all other causes.
    """

    where: Where
    part: str
    how: How
    field: str = ""
    before: Any = None
    after: Any = None
    answer: str = ""
    fault: str = ""
    is_safety: bool = False


def changes(before: Flow | None, after: Flow) -> list[Change]:
    """Every difference, in the order of the new flow; without a flow before, everything is new."""
    old: Document = before.to_dict() if before else {"steps": [], "faults": []}
    new = after.to_dict()
    safe = set(changed_safety(before, after))
    found = [
        *_fields("flow", "", old, new),
        *_parts("faults", old, new),
        *_parts("steps", old, new),
        *_parts("exits", old, new),
    ]
    return [_marked(change, safe) for change in found]


def _marked(change: Change, safe: set[str]) -> Change:
    prefix = {"flow": "flow", "steps": "step:", "faults": "fault:", "exits": "exit:"}[change.where]
    name = prefix + change.part
    is_words = change.where == "flow" and change.field not in {"stop_threshold", "stop_text"}
    if name not in safe or is_words:
        return change
    return Change(
        change.where, change.part, change.how, change.field, change.before, change.after,
        change.answer, change.fault, is_safety=True,
    )  # fmt: skip


def _parts(where: Kind, old: Document, new: Document) -> Iterator[Change]:
    before = {part["id"]: part for part in old.get(where, [])}
    after = {part["id"]: part for part in new.get(where, [])}
    for name, part in after.items():
        if name not in before:
            yield Change(where, name, "added", after=_name_of(part))
            continue
        yield from _fields(where, name, before[name], part)
        yield from _answers(where, name, before[name], part)
        yield from _rows(where, name, before[name], part)
    for name, part in before.items():
        if name not in after:
            yield Change(where, name, "removed", before=_name_of(part))
    yield from _moved(where, [n for n in before if n in after], [n for n in after if n in before])


def _name_of(part: Part) -> Any:
    return part["text"] if "text" in part else part["title"]


def _moved(where: Where, before: list[str], after: list[str]) -> Iterator[Change]:
    """The fewest parts whose move explains the other order, each with its places from 1."""
    kept = _longest_rising([before.index(name) for name in after])
    for place, name in enumerate(after):
        if before.index(name) not in kept:
            yield Change(
                where, name, "moved", "place", before=before.index(name) + 1, after=place + 1
            )


def _longest_rising(numbers: list[int]) -> set[int]:
    best: list[list[int]] = [[]]
    for number in numbers:
        shorter = [row for row in best if not row or row[-1] < number]
        best.append([*max(shorter, key=len), number])
    longest: list[int] = max(best, key=len)
    return set(longest)


def _fields(where: Where, part: str, old: Mapping[str, Any], new: Part) -> Iterator[Change]:
    for name in dict.fromkeys([*new, *old]):
        if name in _NOT_COMPARED or (where == "steps" and name in {"cures", "kind"}):
            continue
        if old.get(name) != new.get(name):
            yield Change(where, part, "changed", name, old.get(name), new.get(name))


def _answers(where: Where, part: str, old: Part, new: Part) -> Iterator[Change]:
    before = {answer["id"]: answer for answer in old.get("answers", [])}
    after = {answer["id"]: answer for answer in new.get("answers", [])}
    for name, answer in after.items():
        if name not in before:
            yield Change(where, part, "added", "answer", after=answer["text"], answer=name)
            continue
        for change in _fields(where, part, before[name], answer):
            yield Change(
                where, part, "changed", change.field, change.before, change.after, answer=name
            )
    for name, answer in before.items():
        if name not in after:
            yield Change(where, part, "removed", "answer", before=answer["text"], answer=name)


def _rows(where: Where, part: str, old: Part, new: Part) -> Iterator[Change]:
    """Likelihoods, one change per cause and answer."""
    before, after = _likelihoods(old), _likelihoods(new)
    for fault, answer in dict.fromkeys([*after, *before]):
        key = fault, answer
        if before.get(key) != after.get(key):
            yield Change(
                where, part, "changed", "likelihood", before.get(key), after.get(key),
                answer=answer, fault=fault,
            )  # fmt: skip


def _likelihoods(part: Part) -> dict[tuple[str, str], float]:
    """(cause, answer) -> likelihood; cause "" is the row of all others, answer "" a cure."""
    if "cures" in part:
        return {(fault, ""): number for fault, number in part["cures"].items()}
    telling = [answer["id"] for answer in part.get("answers", []) if answer["id"] != UNSURE]
    rows = {"": part.get("default", []), **part.get("given", {})}
    return {
        (fault, answer): number
        for fault, row in rows.items()
        for answer, number in zip(telling, row, strict=False)
    }
