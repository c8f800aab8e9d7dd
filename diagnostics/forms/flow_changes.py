"""The difference of two flows in the reader's words, grouped by step and cause."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from diagnostics.authoring.changes import Change
from diagnostics.flow import USUAL_SKIP, Flow
from diagnostics.forms.flow_icons import icon_words
from diagnostics.forms.flow_words import (
    ACTORS,
    FIELDS,
    SIGNS,
    conditions_words,
    likelihood_words,
    skip_words,
    times_words,
)
from diagnostics.models import reader_language

# Merchants read the title of a flow, the desk that of a way to hand over.
_EXIT_TITLE = ("exits", "title")


@dataclass(frozen=True)
class ChangeLine:
    """One difference: what, and its value before and after ("" = not there)."""

    label: str
    before: str
    after: str
    is_safety: bool


@dataclass(frozen=True)
class ChangeGroup:
    """Everything that differs in one step, one cause, or the flow's own words."""

    title: str
    how: str
    icon: str
    lines: list[ChangeLine]

    @property
    def is_safety(self) -> bool:
        """Whether a second person has to approve it."""
        return any(line.is_safety for line in self.lines)


def grouped(found: Sequence[Change], before: Flow | None, after: Flow) -> list[ChangeGroup]:
    """Groups in the order of the changes."""
    words = _Words(before, after)
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in found:
        groups.setdefault((change.where, change.part), []).append(change)
    return [words.group(where, part, rows) for (where, part), rows in groups.items()]


def _differing(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two texts only the languages that differ; other values as they are."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return before, after
    if not set(before) | set(after) <= {"zh", "en"}:
        return before, after
    languages = [one for one in ("zh", "en") if before.get(one) != after.get(one)]
    return {one: before.get(one) for one in languages}, {one: after.get(one) for one in languages}


def _actor(value: str) -> str:
    return str(ACTORS.get(value, value))


class _Words:
    """Names of parts, answers and causes of two flows in one language."""

    def __init__(self, before: Flow | None, after: Flow) -> None:
        self.flows = [after, *([before] if before else [])]
        self.language = reader_language()

    def group(self, where: str, part: str, rows: Sequence[Change]) -> ChangeGroup:
        how = next(
            (row.how for row in rows if row.how in {"added", "removed"} and not row.answer), ""
        )
        icon = {
            "flow": "message-square-text",
            "faults": "stethoscope",
            "steps": "list",
            "exits": "phone-forwarded",
        }[where]
        title = self.way(part) if where == "exits" else self.part(part) if part else ""
        title = title or _("Words of the flow")
        lines = [self.line(row) for row in rows]
        return ChangeGroup(title, how, icon, lines)

    def line(self, change: Change) -> ChangeLine:
        field = "exit_title" if (change.where, change.field) == _EXIT_TITLE else change.field
        label = str(FIELDS.get(field, field))
        if change.field == "likelihood":
            label = self._likelihood(change)
        elif change.answer and change.field != "answer":
            label = f"{self.answer(change.part, change.answer)} · {label}"
        elif not change.field:
            label = {
                "steps": _("Whole step"),
                "faults": _("Whole cause"),
                "exits": _("Whole way to hand over"),
            }[change.where]
        before, after = _differing(change.before, change.after)
        return ChangeLine(
            label, self.value(change, before), self.value(change, after), change.is_safety
        )

    def _likelihood(self, change: Change) -> str:
        fault = self.part(change.fault) if change.fault else _("All other causes")
        answer = self.answer(change.part, change.answer) if change.answer else _("Helps")
        return f"{fault} · {answer}"

    def value(self, change: Change, value: Any) -> str:
        """A plain value of a document as people read it."""
        if change.field == "skip":
            return skip_words(USUAL_SKIP if value is None else value)
        if value is None:
            return ""
        words = self.in_words.get(change.field)
        return words(value) if words else self._plain(change.field, value)

    @property
    def in_words(self) -> Mapping[str, Callable[[Any], str]]:
        """Fields whose values have words of their own."""
        return {
            "likelihood": likelihood_words,
            "weight": lambda value: _("%(n)s of 100") % {"n": f"{value * 100:.1f}"},
            "actor": _actor,
            "actors": lambda value: _(", ").join(_actor(actor) for actor in value),
            "bad": lambda value: str(SIGNS["bad" if value else "good"]),
            "icon": icon_words,
            "after": lambda value: _(", ").join(self.part(check) for check in value),
        }

    def _plain(self, field: str, value: Any) -> str:
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        if isinstance(value, Mapping):
            return self._mapping(field, value)
        if isinstance(value, list):
            return _(", ").join(self._plain(field, one) for one in value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _mapping(self, field: str, value: Mapping[str, Any]) -> str:
        if set(value) <= {"zh", "en"}:
            return " / ".join(value[language] for language in ("zh", "en") if value.get(language))
        if field == "requires":
            return conditions_words(value)
        if field == "when":
            return f"{conditions_words(value['if'])}: {times_words(value['times'])}"
        if field == "unless":
            pairs = [(step, one) for step, answers in value.items() for one in answers]
            return _(", ").join(f"{self.part(s)} → {self.answer(s, a)}" for s, a in pairs)
        return _(", ").join(self._plain(name, inner) for name, inner in value.items())

    def part(self, name: str) -> str:
        """The text of a step or cause; its short name where neither flow has it."""
        for flow in self.flows:
            if found := flow.step(name) or flow.fault(name):
                return found.text.get(self.language) or name
        return name

    def way(self, name: str) -> str:
        """The title of a way to hand over; its short name where neither flow has it."""
        for flow in self.flows:
            if found := flow.exit(name):
                return found.title.get(self.language) or name
        return name

    def answer(self, step_id: str, answer_id: str) -> str:
        """The text of an answer."""
        for flow in self.flows:
            step = flow.step(step_id)
            for option in step.answers if step else ():
                if option.id == answer_id:
                    return option.text.get(self.language) or answer_id
        return answer_id
