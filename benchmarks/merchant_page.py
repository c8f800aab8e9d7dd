"""The merchant's pages on a slow phone: `python -m benchmarks.merchant_page --help`.

A server of this process with production's settings and Chromium at 390 x 664: 1.6 Mbit/s down,
150 ms to and fro, the processor four times slower, nothing in the cache. Medians of several visits.
"""

import argparse
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.database import scratch
from benchmarks.figures import Goal, finish, percentile, say, say_table

if TYPE_CHECKING:
    from terminals.models import Terminal

# ui.md, performance budget: the merchant's step page.
MOST = {"LCP ms": 1800, "TBT ms": 50, "CLS": 0.02, "requests": 6, "KiB": 60}
LATENCY_MS, BYTES_PER_SECOND, SLOWER = 150, 1_600_000 // 8, 4
# After the load: late shifts and long tasks are counted, too.
SETTLE_MS = 1500
# A task longer than this blocks for what it is longer.
LONG_TASK_MS = 50
MOST_STEPS = 12
SEED = 7

_WATCH = """
window.seen = { lcp: 0, cls: 0, tasks: [] };
const watch = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note))
  .observe({ type, buffered: true });
watch('largest-contentful-paint', (e) => { window.seen.lcp = e.startTime; });
watch('layout-shift', (e) => { if (!e.hadRecentInput) window.seen.cls += e.value; });
watch('longtask', (e) => { window.seen.tasks.push([e.startTime, e.duration]); });
"""
_READ = """() => ({
  ...window.seen,
  fcp: performance.getEntriesByName('first-contentful-paint')[0].startTime,
})"""


@dataclass(frozen=True)
class Place:
    """A page that is measured; only steps are held against the budget."""

    name: str
    path: str
    has_goal: bool


