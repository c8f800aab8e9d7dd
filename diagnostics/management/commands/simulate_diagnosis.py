"""Plays merchants against the shipped flows and writes what the choice saves."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from diagnostics.engine import Attributes
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Flow
from diagnostics.simulation import AUTHORED, EXPECTED, LISTED, POLICIES, STATIC, Played, simulate

HEADS = {
    LISTED: "written list",
    AUTHORED: "thinned list",
    STATIC: "static p/c",
    EXPECTED: "engine",
}
ABOUT = """# What the choice saves

Made by `bin/manage simulate_diagnosis --write {path}`; do not edit by hand.

Merchants are drawn from each flow's own numbers ({merchants} per symptom, by {connection}), so
the table shows what the choice gains if those numbers are right. Minutes are the merchant's, with
handing over; steps are without the safety screen; every merchant meets every policy with the same
fault and the same luck. *Written list*: every step that can apply, in authored order, to its end.
*Thinned list*: the same, less what the answers have made pointless; held-back runs walk it. *Static
p/c*: fixes by chance per minute, cut at the best point. *Engine*: compiled trees.
"""
NOISES = ((0.0, "Answers as the flows expect them"), (0.2, "A fifth of the answers at random"))


class Command(BaseCommand):
    """An edge: the play itself is pure. Needs no database."""

    help = "Plays merchants against the shipped flows; prints the tables, or writes them to a file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchants", type=int, default=1000, help="walks per symptom")
        parser.add_argument("--connection", default="wifi")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--write", type=Path, help="the document to write")

    def handle(self, *args: Any, **options: Any) -> None:
        attributes = Attributes({"connection": options["connection"]})
        flows = bundled_flows()
        parts = [
            ABOUT.format(
                path=options["write"] or "FILE",
                merchants=options["merchants"],
                connection=options["connection"],
            )
        ]
        for noise, title in NOISES:
            found = {}
            for flow in flows:
                found[flow.id] = simulate(
                    flow, attributes, merchants=options["merchants"], noise=noise,
                    seed=options["seed"],
                )  # fmt: skip
                self.stderr.write(f"{title}: {flow.id}")
            parts.append(_table(title, flows, found))
        text = "\n".join(parts)
        if options["write"]:
            options["write"].write_text(text, encoding="utf-8")
        else:
            self.stdout.write(text)


def _table(title: str, flows: Sequence[Flow], found: Mapping[str, Mapping[str, Played]]) -> str:
    """Per symptom minutes / steps / share solved of every policy, and the mean by share."""
    lines = [
        f"## {title}",
        "",
        "Minutes / steps / solved by the merchant.",
        "",
        f"| symptom | share | {' | '.join(HEADS[name] for name in POLICIES)} | saved |",
        f"|---|---|{'---|' * (len(POLICIES) + 1)}",
    ]
    total = sum(flow.share for flow in flows)
    means = dict.fromkeys(POLICIES, (0.0, 0.0, 0.0))
    for flow in flows:
        cells = []
        for name in POLICIES:
            played = found[flow.id][name]
            values = (played.minutes, played.steps, played.solved)
            cells.append(_cell(values))
            weight = flow.share / total
            means[name] = tuple(  # type: ignore[assignment]
                mean + weight * value for mean, value in zip(means[name], values, strict=True)
            )
        saved = 1 - found[flow.id][EXPECTED].minutes / found[flow.id][LISTED].minutes
        lines.append(f"| {flow.id} | {flow.share:.0%} | {' | '.join(cells)} | {saved:.0%} |")
    cells = [_cell(means[name]) for name in POLICIES]
    saved = 1 - means[EXPECTED][0] / means[LISTED][0]
    thinned, static = (1 - means[EXPECTED][0] / means[name][0] for name in (AUTHORED, STATIC))
    note = f"Against the thinned list it saves {thinned:.1%}, against static p/c {static:.1%}."
    lines += [f"| **all** | | {' | '.join(cells)} | **{saved:.1%}** |", "", note, ""]
    return "\n".join(lines)


def _cell(values: tuple[float, float, float]) -> str:
    minutes, steps, solved = values
    return f"{minutes:.1f} / {steps:.1f} / {solved:.0%}"
