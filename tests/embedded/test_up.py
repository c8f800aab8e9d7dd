"""bin/up and bin/manage as a person meets them: refusals at once, and one whole real stack."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posdoctor.embedded import ports
from posdoctor.embedded.home import CHECKOUT
from posdoctor.embedded.testing import PRODUCTION
from tests.embedded.conftest import (
    Program,
    Run,
    environment,
    pid_of,
    processes_of,
    wait_until_gone,
)

EMBEDDED = "posdoctor.embedded"


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports.throwaway()))
        listener.listen()
        yield listener.getsockname()[1]


def test_an_explicit_busy_port_is_refused_at_once(
    run: Run, home_path: Path, busy_port: int
) -> None:
    program = run(EMBEDDED, "up", PORT=str(busy_port))

    assert program.wait() == 1
    assert program.lines == [
        f"bin/up: port {busy_port} is busy; stop what uses it or set another PORT"
    ]
    assert not (home_path / "postgres-18").exists()


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", "８０００"])
def test_a_port_that_is_none_is_refused(run: Run, port: str) -> None:
    program = run(EMBEDDED, "up", PORT=port)
    assert program.wait() == 1
    assert program.lines == [f"bin/up: PORT must be a number from 1 to 65535, not {port!r}"]


def test_the_next_free_port_is_taken(busy_port: int) -> None:
    assert busy_port < ports.next_free(busy_port) < busy_port + 100


def test_unknown_arguments_show_how_it_is_used(run: Run) -> None:
    program = run(EMBEDDED, "up", "--port=8000")
    assert program.wait() == 2
    assert program.lines[0] == "Usage: bin/up"


def manage(home_path: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", EMBEDDED, "manage", *arguments],
        env=environment(home_path),
        cwd=CHECKOUT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


READ_AND_LEAVE = (
    "shell",
    "--no-imports",
    "-c",
    "import sys; print(sys.stdin.read()[::-1], end=''); sys.exit(7)",
)


def test_manage_passes_streams_and_status_through_beside_a_running_stack(
    run: Run, home_path: Path
) -> None:
    run("tests.embedded.stub_stack", "engines").wait_for("all started")

    done = manage(home_path, *READ_AND_LEAVE, stdin="abc")

    assert (done.stdout, done.returncode) == ("cba", 7)


def test_manage_brings_engines_up_for_the_call_and_takes_them_down(
    run: Run, home_path: Path
) -> None:
    first = run("tests.embedded.stub_stack", "engines")
    first.wait_for("all started")
    first.send(signal.SIGINT)
    first.wait()

    done = manage(home_path, *READ_AND_LEAVE, stdin="abc")

    assert (done.stdout, done.stderr, done.returncode) == ("cba", "", 7)
    assert processes_of(home_path) == {}


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def readyz(port: int) -> tuple[int, dict[str, Any]]:
    try:
        status, body = get(port, "/readyz")
    except (OSError, http.client.HTTPException):
        return 0, {}
    try:
        return status, json.loads(body)
    except ValueError:
        pytest.fail(f"/readyz says {status}: {body}")


def wait_until_complete(port: int, program: Program) -> dict[str, Any]:
    status, report = readyz(port)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status, report = readyz(port)
        if status == 200 and not report["degraded"]:
            return report
        time.sleep(0.2)
    pytest.fail(f"not complete: {status} {report}\n{program.text}")


@pytest.mark.slow
def test_the_stack_under_production_settings_recovers_from_every_death_and_leaves_nothing(
    run: Run, home_path: Path
) -> None:
    """The process set of docker-compose.yml with its settings, without the containers."""
    port = ports.throwaway()
    program = run(EMBEDDED, "up", PORT=str(port), POSDOCTOR_DEMO="0", **PRODUCTION)
    program.wait_for("Ready after", seconds=90)
    wait_until_complete(port, program)
    assert get(port, "/help")[0] == 301
    behind_proxy = {"Host": PRODUCTION["ALLOWED_HOSTS"], "X_Forwarded_Proto": "https"}
    status, page = get(port, "/help", **behind_proxy)
    assert status == 200
    sheet = re.search(r"/static/css/[a-z]+\.[0-9a-f]{12}\.css", page)
    assert sheet, "static files carry the digest of their content"
    assert get(port, sheet[0], **behind_proxy)[0] == 200

    for name, pattern in {
        "postgres": "postgres -D",
        "valkey": "valkey-server",
        "ticker": "run_ticker",
        "worker": "celery .* worker",
        "web": "gunicorn",
    }.items():
        os.kill(pid_of(home_path, pattern), signal.SIGKILL)
        program.wait_for(f"{name} died (SIGKILL)")
        program.wait_for(f"{name} is back")
    report = wait_until_complete(port, program)
    assert report["ticker_age_seconds"] < 10

    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert wait_until_gone(home_path) == {}
    stopped = [line.split()[2] for line in program.lines if "stopped:" in line]
    assert stopped == ["web", "ticker", "beat", "worker", "valkey", "postgres"]


TELL_SOMEBODY = """
from posdoctor.accounts.models import Provider, Seat, User
from posdoctor.core import clock
from posdoctor.notifications import actions
provider = Provider.objects.create(slug="p", name="蜀汇支付", hotline="400-000-0101")
person = User.objects.create_user("zhou.min@posdoctor.example", None, name="周敏")
Seat.objects.create(provider=provider, user=person, role="desk")
actions.plan(
    provider_id=provider.pk, source="event:1", kind="ticket.reminded", recipients=[person.pk],
    data={"ref": "T-AAAAAA", "title": "Paper", "store": "", "actor": ""},
    url="/desk/t/T-AAAAAA/", now=clock.now(),
)
"""


@pytest.mark.slow
def test_an_alert_of_the_local_stack_ends_on_the_page_of_caught_mails(
    run: Run, home_path: Path
) -> None:
    program = run(EMBEDDED, "up", PORT=str(ports.throwaway()), POSDOCTOR_DEMO="0")
    announced = program.wait_for("Mails stay on this machine", seconds=90)
    page_port = int(announced.rstrip("/").rsplit(":", 1)[1])
    os.kill(pid_of(home_path, "mail_catcher"), signal.SIGKILL)
    program.wait_for("mails died (SIGKILL)")
    program.wait_for("mails is back")

    done = manage(home_path, "shell", "--no-imports", "-c", TELL_SOMEBODY)
    assert done.returncode == 0, done.stderr

    end = time.monotonic() + 30
    while "T-AAAAAA" not in (listed := get(page_port, "/")[1]) and time.monotonic() < end:
        time.sleep(0.2)
    assert "zhou.min@posdoctor.example" in listed
    assert "到了提醒时间 · T-AAAAAA" in listed
