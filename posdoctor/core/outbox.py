"""Waking a worker by task name after commit. The wake-up only saves time: a sweep is the
guarantee, so a lost or refused wake-up costs nothing."""

import logging
import time

from celery import current_app
from django.db import transaction
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

logger = logging.getLogger(__name__)

SEND_MAIL = "core.send_mail"
# Whoever wakes stands in the middle of a request or of a sweep: one attempt, a second at most.
# Left to itself the client would try for six seconds, and wait for a silent server for ever.
_HURRY = {"max_retries": 0, "socket_connect_timeout": 1, "socket_timeout": 1}
# Nobody is asked for so long after a failure: one sweep may wake a hundred times.
REST_SECONDS = 5.0


class _Rest:
    """Until when (monotonic seconds) this process lets the queue alone."""

    until = 0.0


def wake(task_name: str) -> None:
    """Asks a worker to run `task_name` once the surrounding transaction is committed."""
    transaction.on_commit(lambda: _send(task_name))


def _send(task_name: str) -> None:
    if time.monotonic() < _Rest.until:
        return
    try:
        connection = current_app.connection_for_write(transport_options=_HURRY)
        with producers[connection].acquire(block=True, timeout=1) as producer:
            current_app.send_task(task_name, producer=producer, retry=False)
    except (LimitExceeded, OperationalError, OSError) as error:
        _Rest.until = time.monotonic() + REST_SECONDS
        logger.warning("could not wake %s: %s", task_name, type(error).__name__)
