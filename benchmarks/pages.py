"""Pages at several sizes of the estate: `python -m benchmarks.pages --help`.

Each size is loaded by `load_estate` into a database of its own and asked in one process, with
production's settings, through the whole chain of middleware and without a network. Every
address is asked once before it counts.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from benchmarks.database import about_server, database_size, scratch
from benchmarks.figures import Goal, Series, finish, peak_memory, percentile, say, say_table
from posdoctor import web_server

if TYPE_CHECKING:
    from posdoctor.accounts.actor import Actor
    from posdoctor.accounts.models import Seat
    from tickets.querysets import TicketQuerySet

TARGETS = 12
# The quickest round counts, minutes apart: what else a machine does only makes it slower.
ROUNDS = 3
SEED = 7
# Of the median server time in milliseconds, at the largest size.
MOST_MS: Mapping[str, float] = {
    "inbox": 30, "ticket": 30, "search": 70, "ops": 100,
}  # fmt: skip

# A desk that has fallen behind: the newest tickets that ended are open again, their restore
# clocks run and are due between four hours ago and four days ahead.
_REOPEN = """
WITH late AS (
    SELECT id FROM tickets_ticket WHERE status IN ('resolved', 'closed')
    ORDER BY opened_at DESC LIMIT %(open)s
), open AS (
    UPDATE tickets_ticket t
    SET status = 'open', resolved_at = NULL, closed_at = NULL, cause = '', certainty = '',
        fixed_by = '', proof = '',
        assignee_id = CASE WHEN t.id %% 4 = 0 THEN NULL ELSE t.assignee_id END
    FROM late WHERE t.id = late.id
    RETURNING t.id
), plan AS (
    SELECT k.id, now() - interval '4 hours' + (k.id %% 1000) * interval '6 minutes' AS due_at
    FROM tickets_clock k JOIN open ON open.id = k.ticket_id WHERE k.promise = 'restore'
)
UPDATE tickets_clock k
SET state = 'running', met_at = NULL, stopped_at = NULL, breached_at = NULL,
    due_at = plan.due_at, step = 0, next_fire_at = plan.due_at,
    fire_at = array_fill(plan.due_at, ARRAY[cardinality(k.levels)])
FROM plan WHERE k.id = plan.id
"""


@dataclass(frozen=True)
class Page:
    """One kind of page: the addresses that are asked in turn, by whom, and the answer wanted."""

    name: str
    client: Client
    urls: Sequence[str]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Of a live part: reads the newest state's tag into the headers.
    learn: Callable[[], None] | None = None

    @property
    def goal(self) -> float | None:
        """Milliseconds, where there is a goal for it."""
        return MOST_MS.get(self.name.split(maxsplit=1)[0])


@dataclass(frozen=True)
class Size:
    """An estate of so many tickets; `backlog` of them are opened again."""

    tickets: int
    backlog: int = 0

    @property
    def label(self) -> str:
        """`100,000`, or `100,000 + 2,000 open`."""
        return f"{self.tickets:,}" + (f" + {self.backlog:,} open" if self.backlog else "")


def measure(size: Size, runs: int, keep: bool) -> dict[str, Any]:  # noqa: FBT001 - sent by position
    """Loads the estate and asks for every page; runs in a process of its own."""
    with scratch("pages", keep=keep):
        started = time.perf_counter()
        _load(size)
        loaded = time.perf_counter() - started
        found: dict[str, Any] = {
            "server": about_server(),
            "load_seconds": round(loaded, 1),
            "load_peak_mib": round(peak_memory()),
            "database_mib": round(database_size() / 2**20),
            "open_tickets": _open_tickets(),
            "pages": {},
        }
        web_server.post_worker_init(None)  # as in a process that serves pages
        pages = list(_pages())
        for _ in range(ROUNDS):
            for page in pages:
                asked = _ask(page, runs)
                best = found["pages"].setdefault(page.name, asked)
                if asked["p50"] < best["p50"]:
                    found["pages"][page.name] = asked
        found["peak_mib"] = round(peak_memory())
        return found


def _load(size: Size) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    call_command(
        "load_estate",
        tickets=size.tickets,
        terminals=size.tickets // 10,
        merchants=size.tickets // 30,
        seed=SEED,
        force=True,
        verbosity=0,
    )
    with connection.cursor() as cursor:
        if size.backlog:
            cursor.execute(_REOPEN, {"open": size.backlog})
        # What autovacuum does to a table that is in use.
        cursor.execute("VACUUM (ANALYZE)")


def _open_tickets() -> int:
    from tickets.models import Ticket  # noqa: PLC0415 - after setup

    return Ticket.objects.working().count()


def _pages() -> Iterator[Page]:
    """Every page with its addresses; the reader is of the larger provider."""
    from posdoctor.accounts.roles import Role  # noqa: PLC0415 - after setup
    from tickets.models import Ticket  # noqa: PLC0415

    lead, agent = _seat(Role.SUPERVISOR), _busiest_agent()
    desk, board = _signed_in(agent), _signed_in(lead)
    mine = Ticket.objects.visible_to(_actor(agent))
    queue = "tickets:queue"
    yield Page("inbox mine", desk, [reverse("tickets:inbox")])
    yield Page("inbox all", desk, [reverse(queue, args=["all"])])
    yield Page("inbox unassigned", desk, [reverse(queue, args=["unassigned"])])
    yield Page("inbox finished", desk, [reverse(queue, args=["resolved"])])
    tickets = [reverse("tickets:ticket", args=[ref]) for ref in _some(mine, "ref")]
    yield Page("ticket", desk, tickets)
    yield Page("ticket from queue", desk, [f"{url}?q=all" for url in tickets])
    search = reverse("tickets:search")
    for name, words in _searches(mine).items():
        status = 302 if name == "reference" else 200
        yield Page(f"search {name}", desk, [f"{search}?q={word}" for word in words], status)
    yield Page("ops", board, [reverse("reports:ops")])
    yield _poll("ops 304", board, reverse("reports:ops"))
    yield _poll("bell 304", desk, reverse("notifications:bell"), "ETag")
    yield _status_links(mine)


def _searches(mine: "TicketQuerySet") -> dict[str, list[str]]:
    """What people type: a shop's name, a word that many names hold, parts of numbers."""
    names = _some(mine, "merchant__name")
    return {
        "name": names,
        "common word": sorted({name[-2:] for name in names}),
        "phone part": [phone[3:8] for phone in _some(mine, "contact_phone")],
        "serial": [serial[-6:] for serial in _some(mine, "terminal__serial")],
        "reference": _some(mine, "ref"),
    }


