"""One id ties together the lines of a request, a task or a round of the ticker."""

import logging
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Task, current_app
from celery.app.trace import build_tracer
from django.test import Client
from pytest_django import Settings

from posdoctor import celery as queue
from posdoctor.core import request_id
from posdoctor.core.management.commands import run_ticker
from tests.core.conftest import Lines

GIVEN = "0123456789abcdef0123456789abcdef"
FRESH = re.compile(r"[0-9a-f]{32}")
logger = logging.getLogger("tests.request_ids")


@pytest.fixture
def task() -> Iterator[Task]:
    """A task that writes one line, and fails if it is told to."""

    @current_app.task(name="tests.write")
    def write(*, fails: bool = False) -> None:
        logger.info("inside")
        if fails:
            raise ValueError("told to")

    yield write
    current_app.tasks.pop("tests.write")


def run(task: Task, **headers: str) -> None:
    """As a worker runs it: what came with the message is its request."""
    number = uuid.uuid4().hex
    build_tracer(task.name, task, app=queue.app)(number, [], {}, {"id": number, **headers})


def ids(lines: Lines) -> set[str]:
    return {line["request_id"] for line in lines.of("tests.request_ids")}


@pytest.mark.parametrize("asked", [GIVEN, "01234567-89ab-cdef-0123-456789abcdef", GIVEN.upper()])
def test_a_trusted_proxys_id_is_kept(client: Client, settings: Settings, asked: str) -> None:
    settings.TRUSTED_PROXIES = 1
    assert client.get("/healthz", headers={"x-request-id": asked})["X-Request-ID"] == asked


@pytest.mark.parametrize(
    "asked",
    [
        "13800005521", "4111111111111111", "lao.wang@example.cn", GIVEN + "0", GIVEN[:-1],
        f"{GIVEN}\n", "01234567-89abcdef-0123-456789abcdef", "g" * 32, "", "王" * 32,
    ],
)  # fmt: skip
def test_anything_else_is_replaced(client: Client, settings: Settings, asked: str) -> None:
    settings.TRUSTED_PROXIES = 1
    given = client.get("/healthz", HTTP_X_REQUEST_ID=asked)["X-Request-ID"]
    assert FRESH.fullmatch(given)
    assert given != asked


def test_without_a_trusted_proxy_nobody_chooses_an_id(client: Client, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 0
    given = client.get("/healthz", headers={"x-request-id": GIVEN})["X-Request-ID"]
    assert FRESH.fullmatch(given)
    assert given != GIVEN


def test_every_line_of_a_request_has_its_id_and_the_next_request_another(
    client: Client, db: None, lines: Lines
) -> None:
    first = client.get("/help")["X-Request-ID"]
    second = client.get("/help")["X-Request-ID"]
    told = [line["request_id"] for line in lines.of("posdoctor.access")]
    assert told == [first, second]
    assert first != second
    assert request_id.current() == request_id.Context()


def test_the_id_goes_with_the_message_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}
    producer = current_app.amqp.producer_pool.acquire(block=False)
    monkeypatch.setattr(
        type(producer), "publish", lambda _self, _body, **options: sent.update(options)
    )
    with request_id.bound(GIVEN):
        current_app.send_task("tests.write", producer=producer)
    assert sent["headers"][request_id.TASK_HEADER] == GIVEN

    current_app.send_task("tests.write", producer=producer)
    alone = sent["headers"][request_id.TASK_HEADER]
    assert FRESH.fullmatch(alone)
    assert alone != GIVEN


def test_a_task_writes_under_the_id_that_came_with_it(task: Task, lines: Lines) -> None:
    with request_id.bound():
        before = request_id.current()
        run(task, **{request_id.TASK_HEADER: GIVEN})
        assert request_id.current() == before, "the lines after the task are the request's again"
    (line,) = lines.of("tests.request_ids")
    assert (line["request_id"], line["task"]) == (GIVEN, "tests.write")


@pytest.mark.parametrize("headers", [{}, {request_id.TASK_HEADER: "13800005521"}])
def test_a_task_without_a_sane_id_gets_a_fresh_one(
    task: Task, lines: Lines, headers: dict[str, str]
) -> None:
    run(task, **headers)
    run(task, **headers)
    assert len(ids(lines)) == 2
    assert all(FRESH.fullmatch(found) for found in ids(lines))


def test_a_task_that_fails_leaves_nothing_behind(task: Task, lines: Lines) -> None:
    task.apply(kwargs={"fails": True})
    assert request_id.current() == request_id.Context()
    assert queue._running == {}
    (failure,) = [line for line in lines.of("celery.app.trace") if line["level"] == "ERROR"]
    assert failure["task"] == "tests.write"
    assert "ValueError: told to" in failure["exception"]


def test_each_round_of_the_ticker_has_an_id(
    db: None, lines: Lines, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.TICKER_SWEEPS = settings.TICKER_THREADS = []
    rounds = iter([1, 2])

    def round_(_sweeps: object, _failures: int) -> int:
        logger.info("round %d", next(rounds))
        return 0

    def stop_after_two(_seconds: float) -> None:
        if len(ids(lines)) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(run_ticker, "_round", round_)
    monkeypatch.setattr("time.sleep", stop_after_two)
    monkeypatch.setattr("signal.signal", lambda *_args: None)
    run_ticker.Command().handle()
    assert len(ids(lines)) == 2
    assert all(FRESH.fullmatch(found) for found in ids(lines))
