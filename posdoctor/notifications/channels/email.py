"""Mail by SMTP, straight from the delivery.

Not through the queue of invitations and password resets: that would be a second outbox, with a
state of its own that nobody could tell from a delivery's. The receiver drops a second copy by its
Message-ID, which follows from the delivery's key.
"""

import contextlib
import re
import smtplib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string
from django.utils import timezone, translation

from posdoctor.core.templatetags.pd import bcp47
from posdoctor.notifications.channels import RefusedError
from posdoctor.notifications.models import Delivery

# For each step of the conversation with the mail server.
TIMEOUT_SECONDS = 10


class EmailChannel:
    """Keeps one connection for a batch. A server that is away or hangs is asked once a batch."""

    has_key = True

    def __init__(self) -> None:
        self._connection: Any = None
        self._unreachable: OSError | None = None

    def is_noop(self, delivery: Delivery) -> bool:
        """The person switched mail off after this was planned."""
        return not delivery.recipient.has_alert_mails

    def send(self, delivery: Delivery) -> str:
        """Sends one mail in the person's language; returns its Message-ID.

        Raises RefusedError where the server refuses this recipient or this content for good.
        """
        message = compose(delivery)
        message.connection = self._opened()
        try:
            message.send()
        except Exception as error:
            # Half a conversation may be left on this connection: the next mail gets a fresh one.
            self.close()
            code = _refusal(error)
            if code:
                raise RefusedError(f"SMTP {code}") from error
            if isinstance(error, OSError) and _is_timeout(error):
                self._unreachable = error
            raise
        return str(message.extra_headers["Message-ID"])

    def close(self) -> None:
        """Says goodbye; the mails are handed over whether the server hears it or not."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):  # SMTPException is one
                connection.close()

    def _opened(self) -> Any:
        """The connection of this batch. A server that was away once, or hung, is away for all of
        it: otherwise every mail would wait for the same timeout, one after the other.
        """
        if self._unreachable is not None:
            raise self._unreachable
        if self._connection is None:
            connection = get_connection(settings.DIRECT_EMAIL_BACKEND, timeout=TIMEOUT_SECONDS)
            try:
                connection.open()
            except OSError as error:
                self._unreachable = error
                raise
            self._connection = connection
        return self._connection


def _is_timeout(error: OSError) -> bool:
    """smtplib says "disconnected" where it waited in vain for an answer."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _refusal(error: Exception) -> int:
    """The code with which the server refused this recipient or content for good, else 0.

    A refused sender or sign-in is not among them: that is the installation's mistake, and the
    mails wait until it is mended.
    """
    codes: list[int] = []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _words in error.recipients.values()]
    elif isinstance(error, smtplib.SMTPDataError):
        codes = [error.smtp_code]
    return codes[0] if codes and all(500 <= code < 600 for code in codes) else 0


def message_id(delivery: Delivery) -> str:
    """`<key@host>`: the same at every attempt, whoever sends it."""
    return f"<{delivery.key}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def compose(delivery: Delivery) -> EmailMultiAlternatives:
    """The mail of a delivery: subject, text and HTML in the recipient's language."""
    person = delivery.recipient
    with (
        translation.override(person.language),
        timezone.override(delivery.provider.time_zone),
    ):
        context = {
            **delivery.facts,
            "provider": delivery.provider,
            "url": settings.PUBLIC_URL + delivery.url,
        }
        name = f"emails/notice/{delivery.kind}"
        # A title may hold a line break, a header may not.
        subject = " ".join(render_to_string(f"{name}.subject.txt", context).split())
        message = EmailMultiAlternatives(
            subject=subject,
            body=_tidy(render_to_string(f"{name}.txt", context)),
            to=[person.email],
            headers={
                "Message-ID": message_id(delivery),
                "Auto-Submitted": "auto-generated",  # no out-of-office answers
                "Content-Language": bcp47(translation.get_language() or settings.LANGUAGE_CODE),
            },
        )
        page = _tidy(render_to_string(f"{name}.html", context))
        message.attach_alternative(page, "text/html")
    return message


def _tidy(text: str) -> str:
    """Without the empty lines that tags leave."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
