"""Deeds on terminals: add, stop for safety, release, move, replace the sticker, edit the record;
and which versions are expected.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from merchants.models import Store
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError, IllegalMoveError
from posdoctor.core.refs import create_with_ref
from posdoctor.core.scrub import scrub
from terminals.lifecycle import IN_USE, TerminalState, can_move
from terminals.models import MinimumVersion, Terminal, TerminalEvent, TerminalModel, sticker_code

# The `cause` of a stop that a person at the desk ordered; the reason is in the event's note.
BY_HAND = "by_hand"
FIRST_STATES = (TerminalState.IN_STOCK, TerminalState.ACTIVE)
# Typed freely, with the length of the column: a mask may lengthen a text. Serials and SIM card
# numbers have a shape of their own: a mask would ruin them.
_TYPED = {"counter": 60, "firmware": 60, "app_version": 30, "sim_operator": 40}


class SerialTakenError(DomainError):
    """Another terminal of the provider has this serial."""

    code = "serial_taken"


class VersionNeededError(DomainError):
    """A minimum says an app version, a firmware, or both."""

    code = "version_needed"


class StoreNeededError(DomainError):
    """A terminal in use stands in a store (银发〔2021〕259号: one terminal, one merchant)."""

    code = "store_needed"


class SecondPersonError(DomainError):
    """Who takes a terminal out of use does not put it back: four eyes look at a danger."""

    code = "second_person"


@transaction.atomic
def add(
    actor: Actor,
    *,
    now: datetime,
    values: Mapping[str, Any],
    numbers: Mapping[str, str],
) -> Terminal:
    """A terminal of the actor's provider, with a fresh sticker code.

    `values`: columns of Terminal, with `state` in stock or active; `numbers`: kind -> number, ""
    for none. Records `added`. Raises NotAllowedError, IllegalMoveError (a life begins in no other
    state), SerialTakenError, StoreNeededError.
    """
    require(actor, Permission.TERMINAL_EDIT)
    assert actor.provider_id is not None  # every role with the right has a provider
    provider_id = actor.provider_id
    if values["state"] not in FIRST_STATES:
        raise IllegalMoveError("", values["state"])
    if values["state"] in IN_USE and not values["store"]:
        raise StoreNeededError
    try:
        terminal = create_with_ref(lambda: Terminal(provider_id=provider_id, **_masked(values)))
    except IntegrityError as error:
        raise SerialTakenError from error
    _edit_numbers(terminal, numbers)
    _record(terminal, TerminalEvent.Kind.ADDED, actor, now,
            state=str(values["state"]), store=_plain(values["store"]))  # fmt: skip
    return terminal


@transaction.atomic
def stop(actor: Actor, *, terminal_id: int, cause: str, now: datetime, note: str = "") -> Terminal:
    """Takes the terminal out of use until a person with the right releases it.

    `cause` is a fault or safety answer of a flow, which only the flow can put into words: `note`
    holds them for people. Locks the terminal. Safe to repeat: a
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
def stop_by_hand(actor: Actor, *, terminal_id: int, reason: str, now: datetime) -> Terminal:
    """Takes a terminal in use out of use, with a reason that stays in its history.

    Locks the terminal. Raises NotAllowedError, IllegalMoveError; a hidden one is DoesNotExist.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    if terminal.state != TerminalState.ACTIVE:
        raise IllegalMoveError(terminal.state, TerminalState.STOPPED)
    return stop(actor, terminal_id=terminal_id, cause=BY_HAND, now=now, note=reason)


@transaction.atomic
def release(actor: Actor, *, terminal_id: int, reason: str, now: datetime) -> Terminal:
    """Puts a stopped terminal back into use, with a reason that stays in its history.

    Locks the terminal. Raises NotAllowedError, IllegalMoveError, SecondPersonError; a hidden one
    is DoesNotExist.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_RELEASE)
    if terminal.state != TerminalState.STOPPED:
        raise IllegalMoveError(terminal.state, TerminalState.ACTIVE)
    if was_stopped_by(terminal, actor):
        raise SecondPersonError
    cause = terminal.stopped_for
    terminal.state = TerminalState.ACTIVE
    terminal.stopped_at = None
    terminal.stopped_for = ""
    terminal.save(update_fields=["state", "stopped_at", "stopped_for"])
    _record(terminal, TerminalEvent.Kind.RELEASED, actor, now, note=reason, cause=cause)
    return terminal


def was_stopped_by(terminal: Terminal, actor: Actor) -> bool:
    """Whether this person ordered the stop that holds, or led the check that ended in it."""
    stops = terminal.events.filter(kind=TerminalEvent.Kind.STOPPED).order_by("-occurred_at", "-pk")
    last = stops.first()
    return last is not None and actor.user_id is not None and last.actor_user_id == actor.user_id


