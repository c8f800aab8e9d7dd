"""The supervisor with stub services: order, restarts, giving up, and leaving nothing behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.embedded.conftest import Run, processes_of, wait_until_gone

STUB = "tests.embedded.stub_stack"


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_services_in_reverse_order(
    run: Run, home_path: Path, order: signal.Signals
) -> None:
    program = run(STUB, "first", "second", "third")
    program.wait_for("all started")

    program.send(order)

    assert program.wait() == 0
    stopped = [line for line in program.lines if "stopped" in line]
    assert [line.split()[2] for line in stopped] == ["third", "second", "first"]
    assert processes_of(home_path) == {}


def test_a_killed_service_is_started_again_and_told(run: Run, home_path: Path) -> None:
    program = run(STUB, "first", "second")
    program.wait_for("all started")
    before = processes_of(home_path)
    victim = next(pid for pid, command in before.items() if command.startswith("sleep"))

    os.kill(victim, signal.SIGKILL)

    program.wait_for("died (SIGKILL); starting it again in 0.2 s")
    program.wait_for("is back")
    after = processes_of(home_path)
    assert victim not in after
    assert len(after) == len(before)


def test_five_deaths_in_a_minute_stop_everything_with_the_reason(run: Run, home_path: Path) -> None:
    program = run(STUB, "first", "crasher")

    assert program.wait() == 1
    assert "crasher died 5 times in 60 s (last: exit code 3: the disk is on fire)" in program.text
    assert sum("starting it again" in line for line in program.lines) == 4
    assert processes_of(home_path) == {}


def test_a_killed_supervisor_leaves_no_process(run: Run, home_path: Path) -> None:
    program = run(STUB, "engines", "web")
    program.wait_for("all started")
    assert len(processes_of(home_path)) >= 4

    program.send(signal.SIGKILL)

    assert wait_until_gone(home_path) == {}


def test_a_second_stack_on_the_same_home_is_refused(run: Run, home_path: Path) -> None:
    first = run(STUB, "engines")
    first.wait_for("all started")

    second = run("posdoctor.embedded", "up", PORT="1")

    # Said before anything about the port, which the first one may hold.
    assert second.wait() == 1
    who = f"stub, process {first.pid}"
    assert second.lines == [
        f"bin/up: already running on {home_path} ({who}); stop it first or set POSDOCTOR_HOME"
    ]