def _some(rows: "TicketQuerySet", column: str) -> list[str]:
    """A spread of values over the whole history, the same in every run."""
    ordered = rows.order_by("pk")
    step = max(1, ordered.count() // TARGETS)
    picked = ordered.values_list("pk", flat=True)[::step][:TARGETS]
    return [str(value) for value in ordered.filter(pk__in=picked).values_list(column, flat=True)]


def _seat(role: str) -> "Seat":
    from posdoctor.accounts.models import Seat  # noqa: PLC0415 - after setup

    return Seat.objects.active().filter(role=role).order_by("provider_id", "pk")[0]


def _busiest_agent() -> "Seat":
    """Of the same provider the one with the most open tickets."""
    from posdoctor.accounts.models import Seat  # noqa: PLC0415 - after setup
    from posdoctor.accounts.roles import Role  # noqa: PLC0415
    from tickets.models import Ticket  # noqa: PLC0415

    seats = Seat.objects.active().filter(role=Role.DESK, provider=_seat(Role.SUPERVISOR).provider)
    return max(seats, key=lambda s: (Ticket.objects.working().of_user(s.user_id).count(), -s.pk))


def _actor(seat: "Seat") -> "Actor":
    from posdoctor.accounts.actor import Actor  # noqa: PLC0415 - after setup
    from posdoctor.accounts.roles import Role  # noqa: PLC0415

    return Actor(role=Role(seat.role), provider_id=seat.provider_id, user_id=seat.user_id)


def _client() -> Client:
    return Client(SERVER_NAME="localhost")


def _signed_in(seat: "Seat") -> Client:
    client = _client()
    client.force_login(seat.user)
    return client


def _poll(name: str, client: Client, url: str, header: str = "HX-PTag") -> Page:
    """The question of a live part that has the newest state already."""
    htmx = {"HX-Request": "true"}
    headers = dict(htmx)

    def learn() -> None:
        tag = client.get(url, headers=htmx, secure=True)[header]
        headers["If-None-Match" if header == "ETag" else header] = tag

    learn()
    return Page(name, client, [url], 304, headers, learn)


def _status_links(mine: "TicketQuerySet") -> Page:
    """A merchant's own page, after the proof by the last digits of the phone."""
    client, urls = _client(), []
    for token, phone in zip(_some(mine, "track_token"), _some(mine, "contact_phone"), strict=True):
        urls.append(reverse("tickets:track", args=[token]))
        unlock = reverse("tickets:track_unlock", args=[token])
        answer = client.post(unlock, {"digits": phone[-4:]}, secure=True)
        if answer.status_code != 303:
            raise AssertionError(f"{unlock}: {answer.status_code}")
    return Page("status link", client, urls)


class Meter:
    """Counts the queries of one request and the time that they take."""

    def __init__(self) -> None:
        self.queries = 0
        self.seconds = 0.0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.seconds += time.perf_counter() - began
            self.queries += 1


def _ask(page: Page, runs: int) -> dict[str, float]:
    """Each address once to warm up, then in turn; times in milliseconds."""
    for url in page.urls:
        with suppress(OtherAnswerError):
            _get(page, url)
    connection.ensure_connection()
    backend = int(connection.connection.info.backend_pid)
    series = Series()
    queries: list[int] = []
    seconds: list[float] = []
    sizes: list[int] = []
    while len(sizes) < runs:
        try:
            with _metered() as meter, series.run(backend):
                size = _get(page, page.urls[len(sizes) % len(page.urls)])
        except OtherAnswerError:
            if page.learn is None:
                raise
            page.learn()  # a board is another one every minute
            continue
        queries.append(meter.queries)
        seconds.append(meter.seconds)
        sizes.append(size)
    return {
        **series.in_ms(),
        "sql": round(percentile(seconds, 50) * 1000, 3),
        "queries": max(queries),
        "bytes": round(sum(sizes) / len(sizes)),
    }


@contextmanager
def _metered() -> Iterator[Meter]:
    meter = Meter()
    with connection.execute_wrapper(meter):
        yield meter


class OtherAnswerError(AssertionError):
    """A page answered with another status than the one that is measured."""


def _get(page: Page, url: str) -> int:
    """Bytes of the answer. Raises OtherAnswerError."""
    answer = page.client.get(url, headers=page.headers, secure=True)
    if answer.status_code != page.status:
        raise OtherAnswerError(f"{url}: {answer.status_code}, not {page.status}")
    return len(answer.content)


def _say(results: Mapping[str, dict[str, Any]]) -> None:
    for label, found in results.items():
        say(
            f"{label} tickets: {found['open_tickets']:,} open, {found['database_mib']:,} MiB, "
            f"loaded in {found['load_seconds']:.0f} s; memory {found['load_peak_mib']} MiB after "
            f"loading, {found['peak_mib']} MiB at the end"
        )
        head = ("page", "p50 ms", "p95", "elapsed", "CPU", "database CPU", "queries", "KiB")
        rows = [
            [
                name, f"{p['p50']:.1f}", f"{p['p95']:.1f}", f"{p['elapsed']:.1f}",
                f"{p['cpu']:.1f}", f"{p['backend_cpu']:.1f}", str(p["queries"]),
                f"{p['bytes'] / 1024:.1f}",
            ]
            for name, p in found["pages"].items()
        ]  # fmt: skip
        say_table(head, rows)
    small, *larger = results
    for label in larger:
        rows = [
            [name, *(f"{page[key] / results[small]['pages'][name][key]:.2f}" for key in _RATIOS)]
            for name, page in results[label]["pages"].items()
        ]
        say_table((f"{label} : {small}", *_RATIOS), rows)


_RATIOS = ("p50", "cpu", "backend_cpu")


def _goals(sizes: Sequence[Size], results: Mapping[str, dict[str, Any]]) -> list[Goal]:
    """Of the largest estate as it was loaded."""
    label = max((s for s in sizes if not s.backlog), key=lambda s: s.tickets).label
    pages = results[label]["pages"]
    return [
        Goal(f"{name} at {label} tickets, p50 ms", page["p50"], most)
        for name, page in pages.items()
        if (most := MOST_MS.get(name.split()[0])) is not None
    ]


def main() -> int:
    """Measures the sizes one after another; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--tickets", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--backlog", type=int, default=2000, help="open tickets of one more, large estate; 0: none"
    )
    parser.add_argument("--runs", type=int, default=60, help="requests per page")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--keep", action="store_true", help="leave the databases there")
    options = parser.parse_args()
    sizes = [Size(tickets) for tickets in sorted(options.tickets)]
    if options.backlog:
        sizes.append(Size(max(options.tickets), options.backlog))
    results = {}
    # A process each: the settings name one database, and memory is measured from nothing.
    fresh = multiprocessing.get_context("spawn")
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            results[size.label] = pool.submit(measure, size, options.runs, options.keep).result()
    _say(results)
    return finish({"pages": results}, _goals(sizes, results), options.json)


if __name__ == "__main__":
    sys.exit(main())
