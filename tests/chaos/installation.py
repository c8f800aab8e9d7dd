"""A running installation as a test sees it: orders to its keeper, questions to its tables."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any, cast

import psycopg
import pytest
from psycopg.rows import dict_row
from redis import Redis, RedisError

from posdoctor.core.health import WORKER_KEY
from posdoctor.embedded.home import CHECKOUT
from tests.chaos.keeper import BEATS, TICKERS
from tests.embedded.conftest import SETTINGS

ORDER_SECONDS = 90.0
POLL_SECONDS = 0.02
PROCESSES = ("worker", *BEATS, *TICKERS)

Row = dict[str, Any]


class Installation:
    """Engines, mail receiver, worker, two beats and three tickers, under one keeper."""

    def __init__(self) -> None:
        # Waits last so many times as long as on an idle machine.
        self.slowness = 1.0
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.keeper"],
            env={name: value for name, value in os.environ.items() if name not in SETTINGS},
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._rows: psycopg.Connection[Row] | None = None
        try:
            told = self._order("addresses")
        except BaseException:
            self.close()
            raise
        self._env: dict[str, str] = told["env"]
        self._database_url: str = told["database_url"]
        self._redis_url: str = told["redis_url"]
        self._mails = Path(told["mails"])
        self._folder = Path(told["folder"])

    def close(self) -> None:
        """Ends everything; also what a broken keeper left, by the kernel."""
        if self._rows is not None:
            self._rows.close()
        for stream in (self._keeper.stdin, self._keeper.stdout):
            if stream is not None:
                stream.close()
        try:
            self._keeper.wait(ORDER_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()

    # --- Processes ---

    def start(self, *names: str) -> None:
        """Runs processes without waiting for them; engines are ready then."""
        for name in names:
            (self._folder / f"alive-{name}").unlink(missing_ok=True)
            self._order("start", name)

    def kill(self, name: str, number: Signals = Signals.SIGKILL) -> None:
        """Ends a process and waits until it is gone."""
        self._order("kill", name, int(number))

    def kill_child(self, name: str, which: int) -> bool:
        """Kills a child of a process; False when it has none."""
        return cast("bool", self._order("kill_child", name, which))

    def send(self, name: str, number: Signals) -> None:
        """A signal that ends nothing, such as SIGSTOP."""
        self._order("signal", name, int(number))

    def died(self) -> list[list[Any]]:
        """Processes that ended although nobody killed them: [name, exit status]."""
        return cast("list[list[Any]]", self._order("died"))

    def wait_until_up(self, *names: str) -> None:
        """Waits until these have done their first round, and the worker takes tasks."""
        for name in names:
            is_up = (
                self._worker_reports if name == "worker" else partial(self.has_done_a_round, name)
            )
            self.wait_until(is_up, 60, f"{name} to come up")

    def has_done_a_round(self, name: str) -> bool:
        """Whether a ticker (or beat) has shown its sign of life since it was started."""
        return (self._folder / f"alive-{name}").exists()

    def tail(self, name: str, lines: int = 1000) -> str:
        """What a process wrote last."""
        return cast("str", self._order("tail", name, lines))

    def logs(self, lines: int = 15) -> str:
        """What the processes wrote last, for a person who looks at a failure."""
        names = ("postgres", "valkey", "receiver", *PROCESSES)
        return "\n".join(f"--- {name}\n{self.tail(name, lines)}" for name in names)

    def run(self, code: str) -> Any:
        """The answer (JSON) of a few lines of Python inside `manage.py shell`."""
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
            env=self._env, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A management command."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self._env, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    # --- PostgreSQL ---

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Rows of a query; connects again after PostgreSQL was restarted."""
        while True:
            try:
                if self._rows is None:
                    self._rows = psycopg.connect(
                        self._database_url, autocommit=True, row_factory=dict_row
                    )
                cursor = self._rows.execute(cast("Any", sql), values)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if self._rows is None:
                    raise
                self._rows.close()
                self._rows = None

    def one(self, sql: str, **values: object) -> Any:
        """The only value of the only row."""
        (row,) = self.rows(sql, **values)
        (value,) = row.values()
        return value

    def now(self) -> datetime:
        """The database's clock, as the product uses it."""
        return cast("datetime", self.one("SELECT clock_timestamp()"))

    def is_writing(self, name: str) -> bool:
        """Whether a process is inside a transaction that has written alerts or deliveries."""
        sql = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = %(name)s AND backend_xid IS NOT NULL
              AND query ~ 'tickets_alert|notifications_delivery|tickets_clock'"""
        return bool(self.one(sql, name=name))

    # --- Redis ---

    @contextmanager
    def redis(self) -> Iterator["Redis"]:
        """A client for a moment."""
        with Redis.from_url(self._redis_url, socket_timeout=2) as client:
            yield client

    def flush(self) -> None:
        """Empties Redis: every queued task and every sign of life is gone."""
        with self.redis() as client:
            client.flushall()

    def _worker_reports(self) -> bool:
        try:
            with self.redis() as client:
                return bool(client.exists(WORKER_KEY))
        except RedisError:
            return False

    # --- Mail ---

    def mails(self) -> list[Row]:
        """What the receiver was given, in order: `id`, `to`, `hung_up`."""
        if not self._mails.exists():
            return []
        return [json.loads(line) for line in self._mails.read_text().splitlines()]

    # --- Waiting ---

    def wait_for_another_round(self) -> None:
        """Until each ticker has swept once more from here on."""
        for name in TICKERS:
            (self._folder / f"alive-{name}").unlink(missing_ok=True)
        self.wait_until_up(*TICKERS)

    def wait_until(
        self, condition: Callable[[], bool], seconds: float, what: str, every: float = POLL_SECONDS
    ) -> None:
        """Looks again and again; a test that has waited too long ends with the logs."""
        patience = seconds * self.slowness
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"waited {patience:.0f} s for {what}\n{self.logs()}")
            time.sleep(every)

    def _order(self, *order: object) -> Any:
        stdin, stdout = self._keeper.stdin, self._keeper.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], ORDER_SECONDS)
        line = stdout.readline() if ready else ""
        if not line:
            pytest.fail(f"the keeper does not answer {order}")
        return json.loads(line)
