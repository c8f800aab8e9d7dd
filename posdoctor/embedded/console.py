"""What the supervisor tells a person: one line at a time, with the name of who speaks."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TextIO

COLOURS = {"posdoctor": 36, "web": 32, "worker": 33, "beat": 35, "ticker": 34, "mails": 90}
RED = 31
NAME_WIDTH = 10


class Console:
    """Writes prefixed lines to a stream; a closed stream is not an error."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._colours = stream.isatty() and "NO_COLOR" not in os.environ

    def say(self, line: str, who: str = "posdoctor") -> None:
        """One line of news; nothing when quiet."""
        if not self._quiet:
            self._write(line, who, COLOURS.get(who, 37))

    def warn(self, line: str, who: str = "posdoctor") -> None:
        """One line that is told even when quiet."""
        self._write(line, who, RED)

    def block(self, text: str) -> None:
        """Several lines as they are, without a prefix."""
        self._print(text.rstrip("\n"))

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tells when `what` is done, and after how many seconds."""
        started = time.monotonic()
        yield
        self.say(f"{what}: {time.monotonic() - started:.1f} s")

    def _write(self, line: str, who: str, colour: int) -> None:
        name = who.ljust(NAME_WIDTH)
        self._print(f"\x1b[{colour}m{name}|\x1b[0m {line}" if self._colours else f"{name}| {line}")

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            # `bin/up | head` closes the pipe; the stack goes on without an audience.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def one_line(error: BaseException) -> str:
    """An error as one line: the reason, and the file it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def stdout() -> Console:
    """For commands whose output is the supervisor's own."""
    return Console(sys.stdout)


def stderr(*, quiet: bool) -> Console:
    """For commands whose standard output belongs to somebody else."""
    return Console(sys.stderr, quiet=quiet)
