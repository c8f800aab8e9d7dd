"""`/metrics` for Prometheus: what requests, tickers, workers and tables say about the service.

Requests are counted in each web process. What lives in PostgreSQL or Redis is read while
Prometheus asks: functions named in `METRICS_SOURCES` add what their app knows. No label holds a
reference, a person or a tenant.
"""

import hmac
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Protocol

import psycopg
from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection, transaction
from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from post_office.models import STATUS, Email
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from redis import RedisError

from posdoctor.core import clock, counters, health, models
from posdoctor.core.logs import route_of

logger = logging.getLogger(__name__)
access = logging.getLogger("posdoctor.access")

DATABASE_CONNECT_SECONDS = 2
DATABASE_QUERY_MILLISECONDS = 3000
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked by machines every few seconds: counted, but in the log only at DEBUG.
QUIET = frozenset({"/healthz", "/readyz", "/metrics", "(static)"})

_OWN = CollectorRegistry()
_LABELS = ["route", "method", "status"]
REQUESTS = Counter("posdoctor_http_requests", "Requests answered.", _LABELS, registry=_OWN)
REQUEST_SECONDS = Histogram(
    "posdoctor_http_request_seconds",
    "Time until the answer was ready, without sending it.",
    _LABELS,
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=_OWN,
)


class Source(Protocol):
    """A function that reads what it tells from PostgreSQL, in one or two cheap queries."""

    def __call__(self, *, now: datetime) -> Iterable[Metric]:
        """Metrics as of `now`; names begin with `posdoctor_`."""


class MeasureMiddleware:
    """Counts and times every request, and writes its one line into the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        route = _route(request)
        method = request.method if request.method in METHODS else "OTHER"
        labels = (route, method, f"{response.status_code // 100}xx")
        REQUESTS.labels(*labels).inc()
        REQUEST_SECONDS.labels(*labels).observe(seconds)
        fields = {
            "method": method,
            "route": route,
            "status": response.status_code,
            "milliseconds": round(seconds * 1000),
            "role": _role(request),
        }
        level = logging.DEBUG if route in QUIET else logging.INFO
        access.log(level, "%s %s %s %s ms %s", *fields.values(), extra={"fields": fields})
        return response


@login_not_required
@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, in Prometheus' text format; hidden from who has no token."""
    if not _may_read(request):
        raise Http404
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def heartbeats(*, now: datetime) -> Iterator[Metric]:
    """How long ago each kind of process gave its sign of life."""
    ages = GaugeMetricFamily(
        "posdoctor_heartbeat_age_seconds", "Since the last sign of life.", labels=["name"]
    )
    for name, beat_at in models.Heartbeat.objects.values_list("name", "beat_at"):
        ages.add_metric([name], (now - beat_at).total_seconds())
    yield ages


def ticker(*, now: datetime) -> Iterator[Metric]:  # noqa: ARG001 - every source takes it
    """What tickers did: rounds, and for each sweep its runs, rows, failures and lateness."""
    sums: dict[str, dict[str, float]] = {}
    buckets: dict[str, dict[str, dict[str, float]]] = {}
    for name, label, bound, value in models.Counter.objects.values_list(
        "name", "label", "bound", "value"
    ):
        if bound:
            buckets.setdefault(name, {}).setdefault(label, {})[bound] = value
        else:
            sums.setdefault(name, {})[label] = value
    rounds = HistogramMetricFamily(
        "posdoctor_ticker_round_seconds", "Length of a ticker's round.", labels=[]
    )
    for label, found in buckets.get("ticker_round_seconds", {}).items():
        rounds.add_metric([], _cumulated(found), sums["ticker_round_seconds"][label])
    yield rounds
    for name, text in {
        "sweep_seconds": "Length of one run of a sweep.",
        "sweep_late_seconds": "How late the latest row was that a run of a sweep found due.",
    }.items():
        family = HistogramMetricFamily(f"posdoctor_{name}", text, labels=["sweep"])
        for label, found in buckets.get(name, {}).items():
            family.add_metric([label], _cumulated(found), sums[name][label])
        yield family
    for name, text in {
        "sweep_rows": "Rows that sweeps claimed.",
        "sweep_failures": "Runs of sweeps that ended in an error.",
    }.items():
        count = CounterMetricFamily(f"posdoctor_{name}", text, labels=["sweep"])
        for label, value in sums.get(name, {}).items():
            count.add_metric([label], value)
        yield count


