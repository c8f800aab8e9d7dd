"""Waking a worker: without Redis, or with one that does not answer, nobody waits for it."""

import socket
import time
from collections.abc import Iterator

import pytest
from celery import current_app

from posdoctor.core import outbox


@pytest.fixture(autouse=True)
def _asks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox._Rest, "until", 0.0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


def use(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    monkeypatch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{port}/0")


def seconds_of_wakes(times: int) -> float:
    started = time.monotonic()
    for _ in range(times):
        outbox._send("notifications.deliver")
    return time.monotonic() - started


def test_without_redis_a_hundred_wake_ups_cost_less_than_a_second(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, caplog: pytest.LogCaptureFixture
):
    use(monkeypatch, listener)  # bound, but nobody listens: refused
    assert seconds_of_wakes(100) < 1
    assert caplog.text.count("could not wake") == 1


def test_a_redis_that_does_not_answer_is_left_alone_after_a_second(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, caplog: pytest.LogCaptureFixture
):
    listener.listen()
    use(monkeypatch, listener)
    assert seconds_of_wakes(100) < 4
    assert caplog.text.count("could not wake") == 1


def test_after_a_rest_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, caplog: pytest.LogCaptureFixture
):
    use(monkeypatch, listener)
    seconds_of_wakes(2)
    monkeypatch.setattr(outbox._Rest, "until", time.monotonic())
    seconds_of_wakes(2)
    assert caplog.text.count("could not wake") == 2
