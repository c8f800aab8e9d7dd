"""Waking a worker by task name after commit. The wake-up only saves time: a sweep is the
guarantee, so a lost or refused wake-up costs nothing."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SEND_MAIL = "core.send_mail"


def wake(task_name: str) -> None:
    """Asks a worker to run `task_name` once the surrounding transaction is committed."""
    transaction.on_commit(lambda: _send(task_name))


def _send(task_name: str) -> None:
    try:
        current_app.send_task(task_name, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("could not wake %s: %s", task_name, type(error).__name__)
