"""Wake-ups: once a transaction, and never a reason to wait."""

import socket
import time
from collections.abc import Iterator

import pytest
from celery import current_app
from django.db import transaction
from kombu import pools
from kombu.exceptions import OperationalError

from posdoctor.core import outbox
from posdoctor.embedded import ports


@pytest.fixture(autouse=True)
def _no_pause() -> Iterator[None]:
    outbox._Refusal.until = 0.0
    yield
    outbox._Refusal.until = 0.0


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_options: names.append(name))
    return names


@pytest.mark.django_db(transaction=True)
def test_one_transaction_wakes_each_task_once(sent: list[str]):
    with transaction.atomic():
        for _ in range(3):
            with transaction.atomic():
                outbox.wake("a.task")
        outbox.wake("another.task")
        assert sent == []
    assert sent == ["a.task", "another.task"]


def wake_in_vain() -> None:
    """In a transaction, or a savepoint of one, that is rolled back."""
    with transaction.atomic():
        outbox.wake("a.task")
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_savepoint_does_not_swallow_the_wake_up_of_another(sent: list[str]):
    with transaction.atomic():
        wake_in_vain()
        with transaction.atomic():
            outbox.wake("a.task")
    assert sent == ["a.task"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_wakes_nobody(sent: list[str]):
    wake_in_vain()
    outbox.wake("another.task")
    assert sent == ["another.task"]


def test_after_a_refusal_the_queue_is_let_be_for_a_while(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def refuse(name: str, **_options: object) -> None:
        asked.append(name)
        raise OperationalError

    monkeypatch.setattr(current_app, "send_task", refuse)
    outbox._send("a.task")
    outbox._send("a.task")
    assert asked == ["a.task"]
    outbox._Refusal.until = time.monotonic()
    outbox._send("a.task")
    assert asked == ["a.task", "a.task"]


@pytest.fixture
def _queue_away() -> Iterator[None]:
    conf = current_app.conf
    names = ("task_always_eager", "broker_write_url")
    kept = {name: conf[name] for name in names}
    conf.update(
        task_always_eager=False, broker_write_url=f"redis://127.0.0.1:{ports.throwaway()}/0"
    )
    pools.reset()
    yield
    conf.update(kept)
    pools.reset()


@pytest.mark.usefixtures("_queue_away")
def test_a_queue_that_is_away_costs_no_time():
    """The client's own patience would be six seconds, in the middle of somebody's request."""
    started = time.monotonic()
    outbox._send("a.task")
    assert time.monotonic() - started < 3
    assert outbox._Refusal.until > started


@pytest.fixture
def _queue_silent() -> Iterator[None]:
    """It takes connections and never answers, as a frozen server does."""
    conf = current_app.conf
    kept = {name: conf[name] for name in ("task_always_eager", "broker_write_url")}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        conf.update(task_always_eager=False, broker_write_url=f"redis://127.0.0.1:{port}/0")
        pools.reset()
        yield
    conf.update(kept)
    pools.reset()


@pytest.mark.usefixtures("_queue_silent")
def test_a_queue_that_does_not_answer_is_let_be_after_a_moment():
    started = time.monotonic()
    for _ in range(100):
        outbox._send("a.task")
    assert time.monotonic() - started < 4
    assert outbox._Refusal.until > started
