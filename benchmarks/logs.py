"""Ordinary and hostile logs of 100 kB to 10 MB: `python -m benchmarks.logs --help`.

Each log is read in a fresh process, so that its peak memory is its own. Needs no database. What
counts is the ratio of processor time between two sizes: the reader is linear where ten times the
log takes ten times as long. `scrub` is the part that masks card data, measured by itself.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal, finish, peak_memory, say, say_table

SIZES = (100_000, 1_000_000, 10_000_000)
# Ten times the log may take this many times as long, and a log this much memory.
MOST_RATIO, MOST_MIB = 14.0, 200.0
# Below this a time is start-up: tables are built at the first line.
SHORTEST_SECONDS = 0.05
SEED = 4

_LINES: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"I/Trans: send 0800 batch={r.randrange(10**6):06} rsp code=00 ok",
    lambda r: f"E/Net: connect to 10.2.3.4:{r.randrange(9999)} timed out after 30s",
    lambda r: f"D/Battery: level={r.randrange(100)} voltage={r.randrange(4200)}mV",
    lambda r: f"W/Pos: 应答码: {r.randrange(100):02} 交易失败，请重试",
    lambda r: f"I/Slip: card 622202{r.randrange(10**10):010} amount {r.randrange(9999)}.00",
    lambda r: (
        f"D/Wifi: ip=192.168.1.{r.randrange(255)} gateway=192.168.1.1 rssi=-{r.randrange(90)}"
    ),
)
_WORDS = (
    "send", "recv", "batch", "host", "ok", "state", "idle", "level", "scan", "print", "card",
    "menu", "error", "签到", "应用", "通讯",
)  # fmt: skip


def _ordinary(size: int) -> str:
    chance, length = random.Random(SEED), 0  # noqa: S311 - the same logs every time
    lines: list[str] = []
    while length < size:
        n = len(lines)
        moment = f"2026-11-20 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.120"
        lines.append(f"{moment} {chance.choice(_LINES)(chance)}")
        length += len(lines[-1].encode()) + 1
    return "\n".join(lines)


def _no_two_alike(size: int) -> str:
    chance, length = random.Random(SEED), 0  # noqa: S311 - the same logs every time
    lines: list[str] = []
    while length < size:
        words = (chance.choice(_WORDS) + "abcdefgh"[chance.randrange(8)] * 3 for _ in range(14))
        lines.append(" ".join(words))
        length += len(lines[-1].encode()) + 1
    return "\n".join(lines)


def _noise(size: int) -> str:
    chance = random.Random(SEED)  # noqa: S311 - the same logs every time
    return "".join(chance.choices("0123456789 -.:/=\n;,abxcv应答码", k=size))


def _again(text: str) -> Callable[[int], str]:
    return lambda size: text * (size // len(text.encode()) + 1)


LOGS: dict[str, Callable[[int], str]] = {
    "ordinary": _ordinary,
    "no two lines alike": _no_two_alike,
    "one line": _again("a"),
    "one line of labels": _again("ip: code: cvv "),
    "line ends": _again("\n"),
    "tiny lines": _again("7\n"),
    "digits": _again("4"),
    "card numbers": _again("6222021234567890 "),
    "half card numbers": _again("4111-1111-1111 "),
    "screen texts": _again("通讯超时主密钥不存在"),
    "almost times": _again("2026-11-20 10:21:3"),
    "addresses": _again("ip 1.2.3.4 mask 255.255.255.0 gw 1.2.3 dns 8.8.8.8\n"),
    "open brackets": _again('{"a":['),
    "noise": _noise,
}


def cut(name: str, size: int) -> bytes:
    """The log in UTF-8, of that size but for a character at its end."""
    data = LOGS[name](size).encode()[:size]
    return data.decode("utf-8", "ignore").encode()


def own_peak() -> float:
    """The most memory of this process in MiB, without that of the one that started it, which
    Linux carries over into `ru_maxrss`.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return peak_memory()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(data: bytes) -> dict[str, float]:
    """Processor seconds and the peak of memory; for a process that does nothing else."""
    from diagnostics.log_reader import read  # noqa: PLC0415 - its own process

    read(b"warm up the tables\n")
    began = time.process_time()
    read(data)
    return {"seconds": time.process_time() - began, "mib": own_peak()}


def measure_scrub(data: bytes) -> dict[str, float]:
    """The same of the masking alone."""
    from posdoctor.core.scrub import scrub_stream  # noqa: PLC0415 - its own process

    text = data.decode()
    began = time.process_time()
    for _piece in scrub_stream(text[at : at + 65_536] for at in range(0, len(text), 65_536)):
        pass
    return {"seconds": time.process_time() - began, "mib": own_peak()}


def fresh(part: str, data: bytes) -> dict[str, float]:
    """Measures in a process of its own, which did not make the log."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.logs", "--one", part, file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measured(sizes: tuple[int, ...], names: list[str]) -> dict[str, Any]:
    """name -> size -> figures, said as they come."""
    results: dict[str, Any] = {}
    for name in names:
        rows = {str(size): fresh("read", cut(name, size)) for size in sizes}
        largest = str(sizes[-1])
        rows[largest]["scrub_seconds"] = fresh("scrub", cut(name, sizes[-1]))["seconds"]
        results[name] = rows
        say(f"{name}: " + ", ".join(f"{r['seconds']:.2f} s" for r in rows.values()))
    return results


def ratios(rows: dict[str, dict[str, float]]) -> list[float]:
    """How many times as long for ten times the log, from size to size, where it can be told."""
    seconds = [row["seconds"] for row in rows.values()]
    return [after / before for before, after in pairwise(seconds) if before >= SHORTEST_SECONDS]


def goals_of(results: dict[str, Any]) -> list[Goal]:
    """Linear time and bounded memory, each for the worst of the logs."""
    worst = max((ratio, name) for name, rows in results.items() for ratio in ratios(rows) or [0.0])
    heaviest = max((r["mib"], name) for name, rows in results.items() for r in rows.values())
    return [
        Goal(f"time for ten times the log ({worst[1]})", worst[0], MOST_RATIO),
        Goal(f"peak memory in MiB ({heaviest[1]})", heaviest[0], MOST_MIB),
    ]


def main() -> int:
    """Runs all logs, or one of them in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--quick", action="store_true", help="up to 1 MB")
    parser.add_argument("--only", choices=list(LOGS), nargs="+", help="these logs")
    parser.add_argument("--one", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        part, name = options.one
        figures = (measure_scrub if part == "scrub" else measure)(Path(name).read_bytes())
        sys.stdout.write(json.dumps(figures))
        return 0
    sizes = SIZES[:2] if options.quick else SIZES
    results = measured(sizes, options.only or list(LOGS))
    say()
    head = ["log", *(f"{size // 1000:,} kB" for size in sizes), "of it scrub", "ratios", "MiB"]
    rows = [
        [
            name,
            *(f"{row['seconds']:.2f} s" for row in by_size.values()),
            f"{by_size[str(sizes[-1])]['scrub_seconds']:.2f} s",
            " ".join(f"{ratio:.1f}" for ratio in ratios(by_size)) or "-",
            f"{max(row['mib'] for row in by_size.values()):.0f}",
        ]
        for name, by_size in results.items()
    ]
    say_table(head, rows)
    return finish({"logs": results}, goals_of(results), options.json)


if __name__ == "__main__":
    sys.exit(main())
