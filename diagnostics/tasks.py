"""Celery's part of the diagnosis: what is too slow for a request."""

from celery import shared_task

from diagnostics.actions import trees
from posdoctor.core import clock


@shared_task(name=trees.COMPILE, soft_time_limit=100, time_limit=120)
def compile_trees() -> None:
    """Compiles flows for classes of terminals; woken by the first run of a class, and swept."""
    trees.compile_wanted(clock.now())