@transaction.atomic
def move(actor: Actor, *, terminal_id: int, state: str, now: datetime, note: str = "") -> Terminal:
    """Changes the state by hand: into repair, back to stock, retired.

    Stopping and releasing have deeds of their own. Raises IllegalMoveError, SecondPersonError.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_EDIT)
    if state not in moves_by_hand(terminal):
        raise IllegalMoveError(terminal.state, state)
    is_release = state == TerminalState.ACTIVE and is_unreleased(terminal)
    if is_release:
        # SECURITY: a detour through repair or stock is no way around the release.
        require(actor, Permission.TERMINAL_RELEASE)
        if was_stopped_by(terminal, actor):
            raise SecondPersonError
    before = terminal.state
    terminal.state = TerminalState(state)
    terminal.stopped_at = None
    terminal.stopped_for = ""
    terminal.save(update_fields=["state", "stopped_at", "stopped_for"])
    kind = TerminalEvent.Kind.RELEASED if is_release else TerminalEvent.Kind.MOVED
    _record(terminal, kind, actor, now, note=note, before=before, after=state)
    return terminal


def moves_by_hand(terminal: Terminal) -> list[TerminalState]:
    """The states that `move` takes this terminal to, in the order of its life."""
    others = [state for state in TerminalState if state != TerminalState.STOPPED]
    possible: list[TerminalState] = [state for state in others if can_move(terminal.state, state)]
    # Release is a deed of its own; a terminal in use stands in a store.
    if terminal.state == TerminalState.STOPPED or terminal.store_id is None:
        return [state for state in possible if state != TerminalState.ACTIVE]
    return possible


def is_unreleased(terminal: Terminal) -> bool:
    """Stopped once, and nobody with the right put it back into use since."""
    kinds = [TerminalEvent.Kind.STOPPED, TerminalEvent.Kind.RELEASED]
    last = terminal.events.filter(kind__in=kinds).order_by("-occurred_at", "-pk").first()
    return last is not None and last.kind == TerminalEvent.Kind.STOPPED


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


@transaction.atomic
def edit(
    actor: Actor,
    *,
    terminal_id: int,
    now: datetime,
    values: Mapping[str, Any],
    numbers: Mapping[str, str],
) -> Terminal:
    """Corrects the record. `values`: columns of Terminal; `numbers`: kind -> number, "" for none.

    Locks the terminal; records `edited` with the old and new values of what changed. Raises
    NotAllowedError, SerialTakenError, StoreNeededError; a hidden one is DoesNotExist.
    """
    terminal = Terminal.objects.visible_to(actor).lock(terminal_id)
    require(actor, Permission.TERMINAL_EDIT)
    if terminal.state in IN_USE and not values["store"]:
        raise StoreNeededError
    values = _masked(values)
    before = {name: getattr(terminal, name) for name in values}
    changed = [name for name, value in values.items() if before[name] != value]
    for name in changed:
        setattr(terminal, name, values[name])
    if changed:
        try:
            with transaction.atomic():
                terminal.save(update_fields=changed)
        except IntegrityError as error:
            raise SerialTakenError from error
    differences = {name: [_plain(before[name]), _plain(values[name])] for name in changed}
    differences |= _edit_numbers(terminal, numbers)
    if differences:
        _record(terminal, TerminalEvent.Kind.EDITED, actor, now, changes=differences)
    return terminal


@transaction.atomic
def set_minimum_version(
    actor: Actor,
    *,
    model_slug: str,
    app_version: str,
    firmware: str,
    since: date,
    now: datetime,
) -> MinimumVersion:
    """What the actor's provider expects at least of its terminals of a model, from a day on.

    Replaces what was expected before. "" asks for nothing. Locks the row. Raises NotAllowedError,
    VersionNeededError; an unknown model is TerminalModel.DoesNotExist.
    """
    require(actor, Permission.VERSIONS_MANAGE)
    assert actor.provider_id is not None  # every role with the right has a provider
    model = TerminalModel.objects.get(slug=model_slug)
    typed = _masked({"app_version": app_version.strip(), "firmware": firmware.strip()})
    if not any(typed.values()):
        raise VersionNeededError
    changed = {"since": since, "changed_at": now, "changed_by_name": actor.name}
    minimum, _is_new = MinimumVersion.objects.update_or_create(
        provider_id=actor.provider_id, model=model, defaults={**typed, **changed}
    )
    return minimum


@transaction.atomic
def drop_minimum_version(actor: Actor, *, model_slug: str) -> None:
    """Any version of the model will do again. Where nothing was expected nothing happens.

    Raises NotAllowedError.
    """
    require(actor, Permission.VERSIONS_MANAGE)
    MinimumVersion.objects.visible_to(actor).filter(model__slug=model_slug).delete()


def _edit_numbers(terminal: Terminal, numbers: Mapping[str, str]) -> dict[str, list[str]]:
    """Writes, replaces or drops the acquirer's numbers; old and new of what changed."""
    known = dict(terminal.numbers.values_list("kind", "number"))
    differences = {}
    for kind, number in numbers.items():
        old = known.get(kind, "")
        if old == number:
            continue
        differences[f"number_{kind}"] = [old, number]
        if number:
            terminal.numbers.update_or_create(kind=kind, defaults={"number": number})
        else:
            terminal.numbers.filter(kind=kind).delete()
    return differences


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without card data, before the history copies them."""
    typed = {name: values[name] for name in _TYPED if values.get(name)}
    return {**values, **{name: scrub(text)[: _TYPED[name]] for name, text in typed.items()}}


def _plain(value: Any) -> str:
    """A value as the history keeps it."""
    if isinstance(value, Store):
        return value.ref
    if isinstance(value, TerminalModel):
        return value.slug
    return "" if value is None else str(value)


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
