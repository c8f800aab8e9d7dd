"""The tick with few and with many open clocks: `python -m benchmarks.tick --help`.

Rows are copies of tickets and clocks that the product itself wrote: whole tables with every
index, key and constraint, and beside each open clock a finished one. The tick takes `now`, so
a measurement picks a moment at which so many clocks are due; nothing is prepared for it.
"""

import argparse
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.module_loading import import_string

from benchmarks.database import about_server, database_size, scratch
from benchmarks.figures import Goal, Series, finish, percentile, say, say_table

# Levels are reached in the thirty days after it, far from what load_estate writes.
BASE = datetime(2030, 1, 1, tzinfo=UTC)
END = BASE + timedelta(days=30)
FEW, MANY, TOLD = 100, 10_000, 400
TICKERS = (1, 2, 4)
IDLE_MOST_RATIO, FEW_MOST_MS = 2.0, 10.0

# The small estate that is copied: two providers, each with a calendar of its own.
_ESTATE = {"providers": 2, "merchants": 8, "terminals": 16, "tickets": 200, "seed": 1}
_TABLES = ("tickets_ticket", "tickets_clock", "tickets_alert")

_COPY_TICKETS = """
INSERT INTO tickets_ticket
SELECT copy.*
FROM tickets_ticket t, generate_series(%(first)s::bigint, %(last)s) n,
LATERAL jsonb_populate_record(t, jsonb_build_object(
    'id', n,
    'ref', 'T-' || lpad(upper(to_hex(n)), 6, '0'),
    'track_token', left(md5(n::text), 22),
    'contact_phone', '13' || lpad((hashint8extended(n, 0) & 1073741823)::text, 10, '0'),
    'run_id', null, 'previous_id', null, 'remind_at', null, 'attention_at', null)) copy
WHERE t.id = %(template)s
"""
_COPY_CLOCKS = """
INSERT INTO tickets_clock
SELECT copy.*
FROM tickets_clock k, generate_series(%(first)s, %(last)s) n,
LATERAL jsonb_populate_record(k, jsonb_build_object(
    'id', nextval('tickets_clock_id_seq'), 'ticket_id', n)) copy
WHERE k.ticket_id = %(template)s
"""
# A finished clock has told one level.
_COPY_ALERTS = """
INSERT INTO tickets_alert (clock_id, epoch, step, percent, due_at, state, raised_at)
SELECT id, epoch, 1, 50, due_at, 'expanded', met_at
FROM tickets_clock WHERE state = 'met' AND ticket_id BETWEEN %(first)s AND %(last)s
"""
# Open clocks that fired, or are new, reach 50 % at some moment of the thirty days and the other
# levels after these, so that one due clock is one alert. All follows from ids and `seed`.
_WIND = """
WITH part AS (
    SELECT k.id, k.levels,
           %(base)s + (hashint8extended(k.id, %(seed)s) & 9007199254740991)
                      / 9007199254740992.0 * interval '30 days' AS at
    FROM tickets_clock k
    WHERE k.state = 'running' AND (k.step > 0 OR k.ticket_id >= %(first)s)
), plan AS (
    SELECT part.id, ARRAY(SELECT part.at + (level - 50) * interval '29 hours'
                          FROM unnest(part.levels) level ORDER BY level) AS fire_at
    FROM part
)
UPDATE tickets_clock k
SET step = 0, breached_at = NULL, fire_at = plan.fire_at, next_fire_at = plan.fire_at[1],
    due_at = plan.fire_at[cardinality(plan.fire_at)]
FROM plan WHERE k.id = plan.id
"""
_VACUUM = "VACUUM (ANALYZE) tickets_ticket, tickets_clock, tickets_alert"
NEVER = 2**62  # above every id