class _Transfer:
    """Requests of one visit and the bytes that came, as the browser counts them."""

    def __init__(self, probe: CDPSession) -> None:
        self.sizes: dict[str, float] = {}
        probe.on("Network.requestWillBeSent", self._sent)
        probe.on("Network.loadingFinished", self._finished)

    def _sent(self, event: Mapping[str, Any]) -> None:
        self.sizes.setdefault(event["requestId"], 0.0)

    def _finished(self, event: Mapping[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]


@contextmanager
def _server() -> Iterator[str]:
    """Serves the whole chain on a free port of the loopback; gives the address."""
    from django.core.servers.basehttp import (  # noqa: PLC0415 - after setup
        ThreadedWSGIServer,
        WSGIRequestHandler,
    )

    from posdoctor.wsgi import application  # noqa: PLC0415

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Says nothing: every line would take time from what is measured."""

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _terminal() -> "Terminal":
    from terminals.models import Terminal  # noqa: PLC0415 - after setup

    handhelds = Terminal.objects.filter(state="active", model__form="portable_android")
    return handhelds.exclude(sticker_code="").order_by("pk")[0]


def _places(client: Client, code: str) -> Iterator[Place]:
    """Start, the first step, a later question, the first fix, a guide; walked by this client."""
    yield Place("start", reverse("diagnostics:start", args=[code]), has_goal=False)
    symptom, kinds = "cannot_print", {"step: question", "step: fix"}
    client.post(reverse("diagnostics:begin", args=[code, symptom]), secure=True)
    for number in range(1, MOST_STEPS):
        path = reverse("diagnostics:step", args=[code, symptom, number])
        page = client.get(path, secure=True)
        if page.status_code != HTTPStatus.OK:
            break
        text = page.content.decode()
        kind = "step: fix" if 'class="ans fix"' in text else "step: question"
        kind = "step: safety" if number == 1 else kind
        if number == 1 or (kind in kinds and 'class="art"' in text):
            kinds.discard(kind)
            yield Place(kind, path, has_goal=True)
        step = re.search(r'name="step" value="(\w+)"', text)
        answers = re.findall(r'name="answer" value="(\w+)"', text)
        # The last but one button: nothing of the kind, or a fix that did not help.
        given = {"step": step[1] if step else "", "answer": answers[-2]}
        client.post(path, given, secure=True)
    guide = reverse("diagnostics:machine_guide", args=[code, symptom])
    yield Place("guide", guide, has_goal=False)


def _visit(browser: Browser, base: str, place: Place, client: Client) -> dict[str, float]:
    """One visit of a phone that knows nothing yet but its own walk."""
    context = browser.new_context(
        viewport={"width": 390, "height": 664}, locale="zh-CN", has_touch=True,
        # What the proxy in front of an installation says.
        extra_http_headers={"X-Forwarded-Proto": "https"},
    )  # fmt: skip
    context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": base}
            for name, morsel in client.cookies.items()
        ]
    )
    try:
        return _measured(context.new_page(), base + place.path)
    finally:
        context.close()


def _measured(page: Page, url: str) -> dict[str, float]:
    probe = page.context.new_cdp_session(page)
    probe.send("Network.enable")
    transfer = _Transfer(probe)
    probe.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": BYTES_PER_SECOND,
            "uploadThroughput": BYTES_PER_SECOND // 2,
        },
    )
    probe.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(_WATCH)
    answer = page.goto(url, wait_until="load")
    if answer is None or answer.status != HTTPStatus.OK or answer.url != url:
        raise AssertionError(f"{url}: {answer and (answer.status, answer.url)}")
    page.wait_for_timeout(SETTLE_MS)
    seen = page.evaluate(_READ)
    blocked = sum(max(0, length - LONG_TASK_MS) for at, length in seen["tasks"] if at > seen["fcp"])
    return {
        "LCP ms": seen["lcp"],
        "TBT ms": blocked,
        "CLS": seen["cls"],
        "requests": len(transfer.sizes),
        "KiB": sum(transfer.sizes.values()) / 1024,
    }


def measure(runs: int, chromium: str) -> dict[str, dict[str, float]]:
    """Place -> medians, in the units of `MOST`; places with a goal begin with `step`."""
    call_command("collectstatic", interactive=False, verbosity=0)
    call_command("load_reference", verbosity=0)
    call_command(
        "load_estate", tickets=40, terminals=40, merchants=10, seed=SEED, force=True, verbosity=0
    )
    client = Client(SERVER_NAME="localhost")
    found: dict[str, dict[str, float]] = {}
    places = list(_places(client, _terminal().sticker_code))
    with _server() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for place in places:
            _visit(browser, base, place, client)  # warms the server, not the phone
            visits = [_visit(browser, base, place, client) for _ in range(runs)]
            found[place.name] = {key: percentile([v[key] for v in visits], 50) for key in MOST}
        browser.close()
    return found


def _say(found: Mapping[str, Mapping[str, float]]) -> None:
    rows = [
        [
            name, f"{p['LCP ms']:.0f}", f"{p['TBT ms']:.0f}", f"{p['CLS']:.3f}",
            f"{p['requests']:.0f}", f"{p['KiB']:.1f}",
        ]
        for name, p in found.items()
    ]  # fmt: skip
    say_table(("page", *MOST), rows)


def _goals(found: Mapping[str, Mapping[str, float]]) -> Sequence[Goal]:
    return [
        Goal(f"{name}, {key}", page[key], most)
        for name, page in found.items()
        if name.startswith("step")
        for key, most in MOST.items()
    ]


def main() -> int:
    """Measures every page; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merchant_page", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="visits per page")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--keep", action="store_true", help="leave the database there")
    options = parser.parse_args()
    # The browser is driven from a loop of its own in this thread; the ORM is used around it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    os.environ["TRUSTED_PROXIES"] = "1"
    with scratch("merchant_page", keep=options.keep):
        found = measure(options.runs, options.chromium)
    say(f"Chromium, {LATENCY_MS} ms, 1.6 Mbit/s, {SLOWER} x slower, median of {options.runs}")
    _say(found)
    return finish({"merchant_page": found}, _goals(found), options.json)


if __name__ == "__main__":
    sys.exit(main())
