"""Changes of a flow document: each takes one, and gives a new one that `flow.parse` can read.

They keep a document in one piece (a cause that goes is gone from every step), not sensible: that
is `flow.validate`'s business. A flow without ways to hand over has no `exits` at all.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from diagnostics.authoring.likelihood import DIGITS, LIKELIHOODS, rounded, scaled
from diagnostics.fault_trees import DETOUR_MINUTES, EXIT_MINUTES
from diagnostics.flow import OTHER, SAFETY, UNSURE, parse

Document: TypeAlias = dict[str, Any]
Part: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["steps", "faults", "exits"]
Move: TypeAlias = Literal["up", "down"]

YES_NO: tuple[tuple[str, str, str], ...] = (("yes", "是", "Yes"), ("no", "不是", "No"))
NOT_SURE = (UNSURE, "看不清，不确定", "Not sure")
# Answers of a fix, with what they say about the terminal.
TRIED: tuple[tuple[str, str, str], ...] = (
    ("solved", "好了", "It works now"),
    ("unsolved", "还不行", "Still the same"),
    ("unable", "做不到", "I can’t do this"),
)
NEW_MINUTES = 1.0
NEW_ICONS = {"check": "search", "fix": "wrench"}
NEW_SHARE = 0.02
MOST_STEPS, MOST_FAULTS, MOST_ANSWERS, MOST_EXITS = 90, 60, 12, 12


class EditError(ValueError):
    """The change cannot be made; `code` is stable: gone, fixed, full, share."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def settled(document: Mapping[str, Any]) -> Document:
    """The document as it is stored: read once, without defaults, numbers rounded, version 1.

    Raises FlowError where it is no flow.
    """
    return parse({**rounded(dict(document)), "version": 1}).to_dict()


def find(document: Mapping[str, Any], kind: Kind, name: str) -> Part | None:
    """The step, fault or way to hand over of that id, as it stands in the document."""
    return next((part for part in document.get(kind, []) if part["id"] == name), None)


def with_part(document: Document, kind: Kind, part: Part) -> Document:
    """With another content of the part of the same id. Raises EditError."""
    if find(document, kind, part["id"]) is None:
        raise EditError("gone")
    parts = [part if old["id"] == part["id"] else old for old in document[kind]]
    return {**document, kind: parts}


def with_texts(document: Document, values: Mapping[str, Any]) -> Document:
    """With other values of the flow itself; steps and faults stay."""
    return {**document, **values}


# --- Order ---------------------------------------------------------------------------


def moved(document: Document, kind: Kind, name: str, way: Move) -> Document:
    """One place up or down. The safety screen stays first. Raises EditError."""
    parts = list(document.get(kind, []))
    ids = [part["id"] for part in parts]
    if name not in ids:
        raise EditError("gone")
    at = ids.index(name)
    to = at - 1 if way == "up" else at + 1
    if not 0 <= to < len(parts) or (kind == "steps" and SAFETY in {ids[at], ids[to]}):
        raise EditError("fixed")
    parts[at], parts[to] = parts[to], parts[at]
    return {**document, kind: parts}


# --- Steps ---------------------------------------------------------------------------


def with_new_step(
    document: Document, *, kind: Literal["check", "fix"], text: Mapping[str, str], after: str
) -> tuple[Document, str]:
    """With a plain step behind `after` (an unknown one: at the end), and the new step's id."""
    steps = list(document["steps"])
    if len(steps) >= MOST_STEPS:
        raise EditError("full")
    name = _free_id([step["id"] for step in steps], f"own_{kind}")
    step: Part = {"id": name, "minutes": NEW_MINUTES, "text": dict(text), "kind": kind}
    step["icon"] = NEW_ICONS[kind]
    if kind == "check":
        step["answers"] = [_option(*YES_NO[0], bad=True), _option(*YES_NO[1], bad=False)]
        step["answers"].append(_option(*NOT_SURE))
        step["default"] = [LIKELIHOODS["rarely"], LIKELIHOODS["nearly_always"]]
    else:
        step["answers"] = _tried(steps)
        step["cures"] = {}
    ids = [old["id"] for old in steps]
    steps.insert(ids.index(after) + 1 if after in ids else len(steps), step)
    return {**document, "steps": steps}, name


