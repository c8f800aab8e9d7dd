"""Queued mail, and the nightly cleaning of the kernel's tables."""

from celery import shared_task
from django.core.management import call_command
from post_office.mail import send_queued_mail_until_done

from posdoctor.core import clock, doors
from posdoctor.core.api import idempotency


@shared_task(name="core.send_mail")
def send_mail() -> None:
    """Sends what is queued; a lock of its own lets overlapping runs do no harm.

    If it stops, invitations and password resets stay in the queue.
    """
    send_queued_mail_until_done()


@shared_task(name="core.purge")
def purge() -> None:
    """Drops old door counts, kept answers of the API, ended sessions, mails sent 30 days ago.

    If it stops, tables grow; nothing else depends on it.
    """
    now = clock.now()
    doors.purge(now=now)
    idempotency.purge(now=now)
    call_command("clearsessions")
    call_command("cleanup_mail", days=30, verbosity=0)
