"""The queue's application: known to every process, with a schedule of tasks that exist."""

import subprocess
import sys

import pytest
from celery.schedules import crontab

from posdoctor.celery import app
from posdoctor.embedded.home import CHECKOUT
from tests.embedded.conftest import environment


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {"tickets.tick_clocks", "tickets.sweep", "core.send_mail", "core.purge"} <= scheduled
    assert scheduled <= set(app.tasks)


def test_a_task_that_waited_longer_than_its_period_is_dropped() -> None:
    for name, entry in app.conf.beat_schedule.items():
        expires = entry["options"]["expires"]
        if isinstance(entry["schedule"], crontab):
            assert expires < 24 * 3600, name
        else:
            assert expires <= entry["schedule"], name


def test_a_process_that_only_sends_knows_the_application_and_all_its_tasks(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    probe = (
        "from celery import current_app as app; app.loader.import_default_modules();"
        "print(app.main, {e['task'] for e in app.conf.beat_schedule.values()} <= set(app.tasks))"
    )
    secret = "Zr8Wm4Ks6Tn1Vb3Xc5Lp9Jh0Gf2Qd7Ya-for-a-probe-only"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", probe],
        cwd=CHECKOUT,
        env=environment(tmp_path_factory.mktemp("home"), SECRET_KEY=secret, POSDOCTOR_LOCAL="true"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "posdoctor True\n", done.stderr
