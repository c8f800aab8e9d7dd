"""Many senders and planners at once, killed where it hurts most, against a real mail server."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from posdoctor.accounts.models import Provider, User
from posdoctor.core import clock, outbox
from posdoctor.core.models import Heartbeat
from posdoctor.embedded import ports
from posdoctor.embedded.home import CHECKOUT
from posdoctor.notifications import actions
from posdoctor.notifications.models import Delivery
from tests.builders import make_provider, make_seat
from tests.notifications.conftest import MoodyCatcher
from tests.notifications.planning import plan

MANY = 40


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wake-ups: what these tests show must hold without them."""
    monkeypatch.setattr(outbox, "_send", lambda _name: None)


@pytest.fixture
def standing(transactional_db: None) -> Provider:
    return make_provider()


@pytest.fixture
def people(standing: Provider) -> list[User]:
    return [make_seat(standing).user for _ in range(MANY)]


def at_once(deed: Callable[[], object], count: int) -> list[object]:
    """`deed` in threads that start together, each on its own connection."""
    barrier = threading.Barrier(count)
    found: list[object] = []

    def run() -> None:
        try:
            barrier.wait(timeout=10)
            found.append(deed())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == count
    return found


def test_planners_at_once_make_one_row_each(standing: Provider, people: list[User]):
    now = clock.now()
    at_once(lambda: plan(standing, *people, now=now), 4)
    rows = Counter(Delivery.objects.values_list("recipient_id", "channel"))
    assert len(rows) == 2 * MANY
    assert set(rows.values()) == {1}


def test_senders_at_once_send_each_mail_once(
    standing: Provider, people: list[User], smtp: MoodyCatcher
):
    plan(standing, *people, channels=["email"], now=clock.now())
    taken = at_once(actions.drain, 4)
    assert sum(int(str(count)) for count in taken) == MANY
    assert len(smtp.ids()) == MANY
    assert len(set(smtp.ids())) == MANY
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


def environment(smtp_url: str) -> dict[str, str]:
    """A process of its own on the test database, without Redis."""
    named = connection.settings_dict
    address = f"postgres://{named['USER']}:{named['PASSWORD']}@{named['HOST']}:{named['PORT']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "posdoctor.settings",
        "DATABASE_URL": f"{address}/{named['NAME']}",
        "REDIS_URL": f"redis://127.0.0.1:{ports.throwaway()}/0",
        "EMAIL_URL": smtp_url,
        "LOG_LEVEL": "WARNING",
    }


@pytest.fixture
def start(smtp: MoodyCatcher) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a Python process; whatever still runs is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def _start(*argv: str, url: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - the program under test
            [sys.executable, *argv], env=environment(url or smtp.url), cwd=CHECKOUT
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait(10)


SENDER = (
    "import django; django.setup(); from posdoctor.notifications import actions; actions.drain()"
)


class KillingCatcher:
    """Kills the sender when a mail is kept and before the sender learns of it."""

    def __init__(self, smtp: MoodyCatcher, monkeypatch: pytest.MonkeyPatch) -> None:
        self.victim: subprocess.Popen[bytes] | None = None
        self.at: set[int] = set()
        self._taken = 0
        keep = smtp.mails.keep

        def keep_and_kill(content: bytes) -> str:
            key = keep(content)
            self._taken += 1
            if self._taken in self.at and self.victim:
                self.victim.kill()
                self.victim.wait(10)
            return key

        monkeypatch.setattr(smtp.mails, "keep", keep_and_kill)


@pytest.mark.slow
def test_killed_senders_lose_nothing_and_the_receiver_can_tell_the_copies(
    standing: Provider,
    people: list[User],
    smtp: MoodyCatcher,
    start: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    plan(standing, *people, channels=["email"], now=clock.now())
    killer = KillingCatcher(smtp, monkeypatch)
    killer.at = {1, 9, 17}
    for _ in killer.at:
        killer.victim = start("-c", SENDER)
        assert killer.victim.wait(30) == -9
        # As after a minute: what the dead one held is free again.
        past = clock.now() - timedelta(seconds=1)
        held = Delivery.objects.filter(state="sending")
        assert held.exists()
        held.update(lease_until=past, next_attempt_at=past)
    killer.victim = None
    actions.drain()

    wanted = {f"<{key}@127.0.0.1>" for key in Delivery.objects.values_list("key", flat=True)}
    arrived = Counter(smtp.ids())
    assert set(arrived) == wanted
    assert len(wanted) == MANY
    # Each death came after a mail was taken: one copy each, told apart by its Message-ID.
    assert sum(arrived.values()) == MANY + 3
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


@pytest.mark.slow
def test_alerts_leave_through_the_ticker_while_redis_is_down(
    standing: Provider, people: list[User], smtp: MoodyCatcher, start: Callable[..., Any]
):
    plan(standing, *people[:3], channels=["email"], now=clock.now() - timedelta(seconds=20))
    start("manage.py", "run_ticker")
    wait_for(lambda: len(smtp.ids()) == 3, 20)
    wait_for(lambda: not Delivery.objects.exclude(state="sent").exists(), 5)


@pytest.mark.slow
def test_a_mail_server_that_hangs_delays_no_tick(
    standing: Provider, people: list[User], start: Callable[..., Any]
):
    """It takes the connection and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        past = clock.now() - timedelta(seconds=20)
        plan(standing, *people[:3], channels=["email"], now=past)
        start("manage.py", "run_ticker", url=f"smtp://127.0.0.1:{deaf.getsockname()[1]}")
        wait_for(lambda: Delivery.objects.filter(state="sending").exists(), 20)
        beats: set[datetime] = set()

        def has_beaten_twice() -> bool:
            beats.update(Heartbeat.objects.values_list("beat_at", flat=True))
            return len(beats) > 2

        # The mail server is waited for ten seconds; ticks come every five.
        wait_for(has_beaten_twice, 14)
        tried = Delivery.objects.filter(last_error="SMTPServerDisconnected")
        wait_for(lambda: tried.count() == 3, 10)
    assert set(tried.values_list("state", "attempts")) == {("pending", 1)}
