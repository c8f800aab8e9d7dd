"""`bin/manage`: manage.py with the services up. Standard output is the command's own.

A running stack of the same home is used as it is. Otherwise the engines are started for this
call; calls that come meanwhile use them too, and they are stopped after the last one.
"""

import fcntl
import math
import os
import sys
import time
from pathlib import Path
from typing import TextIO

from posdoctor.embedded import console, engines, foreground, home, stack
from posdoctor.embedded.console import Console
from posdoctor.embedded.home import CHECKOUT, Home, HomeError, HomeInUseError, Running
from posdoctor.embedded.supervisor import StopRequested, Supervisor
from posdoctor.embedded.up import DEFAULT_PORT

# A first bin/up loads the demo before it can be used.
PATIENCE_SECONDS = 120


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit status."""
    screen = console.stderr(quiet=True)
    data = home.find()
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            with home.locked(data):
                return _with_own_engines(screen, data, arguments)
        except HomeInUseError:
            running = _join(data)
        if running is not None:
            _become_command(data, running, arguments)
        time.sleep(0.1)
    raise HomeError(f"the stack on {data.path} is still starting; try again later")


def _join(data: Home) -> Running | None:
    """The running stack; None while it starts or stops.

    Whoever uses the engines of another bin/manage holds a shared lock, which that one takes
    exclusively before it stops them. The copy of the descriptor stays open over exec, so the
    lock ends with the command.
    """
    with _guests(data) as guests:
        running = data.read_running() if home.take(guests, fcntl.LOCK_SH) else None
        if running is not None:
            os.set_inheritable(os.dup(guests.fileno()), True)  # noqa: FBT003 - its only form
        return running


def _guests(data: Home) -> TextIO:
    return (data.path / "guests").open("a+")


def _become_command(data: Home, running: Running, arguments: list[str]) -> None:
    """Replaces this process by the command: signals and streams need no passing on."""
    env = stack.environment(
        data,
        database_url=running.database_url,
        redis_url=running.redis_url,
        port=running.port,
    )
    os.chdir(_called_from())
    os.execve(sys.executable, _command(arguments), env)  # noqa: S606 - our own manage.py


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, str(CHECKOUT / "manage.py"), *arguments]


def _called_from() -> Path:
    return Path(os.environ.get("CALLED_FROM", "."))


def _with_own_engines(screen: Console, data: Home, arguments: list[str]) -> int:
    """Brings the engines up, prepares a database that was made just now, runs the command."""
    supervisor = Supervisor(screen)
    try:
        made = stack.start_engines(supervisor, screen, data, engines.DURABLE)
        env = stack.environment(
            data, database_url=made.database_url, redis_url=made.redis_url, port=DEFAULT_PORT
        )
        if made.is_fresh:
            screen.warn("first use of this data folder: preparing the database")
            supervisor.run(stack.prepare(data, env, with_demo=False), screen.say)
        note = Running(os.getpid(), "bin/manage", DEFAULT_PORT, made.database_url, made.redis_url)
        data.write_running(note)
        status = foreground.run(supervisor, _command(arguments), env, _called_from())
        with _guests(data) as guests:
            supervisor.wait_until(
                lambda: home.take(guests, fcntl.LOCK_EX), math.inf, "the end of other calls"
            )
            data.remove_running()
    except StopRequested as order:
        return 128 + order.number
    finally:
        supervisor.stop()
    return status
