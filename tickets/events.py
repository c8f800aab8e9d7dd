"""Kinds of ticket events: past tense; one row is time line, audit and outbox at once."""

from django.db import models
from django.utils.translation import pgettext_lazy


class EventKind(models.TextChoices):
    """What happened; the label is the time line's line for staff."""

    REPORTED = "ticket.reported", pgettext_lazy("event", "Report filed")
    OPENED = "ticket.opened", pgettext_lazy("event", "Taken up")
    ASSIGNED = "ticket.assigned", pgettext_lazy("event", "Assigned")
    REPLIED = "ticket.replied", pgettext_lazy("event", "Replied")
    NOTED = "ticket.noted", pgettext_lazy("event", "Note saved")
    MERCHANT_WROTE = "ticket.merchant_wrote", pgettext_lazy("event", "Merchant wrote")
    WAITING = "ticket.waiting", pgettext_lazy("event", "Waiting")
    RESUMED = "ticket.resumed", pgettext_lazy("event", "Work resumed")
    REMINDED = "ticket.reminded", pgettext_lazy("event", "Reminder due")
    DISPATCHED = "ticket.dispatched", pgettext_lazy("event", "Engineer booked")
    ARRIVED = "ticket.arrived", pgettext_lazy("event", "Engineer on site")
    LEFT = "ticket.left", pgettext_lazy("event", "Back to the desk")
    FIX_TRIED = "ticket.fix_tried", pgettext_lazy("event", "Fix tried")
    FIX_TAKEN_BACK = "ticket.fix_taken_back", pgettext_lazy("event", "Entry about a fix taken back")
    RESOLVED = "ticket.resolved", pgettext_lazy("event", "Resolved")
    CONFIRMED = "ticket.confirmed", pgettext_lazy("event", "Merchant confirmed")
    CLOSED = "ticket.closed", pgettext_lazy("event", "Closed after three days without a word")
    REOPENED = "ticket.reopened", pgettext_lazy("event", "Reopened")
    CANCELLED = "ticket.cancelled", pgettext_lazy("event", "Cancelled")
    MERGED = "ticket.merged", pgettext_lazy("event", "Merged")
    PRIORITY_CHANGED = "ticket.priority_changed", pgettext_lazy("event", "Priority changed")
    CONTACT_REVEALED = "ticket.contact_revealed", pgettext_lazy("event", "Phone number shown")
    FOLLOWED_UP = "ticket.followed_up", pgettext_lazy("event", "Follow-up report filed")
