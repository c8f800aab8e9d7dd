"""Keeps the processes of one chaos test, and ends all of them with whoever started it.

Run as a program: it has one thread, which posdoctor.embedded.processes asks for and pytest does
not promise. An order is a JSON list in a line of standard input, the answer a line of standard
output. The end of the input ends everything, so a test that is killed leaves nothing behind.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

from posdoctor.embedded import engines, home, ports, stack
from posdoctor.embedded.engines import DURABLE, Engine
from posdoctor.embedded.home import CHECKOUT, Home
from posdoctor.embedded.processes import Service, spawn

# Lateness is measured by when rows could be seen, and recovery after a broken-off server by its
# own words.
TOLD = {"track_commit_timestamp": "on", "log_min_messages": "log"}
DURABILITY = replace(DURABLE, postgres={**DURABLE.postgres, **TOLD})
READY_SECONDS = 60.0
TICKERS = ("ticker-1", "ticker-2", "ticker-3")
BEATS = ("beat-1", "beat-2")
ORDERS = ("addresses", "start", "kill", "kill_child", "signal", "died", "tail")


class Keeper:
    """Engines, mail receiver and the product's processes in one data folder."""

    def __init__(self, data: Home) -> None:
        self._data = data
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._died: list[tuple[str, int]] = []
        self._logs = data.path / "logs"
        self._logs.mkdir()
        data.clear_scratch()
        self._postgres_port = ports.throwaway()
        self._postgres = engines.postgres(data, self._postgres_port, DURABILITY)
        self._valkey = engines.valkey(data, ports.throwaway(), DURABILITY)
        self._smtp_port = ports.throwaway()
        self._mails = data.path / "mails.jsonl"
        self._env = stack.environment(
            data, database_url=self._postgres.url, redis_url=self._valkey.url, port=8000
        )
        self._env["EMAIL_URL"] = f"smtp://{ports.LOOPBACK}:{self._smtp_port}"

    def addresses(self) -> dict[str, Any]:
        """What the test needs to look in from outside."""
        return {
            "env": self._env,
            "database_url": self._postgres.url,
            "redis_url": self._valkey.url,
            "mails": str(self._mails),
            "folder": str(self._data.path),
        }

    def start(self, name: str) -> int:
        """Runs a process, as production does; returns its id. Engines are ready then."""
        engine = {"postgres": self._postgres, "valkey": self._valkey}.get(name)
        service = engine.service if engine else self._service(name)
        with (self._logs / name).open("ab") as log:
            process = spawn(service, output=log)
        self._running[name] = process
        if engine:
            self._await_ready(engine, process)
        if name == "postgres":
            engines.create_database(self._data, self._postgres_port)
        return process.pid

    def kill(self, name: str, number: int) -> int:
        """Sends a signal, waits for the end, ends what is left of the group; the exit status.

        The process is only reaped afterwards: until then nobody else can bear its id.
        """
        process = self._running.pop(name)
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            self._died.append((name, process.wait()))
            return process.returncode
        process.send_signal(number)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _signal_group(process.pid)
        return process.wait()

    def kill_child(self, name: str, which: int) -> bool:
        """Kills one child of a process, which lives on; False when it has none just now."""
        pid = self._running[name].pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not listed:
            return False
        os.kill(int(listed[which % len(listed)]), signal.SIGKILL)
        return True

    def signal(self, name: str, number: int) -> None:
        """Sends a signal that does not end the process."""
        self._running[name].send_signal(number)

    def died(self) -> list[tuple[str, int]]:
        """Processes that ended although nobody killed them, with their exit status."""
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        for name, process in list(self._running.items()):
            if os.waitid(os.P_PID, process.pid, flags) is not None:
                self._died.append((name, process.wait()))
                del self._running[name]
        return self._died

    def tail(self, name: str, lines: int) -> str:
        """The last lines that a process wrote."""
        try:
            text = (self._logs / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def end(self) -> None:
        """Ends everything; the folder goes afterwards, so nothing is written down."""
        for name in sorted(self._running, key=lambda name: name == "postgres"):
            # PostgreSQL ends its own children, which do not belong to its group.
            self.kill(name, Signals.SIGQUIT if name == "postgres" else Signals.SIGKILL)

    def _service(self, name: str) -> Service:
        # The database shows under its name what each of them is doing.
        env = {
            **self._env,
            "PGAPPNAME": name,
            "ALIVE_FILE": str(self._data.path / f"alive-{name}"),
        }
        if name in TICKERS:
            return stack.ticker(env)
        if name in BEATS:
            own = Home(self._data.path / name, self._data.account)
            own.path.mkdir(exist_ok=True)
            return stack.beat(own, env)
        if name == "worker":
            return stack.worker(self._data, env)
        argv = (sys.executable, "-m", "tests.chaos.receiver", str(self._smtp_port), self._mails)
        return Service(name=name, argv=tuple(map(str, argv)), env=env, cwd=CHECKOUT)

    def _await_ready(self, engine: Engine, process: subprocess.Popen[bytes]) -> None:
        is_ready = engine.service.is_ready
        assert is_ready is not None
        end = time.monotonic() + READY_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"{engine.service.name} is not ready")
            time.sleep(0.05)


def _signal_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    with home.temporary() as data:
        keeper = Keeper(data)
        orders: dict[str, Callable[..., object]] = {name: getattr(keeper, name) for name in ORDERS}
        try:
            for line in sys.stdin:
                name, *arguments = json.loads(line)
                print(json.dumps(orders[name](*arguments)), flush=True)  # noqa: T201
        finally:
            keeper.end()


if __name__ == "__main__":
    main()
