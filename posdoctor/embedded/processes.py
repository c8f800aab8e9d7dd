"""Child processes that never outlive their supervisor.

Everything here runs in one thread: the kernel's parent-death signal is tied to the thread that
started the child, and code between fork and exec is only safe without other threads.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO

from posdoctor.embedded.home import Account

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True)
class Service:
    """What to run, and how to ask it to stop.

    `orphan_signal` is sent by the kernel when the supervisor is killed. `is_ready` is asked
    while starting; None means ready as soon as it runs. What a silent service writes is shown
    only as the reason when it dies.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stop_signal: Signals = Signals.SIGTERM
    orphan_signal: Signals = Signals.SIGTERM
    grace_seconds: float = 10
    account: Account | None = None
    is_ready: Callable[[], bool] | None = None
    is_silent: bool = False


class Child:
    """One running process of a service, with its output as lines."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.last_line = ""
        self.has_closed_output = False
        self._rest = b""
        self._process = spawn(service, output=subprocess.PIPE)
        assert self._process.stdout is not None
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    def read_lines(self) -> list[str]:
        """The whole lines written since the last call."""
        chunks = [self._rest]
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.output.fileno(), 65_536):
                chunks.append(chunk)
            self.has_closed_output = True
        *whole, self._rest = b"".join(chunks).split(b"\n")
        lines = [line.decode(errors="replace").rstrip() for line in whole]
        told = [line for line in lines if line]
        if told:
            self.last_line = told[-1]
        return told

    def exit_status(self) -> int | None:
        """None while it runs; then its exit code, negative for a signal.

        The group is killed before the process is reaped: until then its id cannot be reused,
        so the signal only ever meets what the child left behind.
        """
        if self._process.returncode is not None:
            return self._process.returncode
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.pid, flags) is None:
            return None
        self._signal_group(Signals.SIGKILL)
        return self._process.wait()

    def stop(self) -> None:
        """Asks it to stop; the caller waits."""
        if self._process.returncode is None:
            self._process.send_signal(self.service.stop_signal)

    def kill(self) -> None:
        """Ends it and its group at once."""
        if self._process.returncode is None:
            self._signal_group(Signals.SIGKILL)

    def end(self) -> None:
        """Ends it and its group at once, and leaves no trace of it."""
        self.kill()
        self._process.wait()
        self.output.close()

    def _signal_group(self, number: Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def spawn(service: Service, *, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts a service in a session of its own, so that Ctrl-C reaches only the supervisor."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        service.argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**service.env, "PYTHONUNBUFFERED": "1"},
        cwd=service.cwd,
        start_new_session=True,
        preexec_fn=dies_with_parent(service.orphan_signal),  # noqa: PLW1509 - no threads here
        **identity(service.account),
    )


def identity(account: Account | None) -> dict[str, object]:
    """The arguments of Popen that make a process run under an account."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": ()}


def dies_with_parent(orphan_signal: Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends this signal when the parent is gone (Linux only).

    It runs after the change of user, which would clear the setting.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_signal() -> None:
        # Until exec the supervisor's own handler is in place and would swallow the signal.
        if orphan_signal != Signals.SIGKILL:
            signal.signal(orphan_signal, signal.SIG_DFL)
        libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the line above

    return set_signal


def how_it_ended(status: int) -> str:
    """An exit status in words: `exit code 1`, `SIGKILL`."""
    return Signals(-status).name if status < 0 else f"exit code {status}"
