"""Starts services in order, restarts the ones that die, stops them in reverse order.

One loop in one thread reads all output, notices deaths and obeys signals; every wait runs
through that loop, so nothing is missed while the supervisor waits for something else.
"""

import contextlib
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from signal import Signals
from types import FrameType

from posdoctor.embedded.console import Console
from posdoctor.embedded.processes import Child, Service, how_it_ended

MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 60
BACK_OFF_SECONDS: tuple[float, ...] = (0.2, 1, 2, 4)
TURN_SECONDS = 0.2
ASK_SECONDS = 0.05
START_SECONDS = 60
HURRY_SECONDS = 1
STOP_SIGNALS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP)


class StopRequested(Exception):  # noqa: N818 - an order, not an error
    """Somebody pressed Ctrl-C or sent a stop signal."""

    def __init__(self, number: int) -> None:
        super().__init__(Signals(number).name)
        self.number = number


class GaveUpError(Exception):
    """A service cannot be kept running; the text says why in one line."""


@dataclass
class _Watched:
    """A service with its present process (None between a death and the restart)."""

    service: Service
    child: Child | None
    started: bool = False
    is_returning: bool = False
    restart_at: float = 0.0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))


class Supervisor:
    """Watches over services from the first start to the last stop."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._selector = selectors.DefaultSelector()
        self._watched: list[_Watched] = []
        self._stop_signal: int | None = None
        self._previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        for number, previous in self._previous.items():
            # Under nohup the stack is meant to outlive its terminal.
            if number != Signals.SIGHUP or previous != signal.SIG_IGN:
                signal.signal(number, self._note_signal)

    def start(self, service: Service) -> None:
        """Runs a service and waits until it is ready; a death before that is an error."""
        watched = _Watched(service, None)
        self._watched.append(watched)
        self._run(watched)
        if service.is_ready is not None:
            self.wait_until(service.is_ready, START_SECONDS, service.name)
        watched.started = True

    def run(self, service: Service, on_line: Callable[[str], None]) -> None:
        """Runs a command to its end while the services are watched; raises when it fails."""
        child = Child(service)
        try:
            while (status := child.exit_status()) is None:
                self._turn(ASK_SECONDS)
                self._pass_on(child, on_line)
            self._pass_on(child, on_line)
        finally:
            child.end()
        if status:
            told = f": {child.last_line}" if child.last_line else ""
            raise GaveUpError(f"{service.name} failed ({how_it_ended(status)}){told}")

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Turns the loop until the condition holds; raises GaveUpError when time is up."""
        end = time.monotonic() + seconds
        ask_again_at = 0.0
        while True:
            # Lines from a service end a turn early; the question may be dear.
            if time.monotonic() >= ask_again_at:
                if condition():
                    return
                ask_again_at = time.monotonic() + ASK_SECONDS
            if time.monotonic() > end:
                raise GaveUpError(f"{what} was not ready after {seconds:.0f} s")
            self._turn(ASK_SECONDS)

    def watch(self) -> None:
        """Never returns: ends by StopRequested or GaveUpError."""
        while True:
            self._turn(TURN_SECONDS)

    def stop(self) -> None:
        """Stops all services, the last started first; a second Ctrl-C leaves each one second."""
        self._stop_signal = None
        for watched in reversed(self._watched):
            if watched.child is not None:
                self._stop_one(watched, watched.child)
        self._watched.clear()
        self._selector.close()
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stop_signal = number

    def _run(self, watched: _Watched) -> None:
        child = Child(watched.service)
        watched.child = child
        watched.restart_at = 0.0
        self._selector.register(child.output, selectors.EVENT_READ, watched)

    def _turn(self, seconds: float) -> None:
        """One round: output, deaths, restarts that are due, and the order to stop."""
        if self._stop_signal is not None:
            raise StopRequested(self._stop_signal)
        self._selector.select(seconds)
        for watched in self._watched:
            self._look_after(watched)

    def _look_after(self, watched: _Watched) -> None:
        child = watched.child
        if child is None:
            if time.monotonic() >= watched.restart_at:
                self._run(watched)
                watched.is_returning = True
            return
        status = child.exit_status()
        self._show(child)
        if status is not None:
            self._forget(watched, child)
            self._bury(watched, child, status)
        elif watched.is_returning:
            self._welcome(watched)

    def _bury(self, watched: _Watched, child: Child, status: int) -> None:
        """Plans the restart of a service that died, or gives up."""
        name, how = watched.service.name, how_it_ended(status)
        told = f": {child.last_line}" if child.last_line and status >= 0 else ""
        if not watched.started:
            raise GaveUpError(f"{name} did not start ({how}){told}")
        now = time.monotonic()
        watched.deaths.append(now)
        recent = sum(1 for death in watched.deaths if now - death < DEATH_WINDOW_SECONDS)
        if recent >= MAX_DEATHS:
            raise GaveUpError(
                f"{name} died {recent} times in {DEATH_WINDOW_SECONDS} s (last: {how}{told})"
            )
        pause = BACK_OFF_SECONDS[recent - 1]
        watched.restart_at = now + pause
        self._console.warn(f"{name} died ({how}); starting it again in {pause:g} s")

    def _welcome(self, watched: _Watched) -> None:
        """Tells when a restarted service is ready again."""
        is_ready = watched.service.is_ready
        if is_ready is None or is_ready():
            watched.is_returning = False
            self._console.say(f"{watched.service.name} is back")

    def _stop_one(self, watched: _Watched, child: Child) -> None:
        service = watched.service
        started = time.monotonic()
        was_killed = False
        child.stop()
        while child.exit_status() is None:
            grace = HURRY_SECONDS if self._stop_signal is not None else service.grace_seconds
            if time.monotonic() > started + grace and not was_killed:
                was_killed = True
                self._console.warn(f"{service.name} did not stop in {grace:g} s; killing it")
                child.kill()
            self._selector.select(ASK_SECONDS)
            self._show(child)
        self._show(child)
        self._forget(watched, child)
        self._console.say(f"{service.name} stopped: {time.monotonic() - started:.1f} s")

    def _forget(self, watched: _Watched, child: Child) -> None:
        self._deafen(child)
        child.output.close()
        watched.child = None

    def _show(self, child: Child) -> None:
        for line in child.read_lines():
            if not child.service.is_silent:
                self._console.say(line, child.service.name)
        if child.has_closed_output:
            # A closed pipe is always readable: the loop would spin without a rest.
            self._deafen(child)

    def _deafen(self, child: Child) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.output)

    def _pass_on(self, child: Child, on_line: Callable[[str], None]) -> None:
        for line in child.read_lines():
            on_line(line)
