"""`bin/test`: every check and test on throw-away engines, beside a running stack or without one.

The last line is pytest's summary: nothing is printed after it.
"""

import math
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from posdoctor.embedded import console, engines, foreground, home, stack
from posdoctor.embedded.console import Console
from posdoctor.embedded.home import CHECKOUT
from posdoctor.embedded.processes import Service, spawn
from posdoctor.embedded.supervisor import StopRequested, Supervisor

TOOLS = Path(sys.executable).parent
MANAGE = (sys.executable, str(CHECKOUT / "manage.py"))
CHECKS_AT_ONCE = 2
# Three processes share the tests, each with a database of its own: half of a test's time passes in
# PostgreSQL or in a browser, and some tests only wait. The slow ones stand together at the end of
# the order, so a process that is done takes over from the others. The summary names what passed
# at its second try only.
WHOLE_SUITE = ("-n", "3", "--dist", "worksteal", "-rfER")
# For one test; by day the limit stands in pyproject.toml.
NIGHTLY_SECONDS = 7200
# A developer's own servers must never be what tests write to.
NEVER_FROM_OUTSIDE = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "EMAIL_URL", "MEDIA_ROOT")
# What an installation on the open internet sets: `check --deploy` judges this.
PRODUCTION = {
    "DEBUG": "false",
    "POSDOCTOR_LOCAL": "false",
    "ALLOWED_HOSTS": "posdoctor.example",
    "PUBLIC_URL": "https://posdoctor.example",
    "EMAIL_URL": "smtp+tls://posdoctor:secret@mail.example:587",
    "TRUSTED_PROXIES": "1",
}


@dataclass(frozen=True)
class Check:
    """One tool with its arguments; `production` runs it under production settings."""

    name: str
    argv: tuple[str, ...]
    production: bool = False


@dataclass(frozen=True)
class _Started:
    """A check that runs, with what it has printed so far."""

    check: Check
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    at: float


def main(arguments: list[str]) -> int:
    """All checks, then pytest; with arguments only pytest with them. Returns the exit status."""
    for name in NEVER_FROM_OUTSIDE:
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)
    wanted = [argument for argument in arguments if argument != "--nightly"]
    if len(wanted) < len(arguments):
        os.environ["POSDOCTOR_NIGHTLY"] = "1"
    screen = console.stdout()
    supervisor = Supervisor(console.stderr(quiet=True))
    try:
        with home.temporary() as data:
            try:
                return _run(supervisor, screen, data, wanted)
            finally:
                supervisor.stop()
    except StopRequested as order:
        return 128 + order.number


def _run(supervisor: Supervisor, screen: Console, data: home.Home, wanted: list[str]) -> int:
    with screen.step("Engines"):
        made = stack.start_engines(supervisor, console.stderr(quiet=True), data, engines.FORGETFUL)
    env = stack.environment(
        data, database_url=made.database_url, redis_url=made.redis_url, port=8000
    )
    env["TMPDIR"] = str(_temporary_folder(data))
    failed = _run_checks(supervisor, screen, env, [] if wanted else _all_checks())
    if failed:
        screen.warn(f"Failed: {', '.join(failed)} (see above); the tests follow")
    pytest = [sys.executable, "-m", "pytest", *(wanted or WHOLE_SUITE)]
    if "POSDOCTOR_NIGHTLY" in os.environ:
        pytest.append(f"--timeout={NIGHTLY_SECONDS}")
    status = foreground.run(supervisor, pytest, env, CHECKOUT)
    return status or (1 if failed else 0)


def _temporary_folder(data: home.Home) -> Path:
    """Where tests leave their files: gone with the engines. Passable for `nobody` under root."""
    folder = data.path / "tmp"
    folder.mkdir()
    folder.chmod(0o711)
    return folder


def _all_checks() -> list[Check]:
    pages = sorted(CHECKOUT.glob("templates/**/*.html"))
    templates = [str(page.relative_to(CHECKOUT)) for page in pages]
    deployment = ("check", "--deploy", "--fail-level", "WARNING")
    return [
        # The slowest first: two run at a time.
        Check("mypy", (_tool("mypy"), ".")),
        Check("ruff check", (_tool("ruff"), "check", ".")),
        Check("ruff format", (_tool("ruff"), "format", "--check", ".")),
        Check("import contracts", (_tool("lint-imports"),)),
        Check("djlint", (_tool("djlint"), "--lint", "--quiet", "templates")),
        Check("djade", (_tool("djade"), "--check", "--target-version", "5.2", *templates)),
        Check("migrations", (*MANAGE, "makemigrations", "--check", "--dry-run")),
        Check("deployment", (*MANAGE, *deployment), production=True),
        Check("translations", (*MANAGE, "compile_texts", "--check")),
    ]


def _tool(name: str) -> str:
    return str(TOOLS / name)


def _run_checks(
    supervisor: Supervisor, screen: Console, env: Mapping[str, str], checks: list[Check]
) -> list[str]:
    """Runs checks two at a time, one line each, output only on failure; returns who failed."""
    failed: list[str] = []
    waiting = deque(checks)
    running: list[_Started] = []
    try:
        while waiting or running:
            while waiting and len(running) < CHECKS_AT_ONCE:
                running.append(_start(waiting.popleft(), env))
            supervisor.wait_until(
                lambda: any(started.process.poll() is not None for started in running),
                math.inf,
                "checks",
            )
            for started in [item for item in running if item.process.poll() is not None]:
                running.remove(started)
                if not _report(screen, started):
                    failed.append(started.check.name)
    finally:
        for started in running:
            started.process.kill()
            started.process.wait()
    return failed


def _start(check: Check, env: Mapping[str, str]) -> _Started:
    if check.production:
        env = {**env, **PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(48), "SECRET_KEY_FILE": ""}
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the report
    service = Service(name=check.name, argv=check.argv, env=env, cwd=CHECKOUT)
    return _Started(check, spawn(service, output=output), output, time.monotonic())


def _report(screen: Console, started: _Started) -> bool:
    """One line with seconds; the whole output when the check failed."""
    seconds = time.monotonic() - started.at
    with started.output as output:
        output.seek(0)
        text = output.read().decode(errors="replace")
    if started.process.returncode == 0:
        screen.say(f"{started.check.name}: {seconds:.1f} s")
        return True
    screen.warn(f"{started.check.name}: FAILED after {seconds:.1f} s")
    screen.block(text)
    return False
