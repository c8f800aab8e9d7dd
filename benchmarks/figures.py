"""Series of measured times, their tables, and the goals that they are held against."""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Series:
    """Times of one thing done again and again, in seconds.

    `own` is the processor time of this process and of the database's one together: what the
    elapsed time is where nothing else wants the processors, apart from waiting for a disk.
    """

    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    backend: list[float] = field(default_factory=list)

    @contextmanager
    def run(self, backend_pid: int | None = None) -> Iterator[None]:
        """Measures the block once. `backend_pid` is the database's process that serves it;
        where that cannot be seen, `own` is the elapsed time.
        """
        before = cpu_of(backend_pid)
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        after = cpu_of(backend_pid)
        theirs = after - before if before is not None and after is not None else None
        self.wall.append(wall)
        self.cpu.append(cpu)
        self.own.append(wall if theirs is None else min(wall, cpu + theirs))
        self.backend.append(theirs or 0.0)

    def in_ms(self) -> dict[str, float]:
        """Medians and high percentiles in milliseconds."""
        found = {
            "p50": percentile(self.own, 50),
            "p95": percentile(self.own, 95),
            "p99": percentile(self.own, 99),
            "elapsed": percentile(self.wall, 50),
            "cpu": percentile(self.cpu, 50),
            "backend_cpu": percentile(self.backend, 50),
        }
        return {name: round(seconds * 1000, 3) for name, seconds in found.items()}


def cpu_of(pid: int | None) -> float | None:
    """Seconds that the database's process ran; None where it is of another machine or system."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
        text = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
    except OSError:
        return None
    return int(text.split()[0]) / 1e9 if name.startswith("postgres") else None


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of all do not exceed. Raises ValueError on none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def peak_memory() -> float:
    """The most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True)
class Goal:
    """A measured value and the most that it may be."""

    name: str
    value: float
    most: float

    @property
    def is_met(self) -> bool:
        """At the limit it is."""
        return self.value <= self.most


def yardstick() -> float:
    """Milliseconds of processor time for a million additions: how fast this machine's Python is."""
    began, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return round((time.process_time() - began) * 1000, 1)


def say(line: str = "") -> None:
    """One line for the reader."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns, aligned; the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        say("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    say()


def finish(results: dict[str, Any], goals: Sequence[Goal], file: Path | None) -> int:
    """Says which goals are met, writes everything as JSON where asked; the exit code."""
    rows = [
        (g.name, f"{g.value:.2f}", f"{g.most:g}", "met" if g.is_met else "MISSED") for g in goals
    ]
    say_table(("goal", "measured", "at most", ""), rows)
    if file:
        whole = {
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "million_additions_ms": yardstick(),
            },
            **results,
            "goals": [
                {"name": g.name, "value": g.value, "most": g.most, "met": g.is_met} for g in goals
            ],
        }
        file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(goal.is_met for goal in goals) else 1