def mails(*, now: datetime) -> Iterator[Metric]:
    """Queued mail: how many wait or were given up, and since when the oldest waits."""
    waits = Q(status__in=[STATUS.queued, STATUS.requeued])
    found = Email.objects.exclude(status=STATUS.sent).aggregate(
        queued=Count("pk", filter=Q(status=STATUS.queued)),
        retrying=Count("pk", filter=Q(status=STATUS.requeued)),
        failed=Count("pk", filter=Q(status=STATUS.failed)),
        oldest=Min("created", filter=waits),
    )
    counts = GaugeMetricFamily(
        "posdoctor_mails", "Mails that are not sent (failed: of 30 days).", labels=["state"]
    )
    for state in ("queued", "retrying", "failed"):
        counts.add_metric([state], found[state])
    yield counts
    yield GaugeMetricFamily(
        "posdoctor_mail_oldest_waiting_seconds",
        "Age of the oldest mail that waits to be sent; 0 without one.",
        value=(now - found["oldest"]).total_seconds() if found["oldest"] else 0,
    )


def database(*, now: datetime) -> Iterator[Metric]:  # noqa: ARG001 - every source takes it
    """Connections, and the transaction that keeps the vacuum from cleaning up longest.

    Sessions of other database users are hidden from ours.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) "
            "FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL), 0) "
            "FROM pg_stat_activity WHERE datname = current_database()"
        )
        connections, oldest = cursor.fetchone()
    yield GaugeMetricFamily(
        "posdoctor_database_connections", "Sessions at our database.", value=connections
    )
    yield GaugeMetricFamily(
        "posdoctor_database_oldest_transaction_seconds",
        "Age of the oldest transaction that holds a snapshot.",
        value=float(oldest),
    )


class _FromElsewhere:
    """What is read while Prometheus asks; a part that fails leaves the others whole."""

    def collect(self) -> Iterator[Metric]:
        yield from _host()
        yield from _queue()
        yield from _tables()


def _registry() -> CollectorRegistry:
    """Requests of all processes of this web server, and everything that is read now."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_OWN)
    registry.register(_FromElsewhere())
    return registry


def _host() -> Iterator[Metric]:
    try:
        free = shutil.disk_usage(settings.MEDIA_ROOT).free
    except FileNotFoundError:
        return  # nothing was uploaded yet
    yield GaugeMetricFamily(
        "posdoctor_media_free_bytes", "Room for uploaded files on their disk.", value=free
    )


def _queue() -> Iterator[Metric]:
    """What Redis holds: waiting tasks, the worker's sign of life, what workers counted."""
    client = health.redis_client()
    queues = sorted(current_app.amqp.queues)
    try:
        pipe = client.pipeline(transaction=False)
        for name in queues:
            pipe.llen(name)
        pipe.hlen("unacked")
        pipe.exists(health.WORKER_KEY)
        *lengths, taken, has_worker = pipe.execute()
        counted = counters.tasks(client)
    except RedisError:
        yield GaugeMetricFamily("posdoctor_redis_up", "Whether Redis answers.", value=0)
        return
    yield GaugeMetricFamily("posdoctor_redis_up", "Whether Redis answers.", value=1)
    waiting = GaugeMetricFamily("posdoctor_queue_length", "Tasks that wait.", labels=["queue"])
    for name, length in zip(queues, lengths, strict=True):
        waiting.add_metric([name], length)
    yield waiting
    yield GaugeMetricFamily("posdoctor_queue_taken", "Tasks that workers hold.", value=taken)
    yield GaugeMetricFamily(
        "posdoctor_worker_up", "Whether a worker reported lately.", value=has_worker
    )
    yield from _tasks(counted)


