"""Celery's part of the diagnosis: what is too slow for a request."""

from celery import shared_task

from diagnostics.actions import comparing, logs, trees
from posdoctor.core import clock


@shared_task(name=trees.COMPILE, soft_time_limit=100, time_limit=120)
def compile_trees() -> None:
    """Compiles flows for classes of terminals; woken by the first run of a class, and swept."""
    trees.compile_wanted(clock.now())


@shared_task(name=comparing.COMPARE, soft_time_limit=200, time_limit=240)
def compare_drafts() -> None:
    """Works out what a draft would change for merchants; woken by its author, and swept."""
    comparing.compare_wanted(clock.now())


@shared_task(name="diagnostics.purge")
def purge() -> None:
    """Drops what logs said half a year ago, and trees of kinds of terminals of last quarter."""
    now = clock.now()
    logs.purge_logs(now=now)
    trees.purge_trees(now=now)