def without_step(document: Document, name: str) -> Document:
    """Without the step, and without what other steps say about it. Raises EditError."""
    if find(document, "steps", name) is None:
        raise EditError("gone")
    if name == SAFETY:
        raise EditError("fixed")
    steps = []
    for step in document["steps"]:
        if step["id"] == name:
            continue
        kept: Part = {}
        if "unless" in step:
            unless = step["unless"].items()
            kept["unless"] = {other: answers for other, answers in unless if other != name}
        if "after" in step:
            kept["after"] = [other for other in step["after"] if other != name]
        steps.append({**step, **kept})
    return {**document, "steps": steps}


def with_answer(step: Part) -> Part:
    """A check with one more answer, empty, before "not sure". Raises EditError."""
    answers = list(step["answers"])
    if step["kind"] != "check":
        raise EditError("fixed")
    if len(answers) >= MOST_ANSWERS:
        raise EditError("full")
    fresh = _option(_free_id([answer["id"] for answer in answers], "answer"), "", "")
    sure = [answer for answer in answers if answer["id"] != UNSURE]
    rest = [answer for answer in answers if answer["id"] == UNSURE]
    return {
        **step,
        "answers": [*sure, fresh, *rest],
        "default": scaled([*step["default"], LIKELIHOODS["rarely"]]),
        "given": {
            fault: scaled([*row, LIKELIHOODS["rarely"]])
            for fault, row in step.get("given", {}).items()
        },
    }


def without_answer(document: Document, step: Part, name: str) -> tuple[Document, Part]:
    """The check without that answer, and the document without other steps' words about it."""
    if step["kind"] != "check":
        raise EditError("fixed")
    telling = [answer["id"] for answer in step["answers"] if answer["id"] != UNSURE]
    if name not in {answer["id"] for answer in step["answers"]}:
        raise EditError("gone")
    kept = [index for index, answer in enumerate(telling) if answer != name]
    smaller = {
        **step,
        "answers": [answer for answer in step["answers"] if answer["id"] != name],
        "default": _columns(step["default"], kept),
        "given": {fault: _columns(row, kept) for fault, row in step.get("given", {}).items()},
    }
    steps = []
    for other in document["steps"]:
        unless = dict(other.get("unless", {}))
        if step["id"] in unless:
            left = [answer for answer in unless.pop(step["id"]) if answer != name]
            if left:
                unless[step["id"]] = left
            other = {**other, "unless": unless}  # noqa: PLW2901 - the list keeps the old one
        steps.append(smaller if other["id"] == step["id"] else other)
    return {**document, "steps": steps}, smaller


def with_answer_moved(step: Part, name: str, way: Move) -> Part:
    """The answer one place up or down, its column of the likelihoods with it. Raises EditError."""
    ids = [answer["id"] for answer in step["answers"]]
    if name not in ids:
        raise EditError("gone")
    at = ids.index(name)
    to = at - 1 if way == "up" else at + 1
    if step["kind"] != "check" or not 0 <= to < len(ids) or UNSURE in {ids[at], ids[to]}:
        raise EditError("fixed")
    swap = list(range(len([one for one in ids if one != UNSURE])))
    telling = [one for one in ids if one != UNSURE]
    first, second = telling.index(ids[at]), telling.index(ids[to])
    swap[first], swap[second] = swap[second], swap[first]
    answers = list(step["answers"])
    answers[at], answers[to] = answers[to], answers[at]
    return {
        **step,
        "answers": answers,
        "default": [step["default"][i] for i in swap],
        "given": {fault: [row[i] for i in swap] for fault, row in step.get("given", {}).items()},
    }


def _columns(row: Sequence[float], kept: Sequence[int]) -> list[float]:
    """The kept columns, scaled only where one went."""
    left = [row[index] for index in kept]
    return left if len(left) == len(row) or not left else scaled(left)


def _option(name: str, zh: str, en: str, *, bad: bool | None = None) -> Part:
    option: Part = {"id": name, "text": {"zh": zh, "en": en}}
    if bad is not None:
        option["bad"] = bad
    return option


def _tried(steps: Sequence[Part]) -> list[Part]:
    """The answers of the flow's other fixes, in the same words; plain ones without a fix."""
    known = next((step["answers"] for step in steps if step["kind"] == "fix"), None)
    return copy.deepcopy(known) if known else [_option(*words) for words in TRIED]


# --- Faults --------------------------------------------------------------------------


