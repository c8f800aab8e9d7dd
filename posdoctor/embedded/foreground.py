"""Runs a command in the supervisor's place: same terminal, same signals, same exit status."""

import contextlib
import math
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals
from types import FrameType

from posdoctor.embedded.processes import dies_with_parent
from posdoctor.embedded.supervisor import Supervisor


def run(supervisor: Supervisor, command: list[str], env: Mapping[str, str], cwd: Path) -> int:
    """The command's exit status (128 + signal, as in a shell); services are watched meanwhile."""
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        preexec_fn=dies_with_parent(Signals.SIGTERM),  # noqa: PLW1509 - no threads here
    )
    try:
        with _signals_passed_to(process):
            supervisor.wait_until(lambda: process.poll() is not None, math.inf, command[0])
    finally:
        process.kill()
        status = process.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _signals_passed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C reaches the command through the terminal; other stop signals are passed on."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    numbers = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP)
    kept = {number: signal.getsignal(number) for number in numbers}
    signal.signal(Signals.SIGINT, lambda _number, _frame: None)
    for number in (Signals.SIGTERM, Signals.SIGHUP):
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
