"""Deeds on deliveries: planning, cancelling, sending, reading, trying again.

Who hears of what is decided by whoever plans. Redis and Celery only make it sooner.
"""

import logging
import smtplib
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent, Seat
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import clock
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.outbox import wake
from posdoctor.notifications.channels import OpenChannels, RefusedError, channel_class
from posdoctor.notifications.kinds import Kind
from posdoctor.notifications.models import Channel, Delivery, DeliveryState, delivery_key
from posdoctor.notifications.rules import LEASE, is_last, pause_after

logger = logging.getLogger(__name__)

Now = Callable[[], datetime]

DELIVER = "notifications.deliver"
CHANNELS = (Channel.IN_APP, Channel.EMAIL)
BATCH = 20
# Below the worker's time limit of a task.
DRAIN_SECONDS = 30.0
# What is due for longer than this was missed by the worker: the ticker process takes it.
OVERDUE = timedelta(seconds=15)
KEPT = timedelta(days=90)
RETRIABLE = frozenset({DeliveryState.DEAD, DeliveryState.AMBIGUOUS, DeliveryState.PENDING})
# Why a delivery was cancelled or is unclear; for people who look after the installation.
NO_LONGER_WANTED = "no longer wanted"
EXPIRED = "too late"
NO_SEAT = "no access any more"
SWITCHED_OFF = "switched off"
LOST = "sender died"


# --- Planning ------------------------------------------------------------------------


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
    seats = Seat.objects.active().filter(provider_id=provider_id, user_id__in=set(recipients))
    # In order: two planners of the same source wait for one another instead of in a circle.
    people = seats.order_by("user_id")
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


# --- Sending -------------------------------------------------------------------------


def deliver_due(
    now_source: Now = clock.now, limit: int = BATCH, *, seconds: float = DRAIN_SECONDS
) -> int:
    """Sends what is due, at most `limit` deliveries; returns how many it took up.

    Begins with none after `seconds`: what is left of the batch goes back as it came.

    1. Claim: rows become `sending` with a lease, and the transaction ends. Other senders skip them.
    2. Before each one the lease is renewed; a row that somebody else holds by now is left alone.
    3. Cancel what came too late or reaches nobody any more.
    4. Send, outside any transaction, with the key.
    5. Only then mark as sent. A death between 4 and 5 sends once more with the same key, and the
       receiver drops the copy; the other order would lose it without a trace.

    Any number of senders may run, and be killed, at any point.
    """
    end = time.monotonic() + seconds
    claimed = _claim(now_source(), limit)
    with OpenChannels() as channels:
        for delivery in claimed:
            if time.monotonic() < end:
                _deliver(delivery, channels, now_source)
            else:
                _give_back(delivery, now_source())
    return len(claimed)


def drain(now_source: Now = clock.now, *, seconds: float = DRAIN_SECONDS) -> int:
    """Sends batch after batch until nothing is due or the time is up; returns how many."""
    end = time.monotonic() + seconds
    total = 0
    while (left := end - time.monotonic()) > 0:
        taken = deliver_due(now_source, seconds=left)
        total += taken
        if taken < BATCH:
            break
    return total


def drain_overdue(*, now: datetime) -> int:
    """Sends when something has been due for a while and no worker took it.

    For the ticker process, which needs neither Redis nor beat.
    """
    if not Delivery.objects.due(now - OVERDUE).exists():
        return 0
    return drain()


def _claim(now: datetime, limit: int) -> list[Delivery]:
    """Takes rows that are due, with those that a dead sender left. Ends its transaction."""
    with transaction.atomic(durable=True):
        due = Delivery.objects.due(now).order_by("next_attempt_at")
        free = due.select_related("recipient", "provider").select_for_update(
            skip_locked=True, of=("self",)
        )
        rows = list(free[:limit])
        lost = [row for row in rows if row.state == DeliveryState.SENDING]
        unclear = {row.pk for row in lost if not channel_class(row.channel).has_key}
        Delivery.objects.filter(pk__in=unclear).update(
            state=DeliveryState.AMBIGUOUS, lease_until=None, next_attempt_at=None, last_error=LOST
        )
        taken = [row for row in rows if row.pk not in unclear]
        Delivery.objects.filter(pk__in=[row.pk for row in taken]).update(
            **_lease(now), state=DeliveryState.SENDING, attempts=F("attempts") + 1
        )
    for row in taken:
        row.attempts += 1
    return taken


def _lease(now: datetime) -> dict[str, datetime]:
    return {"lease_until": now + LEASE, "next_attempt_at": now + LEASE}


