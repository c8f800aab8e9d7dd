"""Steps of the diagnosis: `python -m benchmarks.diagnosis --help`.

Every state of each shipped flow's compiled tree is asked for again, once by a live search with
nothing kept between steps and once by the tree's table, rules and belief included: what a page
waits for, without its database. Processor time, so that other work on the machine counts little.
Needs no database.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal, finish, percentile, say, say_table
from diagnostics.engine import (
    Answer,
    Attributes,
    Outcome,
    Table,
    compile_flow,
    next_step,
    problem_of,
    table_of,
)
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Flow
from diagnostics.planning import Planner

# 95th percentiles, in milliseconds (docs/diagnosis.md).
MOST_LIVE_MS, MOST_COMPILED_MS = 5.0, 0.5


def measure(flow: Flow, attributes: Attributes) -> dict[str, Any]:
    """Times of one flow for one class of terminals, in milliseconds."""
    began = time.process_time()
    tree = compile_flow(flow, attributes)
    compiled = time.process_time() - began
    table = table_of(flow, attributes, tree)
    planner = Planner(problem_of(flow, attributes, "merchant"))
    states = [
        [Answer(step, label) for step, label in planner.labels(key)] for key in tree.decisions
    ]
    found: dict[str, Any] = {
        "steps": len(planner.problem.moves),
        "states": len(states),
        "compile_s": round(compiled, 2),
    }
    for name, by in (("live", None), ("compiled", table)):
        times = [_once(flow, attributes, answers, by) for answers in states]
        found[name] = {f"p{at}": round(1000 * percentile(times, at), 3) for at in (50, 95)} | {
            "max": round(1000 * max(times), 3)
        }
    return found


def _once(
    flow: Flow, attributes: Attributes, answers: Sequence[Answer], table: Table | None
) -> float:
    began = time.process_time()
    result = next_step(flow, attributes, answers, actor="merchant", table=table)
    spent = time.process_time() - began
    assert isinstance(result, Outcome) or result.step.id
    return spent


def main() -> int:
    """Measures every shipped flow; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("--connection", default="wifi")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    attributes = Attributes({"connection": options.connection})
    results = {flow.id: measure(flow, attributes) for flow in bundled_flows()}
    head = ("flow", "steps", "states", "compile s", "live p50 ms", "p95", "compiled p50 ms", "p95")
    rows = [
        [
            name, str(r["steps"]), str(r["states"]), f"{r['compile_s']:.1f}",
            f"{r['live']['p50']:.2f}", f"{r['live']['p95']:.2f}",
            f"{r['compiled']['p50']:.2f}", f"{r['compiled']['p95']:.2f}",
        ]
        for name, r in results.items()
    ]  # fmt: skip
    say_table(head, rows)
    largest = max(results, key=lambda name: results[name]["steps"])
    say(f"Goals hold for the largest flow, {largest}.")
    goals = [
        Goal("a live step, p95 ms", results[largest]["live"]["p95"], MOST_LIVE_MS),
        Goal("a compiled step, p95 ms", results[largest]["compiled"]["p95"], MOST_COMPILED_MS),
    ]
    return finish({"flows": results}, goals, options.json)


if __name__ == "__main__":
    sys.exit(main())
