"""Every process refuses a weak secret, and none writes a card number into its log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRONG = "Zr8Wm4Ks6Tn1Vb3Xc5Lp9Jh0Gf2Qd7Ya-for-a-probe-only"
WEB = [sys.executable, "-c", "from posdoctor.wsgi import application"]
CELERY = [sys.executable, "-m", "celery", "-A", "posdoctor"]
TICKER = [sys.executable, "manage.py", "run_ticker"]
# A broker that is not there: a process that goes on is known by its silence until the end.
NOWHERE = "redis://127.0.0.1:9/0"


def run(command: list[str], secret: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": secret,
        "ALLOWED_HOSTS": "help.posdoctor.example",
        "PUBLIC_URL": "https://help.posdoctor.example",
        "REDIS_URL": NOWHERE,
        "DATABASE_URL": "postgres://posdoctor@127.0.0.1:9/nothing",
        **more,
    }
    return subprocess.run(  # noqa: S603 - our own commands
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=40
    )


@pytest.mark.parametrize("secret", ["changeme", "changeme" * 10, "a" * 60, ""])
def test_the_web_process_refuses_a_weak_secret(secret: str) -> None:
    done = run(WEB, secret)
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_the_web_process_refuses_any_host() -> None:
    done = run(WEB, STRONG, ALLOWED_HOSTS="*")
    assert done.returncode != 0
    assert "ALLOWED_HOSTS" in done.stderr


def test_the_web_process_starts_with_a_strong_secret() -> None:
    assert run(WEB, STRONG).returncode == 0


@pytest.mark.parametrize(
    "command",
    [[*CELERY, "worker", "--pool=solo"], [*CELERY, "beat", "--pidfile="], TICKER],
    ids=["worker", "beat", "ticker"],
)
def test_the_other_processes_refuse_a_weak_secret(command: list[str], tmp_path: Path) -> None:
    more = ["--schedule", str(tmp_path / "schedule")] if "beat" in command else []
    done = run([*command, *more], "changeme")
    assert done.returncode != 0
    assert "SECRET_KEY is missing or weak" in done.stderr


PROBE = """
import logging
from posdoctor.celery import app
import django; django.setup()
app.log.setup(loglevel="INFO")
logging.getLogger("tickets").warning("card %s", "4111111111111111")
try:
    int("4111 1111 1111 1111 x")
except ValueError:
    logging.getLogger("tickets").exception("boom")
"""


def test_the_logs_of_a_worker_hold_no_card_numbers() -> None:
    done = run([sys.executable, "-c", PROBE], STRONG)
    assert "card 411111******1111" in done.stderr
    assert "ValueError" in done.stderr
    traceback = done.stderr.split("ValueError: ")[1]
    assert "1111 1111" not in traceback
