"""Where on which page a problem of a flow is put right."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from diagnostics.flow import Flow, Problem

Page: TypeAlias = Literal["flow", "texts", "step", "fault", "exits", "exit"]

# Code -> the field of the page that holds it; others begin at the top.
_FIELDS = {
    "length": "text_zh",
    "minutes": "minutes",
    "weight": "share",
    "times": "when_add",
    "unless": "unless",
    "condition": "requires_with",
    "cures_nothing": "likelihoods",
    "unknown_fault": "likelihoods",
    "probability": "likelihoods",
    "row": "likelihoods",
    "dead_end": "",
    "actor": "actor",
    "answers": "answers",
    "after": "after",
}
_EXIT_FIELDS = {"exit_minutes": "otherwise", "actor": "actors"}
_TEXT = re.compile(r"\.(?P<field>\w+)$")
_PART = re.compile(r"\.(?:steps|faults)\.(?P<name>\w+)\.")
_EXIT = re.compile(r"(?:\A|\.)exits\.(?P<name>[^.]+)(?:\.|\Z)")
_ANSWER = re.compile(r"\.answers\.(?P<answer>\w+)\.")


@dataclass(frozen=True, slots=True)
class Place:
    """A page, the id of its step, fault or exit, and the field to begin with ("" = all of it)."""

    page: Page
    name: str = ""
    field: str = ""


def place_of(problem: Problem, flow: Flow) -> Place:
    """The place where the problem is put right."""
    path = f".{problem.where}"
    if (way := _EXIT.search(problem.where)) and flow.exit(way["name"]):
        return Place("exit", way["name"], _exit_field(problem))
    if problem.where == "exits":
        return Place("exits")
    part = _PART.search(path)
    name = part["name"] if part else problem.where.partition(".")[0]
    page: Page = "step" if flow.step(name) else "fault" if flow.fault(name) else "texts"
    if page == "texts" and problem.where in {"faults", "steps"}:
        return Place("flow")
    return Place(page, "" if page == "texts" else name, _field(problem, path, page))


def _exit_field(problem: Problem) -> str:
    if problem.code != "language":
        return _EXIT_FIELDS.get(problem.code, "title_zh")
    field = problem.where.rpartition(".")[2]
    return f"{field}_{'en' if problem.reason.endswith(' en') else 'zh'}"


def _field(problem: Problem, path: str, page: Page) -> str:
    if problem.code == "language":
        language = "en" if problem.reason.endswith(" en") else "zh"
        field = _TEXT.search(path)
        own = f"{field['field'] if field else 'text'}_{language}"
        answer = _ANSWER.search(path)
        return f"answer_{answer['answer']}_{own}" if answer else own
    if problem.code == "length" and "." in problem.where:
        return f"answer_{problem.where.partition('.')[2]}_text_zh"
    if problem.code == "limits":
        return "call_minutes"
    return _FIELDS.get(problem.code, "") if page != "texts" else ""
