"""Free TCP ports on the loopback. Run as a program, it refuses a busy PORT with one line."""

import os
import random
import socket
import sys

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections, so that nothing
# grabs a port between finding it free and an engine binding it.
THROWAWAY = range(20_000, 32_000)


class PortError(Exception):
    """No usable port; the text says why in one line."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def next_free(first: int, tries: int = 100) -> int:
    """`first` or the next free port above it."""
    for port in range(first, first + tries):
        if is_free(port):
            return port
    raise PortError(f"no free port between {first} and {first + tries - 1}")


def throwaway() -> int:
    """Any free port; different from run to run, so that test runs side by side do not meet."""
    for port in random.sample(THROWAWAY, 100):
        if is_free(port):
            return port
    raise PortError("no free port for a throw-away engine")


def asked(text: str) -> int:
    """The port that a person named in PORT; raises PortError when it cannot be had."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise PortError(f"PORT must be a number from 1 to 65535, not {text!r}")
    port = int(text)
    if not is_free(port):
        if port < 1024:
            raise PortError(f"port {port} is busy or needs root; set another PORT")
        raise PortError(f"port {port} is busy; stop what uses it or set another PORT")
    return port


if __name__ == "__main__":
    try:
        if os.environ.get("PORT"):
            asked(os.environ["PORT"])
    except PortError as refusal:
        sys.exit(f"bin/up: {refusal}")