def with_new_fault(document: Document, *, text: Mapping[str, str]) -> tuple[Document, str]:
    """With one more cause, rare, before `other`; and its id. Raises EditError."""
    faults = list(document["faults"])
    if len(faults) >= MOST_FAULTS:
        raise EditError("full")
    name = _free_id([fault["id"] for fault in faults], "own_cause")
    fresh: Part = {"id": name, "weight": NEW_SHARE, "text": dict(text)}
    ids = [fault["id"] for fault in faults]
    faults.insert(ids.index(OTHER) if OTHER in ids else len(faults), fresh)
    return with_share({**document, "faults": faults}, name, NEW_SHARE), name


def without_fault(document: Document, name: str) -> Document:
    """Without the cause, in no row and no cure; the others share its weight. Raises EditError."""
    if find(document, "faults", name) is None:
        raise EditError("gone")
    if name == OTHER:
        raise EditError("fixed")
    steps = []
    for step in document["steps"]:
        rows = "given" if step["kind"] == "check" else "cures"
        kept = {fault: row for fault, row in step.get(rows, {}).items() if fault != name}
        steps.append({**step, rows: kept} if rows in step else step)
    faults = [fault for fault in document["faults"] if fault["id"] != name]
    return {**document, "steps": steps, "faults": _balanced(faults, None)}


def with_share(document: Document, name: str, share: float) -> Document:
    """With this cause's share set; the free ones among the others make room in proportion.

    Shares of causes that stop use, and of locked ones, stay. Raises EditError.
    """
    faults = [
        {**fault, "weight": share} if fault["id"] == name else fault for fault in document["faults"]
    ]
    if not any(fault["id"] == name for fault in faults):
        raise EditError("gone")
    return {**document, "faults": _balanced(faults, name)}


# --- Ways to hand over ---------------------------------------------------------------


def with_new_exit(document: Document, *, title: Mapping[str, str]) -> tuple[Document, str]:
    """With one more way to hand over at the end, right for no cause yet; and its id.

    Raises EditError.
    """
    exits = list(document.get("exits", []))
    if len(exits) >= MOST_EXITS:
        raise EditError("full")
    name = _free_id([part["id"] for part in [*exits, *document["faults"]]], "own_exit")
    fresh: Part = {
        "id": name,
        "title": dict(title),
        "advice": {"zh": "", "en": ""},
        "minutes": EXIT_MINUTES,
        "otherwise": DETOUR_MINUTES,
    }
    return {**document, "exits": [*exits, fresh]}, name


def without_exit(document: Document, name: str) -> Document:
    """Without that way to hand over; the desk is always left. Raises EditError."""
    if find(document, "exits", name) is None:
        raise EditError("gone")
    return {**document, "exits": [part for part in document["exits"] if part["id"] != name]}


def is_held(fault: Mapping[str, Any]) -> bool:
    """Whether the share of this cause changes only by its own page."""
    return bool(fault.get("stop_use") or fault.get("locked"))


def _balanced(faults: Sequence[Part], chosen: str | None) -> list[Part]:
    """The same causes with shares that sum to 1. Raises EditError where there is no room."""
    held = [f for f in faults if f["id"] == chosen or is_held(f)]
    free = [f for f in faults if f["id"] != chosen and not is_held(f)]
    room = 1 - sum(f["weight"] for f in held)
    total = sum(f["weight"] for f in free)
    if not free and abs(room) < 0.001:
        return list(faults)
    if room <= 0 or total <= 0:
        raise EditError("share")
    # What rounding leaves over goes to the most frequent one: the sum stays exact.
    new = {f["id"]: round(f["weight"] * room / total, DIGITS) for f in free}
    most = max(free, key=lambda f: f["weight"])["id"]
    new[most] = round(new[most] + room - sum(new.values()), DIGITS)
    if min(new.values()) <= 0:
        raise EditError("share")
    return [{**f, "weight": new.get(f["id"], f["weight"])} for f in faults]


def _free_id(taken: Sequence[str], stem: str) -> str:
    """`stem_1`, or the next number that no id has."""
    numbers = [int(m[1]) for one in taken if (m := re.fullmatch(rf"{stem}_(\d{{1,6}})", one))]
    return f"{stem}_{max(numbers, default=0) + 1}"


def is_id(name: str, longest: int) -> bool:
    """Whether something may have this id: it stands in addresses."""
    return len(name) <= longest and re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None