class Stage:
    """The database of one run, grown from size to size."""

    def __init__(self) -> None:
        call_command("load_estate", force=True, verbosity=0, **_ESTATE)
        self._query("TRUNCATE tickets_clock CASCADE")
        self.templates = _templates()
        self.open = self._count()
        self.winds = 0

    def grow(self, size: int) -> None:
        """So many open clocks, as many finished ones, and their tickets."""
        from tickets.estate.bulk import without_keys  # noqa: PLC0415 - after setup

        # A ticket has two clocks; half of the templates are open.
        each = (size - self.open) // len(self.templates)
        start = first = 1 + int(self._query("SELECT max(id) FROM tickets_ticket"))
        with without_keys(_TABLES):
            for template in self.templates:
                span = {"template": template, "first": first, "last": first + each - 1}
                for statement in (_COPY_TICKETS, _COPY_CLOCKS, _COPY_ALERTS):
                    self._query(statement, span)
                first += each
            self.wind(new_from=start if self.winds else 0)
        self.open = self._count()
        # Updated rows are twice in the file; a table that grew by itself would be without.
        self._query("VACUUM (FULL) tickets_clock")
        self._query(_VACUUM)

    def wind(self, new_from: int = NEVER) -> None:
        """Everything that fired is as if it never had, and so are the clocks of new tickets."""
        self.winds += 1
        self._query("DELETE FROM tickets_alert WHERE raised_at >= %(base)s", {"base": BASE})
        self._query(_WIND, {"base": BASE, "seed": self.winds, "first": new_from})

    def rewind(self) -> None:
        """`wind`, and no dead rows are left."""
        self.wind()
        self._query(_VACUUM)

    def moment(self, due: int) -> datetime:
        """When so many clocks have reached their next level."""
        found: datetime | None = self._query(
            "SELECT (SELECT next_fire_at FROM tickets_clock WHERE next_fire_at IS NOT NULL"
            " ORDER BY next_fire_at OFFSET %(due)s LIMIT 1)",
            {"due": due},
        )
        return found or END

    def alerts(self) -> int:
        """How many were written since the last `wind`."""
        question = "SELECT count(*) FROM tickets_alert WHERE raised_at >= %(base)s"
        return int(self._query(question, {"base": BASE}))

    def _count(self) -> int:
        question = "SELECT count(*) FROM tickets_clock WHERE next_fire_at IS NOT NULL"
        return int(self._query(question))

    def index_size(self) -> float:
        """MiB of the one index that an idle tick reads."""
        return int(self._query("SELECT pg_relation_size('tickets_clock_due')")) / 2**20

    def _query(self, statement: str, values: dict[str, Any] | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone()[0] if cursor.description else None


@transaction.atomic
def _templates() -> list[int]:
    """Per provider an open ticket with two running clocks, and a closed one with two met."""
    from posdoctor.accounts.models import Provider  # noqa: PLC0415 - after setup
    from tickets.models import Ticket  # noqa: PLC0415
    from tickets.sla import actions  # noqa: PLC0415
    from tickets.sla.models import Promise  # noqa: PLC0415

    found = []
    for provider in Provider.objects.order_by("pk"):
        for status in ("open", "closed"):
            ticket = Ticket.objects.filter(provider=provider, status=status).earliest("pk")
            at = ticket.opened_at
            actions.start(
                provider_id=provider.pk, ticket_id=ticket.pk, priority=ticket.priority, at=at
            )
            if status == "closed":
                for promise in Promise:
                    answered = at + timedelta(minutes=5)
                    actions.meet(ticket_id=ticket.pk, promise=promise, at=answered, reason="")
            found.append(ticket.pk)
    return found


def measure(stage: Stage, runs: int) -> dict[str, Any]:
    """Every figure of one size; times in milliseconds."""
    from tickets.sla.tick import tick  # noqa: PLC0415 - after setup

    tick(BASE)
    _round()
    found: dict[str, Any] = {
        "open_clocks": stage.open,
        "due_index_mib": round(stage.index_size(), 2),
        "database_mib": round(database_size() / 2**20),
        "idle": _ticks(BASE, runs * 5).in_ms(),
        "idle_round": _rounds(runs).in_ms(),
    }
    few = Series()
    for _ in range(runs):
        now = stage.moment(FEW)
        with few.run(_backend()):
            claimed = tick(now).claimed
        _expect(claimed, FEW)
    found["few"] = few.in_ms()
    many = Series()
    for _ in range(max(3, runs // 12)):
        stage.rewind()
        now = stage.moment(MANY)
        with many.run(_backend()):
            claimed = tick(now).claimed
        _expect(claimed, min(MANY, stage.open))
    found["many"] = many.in_ms() | {
        "us_per_clock": round(percentile(many.own, 50) / min(MANY, stage.open) * 1e6, 1)
    }
    # Nothing was vacuumed since (unless autovacuum was faster): dead entries lie in the way.
    found["idle_after_many"] = _ticks(BASE, runs).in_ms()
    found["audit_seconds"] = round(_audit(), 2)
    found["tickers"] = {str(number): _together(stage, number) for number in TICKERS}
    found["told_ms_per_alert"] = _tell(stage)
    return found


def _ticks(now: datetime, runs: int) -> Series:
    """Ticks that find nothing."""
    from tickets.sla.tick import tick  # noqa: PLC0415 - after setup

    series, backend = Series(), _backend()
    for _ in range(runs):
        with series.run(backend):
            done = tick(now)
        _expect(done.claimed, 0)
    return series


def _rounds(runs: int) -> Series:
    """Everything that a ticker process does every five seconds, with nothing to do."""
    series, backend = Series(), _backend()
    for _ in range(runs):
        with series.run(backend):
            _round()
    return series


def _round() -> None:
    for path in settings.TICKER_SWEEPS:
        import_string(path)(now=BASE)


def _together(stage: Stage, number: int) -> dict[str, float]:
    """Several tickers at once; every level must be an alert once."""
    from tickets.sla.tick import tick  # noqa: PLC0415 - after setup

    stage.rewind()
    now = stage.moment(MANY)
    gate = threading.Barrier(number + 1)

    def work() -> int:
        connection.ensure_connection()
        gate.wait()
        try:
            return tick(now).claimed
        finally:
            connection.close()

    series = Series()
    with ThreadPoolExecutor(number) as pool:
        tickers = [pool.submit(work) for _ in range(number)]
        gate.wait()
        with series.run():
            claimed = sum(ticker.result() for ticker in tickers)
    # A ticker that ends on a short batch leaves rows that another had locked to that other.
    _expect(claimed, min(MANY, stage.open))
    _expect(tick(now).claimed, 0)
    return {"ms": round(series.wall[0] * 1000, 1), "claimed": claimed, "alerts": stage.alerts()}


def _tell(stage: Stage) -> float:
    """Planning the deliveries of alerts, in milliseconds each."""
    from tickets.sla.tick import tick  # noqa: PLC0415 - after setup
    from tickets.subscribers import expand_alerts  # noqa: PLC0415

    stage.rewind()
    now = stage.moment(TOLD)
    tick(now)
    series = Series()
    with series.run(_backend()):
        seen = expand_alerts(now)
    _expect(seen, TOLD)
    return round(series.own[0] / TOLD * 1000, 3)


def _audit() -> float:
    """All questions of the audit, in seconds. It runs every five minutes."""
    from posdoctor.core import clock  # noqa: PLC0415 - after setup
    from tickets.sla.audit import audit  # noqa: PLC0415

    series = Series()
    with series.run(_backend()):
        audit(clock.now())
    return series.own[0]


def _backend() -> int | None:
    """The number of the database's process that serves this one."""
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise AssertionError(f"{found:,} clocks were claimed, not {wanted:,}")


def _say(results: dict[int, dict[str, Any]]) -> None:
    rows = [
        [
            f"{size:,}", f"{r['idle']['p50']:.2f}", f"{r['idle']['p99']:.2f}",
            f"{r['idle_after_many']['p50']:.2f}", f"{r['idle_round']['p50']:.2f}",
            f"{r['few']['p50']:.1f}", f"{r['few']['p99']:.1f}", f"{r['many']['p50']:.0f}",
            f"{r['many']['us_per_clock']:.0f}", f"{r['due_index_mib']:.1f}",
        ]
        for size, r in results.items()
    ]  # fmt: skip
    head = (
        "open clocks", "idle p50 ms", "p99", "after 10,000", "idle round",
        "100 due p50", "p99", "10,000 due", "us each", "index MiB",
    )  # fmt: skip
    say_table(head, rows)
    rows = [
        [f"{size:,}", *(f"{r['tickers'][str(n)]['ms']:.0f}" for n in TICKERS)]
        for size, r in results.items()
    ]
    say_table(("10,000 due, ms", *(f"{n} tickers" for n in TICKERS)), rows)
    rows = [
        [
            f"{size:,}", f"{r['idle']['elapsed']:.2f}", f"{r['few']['elapsed']:.1f}",
            f"{r['many']['elapsed']:.0f}", f"{r['told_ms_per_alert']:.1f}",
            f"{r['audit_seconds']:.1f}", f"{r['database_mib']:,}",
        ]
        for size, r in results.items()
    ]  # fmt: skip
    names = (
        "elapsed p50, ms", "idle", "100 due", "10,000 due", "ms to tell one", "audit s",
        "database MiB",
    )  # fmt: skip
    say_table(names, rows)


def _goals(results: dict[int, dict[str, Any]]) -> list[Goal]:
    sizes = sorted(results)
    small, large = results[sizes[0]], results[sizes[-1]]
    ratio = large["idle"]["p50"] / small["idle"]["p50"]
    name = f"idle tick, {sizes[-1]:,} : {sizes[0]:,} open, ratio"
    return [
        Goal(name, ratio, IDLE_MOST_RATIO),
        *(
            Goal(f"100 due at {size:,} open, p50 ms", results[size]["few"]["p50"], FEW_MOST_MS)
            for size in sizes
        ),
    ]


def main() -> int:
    """Measures the sizes in ascending order; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tick", description=__doc__)
    parser.add_argument("--open", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=60, help="with 100 due; others follow from it")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--keep", action="store_true", help="leave the database there")
    options = parser.parse_args()
    results: dict[int, dict[str, Any]] = {}
    with scratch("tick", keep=options.keep):
        server = about_server()
        say(f"{server}\n")
        stage = Stage()
        for size in sorted(options.open):
            stage.grow(size)
            say(f"{stage.open:,} open clocks, {database_size() / 2**20:,.0f} MiB")
            results[size] = measure(stage, options.runs)
    say()
    _say(results)
    return finish({"server": server, "tick": results}, _goals(results), options.json)


if __name__ == "__main__":
    sys.exit(main())
