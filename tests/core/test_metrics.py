"""/metrics: who may read it, and that its numbers are those of all processes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client
from post_office import mail
from post_office.models import STATUS, Email
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from redis import Redis

from posdoctor import web_server
from posdoctor.core import checks, clock, counters, health
from posdoctor.core.counters import Tally
from posdoctor.core.management.commands import run_ticker
from posdoctor.core.models import Counter, Heartbeat
from posdoctor.embedded import ports
from posdoctor.embedded.home import CHECKOUT
from posdoctor.notifications import actions as notifications
from terminals.models import Terminal
from tests.builders import make_provider, make_seat, make_ticket
from tests.conftest import Persona

TOKEN = "a-token-of-32-random-characters-"
Numbers = dict[str, float]


@pytest.fixture(autouse=True)
def own_redis() -> Iterator[Redis]:
    """The queue of the test run, without what earlier tests left in it."""
    health._redis.cache_clear()
    keys = [
        health.WORKER_KEY,
        counters.TASKS_KEY,
        counters.TASK_SECONDS_KEY,
        counters.TASK_SEEN_KEY,
    ]
    client = health.redis_client()
    client.delete(*keys)
    yield client
    client.delete(*keys)
    client.close()
    health._redis.cache_clear()


def parsed(text: str) -> Numbers:
    """`name{label="value",...}` with labels in order -> value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def read(client: Client) -> Numbers:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    return parsed(answer.content.decode())


# --- Who may read it -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "local", "headers", "address", "status"),
    [
        (TOKEN, False, {"authorization": f"Bearer {TOKEN}"}, "203.0.113.9", 200),
        (TOKEN, False, {"authorization": f"Bearer {TOKEN}x"}, "127.0.0.1", 404),
        (TOKEN, False, {"authorization": TOKEN}, "127.0.0.1", 404),
        (TOKEN, False, {"authorization": "Bearer "}, "127.0.0.1", 404),
        (TOKEN, False, {}, "127.0.0.1", 404),
        ("", False, {}, "127.0.0.1", 404),
        ("", False, {"authorization": "Bearer "}, "127.0.0.1", 404),
        ("", True, {}, "127.0.0.1", 200),
        ("", True, {}, "::1", 200),
        ("", True, {}, "203.0.113.9", 404),
        ("", True, {"x-forwarded-for": "127.0.0.1"}, "127.0.0.1", 404),
        ("", True, {"forwarded": "for=127.0.0.1"}, "127.0.0.1", 404),
    ],
)
def test_only_the_token_or_this_machine_of_a_local_stack_opens_it(
    client: Client, db: None, settings: Settings, token: str, local: bool, headers: dict[str, str],
    address: str, status: int,
) -> None:  # fmt: skip
    settings.METRICS_TOKEN, settings.LOCAL = token, local
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == status
    assert (b"posdoctor_database_up" in answer.content) == (status == 200)


def test_a_session_opens_nothing(administrator: Persona, settings: Settings) -> None:
    settings.LOCAL = False
    assert administrator.client.get("/metrics").status_code == 404


@pytest.mark.parametrize(("token", "errors"), [("", 0), ("x" * 24, 0), ("x" * 23, 1)])
def test_a_short_token_is_refused(settings: Settings, token: str, errors: int) -> None:
    settings.METRICS_TOKEN = token
    assert len(checks.metrics_token_is_strong()) == errors


# --- Requests ------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_never_by_address(
    terminal: Terminal, desk: Persona, anonymous: Persona
) -> None:
    ticket = make_ticket(terminal)
    before = read(anonymous.client)
    desk.client.get(f"/desk/t/{ticket.ref}/")
    anonymous.client.get(f"/r/{ticket.track_token}")
    anonymous.client.get("/nothing/13800005521")
    anonymous.client.get("/nothing/else")
    anonymous.client.generic("BREW", "/help")
    answer = anonymous.client.get("/metrics").content.decode()
    after = parsed(answer)

    def more(route: str, method: str, status: str) -> float:
        name = (
            f'posdoctor_http_requests_total{{method="{method}",route="{route}",status="{status}"}}'
        )
        return after[name] - before.get(name, 0)

    assert more("/desk/t/<ticket_ref:ref>/", "GET", "2xx") == 1
    assert more("/r/<token>", "GET", "2xx") == 1
    assert more("(no page)", "GET", "4xx") == 2
    assert more("/help", "OTHER", "4xx") == 1
    labels = 'method="GET",route="/r/<token>",status="2xx"'
    assert after[f"posdoctor_http_request_seconds_count{{{labels}}}"] >= 1
    assert after[f"posdoctor_http_request_seconds_sum{{{labels}}}"] > 0
    for secret in (ticket.ref, ticket.track_token, "13800005521", ticket.provider.slug, "BREW"):
        assert secret not in answer


