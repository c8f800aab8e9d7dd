"""What people can be told. Each kind has a line and a mail, written in both languages.

A kind is the name of its templates: `notifications/kinds/<kind>.html` for the list,
`emails/notice/<kind>.subject.txt`, `.txt` and `.html` for the mail. What their data hold stands
at the head of the list's template.
"""

from django.db import models


class Kind(models.TextChoices):
    """A clock's level, or something that happened to a ticket."""

    CLOCK_LEVEL = "clock.level"
    TICKET_ASSIGNED = "ticket.assigned"
    TICKET_MERCHANT_WROTE = "ticket.merchant_wrote"
    TICKET_REOPENED = "ticket.reopened"
    TICKET_REMINDED = "ticket.reminded"
