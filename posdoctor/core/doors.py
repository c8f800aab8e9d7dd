"""Limits on tries at public doors, counted in PostgreSQL so that no restart forgives them."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from posdoctor.core.errors import TooManyTriesError
from posdoctor.core.models import DoorCount


@dataclass(frozen=True)
class Door:
    """A named door and how many tries it takes per window."""

    name: str
    limit: int
    window: timedelta


# A person misreads a code twice; a machine tries thousands.
UNKNOWN_CODE_BY_ADDRESS = Door("code-address", 30, timedelta(minutes=10))
FIND_BY_ADDRESS = Door("find-address", 20, timedelta(minutes=10))
# Many addresses together must not walk the 10,000 tails of one known phone.
FIND_BY_PHONE = Door("find-phone", 20, timedelta(hours=1))
# Four digits have 10,000 values: five tries an hour take a month on average.
UNLOCK_BY_TICKET = Door("unlock-ticket", 5, timedelta(hours=1))
UNLOCK_BY_ADDRESS = Door("unlock-address", 20, timedelta(hours=1))
RUNS_BY_CODE = Door("runs-code", 40, timedelta(hours=1))
RUNS_BY_ADDRESS = Door("runs-address", 60, timedelta(hours=1))
REPORTS_BY_CODE = Door("reports-code", 12, timedelta(hours=1))
UPLOADS_BY_ADDRESS = Door("uploads-address", 60, timedelta(hours=1))
WORDS_BY_TICKET = Door("words-ticket", 60, timedelta(hours=1))


def knock(door: Door, who: str, *, now: datetime) -> int:
    """Counts one try of `who` and returns how many are left; raises TooManyTriesError past it.

    The count stays even when the caller's transaction is rolled back by the error page,
    since requests run without a surrounding transaction.
    """
    window_start = _window_start(door, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_doorcount (key, window_start, tries) VALUES (%s, %s, 1) "
            "ON CONFLICT (key, window_start) DO UPDATE SET tries = core_doorcount.tries + 1 "
            "RETURNING tries",
            [_key(door, who), window_start],
        )
        (tries,) = cursor.fetchone()
    if tries > door.limit:
        raise _refusal(door, window_start, now)
    return int(door.limit - tries)


def check(door: Door, who: str, *, now: datetime) -> None:
    """Raises TooManyTriesError when the limit is already reached; counts nothing."""
    window_start = _window_start(door, now)
    tries = (
        DoorCount.objects.filter(key=_key(door, who), window_start=window_start)
        .values_list("tries", flat=True)
        .first()
    )
    if tries is not None and tries >= door.limit:
        raise _refusal(door, window_start, now)


def purge(*, now: datetime) -> int:
    """Drops windows older than a day; returns how many rows."""
    deleted, _ = DoorCount.objects.filter(window_start__lt=now - timedelta(days=1)).delete()
    return deleted


def address_of(request: HttpRequest) -> str:
    """The caller's network address, read past as many proxies as the settings name.

    SECURITY: with no trusted proxy the header is ignored, or anyone could pick an address.
    """
    if settings.TRUSTED_PROXIES:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXIES:
            return _network_of(hops[-settings.TRUSTED_PROXIES].strip())
    return _network_of(str(request.META.get("REMOTE_ADDR", "")))


def _network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: who has one has all of them.

    Some proxies add the caller's port, which is another one at each try.
    """
    bare = re.sub(r"^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$", r"\1\2", address)
    try:
        known = ipaddress.ip_address(bare)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known), 64), strict=False).network_address)


def _key(door: Door, who: str) -> str:
    # Addresses are people's data: only their digest is kept, and for a day.
    return f"{door.name}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"


def _window_start(door: Door, now: datetime) -> datetime:
    seconds = int(door.window.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=UTC)


def _refusal(door: Door, window_start: datetime, now: datetime) -> TooManyTriesError:
    return TooManyTriesError(retry_after=window_start + door.window - now)
