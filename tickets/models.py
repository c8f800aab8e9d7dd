"""Ticket, its events, conversation and attachments, and the draft of a report."""

import secrets

from django.contrib.postgres.indexes import GinIndex
from django.core.files.storage import storages
from django.db import models
from django.utils.translation import pgettext_lazy

from diagnostics.models import DiagnosisRun
from merchants.models import Merchant, Store
from posdoctor.accounts.models import Provider, Team, User
from posdoctor.core.fields import FreeCharField, FreeTextField
from posdoctor.core.refs import new_ref
from terminals.models import Terminal
from tickets.events import EventKind
from tickets.lifecycle import (
    ENDED,
    MERCHANT_WORDS,
    Certainty,
    FixedBy,
    Impact,
    Priority,
    Proof,
    TicketStatus,
    WaitFor,
)
from tickets.querysets import (
    AttachmentQuerySet,
    MessageQuerySet,
    TicketEventQuerySet,
    TicketQuerySet,
    TriedFixQuerySet,
)
from tickets.sla import models as sla  # noqa: F401 - lets Django find the tables of the clocks


def ticket_ref() -> str:
    """A fresh `T-` reference."""
    return new_ref("T", 6)


def track_token() -> str:
    """The unguessable part of a status link (132 bits)."""
    return secrets.token_urlsafe(16)


def attachment_key() -> str:
    """The public id of an attachment (132 bits); the file on disk bears it too."""
    return secrets.token_urlsafe(16)


def attachment_path(attachment: "Attachment", _name: str) -> str:
    """Where the file lies below MEDIA_ROOT: random, never the sender's name."""
    return f"attachments/{attachment.key[:2]}/{attachment.key}{attachment.extension}"


