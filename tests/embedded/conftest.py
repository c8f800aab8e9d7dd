"""Real processes in throw-away homes."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posdoctor.embedded.home import CHECKOUT

PATIENCE_SECONDS = 30.0
# What bin/test sets for the tests around these ones.
SETTINGS = {
    "ALLOWED_HOSTS",
    "CALLED_FROM",
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "MEDIA_ROOT",
    "PORT",
    "POSDOCTOR_LOCAL",
    "PUBLIC_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "STATIC_ROOT",
}


class Program:
    """A started program whose output is read line by line."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        # Under `nohup` children would ignore the signal that some tests send.
        ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._process = subprocess.Popen(
            argv,
            env=env,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        signal.signal(signal.SIGHUP, ignored)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, words: str, seconds: float = PATIENCE_SECONDS) -> str:
        """The first line from now on that holds these words."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._fresh.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {words!r} in {seconds} s:\n{self.text}")
            if line is None:
                pytest.fail(f"ended without a line with {words!r}:\n{self.text}")
            if words in line:
                return line

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit status, after all output was read."""
        status = self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            self._fresh.put(line.rstrip())
        self._fresh.put(None)


@pytest.fixture
def home_path() -> Iterator[Path]:
    """A data folder of its own, directly under the temporary folder: `nobody` must reach it."""
    path = Path(tempfile.mkdtemp(prefix="posdoctor-home-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


Run = Callable[..., Program]


@pytest.fixture
def run(home_path: Path) -> Iterator[Run]:
    """Starts `python -m MODULE ...` on `home_path`; whatever still runs is stopped at the end."""
    programs: list[Program] = []

    def start(module: str, *arguments: str, **env: str) -> Program:
        argv = [sys.executable, "-m", module, *arguments]
        program = Program(argv, environment(home_path, **env))
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.close()


def environment(home_path: Path, **more: str) -> dict[str, str]:
    """The test run's environment without its settings: another home, and no engines."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**kept, "POSDOCTOR_HOME": str(home_path), "PYTHONUNBUFFERED": "1", **more}


def processes_of(home_path: Path) -> dict[int, str]:
    """Living processes with this home in arguments, environment or folder: id -> command."""
    needle = str(home_path).encode()
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            where = os.fsencode((folder / "cwd").readlink())
            if needle in command + where + (folder / "environ").read_bytes():
                found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def wait_until_gone(home_path: Path, seconds: float = 5.0) -> dict[int, str]:
    """What is left of a home's processes after a while: empty when all is well."""
    end = time.monotonic() + seconds
    while (left := processes_of(home_path)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def pid_of(home_path: Path, pattern: str) -> int:
    """The process of a home whose command matches; the parent where children look like it."""
    living = processes_of(home_path)
    found = {pid for pid, command in living.items() if re.search(pattern, command)}
    parents = [pid for pid in found if parent_of(pid) not in found]
    assert len(parents) == 1, f"{len(parents)} processes like {pattern}: {living}"
    return parents[0]


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])
