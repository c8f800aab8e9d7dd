"""Celery's senders. The ticker process is the other runner (`drain_overdue`)."""

from celery import shared_task

from posdoctor.core import clock
from posdoctor.notifications import actions


@shared_task(name=actions.DELIVER)
def deliver() -> None:
    """Sends what is due; may run twice, late or not at all."""
    actions.drain()


@shared_task(name="notifications.purge")
def purge() -> None:
    """Drops deliveries that nobody needs any more. If it stops, the table grows."""
    actions.purge(now=clock.now())
