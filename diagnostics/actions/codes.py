"""Codes that nobody knew yet, and what a provider says that they mean."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from diagnostics.codes import MAX_CODE, folded, guessed_scheme
from diagnostics.models import OwnCode, UnknownCode
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.refs import create_with_ref
from posdoctor.core.scrub import scrub

# A flood of made-up texts fills no more than this; what is known is still counted.
MOST_OPEN = 500
MOST_OWN = 500
# The column's.
WORDS_LENGTH = 120
# Longer runs of digits are numbers of people, machines and cards, never codes.
_LONGEST_NUMBER = 8


class KnownCodeError(DomainError):
    """The provider has a definition of this code or of these words already."""

    code = "known_code"


class TooManyCodesError(DomainError):
    """The provider has MOST_OWN definitions."""

    code = "too_many_codes"


def note_unknown(
    actor: Actor, *, text: str, model_id: int | None, now: datetime
) -> UnknownCode | None:
    """Counts something on a screen that was looked up in vain, for the desk to define.

    The caller has looked it up and limits how often an address may ask. Nothing is kept (None)
    of numbers that are too long for a code, of nothing, and once MOST_OPEN wait.
    """
    require(actor, Permission.CODE_ASK)
    shown = " ".join(scrub(text).split())[:WORDS_LENGTH]
    plain = folded(shown)
    if actor.provider_id is None or len(plain) < 2 or _holds_long_number(plain):
        return None
    rows = UnknownCode.objects.filter(provider_id=actor.provider_id)
    known = rows.filter(key=_digest("", plain))
    if not known.exists():
        if rows.filter(state=UnknownCode.State.OPEN).count() >= MOST_OPEN:
            return None
        _add(actor.provider_id, shown, plain, now)
    else:
        known.update(times=F("times") + 1, last_seen_at=now)
        # Its definition was dropped or changed since: it is to be defined again.
        known.filter(state=UnknownCode.State.DEFINED).update(state=UnknownCode.State.OPEN)
    if model_id is not None:
        known.update(model_id=model_id)
    return known.first()


def _add(provider_id: int, shown: str, plain: str, now: datetime) -> None:
    is_code = plain.isascii() and len(shown) <= MAX_CODE and " " not in shown
    row = UnknownCode(
        provider_id=provider_id,
        key=_digest("", plain),
        scheme=guessed_scheme(shown),
        code=shown if is_code else "",
        words="" if is_code else shown,
        first_seen_at=now,
        last_seen_at=now,
    )
    # Two browsers may ask the same thing at once: one row is enough.
    UnknownCode.objects.bulk_create([row], ignore_conflicts=True)


def _holds_long_number(plain: str) -> bool:
    digits = 0
    for character in plain:
        digits = digits + 1 if character.isdigit() else 0
        if digits > _LONGEST_NUMBER:
            return True
    return False


@transaction.atomic
def define(
    actor: Actor, *, values: Mapping[str, Any], unknown_ref: str = "", now: datetime
) -> OwnCode:
    """A definition for all merchants of the provider; answers the waiting row, if one is named.

    `values`: the columns that people fill in. Raises NotAllowedError, KnownCodeError,
    TooManyCodesError; a foreign or unknown `unknown_ref` is UnknownCode.DoesNotExist.
    """
    require(actor, Permission.CODES_DEFINE)
    assert actor.provider_id is not None  # every role with the right has a provider
    if OwnCode.objects.visible_to(actor).count() >= MOST_OWN:
        raise TooManyCodesError
    waiting = None
    if unknown_ref:
        waiting = UnknownCode.objects.visible_to(actor).select_for_update().get(ref=unknown_ref)
    provider_id, columns = actor.provider_id, _columns(actor, values, now)
    try:
        with transaction.atomic():
            row = create_with_ref(lambda: OwnCode(provider_id=provider_id, **columns))
    except IntegrityError as error:
        raise KnownCodeError from error
    if waiting:
        waiting.state = UnknownCode.State.DEFINED
        waiting.save(update_fields=["state"])
    return row


@transaction.atomic
def redefine(actor: Actor, *, ref: str, values: Mapping[str, Any], now: datetime) -> OwnCode:
    """Changes a definition. Raises as `define`; a foreign one is OwnCode.DoesNotExist."""
    require(actor, Permission.CODES_DEFINE)
    row = OwnCode.objects.visible_to(actor).select_for_update().get(ref=ref)
    for name, value in _columns(actor, values, now).items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise KnownCodeError from error
    return row


def drop(actor: Actor, *, ref: str) -> None:
    """Takes a definition back. Raises NotAllowedError; a foreign one is OwnCode.DoesNotExist."""
    require(actor, Permission.CODES_DEFINE)
    OwnCode.objects.visible_to(actor).get(ref=ref).delete()


def dismiss(actor: Actor, *, ref: str) -> None:
    """Nothing to define: the row no longer waits, however often it is seen.

    Raises NotAllowedError; a foreign one is UnknownCode.DoesNotExist.
    """
    require(actor, Permission.CODES_DEFINE)
    row = UnknownCode.objects.visible_to(actor).get(ref=ref)
    row.state = UnknownCode.State.DISMISSED
    row.save(update_fields=["state"])


def _columns(actor: Actor, values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What a form gave, with the key of its first name and who wrote it."""
    name = folded(scrub(values["code"] or values["words"].splitlines()[0]))
    return {
        **values,
        "key": _digest(values["scheme"], name),
        "changed_at": now,
        "changed_by_id": actor.user_id,
        "changed_by_name": actor.name,
    }


def _digest(scheme: str, plain: str) -> str:
    return hashlib.sha256(f"{scheme}:{plain}".encode()).hexdigest()
