"""Masking card data in texts that were made to be slow: `python -m benchmarks.scrub --help`.

Needs no database. Each text is masked whole, in two sizes; what counts is the processor time for
ten megabytes, the ratio between the sizes, and what a form's few lines cost.
"""

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal, Series, finish, percentile, say, say_table
from posdoctor.core.scrub import scrub

SIZES = (1_000_000, 10_000_000)
# Ten times the text may take this many times as long; the slowest ten megabytes so long.
MOST_RATIO, MOST_SECONDS, MOST_FORM_MS = 14.0, 12.0, 0.5
SEED = 4
VISA, UNIONPAY = "4111111111111111", "6222021234567890"

FORM = (
    "顾客的卡４１１１ １１１１ １１１１ １１１１刷不了，CVV 123，密码是123456。\r\n"
    "商户号：898310148160001 终端号：12345678 参考号：622512345678\r\n"
    "联系电话 138-1234-5678，工单 T-7K3Q9M，2026-11-21 12:30 金额 1,200.00"
)


def _again(piece: str) -> Callable[[int], str]:
    return lambda size: (piece * (size // len(piece) + 1))[:size]


def _drawn(draw: Callable[[random.Random], str]) -> Callable[[int], str]:
    def make(size: int) -> str:
        chance, parts, length = random.Random(SEED), [], 0  # noqa: S311 - the same every time
        while length < size:
            parts.append(draw(chance))
            length += len(parts[-1])
        return "".join(parts)[:size]

    return make


TEXTS: dict[str, Callable[[int], str]] = {
    "words": _again("签到失败，请检查网络。The host did not answer in time.\n"),
    "log lines": _again(
        "2026-11-21 12:30:45.123 INFO net.c:211 TID=12345678 MID=898310148160001 RC=77"
        " ip=10.2.3.4 batch 000123 amt 12.00\n"
    ),
    "one run of digits": _again("1"),
    "digits with blanks": _again("6 "),
    "UnionPay in pairs": _again("62 "),
    "full-width pairs": _again("６２ "),
    "random pairs": _drawn(lambda r: f"{r.randrange(40, 69)} "),
    "random fours": _drawn(lambda r: f"{r.randrange(1000, 9999)} "),
    "fours with commas": _drawn(lambda r: f"{r.randrange(1000, 9999)},"),
    "digits with slashes": _again("4/"),
    "UnionPay numbers": _drawn(lambda r: f"62{r.randrange(10**13, 10**14)} "),
    "card numbers": _again(f"{VISA} "),
    "wrong card numbers": _again("4111111111111112 "),
    "track heads": _again(f"%B{VISA}^"),
    "track tails": _again(f"{VISA}="),
    "chip tags": _again(f"5A08{UNIONPAY}"),
    "labelled serials": _again(f"SN {UNIONPAY} "),
    "labelled IMEI": _again("IMEI 490154203237518 "),
    "amounts": _again("62.00 81.50 "),
    "dates": _again("2026-11-21 "),
    "invisible joints": _again("4\u200b"),
    "numerals": _again("六二"),
    "words of secrets": _again("PIN 1234 "),
    "open links": _again(f"密码{':' * 10}"),
    "masks": _again("622202******7890"),
}


def measure(name: str) -> dict[str, Any]:
    """Seconds of processor time for both sizes."""
    found = {}
    for size in SIZES:
        text, series = TEXTS[name](size), Series()
        for _ in range(3 if size < SIZES[-1] else 1):
            with series.run():
                scrub(text)
        found[size] = min(series.cpu)
    return {
        "small": round(found[SIZES[0]], 3),
        "large": round(found[SIZES[-1]], 2),
        "ratio": round(found[SIZES[-1]] / max(found[SIZES[0]], 0.02), 2),
    }


def _form() -> float:
    """Milliseconds for what a merchant types."""
    series = Series()
    for _ in range(500):
        with series.run():
            scrub(FORM)
    return percentile(series.cpu, 50) * 1000


def main() -> int:
    """Measures every text; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrub", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(TEXTS), help="only these texts")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    results = {name: measure(name) for name in options.only or TEXTS}
    form = round(_form(), 3)
    rows = [
        [name, f"{r['small']:.2f}", f"{r['large']:.2f}", f"{r['ratio']:.1f}"]
        for name, r in results.items()
    ]
    say_table(("text", "1 MB, s", "10 MB, s", "ratio"), rows)
    say(f"a form's lines: {form:.3f} ms\n")
    slowest = max(results, key=lambda name: float(results[name]["large"]))
    steepest = max(results, key=lambda name: float(results[name]["ratio"]))
    goals = [
        Goal(f"10 MB of {slowest}, s", results[slowest]["large"], MOST_SECONDS),
        Goal(f"10 MB : 1 MB of {steepest}", results[steepest]["ratio"], MOST_RATIO),
        Goal("a form's lines, ms", form, MOST_FORM_MS),
    ]
    return finish({"scrub": results, "form_ms": form}, goals, options.json)


if __name__ == "__main__":
    sys.exit(main())