def _deliver(delivery: Delivery, channels: OpenChannels, now_source: Now) -> None:
    now = now_source()
    if not _held(delivery).update(**_lease(now)):
        return
    try:
        channel = channels[delivery.channel]
        reason = _reason_to_cancel(delivery, now) or (
            SWITCHED_OFF if channel.is_noop(delivery) else ""
        )
        if reason:
            _let_go(delivery, DeliveryState.CANCELLED, reason)
            return
        reference = channel.send(delivery)
    except RefusedError as error:
        logger.warning("delivery %s by %s refused: %s", delivery.key, delivery.channel, error.words)
        _let_go(delivery, DeliveryState.DEAD, error.words)
    except Exception as error:  # noqa: BLE001 - whatever a channel raises, the next one is sent
        _try_later(delivery, error, now_source())
    else:
        _mark_sent(delivery, reference, now_source())


def _give_back(delivery: Delivery, now: datetime) -> None:
    """Nothing was tried: the next sender takes it as it was."""
    _held(delivery).update(
        state=DeliveryState.PENDING,
        lease_until=None,
        next_attempt_at=now,
        attempts=F("attempts") - 1,
    )


def _held(delivery: Delivery) -> Any:
    """The row as long as this sender holds it: every claim counts one attempt more."""
    return Delivery.objects.filter(
        pk=delivery.pk, state=DeliveryState.SENDING, attempts=delivery.attempts
    )


def _reason_to_cancel(delivery: Delivery, now: datetime) -> str:
    """Why this must not go out, as things stand now; empty: it goes out."""
    if delivery.expires_at is not None and delivery.expires_at <= now:
        return EXPIRED
    seats = Seat.objects.active().filter(
        provider_id=delivery.provider_id, user_id=delivery.recipient_id
    )
    return "" if seats.exists() else NO_SEAT


def _let_go(delivery: Delivery, state: DeliveryState, words: str) -> None:
    _held(delivery).update(state=state, lease_until=None, next_attempt_at=None, last_error=words)


def _try_later(delivery: Delivery, error: Exception, now: datetime) -> None:
    """Back into the queue with a longer pause, or given up."""
    words = _words_of(error)
    expected = isinstance(error, OSError)  # SMTPException is one
    logger.log(
        logging.WARNING if expected else logging.ERROR,
        "delivery %s by %s failed, attempt %d: %s",
        delivery.key, delivery.channel, delivery.attempts, words,
        exc_info=None if expected else error,
    )  # fmt: skip
    if is_last(delivery.attempts):
        _let_go(delivery, DeliveryState.DEAD, words)
        return
    _held(delivery).update(
        state=DeliveryState.PENDING,
        lease_until=None,
        next_attempt_at=now + pause_after(delivery.attempts),
        last_error=words,
    )


def _words_of(error: Exception) -> str:
    """Kind and code of an error. Its text may quote an address: it is not kept."""
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else ""
    return f"{type(error).__name__} {code}".strip()[:80]


def _mark_sent(delivery: Delivery, reference: str, now: datetime) -> None:
    """It is out, whoever holds the row by now."""
    Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.SENT).update(
        state=DeliveryState.SENT,
        lease_until=None,
        next_attempt_at=None,
        sent_at=now,
        provider_ref=reference[:255],
        last_error="",
    )


# --- People --------------------------------------------------------------------------


def mark_read(actor: Actor, *, now: datetime, keys: Iterable[UUID] | None = None) -> int:
    """Marks the actor's own notices as read, or (without `keys`) all; returns how many were not."""
    unread = Delivery.objects.notices_of(actor).unread()
    return (unread if keys is None else unread.filter(key__in=list(keys))).update(read_at=now)


def mark_seen(actor: Actor, *, url: str, now: datetime) -> int:
    """Marks the actor's own notices about one page as read: the page is open before them."""
    return Delivery.objects.notices_of(actor).unread().filter(url=url).update(read_at=now)


@transaction.atomic
def retry(actor: Actor, *, key: UUID, now: datetime) -> Delivery:
    """Puts a delivery that is stuck back into the queue, due at once, whatever its end was.

    Locks the row. Records `delivery_retried`. Counts on: one that was given up gets one more
    attempt. Raises NotAllowedError, IllegalMoveError for what is sent, cancelled or held by a
    sender; hidden is DoesNotExist.
    """
    delivery = Delivery.objects.visible_to(actor).select_for_update(of=("self",)).get(key=key)
    require(actor, Permission.DELIVERY_RETRY)
    if delivery.state not in RETRIABLE:
        raise IllegalMoveError(delivery.state, DeliveryState.PENDING)
    was = delivery.state
    delivery.state = DeliveryState.PENDING
    delivery.next_attempt_at = now
    delivery.expires_at = None
    delivery.save(update_fields=["state", "next_attempt_at", "expires_at"])
    record(actor, AccountEvent.Kind.DELIVERY_RETRIED, provider_id=delivery.provider_id, at=now,
           delivery=str(key), state=was)  # fmt: skip
    wake(DELIVER)
    return delivery


def purge(*, now: datetime) -> int:
    """Drops deliveries older than 90 days that are done with; returns how many."""
    old = Delivery.objects.exclude(state__in=["pending", "sending"])
    deleted, _ = old.filter(created_at__lt=now - KEPT).delete()
    return deleted
