"""Repeats of one write: the same key and request give the first answer, and change nothing.

The key's row is inserted in the transaction of the write itself. A crash undoes both; a twin
that comes at the same moment waits at the unique index until the first one has committed.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from posdoctor.core.api.errors import Refusal, invalid
from posdoctor.core.models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_FOR = timedelta(hours=24)
WAIT_SECONDS = 10
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's name for a lock that did not come in time
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Caller:
    """Whose keys these are: one person in one provider, by whatever token."""

    name: str
    provider_id: int | None


def key_of(request: Request) -> str:
    """The key that was sent, empty for none. Raises Refusal for one that is no key."""
    key = request.headers.get(HEADER, "")
    if key and not _KEY.fullmatch(key):
        raise invalid({HEADER: [_("Use 1 to 200 visible ASCII characters")]})
    return str(key)


def once(
    request: Request, caller: Caller, now: datetime, act: Callable[[], Response]
) -> HttpResponse:
    """`act()`, or the kept answer of the first request with this key. Call inside a transaction.

    Only a success is kept: a refusal raises, which undoes the row with everything else, so the
    same key may be tried again. Raises Refusal: 422 for a key that stands for another request,
    409 where the first request is still under way after ten seconds.
    """
    if not key_of(request):
        return act()
    # SECURITY: a key is whatever the caller likes, a card number too: only its digest is kept.
    key, digest = keyed_digest(key_of(request)), _digest(request)
    kept = _claim(key, caller, request, digest, now)
    if kept:
        return _replay(kept, digest)
    response = act()
    body = JSONRenderer().render(response.data)
    rows = IdempotencyKey.objects.filter(caller=caller.name, key=key)
    rows.update(status=response.status_code, body=body)
    return response


def purge(*, now: datetime) -> int:
    """Drops answers older than a day; returns how many."""
    deleted, _rows = IdempotencyKey.objects.filter(created_at__lt=now - KEPT_FOR).delete()
    return deleted


def _claim(
    key: str, caller: Caller, request: Request, digest: str, now: datetime
) -> IdempotencyKey | None:
    """None where the key is ours now, else the row of the first request."""
    mine = IdempotencyKey.objects.filter(caller=caller.name, key=key)
    mine.filter(created_at__lt=now - KEPT_FOR).delete()
    row = IdempotencyKey(
        caller=caller.name,
        provider_id=caller.provider_id,
        key=key,
        method=str(request.method),
        path=request.path[:200],
        digest=digest,
        created_at=now,
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
        try:
            # Waits for a twin that has not committed; then finds its row.
            IdempotencyKey.objects.bulk_create([row], ignore_conflicts=True)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
            text = _("The same request is still under way")
            raise Refusal(409, "in_progress", text, headers={"Retry-After": "5"}) from error
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    kept = mine.get()
    return kept if kept.status else None


def _replay(kept: IdempotencyKey, digest: str) -> HttpResponse:
    if kept.digest != digest:
        text = _("This key stands for another request. Use a new key.")
        raise Refusal(422, "idempotency_key_reused", text)
    return HttpResponse(
        bytes(kept.body),
        status=kept.status,
        content_type="application/json",
        headers={REPLAYED: "true"},
    )


def _digest(request: Request) -> str:
    """Of method, address and content: boundaries and the order of names do not count.

    SECURITY: keyed. What was typed may hold a card number, of which the stored text keeps ten
    digits: a plain digest beside it would tell the others after a million tries.
    """
    parts = [request.method, request.get_full_path(), _plain(request.data)]
    return keyed_digest(json.dumps(parts, sort_keys=True))


def keyed_digest(text: str) -> str:
    """What is kept of a key or a request."""
    return salted_hmac("posdoctor.idempotency", text, algorithm="sha256").hexdigest()


def _plain(data: Any) -> Any:
    if isinstance(data, MultiValueDict):
        return {name: [_plain(value) for value in data.getlist(name)] for name in data}
    if isinstance(data, UploadedFile):
        digest = hashlib.sha256()
        for chunk in data.chunks():
            digest.update(chunk)
        data.seek(0)
        return [data.name, digest.hexdigest()]
    return data
