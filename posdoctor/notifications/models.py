"""Delivery: one alert or event to one person by one channel."""

import uuid
from typing import Any

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.translation import pgettext_lazy

from posdoctor.accounts.models import Provider, User
from posdoctor.core.fields import FreeJSONField
from posdoctor.notifications.querysets import NEEDS_A_PERSON, OPEN, DeliveryQuerySet

NAMESPACE = uuid.UUID("5d2c0f4e-6f0b-5a57-9a61-0f6f3c7f7f10")


class Channel(models.TextChoices):
    """How people hear of something."""

    IN_APP = "in_app", pgettext_lazy("channel", "Inside POSDoctor")
    EMAIL = "email", pgettext_lazy("channel", "Email")


class DeliveryState(models.TextChoices):
    """Where a delivery stands. `sending` is held by one sender until its lease ends."""

    PENDING = "pending", pgettext_lazy("delivery", "Waiting to be sent")
    SENDING = "sending", pgettext_lazy("delivery", "Being sent")
    SENT = "sent", pgettext_lazy("delivery", "Sent")
    DEAD = "dead", pgettext_lazy("delivery", "Given up")
    # The sender died with a channel that has no key: sent or not, nobody knows.
    AMBIGUOUS = "ambiguous", pgettext_lazy("delivery", "Perhaps sent")
    CANCELLED = "cancelled", pgettext_lazy("delivery", "Cancelled")


def delivery_key(source: str, recipient_id: int, channel: str) -> uuid.UUID:
    """The same for the same delivery, whoever plans or sends it: what receivers tell twins by."""
    return uuid.uuid5(NAMESPACE, f"{source}\n{recipient_id}\n{channel}")


class Delivery(models.Model):
    """One row per source, person and channel. In the product the row is the delivery itself.

    `source` names the alert or event for whoever planned it and means nothing here. While a
    sender holds the row, `next_attempt_at` is the end of its lease: one index finds both what
    is due and what a dead sender left.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    key = models.UUIDField(unique=True)
    data = FreeJSONField(default=dict)
    url = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=DeliveryState.choices)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    provider_ref = models.CharField(max_length=255, blank=True)
    last_error = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            # A plan that is repeated, or made twice at once, tells nobody twice.
            models.UniqueConstraint(
                fields=["source", "recipient", "channel"], name="notifications_delivery_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=DeliveryState.values),
                name="notifications_delivery_state",
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values),
                name="notifications_delivery_channel",
            ),
            # Inside the product the row is the delivery: nobody ever sends it.
            models.CheckConstraint(
                condition=~models.Q(channel="in_app") | models.Q(state="sent"),
                name="notifications_delivery_in_app",
            ),
            models.CheckConstraint(
                condition=models.Q(state="sent", sent_at__isnull=False)
                | (~models.Q(state="sent") & models.Q(sent_at__isnull=True)),
                name="notifications_delivery_sent_at",
            ),
            # A held row without an end of its lease would be held for ever.
            models.CheckConstraint(
                condition=models.Q(state="sending", lease_until__isnull=False)
                | (~models.Q(state="sending") & models.Q(lease_until__isnull=True)),
                name="notifications_delivery_lease",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OPEN, next_attempt_at__isnull=False)
                | ~models.Q(state__in=OPEN),
                name="notifications_delivery_next",
            ),
            # SECURITY: mails and lists link to it: a path of this site, never another host.
            models.CheckConstraint(
                condition=models.Q(url__startswith="/") & ~models.Q(url__startswith="//"),
                name="notifications_delivery_url",
            ),
        ]
        indexes = [
            # Read by every sender, several times a minute; holds only what is not done.
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state__in=OPEN),
                name="notifications_delivery_due",
            ),
            # Read by every page of the desk: the number beside the bell.
            models.Index(
                fields=["recipient", "provider"],
                condition=models.Q(channel="in_app", read_at__isnull=True),
                name="notifications_delivery_unread",
            ),
            # Read by a person's list.
            models.Index(
                fields=["recipient", "provider", "-created_at", "-id"],
                condition=models.Q(channel="in_app"),
                name="notifications_delivery_list",
            ),
            # Read by the page of what is stuck.
            models.Index(
                fields=["provider", "-created_at"],
                condition=models.Q(state__in=[*OPEN, *NEEDS_A_PERSON]),
                name="notifications_delivery_stuck",
            ),
            # Read by that page's totals and by the nightly purge.
            models.Index(fields=["provider", "-created_at"], name="notifications_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {self.state}"

    @property
    def line_template(self) -> str:
        """The template of its line in a list."""
        return f"notifications/kinds/{self.kind}.html"

    @property
    def words_template(self) -> str:
        """The template of what happened, in one line of plain text."""
        return f"notifications/words/{self.kind}.txt"

    @property
    def facts(self) -> dict[str, Any]:
        """`data` for templates: what ends in `_at` is a moment, not its ISO text."""
        return {
            name: _moment(value) if name.endswith("_at") else value
            for name, value in self.data.items()
        }


def _moment(value: Any) -> Any:
    return parse_datetime(value) if isinstance(value, str) else value