class Ticket(models.Model):
    """A merchant's report and the work on it until it is confirmed."""

    class Source(models.TextChoices):
        STICKER = "sticker", pgettext_lazy("source", "Sticker")
        PHONE = "phone", pgettext_lazy("source", "Phone")
        FOLLOW_UP = "follow_up", pgettext_lazy("source", "Follow-up")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="tickets")
    ref = models.CharField(max_length=10, default=ticket_ref)
    track_token = models.CharField(max_length=24, default=track_token)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="tickets")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="tickets")
    terminal = models.ForeignKey(Terminal, on_delete=models.PROTECT, related_name="tickets")
    # One report per walk: the second tap finds the first one's ticket.
    run = models.OneToOneField(
        DiagnosisRun, on_delete=models.PROTECT, related_name="ticket", null=True
    )
    symptom = models.CharField(max_length=40, blank=True)
    title = FreeCharField(max_length=160)
    source = models.CharField(max_length=10, choices=Source.choices)
    language = models.CharField(max_length=10, default="zh-hans")
    status = models.CharField(max_length=14, choices=TicketStatus.choices, default=TicketStatus.NEW)
    priority = models.CharField(max_length=8, choices=Priority.choices)
    impact = models.CharField(max_length=4, choices=Impact.choices)
    terminals_down = models.PositiveSmallIntegerField(default=1)
    is_security = models.BooleanField(default=False)
    contact_name = FreeCharField(max_length=60, blank=True)
    contact_phone = models.CharField(max_length=20)
    assignee = models.ForeignKey(
        User, on_delete=models.SET_NULL, related_name="tickets", null=True, blank=True
    )
    team = models.ForeignKey(
        Team, on_delete=models.SET_NULL, related_name="tickets", null=True, blank=True
    )
    wait_for = models.CharField(max_length=20, choices=WaitFor.choices, blank=True)
    remind_at = models.DateTimeField(null=True, blank=True)
    # Set when somebody at the desk has to look: the merchant wrote, a reminder came.
    attention_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    first_reply_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField()
    last_words = FreeCharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    reopened_count = models.PositiveSmallIntegerField(default=0)
    # The resolution: what it was, how sure, who fixed it, how that was seen.
    cause = models.CharField(max_length=60, blank=True)
    certainty = models.CharField(max_length=5, choices=Certainty.choices, blank=True)
    fixed_by = models.CharField(max_length=20, choices=FixedBy.choices, blank=True)
    proof = models.CharField(max_length=10, choices=Proof.choices, blank=True)
    resolution_note = FreeTextField(blank=True)
    previous = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="follow_ups", null=True, blank=True
    )
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="merged_tickets", null=True, blank=True
    )

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="tickets_ticket_ref"),
            models.UniqueConstraint(fields=["track_token"], name="tickets_track_token"),
            models.UniqueConstraint(fields=["provider", "id"], name="tickets_ticket_tenant"),
            models.CheckConstraint(
                condition=models.Q(status__in=TicketStatus.values), name="tickets_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["resolved", "closed"], resolved_at__isnull=False)
                | (
                    ~models.Q(status__in=["resolved", "closed"])
                    & models.Q(resolved_at__isnull=True)
                ),
                name="tickets_resolved_at",
            ),
            # Cause, certainty, fixer and proof teach the diagnosis: none may be missing.
            models.CheckConstraint(
                condition=~models.Q(status__in=["resolved", "closed"])
                | ~(
                    models.Q(cause="")
                    | models.Q(certainty="")
                    | models.Q(fixed_by="")
                    | models.Q(proof="")
                ),
                name="tickets_resolution_complete",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["wait_merchant", "wait_vendor"])
                | models.Q(wait_for=""),
                name="tickets_wait_for",
            ),
        ]
        indexes = [
            # Read by the inbox and its counts.
            models.Index(
                fields=["provider", "assignee", "status"],
                condition=~models.Q(status__in=["closed", "cancelled", "merged"]),
                name="tickets_inbox",
            ),
            # Read by "all tickets", newest first.
            models.Index(fields=["provider", "-opened_at"], name="tickets_newest"),
            models.Index(fields=["terminal", "-opened_at"], name="tickets_of_terminal"),
            models.Index(fields=["merchant", "-opened_at"], name="tickets_of_merchant"),
            # Read by the supervisors' page: what was fixed in the last days.
            models.Index(
                fields=["provider", "resolved_at"],
                condition=models.Q(resolved_at__isnull=False),
                name="tickets_fixed",
            ),
            # Read by the sweep that closes silent ones.
            models.Index(
                fields=["resolved_at"],
                condition=models.Q(status="resolved"),
                name="tickets_silent",
            ),
            # Read by the sweep of reminders.
            models.Index(
                fields=["remind_at"],
                condition=models.Q(remind_at__isnull=False),
                name="tickets_reminders",
            ),
            # Read by the desk's search: any part of a phone number.
            GinIndex(
                fields=["contact_phone"], opclasses=["gin_trgm_ops"], name="tickets_phone_trgm"
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def merchant_status(self) -> str:
        """The status in the merchant's words."""
        return str(MERCHANT_WORDS[TicketStatus(self.status)])

    @property
    def has_ended(self) -> bool:
        """Resolved, closed, cancelled or merged."""
        return self.status in ENDED


class TicketEvent(models.Model):
    """One thing that happened: append-only; time line, audit and outbox at once."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=30, choices=EventKind.choices)
    actor_user_id = models.BigIntegerField(null=True)
    actor_name = FreeCharField(max_length=80, blank=True)
    actor_role = models.CharField(max_length=20)
    via = models.CharField(max_length=10)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)

    objects = TicketEventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["ticket", "occurred_at"], name="tickets_event_time_line"),
            # Read by the dispatcher of notifications; holds only what is not sent yet.
            models.Index(
                fields=["id"],
                condition=models.Q(dispatched_at__isnull=True),
                name="tickets_event_outbox",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at:%Y-%m-%d %H:%M}"


class Message(models.Model):
    """A conversation entry: the merchant's words, a public reply, or an internal note."""

    class Kind(models.TextChoices):
        MERCHANT = "merchant", pgettext_lazy("message", "Merchant")
        REPLY = "reply", pgettext_lazy("message", "Reply")
        NOTE = "note", pgettext_lazy("message", "Internal note")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    author = models.ForeignKey(
        User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True
    )
    author_name = FreeCharField(max_length=80, blank=True)
    body = FreeTextField(blank=True)
    created_at = models.DateTimeField()

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "id"], name="tickets_message_tenant")
        ]
        indexes = [models.Index(fields=["ticket", "created_at"], name="tickets_conversation")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"


class ReportDraft(models.Model):
    """What a merchant typed on the way to a report; gone once it is filed."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    run = models.OneToOneField(DiagnosisRun, on_delete=models.CASCADE, related_name="draft")
    contact_name = FreeCharField(max_length=60, blank=True)
    contact_phone = models.CharField(max_length=20, blank=True)
    impact = models.CharField(max_length=4, choices=Impact.choices, blank=True)
    terminals_down = models.PositiveSmallIntegerField(default=1)
    note = FreeTextField(blank=True)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"draft of {self.run_id}"


class Attachment(models.Model):
    """A photo or text file, cleaned on the way in, served only after a permission check."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=24, default=attachment_key, unique=True)
    ticket = models.ForeignKey(
        Ticket, on_delete=models.CASCADE, related_name="attachments", null=True
    )
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="attachments", null=True
    )
    draft = models.ForeignKey(
        ReportDraft, on_delete=models.SET_NULL, related_name="attachments", null=True
    )
    file = models.FileField(upload_to=attachment_path, storage=storages["default"], max_length=120)
    name = FreeCharField(max_length=120)
    content_type = models.CharField(max_length=60)
    extension = models.CharField(max_length=8)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ticket__isnull=False) | models.Q(message__isnull=True),
                name="tickets_attachment_home",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_image(self) -> bool:
        """Shown as a picture."""
        return self.content_type.startswith("image/")


class TriedFix(models.Model):
    """A fix of the flow that staff tried for a ticket, and whether it worked: the last say.

    The only view that learning has of fixes which the diagnosis itself does not try.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="tried_fixes")
    # Of the flow that the ticket's run walked.
    step_id = models.CharField(max_length=60)
    worked = models.BooleanField()
    tried_at = models.DateTimeField()
    tried_by_id = models.BigIntegerField(null=True)
    tried_by_name = FreeCharField(max_length=80, blank=True)

    objects = TriedFixQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two clicks on the same button are one try.
            models.UniqueConstraint(fields=["ticket", "step_id"], name="tickets_tried_fix_once")
        ]

    def __str__(self) -> str:
        return f"{self.step_id}: {'worked' if self.worked else 'did not work'}"
