"""Celery's second runner of what the ticker does."""

from celery import shared_task

from posdoctor.core import clock
from tickets import actions


@shared_task(name="tickets.sweep")
def sweep() -> None:
    """Closes silent tickets and raises reminders; may run twice, late or not at all."""
    actions.sweep(clock.now())


@shared_task(name="tickets.purge_drafts")
def purge_drafts() -> None:
    """Drops reports that were begun and never sent; phones and photos in them go too."""
    actions.purge_drafts(clock.now())