def _tasks(counted: dict[str, counters.TaskCounts]) -> Iterator[Metric]:
    ends = CounterMetricFamily(
        "posdoctor_tasks", "Tasks that ended, by how.", labels=["task", "state"]
    )
    seconds = CounterMetricFamily("posdoctor_task_seconds", "Time spent in tasks.", labels=["task"])
    seen = GaugeMetricFamily(
        "posdoctor_task_last_success_age_seconds", "Since a task ended well.", labels=["task"]
    )
    now = time.time()
    for name, task in sorted(counted.items()):
        for state, count in sorted(task.ends.items()):
            ends.add_metric([name, state.lower()], count)
        seconds.add_metric([name], task.seconds)
        if task.succeeded_at is not None:
            seen.add_metric([name], max(0, now - task.succeeded_at))
    yield from (ends, seconds, seen)


def _tables() -> Iterator[Metric]:
    """The sources, each behind a savepoint; none of them when the database is away."""
    is_up = _database_answers()
    yield GaugeMetricFamily(
        "posdoctor_database_up", "Whether PostgreSQL answers.", value=int(is_up)
    )
    if is_up:
        try:
            yield from _sources()
        except Error as error:
            logger.warning("metrics: the database went away: %s", type(error).__name__)


def _sources() -> list[Metric]:
    """Everything of one transaction, which a slow table cannot hold up for long."""
    worked = GaugeMetricFamily(
        "posdoctor_metrics_source_up", "Whether a source could be read.", labels=["source"]
    )
    found: list[Metric] = [worked]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_QUERY_MILLISECONDS}")
        now = clock.now()
        found.append(
            GaugeMetricFamily(
                "posdoctor_clock_skew_seconds",
                "This machine's clock minus the database's.",
                value=time.time() - now.timestamp(),
            )
        )
        for path in settings.METRICS_SOURCES:
            told = _read(path, now)
            worked.add_metric([path], int(told is not None))
            found += told or []
    return found


def _read(path: str, now: datetime) -> list[Metric] | None:
    """What one source tells; None and a traceback in the log when it fails."""
    source: Source = import_string(path)
    try:
        with transaction.atomic():
            return list(source(now=now))
    except Exception:
        if not connection.is_usable():
            raise
        logger.exception("metrics: %s failed", path)
        return None


def _database_answers() -> bool:
    """Asks with a connection of its own: the pool waits ten seconds for a database that is away."""
    asked: dict[str, Any] = {**connection.get_connection_params()}
    try:
        psycopg.connect(**{**asked, "connect_timeout": DATABASE_CONNECT_SECONDS}).close()
    except psycopg.Error as error:
        logger.warning("metrics: the database does not answer: %s", type(error).__name__)
        return False
    return True


def _cumulated(found: dict[str, float]) -> list[tuple[str, float]]:
    """Buckets as Prometheus wants them: each with everything below it."""
    total = 0.0
    buckets = []
    for bound in (*map(str, counters.BOUNDS), counters.REST):
        total += found.get(bound, 0)
        buckets.append((bound, total))
    return buckets


def _may_read(request: HttpRequest) -> bool:
    """Who shows the token, or sits at the machine of a local stack."""
    token, shown = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    if token and hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        return True
    # SECURITY: behind a proxy everybody comes from the loopback.
    is_direct = "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers
    return settings.LOCAL and is_direct and request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}


def _route(request: HttpRequest) -> str:
    if request.resolver_match is None and request.path.startswith(settings.STATIC_URL):
        return "(static)"
    return route_of(request)


def _role(request: HttpRequest) -> str:
    """Who asked, if the page wanted to know; asking now would cost queries."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return "nobody"
    actor = getattr(request, "actor", None)
    if actor is None or (isinstance(actor, SimpleLazyObject) and actor._wrapped is empty):  # noqa: SLF001
        return "unasked"
    return str(actor.role or "nobody")
