"""Deeds on deliveries: planning, cancelling.

Who hears of what is decided by whoever plans. Redis and Celery only make it sooner.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from posdoctor.accounts.models import Seat
from posdoctor.core.outbox import wake
from posdoctor.notifications.kinds import Kind
from posdoctor.notifications.models import Channel, Delivery, DeliveryState, delivery_key

DELIVER = "notifications.deliver"
CHANNELS = (Channel.IN_APP, Channel.EMAIL)
# Why a delivery was cancelled or given up; for people who look after the installation.
NO_LONGER_WANTED = "no longer wanted"


def plan(
    *,
    provider_id: int,
    source: str,
    kind: str,
    recipients: Iterable[int],
    data: Mapping[str, Any],
    url: str,
    now: datetime,
    expires_at: datetime | None = None,
    channels: Iterable[str] = CHANNELS,
) -> int:
    """Tells people of one alert or event; returns how many deliveries were new.

    Call it inside the transaction of the source: then both exist or neither. Safe to repeat: one
    source reaches a person once by each channel. `recipients` are user ids; SECURITY: whoever
    has no usable seat in this provider is left out. Mail is left out for people who switched it
    off. `data` holds plain values (texts, numbers, ISO times) as the kind's templates name them;
    `url` is a path of this site. Past `expires_at` nothing is mailed any more.
    """
    kind = Kind(kind)
    if not url.startswith("/") or url.startswith("//"):
        raise ValueError(f"not a path of this site: {url}")
    wanted = [Channel(channel) for channel in channels]
    people = Seat.objects.active().filter(provider_id=provider_id, user_id__in=set(recipients))
    rows = [
        _new(channel, user_id, provider_id=provider_id, source=source, kind=kind,
             data=dict(data), url=url, created_at=now, expires_at=expires_at)
        for user_id, has_mail in people.values_list("user_id", "user__has_alert_mails")
        for channel in wanted
        if channel != Channel.EMAIL or has_mail
    ]  # fmt: skip
    known = set(
        Delivery.objects.filter(key__in=[row.key for row in rows]).values_list("key", flat=True)
    )
    fresh = [row for row in rows if row.key not in known]
    # Another planner may insert the same between the two lines: the constraint drops one of them.
    Delivery.objects.bulk_create(fresh, ignore_conflicts=True)
    if any(row.state == DeliveryState.PENDING for row in fresh):
        wake(DELIVER)
    return len(fresh)


def _new(channel: Channel, user_id: int, **fields: Any) -> Delivery:
    """A row that is due at once; inside the product it is sent by being there."""
    is_here = channel == Channel.IN_APP
    return Delivery(
        channel=channel,
        recipient_id=user_id,
        key=delivery_key(fields["source"], user_id, channel),
        state=DeliveryState.SENT if is_here else DeliveryState.PENDING,
        sent_at=fields["created_at"] if is_here else None,
        next_attempt_at=None if is_here else fields["created_at"],
        **fields,
    )


def cancel_unsent(sources: Iterable[str], now: datetime) -> int:
    """Takes back what these sources have not sent yet; returns how many.

    What a sender holds at this moment goes out. What stands in people's lists stays there.
    """
    of_these = Delivery.objects.filter(source__in=list(sources))
    held_by_nobody = Q(state=DeliveryState.PENDING) | Q(
        state=DeliveryState.SENDING, lease_until__lte=now
    )
    return of_these.filter(held_by_nobody).update(
        state=DeliveryState.CANCELLED,
        next_attempt_at=None,
        lease_until=None,
        last_error=NO_LONGER_WANTED,
    )