# --- What is read from the database ---------------------------------------------------


def test_heartbeats_show_their_age(client: Client, db: None) -> None:
    Heartbeat.objects.create(name="ticker", beat_at=clock.now() - timedelta(seconds=30))
    age = read(client)['posdoctor_heartbeat_age_seconds{name="ticker"}']
    assert 30 <= age < 40


def test_mails_that_wait_and_that_were_given_up_show(client: Client, db: None) -> None:
    for status in (STATUS.queued, STATUS.queued, STATUS.requeued, STATUS.failed, STATUS.sent):
        made = mail.send(recipients=["a@example.cn"], subject="s", message="m", priority="medium")
        Email.objects.filter(pk=made.pk).update(status=status)
    Email.objects.filter(status=STATUS.requeued).update(created=clock.now() - timedelta(hours=1))
    Email.objects.filter(status__in=[STATUS.sent, STATUS.failed]).update(
        created=clock.now() - timedelta(hours=2)
    )
    numbers = read(client)
    assert numbers['posdoctor_mails{state="queued"}'] == 2
    assert numbers['posdoctor_mails{state="retrying"}'] == 1
    assert numbers['posdoctor_mails{state="failed"}'] == 1
    assert 3600 <= numbers["posdoctor_mail_oldest_waiting_seconds"] < 3700


def test_a_round_of_the_ticker_shows_what_it_did(client: Client, db: None) -> None:
    def idle(*, now: datetime) -> int:
        return 0

    def busy(*, now: datetime) -> object:
        return SimpleNamespace(claimed=500, lateness_seconds=12.5)

    def broken(*, now: datetime) -> None:
        raise ValueError("no such clock")

    for _round in range(2):
        assert run_ticker._round({"a.idle": idle, "a.busy": busy, "a.broken": broken}, 0) == 0

    numbers = read(client)
    assert numbers["posdoctor_ticker_round_seconds_count"] == 2
    assert numbers['posdoctor_sweep_seconds_count{sweep="a.idle"}'] == 2
    assert numbers['posdoctor_sweep_rows_total{sweep="a.busy"}'] == 1000
    assert 'posdoctor_sweep_rows_total{sweep="a.idle"}' not in numbers
    assert numbers['posdoctor_sweep_failures_total{sweep="a.broken"}'] == 2
    late = 'posdoctor_sweep_late_seconds_bucket{le="%s",sweep="a.busy"}'
    assert [numbers[late % bound] for bound in ("5.0", "15.0", "60.0", "+Inf")] == [0, 2, 2, 2]
    assert numbers['posdoctor_sweep_late_seconds_sum{sweep="a.busy"}'] == 25


