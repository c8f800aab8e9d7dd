"""The health checks that docker-compose.yml gives to beat and the tickers, run as they stand."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from posdoctor.embedded.home import CHECKOUT
from tests.embedded.conftest import environment

COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
SECRET = "Zr8Wm4Ks6Tn1Vb3Xc5Lp9Jh0Gf2Qd7Ya-for-a-probe-only"
STARTED_WITHIN_SECONDS = 40


def check(service: str, alive: Path) -> bool:
    """What the container's health check says of a sign of life."""
    python, *words = COMPOSE["services"][service]["healthcheck"]["test"][1:]
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *words], env={"ALIVE_FILE": str(alive)}, capture_output=True, check=False
    )
    return done.returncode == 0


@contextmanager
def running(service: str, alive: Path, home: Path) -> Iterator[None]:
    """The service's own command, with its schedule in `home`."""
    words = COMPOSE["services"][service]["command"].replace("/tmp/", f"{home}/").split()  # noqa: S108
    program = {"celery": ["-m", "celery"], "python": []}[words[0]]
    process = subprocess.Popen(
        [sys.executable, *program, *words[1:]],
        cwd=CHECKOUT,
        env=environment(
            home,
            SECRET_KEY=SECRET,
            POSDOCTOR_LOCAL="true",
            ALIVE_FILE=str(alive),
            DATABASE_URL="postgres://posdoctor@127.0.0.1:9/nothing",
            # A queue that no worker of the tests listens to.
            REDIS_URL=settings.REDIS_URL.rpartition("/")[0] + "/15",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("service", ["beat", "ticker"])
def test_a_process_is_healthy_while_it_leaves_signs_of_life(service: str, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    assert not check(service, alive), "healthy before it has done anything"
    with running(service, alive, tmp_path):
        end = time.monotonic() + STARTED_WITHIN_SECONDS
        while not alive.exists() and time.monotonic() < end:
            time.sleep(0.2)
        assert check(service, alive)
    long_ago = time.time() - 61
    os.utime(alive, (long_ago, long_ago))
    assert not check(service, alive)
