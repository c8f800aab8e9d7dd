"""Deeds on terminals: stop for safety, release, move, replace the sticker, edit the record."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import IllegalMoveError
from terminals.lifecycle import TerminalState, can_move
from terminals.models import Terminal, TerminalEvent, TerminalModel, sticker_code


@transaction.atomic
def stop(
    actor: Actor, *, terminal_id: int, cause: str, now: datetime, note: str = ""
) -> Terminal:
    """Takes the terminal out of use until a person with the right releases it.

    `cause` is a fault or safety answer of a flow. Locks the terminal. Safe to repeat: a
    terminal already stopped stays as it is. A terminal that is not in use (in stock, in
    repair, retired) is left alone too: nobody takes payments with it.
    The caller proved that the terminal is the actor's (sticker or queryset).
    """
    require(actor, Permission.TERMINAL_STOP)
    terminal = Terminal.objects.lock(terminal_id)
    if terminal.state != TerminalState.ACTIVE:
        return terminal
    terminal.state = TerminalState.STOPPED
    terminal.stopped_at = now
    terminal.stopped_for = cause
    terminal.save(update_fields=["state", "stopped_at", "stopped_for"])
    _record(terminal, TerminalEvent.Kind.STOPPED, actor, now, note=note, cause=cause)
    return terminal


@transaction.atomic
def release(actor: Actor, *, terminal_id: int, reason: str, now: datetime) -> Terminal:
    """Puts a stopped terminal back into use, with a reason that stays in its history.

    Locks the terminal. Raises NotAllowedError, IllegalMoveError; a hidden one is DoesNotExist.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_RELEASE)
    if terminal.state != TerminalState.STOPPED:
        raise IllegalMoveError(terminal.state, TerminalState.ACTIVE)
    cause = terminal.stopped_for
    terminal.state = TerminalState.ACTIVE
    terminal.stopped_at = None
    terminal.stopped_for = ""
    terminal.save(update_fields=["state", "stopped_at", "stopped_for"])
    _record(terminal, TerminalEvent.Kind.RELEASED, actor, now, note=reason, cause=cause)
    return terminal


@transaction.atomic
def move(
    actor: Actor, *, terminal_id: int, state: str, now: datetime, note: str = ""
) -> Terminal:
    """Changes the state by hand: into repair, back to stock, retired.

    Stopping and releasing have deeds of their own. Raises IllegalMoveError.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_EDIT)
    by_hand = {TerminalState.IN_REPAIR, TerminalState.IN_STOCK, TerminalState.RETIRED, TerminalState.ACTIVE}
    from_stop = terminal.state == TerminalState.STOPPED and state == TerminalState.ACTIVE
    if state not in by_hand or from_stop or not can_move(terminal.state, state):
        raise IllegalMoveError(terminal.state, state)
    if state == TerminalState.ACTIVE and terminal.store_id is None:
        raise IllegalMoveError(terminal.state, state)
    before = terminal.state
    terminal.state = TerminalState(state)
    terminal.stopped_at = None
    terminal.stopped_for = ""
    terminal.save(update_fields=["state", "stopped_at", "stopped_for"])
    _record(terminal, TerminalEvent.Kind.MOVED, actor, now, note=note, before=before, after=state)
    return terminal


@transaction.atomic
def replace_sticker(actor: Actor, *, terminal_id: int, now: datetime) -> Terminal:
    """Gives the terminal a new sticker code; the old one stops working at once."""
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_EDIT)
    terminal.sticker_code = sticker_code()
    terminal.save(update_fields=["sticker_code"])
    _record(terminal, TerminalEvent.Kind.STICKER_REPLACED, actor, now)
    return terminal


@transaction.atomic
def load_models(entries: Iterable[Mapping[str, Any]]) -> int:
    """Brings the shared catalogue to what the data file says; returns how many rows changed.

    A model that left the file stays: terminals of it may exist.
    """
    known = {model.slug: model for model in TerminalModel.objects.all()}
    changed = 0
    for entry in entries:
        values = {
            "vendor": entry["vendor"],
            "vendor_zh": entry["vendor_zh"] or "",
            "name": entry["model"],
            "form": entry["form"],
            "os": entry["os"] or "",
            "connections": list(entry["connections"]),
            "features": entry["features"],
            "verified": entry["verified"],
            "note": entry["note"] or "",
        }
        model = known.get(entry["id"])
        if model and all(getattr(model, name) == value for name, value in values.items()):
            continue
        TerminalModel.objects.update_or_create(slug=entry["id"], defaults=values)
        changed += 1
    return changed


def _record(
    terminal: Terminal, kind: str, actor: Actor, at: datetime, *, note: str = "", **data: Any
) -> None:
    TerminalEvent.objects.create(
        provider_id=terminal.provider_id,
        terminal=terminal,
        kind=kind,
        actor_user_id=actor.user_id,
        actor_name=actor.name,
        actor_role=actor.role or "",
        note=note,
        data=data,
        occurred_at=at,
    )
