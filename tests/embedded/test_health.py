"""/healthz and /readyz: what makes them refuse, and what only makes them complain."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

from posdoctor.core import clock, health
from posdoctor.core.management.commands import run_ticker
from posdoctor.core.models import Heartbeat


@pytest.fixture(autouse=True)
def own_redis_client() -> Iterator[None]:
    health._redis.cache_clear()
    yield
    health._redis().delete(health.WORKER_KEY)
    health._redis().close()
    health._redis.cache_clear()


def report(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def ticker_beat(seconds_ago: float) -> None:
    at = clock.now() - timedelta(seconds=seconds_ago)
    Heartbeat.objects.create(name=health.TICKER, beat_at=at)


def test_healthz_asks_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_ready_when_everything_answers(client: Client, db: None) -> None:
    ticker_beat(seconds_ago=2)
    health.report_worker()

    status, body = report(client)

    age = body.pop("ticker_age_seconds")
    assert 2 <= age < 10
    assert status == 200
    assert body == {
        "database": True,
        "redis": True,
        "worker": True,
        "migrations": True,
        "degraded": False,
    }


def test_a_missing_worker_is_degraded_and_ready(client: Client, db: None) -> None:
    ticker_beat(seconds_ago=0)

    status, body = report(client)

    assert (status, body["worker"], body["redis"], body["degraded"]) == (200, False, True, True)


def test_a_missing_redis_is_degraded_and_ready(
    client: Client, db: None, settings: Settings
) -> None:
    ticker_beat(seconds_ago=0)
    url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:9/0"

    status, body = report(client)

    settings.REDIS_URL = url
    health._redis.cache_clear()
    assert (status, body["worker"], body["redis"], body["degraded"]) == (200, False, False, True)


@pytest.mark.parametrize(("seconds_ago", "expected"), [(55, 200), (61, 503)])
def test_a_ticker_silent_for_a_minute_is_not_ready(
    client: Client, db: None, seconds_ago: float, expected: int
) -> None:
    ticker_beat(seconds_ago)
    assert report(client)[0] == expected


def test_a_ticker_that_never_ran_is_not_ready(client: Client, db: None) -> None:
    status, body = report(client)
    assert (status, body["ticker_age_seconds"], body["database"]) == (503, None, True)


def test_a_missing_migration_is_not_ready(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticker_beat(seconds_ago=0)
    newest = health._newest_migrations() | {("tickets", "9999_not_applied")}
    monkeypatch.setattr(health, "_newest_migrations", lambda: newest)

    status, body = report(client)

    assert (status, body["database"], body["migrations"]) == (503, True, False)


def test_a_missing_database_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_recorder: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", refuse)

    status, body = report(client)

    assert (status, body["database"], body["migrations"]) == (503, False, False)


def test_the_ticker_beats_once_per_round_in_one_row(db: None) -> None:
    sweeps: dict[str, run_ticker.Sweep] = {}
    assert run_ticker._round(sweeps, 0) == 0
    first = Heartbeat.objects.get(name=health.TICKER).beat_at

    assert run_ticker._round(sweeps, 0) == 0

    assert Heartbeat.objects.get(name=health.TICKER).beat_at > first


def test_a_broken_sweep_keeps_neither_the_others_nor_the_beat(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    def broken(*, now: object) -> None:
        raise ValueError("no such clock")

    def sound(*, now: object) -> None:
        seen.append(now)

    assert run_ticker._round({"a.broken": broken, "a.sound": sound}, 0) == 0

    assert len(seen) == 1
    assert Heartbeat.objects.filter(name=health.TICKER).exists()
    assert "ticker: a.broken failed" in caplog.text


def test_a_deadlock_is_logged_and_not_taken_for_a_lost_database(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    def deadlocked(*, now: object) -> None:
        raise OperationalError("deadlock detected")

    assert run_ticker._round({"a.deadlocked": deadlocked}, 0) == 0
    assert "ticker: a.deadlocked failed" in caplog.text


@pytest.mark.parametrize(
    ("failures", "spent", "pause"), [(0, 1.5, 3.5), (0, 9, 0), (1, 0, 1), (2, 0, 2), (9, 0, 5)]
)
def test_the_ticker_keeps_its_period_and_backs_off(
    failures: int, spent: float, pause: float
) -> None:
    assert run_ticker._pause(failures, spent) == pause
