"""`/healthz` and `/readyz`: is this process alive, and can it do its work?

`/readyz` refuses (503) only when pages cannot work or clocks stand still: database, migrations,
ticker. Redis and the worker may be away; then mails wait and the answer says `degraded`.
"""

import logging
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from posdoctor.core import counters

logger = logging.getLogger(__name__)

TICKER = "ticker"
TICKER_LATE_SECONDS = 60
WORKER_KEY = "posdoctor:worker"
# A worker reports every two seconds; a missed report or two is a busy machine.
WORKER_LATE_SECONDS = 15
REDIS_TIMEOUT_SECONDS = 0.5


@login_not_required
@never_cache
@require_GET
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while the process answers; asks nobody else."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@never_cache
@require_GET
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 or 503 with the state of everything that this process needs."""
    migrations, ticker_age = _database_state()
    has_redis, has_worker = _queue_state()
    has_database = migrations is not None
    is_ticking = ticker_age is not None and ticker_age <= TICKER_LATE_SECONDS
    is_ready = has_database and bool(migrations) and is_ticking
    report = {
        "database": has_database,
        "redis": has_redis,
        "worker": has_worker,
        "ticker_age_seconds": None if ticker_age is None else round(ticker_age, 1),
        "migrations": bool(migrations),
        "degraded": not (is_ready and has_redis and has_worker),
    }
    response = JsonResponse(report, status=200 if is_ready else 503)
    # Django would log every refused question as an error, several a second while starting.
    response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001
    _log_change(report, is_ready=is_ready)
    return response


class _Before:
    """What the last answer of this process was."""

    was_ready = False


def _log_change(report: dict[str, Any], *, is_ready: bool) -> None:
    """One line when readiness is lost, one when it is back."""
    if is_ready != _Before.was_ready:
        level = logging.INFO if is_ready else logging.ERROR
        logger.log(level, "%s: %s", "ready" if is_ready else "not ready any more", report)
        _Before.was_ready = is_ready


def report_worker() -> None:
    """Leaves a sign of life of a worker in Redis, where it fades by itself."""
    try:
        _redis().set(WORKER_KEY, "1", ex=WORKER_LATE_SECONDS)
    except RedisError as error:
        logger.warning("the worker cannot report to Redis: %s", type(error).__name__)


def report_task(name: str, *, state: str, seconds: float) -> None:
    """Counts a finished task in Redis, for /metrics."""
    try:
        counters.count_task(_redis(), name, state=state, seconds=seconds)
    except RedisError as error:
        logger.warning("%s is not counted: %s", name, type(error).__name__)


def report_alive() -> None:
    """Leaves a sign of life of this process in its own file, for a health check beside it.

    Beat and each ticker have one file each: /readyz tells only that some ticker ticks.
    """
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


def _database_state() -> tuple[bool | None, float | None]:
    """Whether all migrations are applied (None: no database), and the ticker's age in seconds."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
        if not _newest_migrations() <= applied.keys():
            return False, None
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM clock_timestamp() - beat_at) "
                "FROM core_heartbeat WHERE name = %s",
                [TICKER],
            )
            row = cursor.fetchone()
    except Error as error:  # a lost connection is an InterfaceError, which is no DatabaseError
        logger.warning("readyz: the database does not answer: %s", type(error).__name__)
        return None, None
    return True, float(row[0]) if row else None


@cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of every app, read from disk once per process."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _queue_state() -> tuple[bool, bool]:
    """Whether Redis answers, and whether a worker reported there."""
    try:
        return True, bool(_redis().exists(WORKER_KEY))
    except RedisError:
        return False, False


def redis_client() -> Redis:
    """The client with which signs of life are left and read; gives up within a second."""
    return _redis()


@cache
def _redis() -> Redis:
    """A client that gives up at once: who asks for readiness wants an answer now."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
