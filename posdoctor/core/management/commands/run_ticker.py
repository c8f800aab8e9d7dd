"""The ticker process: sweeps every five seconds with PostgreSQL alone, no Redis and no beat.

Several tickers may run at once: sweeps claim rows with SKIP LOCKED. What may be slow runs beside
the ticks, in threads.
"""

import logging
import signal
import sys
import threading
import time
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection, reset_queries
from django.utils.module_loading import import_string

from posdoctor.core import clock, request_id
from posdoctor.core.counters import Tally
from posdoctor.core.health import TICKER, report_alive
from posdoctor.core.models import Heartbeat

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0
LONGEST_BACK_OFF_SECONDS = 5.0


class Sweep(Protocol):
    """A function that does what is due at `now`."""

    def __call__(self, *, now: datetime) -> object:
        """Does it; safe to repeat."""


class Command(BaseCommand):
    """Runs until SIGTERM."""

    help = (
        "Runs TICKER_SWEEPS and TICKER_THREADS of the settings every five seconds, until SIGTERM."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # A sweep that is under way is rolled back; the next ticker does it again.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
        sweeps = {path: import_string(path) for path in settings.TICKER_SWEEPS}
        for path in settings.TICKER_THREADS:
            # A daemon: what it is in the middle of is done again by whoever comes next.
            threading.Thread(target=_beside, args=(path,), name=path, daemon=True).start()
        failures = 0
        try:
            while True:
                started = time.monotonic()
                with request_id.bound():
                    failures = _round(sweeps, failures)
                report_alive()
                time.sleep(_pause(failures, time.monotonic() - started))
        except KeyboardInterrupt:
            return


def _round(sweeps: dict[str, Sweep], failures: int) -> int:
    """One round; returns how many rounds in a row had no database.

    The heartbeat says that the ticker reaches the database. A sweep that fails is logged and
    must not keep the others, or the readiness of every web process, from going on.
    """
    try:
        reset_queries()  # with DEBUG Django keeps every query; no request ever ends here
        now = clock.now()
        started, tally = time.monotonic(), Tally()
        for path, sweep in sweeps.items():
            _run(path, sweep, now, tally)
        tally.observe("ticker_round_seconds", "", time.monotonic() - started)
        beat()
        tally.write()
    except (OperationalError, InterfaceError) as error:
        # A connection that broke stays broken: the next round opens another.
        connection.close()
        if not failures:
            logger.warning("ticker: no database (%s), trying again", type(error).__name__)
        return failures + 1
    if failures:
        logger.warning("ticker: the database is back after %d failed rounds", failures)
    return 0


def _run(path: str, sweep: Sweep, now: datetime, tally: Tally) -> None:
    started = time.monotonic()
    try:
        _count(path, sweep(now=now), tally)
    except (OperationalError, InterfaceError):
        # A deadlock or a time limit comes in the same class as a lost connection.
        if not connection.is_usable():
            raise
        tally.add("sweep_failures", path)
        logger.exception("ticker: %s failed", path)
    except Exception:
        tally.add("sweep_failures", path)
        logger.exception("ticker: %s failed", path)
    tally.observe("sweep_seconds", path, time.monotonic() - started)


def _count(path: str, done: object, tally: Tally) -> None:
    """What a sweep says of itself: rows as a number, or `claimed` and `lateness_seconds`."""
    claimed = getattr(done, "claimed", done)
    if isinstance(claimed, int) and claimed:
        tally.add("sweep_rows", path, claimed)
        if (late := getattr(done, "lateness_seconds", None)) is not None:
            tally.observe("sweep_late_seconds", path, late)


def _beside(path: str) -> None:
    """Runs one sweep for ever on this thread's own connection. Errors are logged, never raised."""
    sweep: Sweep = import_string(path)
    while True:
        try:
            reset_queries()
            sweep(now=clock.now())
        except (OperationalError, InterfaceError) as error:
            # The main loop says it too, and says when the database is back.
            logger.info("ticker: %s has no database (%s)", path, type(error).__name__)
            connection.close()
        except Exception:
            logger.exception("ticker: %s failed", path)
        time.sleep(PERIOD_SECONDS)


def beat() -> None:
    """Writes the sign of life that /readyz reads."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=TICKER, beat_at=clock.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["beat_at"],
    )


def _pause(failures: int, spent_seconds: float) -> float:
    """Seconds to sleep: the rest of the period, or the back-off 1, 2, 4, 5, 5 ..."""
    if failures:
        return min(2.0 ** (failures - 1), LONGEST_BACK_OFF_SECONDS)
    return max(0.0, PERIOD_SECONDS - spent_seconds)
