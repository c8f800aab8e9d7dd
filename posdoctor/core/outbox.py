"""Waking a worker by task name after commit. The wake-up only saves time: a sweep is the
guarantee, so a lost or refused wake-up costs nothing."""

import logging
import time
from functools import cache, partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

logger = logging.getLogger(__name__)

SEND_MAIL = "core.send_mail"
# After a refusal nobody asks again for so long: a queue that is away must not make every
# request and every sweep wait for the same timeout.
PAUSE_SECONDS = 5.0
# A queue that takes connections and does not answer would otherwise be waited for without end.
# Connections of their own, because a worker's listening must not time out.
_ANSWERS_SOON = {"socket_connect_timeout": 1, "socket_timeout": 1}


def wake(task_name: str) -> None:
    """Asks a worker to run `task_name` once the surrounding transaction is committed.

    Once a transaction, however often it is asked for.
    """
    sender = _sender(task_name)
    connection = transaction.get_connection()
    # What still stands in the list runs at commit: rolled back savepoints took theirs out.
    if all(waiting is not sender for _savepoints, waiting, *_ in connection.run_on_commit):
        transaction.on_commit(sender)


@cache
def _sender(task_name: str) -> partial[None]:
    """The same object for the same task, to be found again in the list."""
    return partial(_send, task_name)


class _Refusal:
    """Until when this process lets the queue be."""

    until = 0.0


def _send(task_name: str) -> None:
    if time.monotonic() < _Refusal.until:
        return
    try:
        connection = current_app.connection_for_write(transport_options=_ANSWERS_SOON)
        with producers[connection].acquire(block=True, timeout=1) as producer:
            current_app.send_task(task_name, producer=producer, retry=False)
    except (LimitExceeded, OperationalError, OSError) as error:
        _Refusal.until = time.monotonic() + PAUSE_SECONDS
        logger.warning("could not wake %s: %s", task_name, type(error).__name__)