@pytest.mark.django_db(transaction=True)
def test_two_tickers_that_count_at_once_lose_nothing() -> None:
    barrier = threading.Barrier(2)

    def count(names: list[str]) -> None:
        try:
            barrier.wait()
            for _time in range(40):
                tally = Tally()
                for name in names:
                    tally.add("rows", name)
                tally.write()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=count, args=[names]) for names in (["a", "b"], ["b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Counter.objects.values_list("label", "value")) == {("a", 80), ("b", 80)}


def test_a_source_that_fails_keeps_none_of_the_others_from_telling(
    client: Client, db: None, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    here = "tests.core.test_metrics"
    settings.METRICS_SOURCES = [f"{here}.no_table", f"{here}.no_luck", f"{here}.sound"]
    numbers = read(client)
    assert numbers["posdoctor_sound"] == 1
    state = 'posdoctor_metrics_source_up{source="%s"}'
    assert [numbers[state % path] for path in settings.METRICS_SOURCES] == [0, 0, 1]
    assert f"metrics: {here}.no_table failed" in caplog.text


def no_table(*, now: datetime) -> Iterable[Metric]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    return []


def no_luck(*, now: datetime) -> Iterable[Metric]:
    raise ValueError("no luck")


def sound(*, now: datetime) -> Iterable[Metric]:
    return [GaugeMetricFamily("posdoctor_sound", "Sound.", value=1)]


def test_a_slow_source_is_cut_off(client: Client, db: None, settings: Settings) -> None:
    settings.METRICS_SOURCES = ["tests.core.test_metrics.slow"]
    started = time.monotonic()
    numbers = read(client)
    assert numbers['posdoctor_metrics_source_up{source="tests.core.test_metrics.slow"}'] == 0
    assert time.monotonic() - started < 8


def slow(*, now: datetime) -> Iterable[Metric]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")
    return []


def test_a_database_that_is_away_leaves_the_rest(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"host": "127.0.0.1", "port": 9, "dbname": "nothing"}
    monkeypatch.setattr(connection, "get_connection_params", lambda: away)
    numbers = read(client)
    assert numbers["posdoctor_database_up"] == 0
    assert numbers["posdoctor_redis_up"] == 1


def test_the_sources_cost_few_queries(
    client: Client, db: None, django_assert_max_num_queries: object
) -> None:
    # A savepoint and its release each, one query each, the time limit and the clock.
    sources = len(django_settings.METRICS_SOURCES)
    with django_assert_max_num_queries(4 * sources + 4):  # type: ignore[operator]
        read(client)


# --- What is read from Redis ----------------------------------------------------------


def test_the_queue_and_the_worker_show(client: Client, db: None, own_redis: Redis) -> None:
    before = read(client)
    assert (before["posdoctor_redis_up"], before["posdoctor_worker_up"]) == (1, 0)
    own_redis.lpush("celery", "a task", "another")
    health.report_worker()
    health.report_task("core.purge", state="SUCCESS", seconds=1.5)
    health.report_task("core.purge", state="SUCCESS", seconds=1)
    health.report_task("core.purge", state="FAILURE", seconds=1)
    try:
        after = read(client)
    finally:
        own_redis.lrem("celery", 1, "a task")
        own_redis.lrem("celery", 1, "another")
    length = 'posdoctor_queue_length{queue="celery"}'
    assert after[length] == before[length] + 2
    assert after["posdoctor_worker_up"] == 1
    assert after['posdoctor_tasks_total{state="success",task="core.purge"}'] == 2
    assert after['posdoctor_tasks_total{state="failure",task="core.purge"}'] == 1
    assert after['posdoctor_task_seconds_total{task="core.purge"}'] == 3.5
    assert after['posdoctor_task_last_success_age_seconds{task="core.purge"}'] < 10


def test_without_redis_the_rest_is_told(client: Client, db: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    health._redis.cache_clear()
    numbers = read(client)
    health._redis.cache_clear()
    assert numbers["posdoctor_redis_up"] == 0
    assert numbers["posdoctor_database_up"] == 1


# --- The runbook -------------------------------------------------------------------------

RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text(encoding="utf-8")


def test_the_runbook_names_metrics_that_exist(client: Client, db: None) -> None:
    names = set(re.findall(r"posdoctor_[a-z_]+", RUNBOOK))
    late = Tally()
    late.observe("sweep_late_seconds", "a.sweep", 1)
    late.observe("sweep_seconds", "a.sweep", 1)
    late.add("sweep_failures", "a.sweep")
    late.write()
    run_ticker.beat()
    health.report_task("tickets.sweep", state="SUCCESS", seconds=1)
    seat = make_seat(make_provider())
    notifications.plan(
        provider_id=seat.provider_id, source="event:1", kind="ticket.assigned",
        recipients=[seat.user_id], data={}, url="/desk/", now=clock.now(),
    )  # fmt: skip
    client.get("/help")
    told = {name.partition("{")[0] for name in read(client)}
    families = told | {re.sub("_(total|count|sum|bucket)$", "", name) for name in told}
    assert len(names) > 15
    assert names - families == {"posdoctor_token"}, "the name of a file"


def test_the_alert_rules_can_be_copied_as_they_stand() -> None:
    scrape, rules = (
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", RUNBOOK, re.DOTALL)
    )
    assert scrape["scrape_configs"][0]["job_name"] == "posdoctor"
    (group,) = rules["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) > 10
    for rule in group["rules"]:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in {"page", "ticket"}


# --- Several processes ------------------------------------------------------------------


def ask(port: int, path: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(answer.read().decode())


def answers(port: int) -> bool:
    try:
        return ask(port, "/healthz") == "ok"
    except (urllib.error.URLError, OSError):
        return False


def processes(parent: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def wait_until(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_counts_of_all_web_processes_add_up_and_outlive_one(tmp_path: Path, db: None) -> None:
    """gunicorn as in production: two processes, one of which is killed."""
    port = ports.throwaway()
    database = connection.settings_dict
    stale = tmp_path / "posdoctor-counts-999999999-x"
    stale.mkdir()
    (stale / "counter_1.db").write_bytes(b"")
    errors = (tmp_path / "errors").open("wb")
    server = subprocess.Popen(  # noqa: S603 - our own server
        [
            sys.executable, "-m", "gunicorn", "posdoctor.wsgi", "--worker-class=gthread",
            "--threads=4", "--workers=2", f"--bind=127.0.0.1:{port}", "--no-control-socket",
            "--graceful-timeout=3",
        ],
        cwd=CHECKOUT,
        env={
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "Zr8Wm4Ks6Tn1Vb3Xc5Lp9Jh0Gf2Qd7Ya-for-a-probe-only",
            "ALLOWED_HOSTS": "127.0.0.1",
            "PUBLIC_URL": "https://127.0.0.1",
            "METRICS_TOKEN": TOKEN,
            "TMPDIR": str(tmp_path),
            "REDIS_URL": django_settings.REDIS_URL,
            "POSDOCTOR_DB_POOL": "true",
            "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@"
            f"{database['HOST']}:{database['PORT']}/{database['NAME']}",
        },
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )  # fmt: skip
    healthz = 'posdoctor_http_requests_total{method="GET",route="/healthz",status="2xx"}'
    try:
        wait_until(lambda: answers(port))
        assert not stale.exists(), "what a killed server left is removed"
        (folder,) = tmp_path.glob("posdoctor-counts-*")
        before = parsed(ask(port, "/metrics"))[healthz]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _number: ask(port, "/healthz"), range(200)))
        wait_until(lambda: len(list(folder.glob("counter_*.db"))) == 2)
        assert {parsed(ask(port, "/metrics"))[healthz] for _again in range(6)} == {before + 200}

        first = processes(server.pid)
        os.kill(min(first), signal.SIGKILL)
        wait_until(lambda: len(processes(server.pid) - {min(first)}) == 2)
        wait_until(lambda: answers(port))
        assert parsed(ask(port, "/metrics"))[healthz] >= before + 201
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        errors.close()
    assert not list(tmp_path.glob("posdoctor-counts-*"))
    told = [json.loads(line) for line in (tmp_path / "errors").read_text().splitlines()]
    assert {line["process"] for line in told} == {"web"}
    assert any("SIGKILL" in line["message"] for line in told)


def test_the_folder_of_a_living_server_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / f"posdoctor-counts-{os.getppid()}-x"
    own = tmp_path / f"posdoctor-counts-{os.getpid()}-x"
    strange = tmp_path / "posdoctor-counts-of-somebody"
    target = tmp_path / "target"
    link = tmp_path / "posdoctor-counts-999999999-y"
    for folder in (kept, own, strange, target):
        folder.mkdir()
    link.symlink_to(target)
    web_server._sweep_up(tmp_path)
    assert kept.exists()
    assert strange.exists()
    assert target.exists()
    assert not own.exists()


def test_gunicorn_reads_the_hooks_from_its_own_file() -> None:
    text = (CHECKOUT / "gunicorn.conf.py").read_text(encoding="utf-8")
    for hook in ("on_starting", "child_exit", "on_exit", "logconfig_dict"):
        assert re.search(rf"^    {hook},$", text, re.MULTILINE)
        assert hasattr(web_server, hook)
    assert "!gunicorn.conf.py" in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8")
