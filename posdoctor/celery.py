"""The task queue: the Celery application and the schedule of beat.

The queue may lose everything at any time. What must happen is a row in PostgreSQL that a sweep
finds; the schedule only says how soon.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import MutableMapping
from contextvars import Token
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import (
    after_task_publish,
    beat_init,
    before_task_publish,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
)
from django.core.exceptions import ImproperlyConfigured

from posdoctor.core import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "posdoctor.settings")

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Tasks of this process that are under way: what their log lines were tied to before, and since
# when (monotonic seconds) they run.
_running: dict[str, tuple[Token[request_id.Context], float]] = {}

app = Celery("posdoctor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# A task that waited longer than its own period is dropped: the next one does the same work.
app.conf.beat_schedule = {
    # Second runner of what the ticker does every 5 s. Without it clocks stop when the ticker does.
    "tickets.sweep": {"task": "tickets.sweep", "schedule": 15, "options": {"expires": 15}},
    # Second runner of the tick, in a queue of its own so that no mail keeps it waiting.
    "tickets.tick_clocks": {
        "task": "tickets.tick_clocks",
        "schedule": 15,
        "options": {"expires": 15, "queue": "clocks"},
    },
    # Finds what contradicts the rules of the clocks. Without it a fault stays unseen.
    "tickets.audit_clocks": {
        "task": "tickets.audit_clocks",
        "schedule": 300,
        "options": {"expires": 300},
    },
    # Events wake their own dispatch; this finds what was recorded while Redis was down.
    "tickets.dispatch_events": {
        "task": "tickets.dispatch_events",
        "schedule": 15,
        "options": {"expires": 15},
    },
    # Alerts leave when they are planned; this sends what was planned while Redis was down and
    # repeats what failed. The ticker process is the second runner.
    "notifications.deliver": {
        "task": "notifications.deliver",
        "schedule": 15,
        "options": {"expires": 15},
    },
    # Mails are sent when they are queued; this sends what was queued while Redis was down and
    # repeats what failed. Without it those mails stay.
    "core.send_mail": {"task": "core.send_mail", "schedule": 20, "options": {"expires": 20}},
    # Compiles flows for classes of terminals; the first run of a class wakes it. Without it steps
    # are worked out live.
    "diagnostics.compile_trees": {
        "task": "diagnostics.compile_trees",
        "schedule": 60,
        "options": {"expires": 60},
    },
    # Works out minutes and first steps of drafts; whoever asks wakes it. Without it a comparison
    # that was asked for while Redis was down never comes.
    "diagnostics.compare_drafts": {
        "task": "diagnostics.compare_drafts",
        "schedule": 60,
        "options": {"expires": 60},
    },
    # Learns causes, answers and cures from closed cases, at night in China; what is done is not
    # due again. Without it the diagnosis keeps the numbers it has.
    "tickets.learn": {
        "task": "tickets.learn",
        "schedule": crontab(hour="18", minute="10"),  # UTC
        "options": {"expires": 3600},
    },
    # Drops reports that were begun and never sent. Without it phones and photos pile up.
    "tickets.purge_drafts": {
        "task": "tickets.purge_drafts",
        "schedule": crontab(hour="19", minute="45"),  # UTC
        "options": {"expires": 3600},
    },
    # Drops what logs said half a year ago, and old trees. Without it tables grow.
    "diagnostics.purge": {
        "task": "diagnostics.purge",
        "schedule": crontab(hour="19", minute="55"),  # UTC
        "options": {"expires": 3600},
    },
    # Drops deliveries of three months ago. Without it the table grows.
    "notifications.purge": {
        "task": "notifications.purge",
        "schedule": crontab(hour="19", minute="50"),  # UTC
        "options": {"expires": 3600},
    },
    # Drops what nobody needs any more, at night in China. Without it tables grow.
    "core.purge": {
        "task": "core.purge",
        "schedule": crontab(hour="19", minute="30"),  # UTC
        "options": {"expires": 3600},
    },
}


@worker_init.connect
@beat_init.connect
def refuse_unsafe_settings(**_sender: object) -> None:
    """Ends a process that would run on a weak secret."""
    from posdoctor.core import checks  # noqa: PLC0415 - needs the loaded settings

    try:
        checks.refuse_unsafe_settings()
    except ImproperlyConfigured as error:
        # Celery logs what a receiver raises and goes on; an exit it lets through.
        sys.exit(str(error))


@setup_logging.connect
def keep_our_logs(loglevel: int | str | None = None, **_sender: object) -> None:
    """Leaves logging to the settings, whose handler masks card data.

    SECURITY: without a receiver Celery puts a handler of its own in its place.
    """
    if loglevel:
        logging.getLogger("celery").setLevel(loglevel)


@heartbeat_sent.connect
def report_worker(**_sender: object) -> None:
    """Tells /readyz every two seconds that this worker takes tasks."""
    # Celery loads this module before Django has loaded the models that health reads.
    from posdoctor.core import health  # noqa: PLC0415

    health.report_worker()


@beat_init.connect
def report_beat(**_sender: object) -> None:
    """Lets beat leave a sign of life whenever it has handed a task to the queue."""
    from posdoctor.core import health  # noqa: PLC0415 - as above

    def _published(**_sender: object) -> None:
        health.report_alive()

    after_task_publish.connect(_published, weak=False)


@before_task_publish.connect
def hand_on_request_id(headers: MutableMapping[str, Any] | None = None, **_sender: object) -> None:
    """Ties a task to the request that woke it; beat's tasks get an id each."""
    if headers is not None:
        headers[request_id.TASK_HEADER] = request_id.current().request_id or request_id.new()


@task_prerun.connect
def begin_task(task_id: str, task: Any, **_sender: object) -> None:
    """Puts id and task into every line that the task writes."""
    handed_on = task.request.get(request_id.TASK_HEADER)
    _running[task_id] = request_id.begin_task(task.name, handed_on), time.monotonic()


@task_postrun.connect
def end_task(task_id: str, task: Any, state: str | None = None, **_sender: object) -> None:
    """Counts the task for /metrics."""
    token, started = _running.pop(task_id)
    # Celery loads this module before Django has loaded the settings that health reads.
    from posdoctor.core import health  # noqa: PLC0415

    health.report_task(task.name, state=state or "UNKNOWN", seconds=time.monotonic() - started)
    request_id.end_task(token)


@worker_process_init.connect
def die_with_worker(**_sender: object) -> None:
    """Lets the kernel end a pool process whose worker was killed (Linux only).

    Its task is given to another worker meanwhile; going on would do the work twice.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
