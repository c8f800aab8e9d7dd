"""Nightly cleaning of the kernel's tables."""

from celery import shared_task
from django.core.management import call_command

from posdoctor.core import clock, doors


@shared_task(name="core.purge")
def purge() -> None:
    """Drops old door counts, ended sign-in sessions and mails sent 30 days ago.

    If it stops, tables grow; nothing else depends on it.
    """
    doors.purge(now=clock.now())
    call_command("clearsessions")
    call_command("cleanup_mail", days=30, verbosity=0)
