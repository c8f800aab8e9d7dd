"""docs/diagnosis-coverage.md: every required row has its place, and every place is there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import get_resolver

from diagnostics.engine import Actor, Attributes
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import ACTORS, Fix, Flow, Step
from tests.diagnostics import test_content
from tests.diagnostics.walks import never_asked

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/diagnosis-coverage.md").read_text(encoding="utf-8")
MODELS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "terminals/data/terminal_models.yaml").read_text(encoding="utf-8")
)["models"]
FLOWS = {flow.id: flow for flow in bundled_flows()}
# The rows of the list of requirements that a diagnosis or a page has to meet.
REQUIRED = {
    "check": "A1 A2 A3 A8 A9 A10 A12 A13 A15 A16 A17 A18 A20 A21 A22 A23 A52 "
    "B7 B24 B25 B34 B35 B38 B40 B44 B46 B50",
    "action": "A4 A5 A11 A25 A48 A49 B6 B8 B22 B23 B26 B27 B36 B39 B41 B43 B45 B47 B48 B49 B51",
    "cause": "A14 A29 A30 A31",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of rows."""

    name: str
    kind: str
    who: tuple[str, ...]
    places: tuple[str, ...]
    open: str


def lines(heading: str) -> Iterator[list[str]]:
    """The cells of a table's lines, without its head."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [line for line in part.splitlines() if line.startswith("|")]
    for line in found[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def row_of(cells: list[str]) -> Row:
    """One line as a row; six cells."""
    name, kind, who, _what, where, left = cells
    people = tuple(word.strip() for word in who.split(",") if word.strip())
    return Row(name, kind, people, tuple(re.findall(r"`([^`]+)`", where)), left)


ROWS = [row_of(cells) for cells in lines("Rows")]


def flows_of(name: str) -> list[Flow]:
    """The flow of that name, or all for `*`."""
    return list(FLOWS.values()) if name == "*" else [FLOWS[name]]


def steps_of(row: Row) -> Iterator[tuple[Flow, Step, str]]:
    """The steps a row names, with the answer it names or ""."""
    for place in row.places:
        if "/" in place:
            name, _, rest = place.partition("/")
            step_id, _, answer = rest.partition(".")
            for flow in flows_of(name):
                step = flow.step(step_id)
                assert step is not None, f"{row.name}: {flow.id} has no step {step_id}"
                yield flow, step, answer


def test_every_required_row_stands_there_once_with_its_kind() -> None:
    wanted = {name: kind for kind, names in REQUIRED.items() for name in names.split()}
    assert len(wanted) == 52
    assert len(ROWS) == len(wanted)
    assert {row.name: row.kind for row in ROWS} == wanted


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_every_place_is_there(row: Row) -> None:
    assert row.places or row.open, "a row is met or open"
    assert set(row.who) <= set(ACTORS)
    for place in row.places:
        if place.startswith("page:"):
            space, _, name = place.removeprefix("page:").partition(":")
            _, resolver = get_resolver().namespace_dict[space]
            assert name in resolver.reverse_dict, place
        elif "#" in place:
            name, _, fault = place.partition("#")
            assert FLOWS[name].fault(fault) is not None, place
        elif "/" in place:
            continue
        else:
            name, _, what = place.partition(":")
            for found in flows_of(name):
                assert what in {"desk", "verify"} or found.exit(what) is not None, place
                assert found.call.text.zh
                assert found.verify.zh
    for flow, step, answer in steps_of(row):
        assert step.actor in row.who, f"{flow.id}/{step.id} is done by {step.actor}"
        assert not answer or answer in {option.id for option in step.answers}, answer


def terminals_for(steps: list[Step]) -> list[Attributes]:
    """Real models in real connections, few, that together may have all of these steps."""
    found: list[Attributes] = []
    left = list(steps)
    for model in sorted(MODELS, key=lambda model: -len(model["verified"])):
        for connection in model["connections"]:
            one = Attributes.from_dict({**model, "connection": connection})
            if any(one.may_satisfy(step.requires) for step in left):
                found.append(one)
                left = [step for step in left if not one.may_satisfy(step.requires)]
    assert not left, [step.id for step in left]
    # Each way of connecting has causes of its own.
    seen = {attributes.values["connection"] for attributes in found}
    for model in MODELS:
        for connection in model["connections"]:
            if connection not in seen:
                seen.add(connection)
                found.append(Attributes.from_dict({**model, "connection": connection}))
    return found


NAMED: dict[str, dict[str, Step]] = {}
for _row in ROWS:
    for _flow, _step, _answer in steps_of(_row):
        NAMED.setdefault(_flow.id, {})[_step.id] = _step


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_step_is_offered_to_its_actor_on_some_model(name: str) -> None:
    flow = FLOWS[name]
    actors: tuple[Actor, ...] = ("merchant", "desk")
    for actor in actors:
        mine = [step for step in NAMED[name].values() if step.actor == actor]
        terminals = terminals_for(mine)
        assert never_asked(flow, terminals, actor, mine) == set(), actor
    others = [step for step in NAMED[name].values() if step.actor not in actors]
    terminals_for(others)
    for step in others:
        # Nobody walks these through: they are done on the ticket, for a cause that can be.
        cured = step.cures if isinstance(step, Fix) else step.given
        assert any((fault := flow.fault(cause)) and fault.weight > 0 for cause in cured), step.id


def test_every_harmful_sentence_has_its_rule_and_its_test() -> None:
    found = list(lines("Sentences that would do harm"))
    assert len(found) == 12
    for rows, said, instead, test in found:
        assert rows
        assert said
        assert instead
        assert hasattr(test_content, test.strip("`")), test
