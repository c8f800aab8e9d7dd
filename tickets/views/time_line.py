"""The conversation of a ticket: messages and one-line events in the order they happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from diagnostics.flow import OTHER, Flow
from diagnostics.models import reader_language
from posdoctor.accounts.roles import Role
from posdoctor.core.refs import ALPHABET
from tickets.events import EventKind
from tickets.lifecycle import Certainty, FixedBy, Priority, Proof, WaitFor
from tickets.models import Attachment, Message, TicketEvent

# Their words stand in the conversation itself.
_SPOKEN = {EventKind.REPLIED, EventKind.NOTED, EventKind.MERCHANT_WROTE}
_ICONS = {
    EventKind.REPORTED: "flag",
    EventKind.OPENED: "play",
    EventKind.ASSIGNED: "user-check",
    EventKind.WAITING: "circle-pause",
    EventKind.RESUMED: "play",
    EventKind.REMINDED: "bell-ring",
    EventKind.DISPATCHED: "truck",
    EventKind.ARRIVED: "map-pin",
    EventKind.LEFT: "undo-2",
    EventKind.FIX_TRIED: "wrench",
    EventKind.FIX_TAKEN_BACK: "undo-2",
    EventKind.RESOLVED: "circle-check",
    EventKind.CONFIRMED: "thumbs-up",
    EventKind.CLOSED: "check-check",
    EventKind.REOPENED: "rotate-ccw",
    EventKind.CANCELLED: "ban",
    EventKind.MERGED: "merge",
    EventKind.PRIORITY_CHANGED: "flag",
    EventKind.CONTACT_REVEALED: "eye",
    EventKind.FOLLOWED_UP: "link",
}


@dataclass(frozen=True)
class Entry:
    """One thing in the conversation: a message with its files, or an event's line."""

    at: datetime
    message: Message | None = None
    files: Sequence[Attachment] = ()
    icon: str = ""
    line: str = ""
    reason: str = ""
    who: str = ""
    # Another ticket that the line speaks of.
    ref: str = ""


def merged(
    messages: Iterable[Message],
    events: Iterable[TicketEvent],
    files: Iterable[Attachment],
    *,
    flow: Flow | None,
    zone: str,
) -> list[Entry]:
    """Everything in the order it happened; an event stands before a message of the same moment."""
    by_message: dict[int | None, list[Attachment]] = {}
    for file in files:
        by_message.setdefault(file.message_id, []).append(file)
    entries = [_line(event, flow, zone) for event in events if event.kind not in _SPOKEN]
    entries += [Entry(m.created_at, message=m, files=by_message.get(m.pk, ())) for m in messages]
    return sorted(entries, key=lambda entry: entry.at)


def cause_words(cause: str, flow: Flow | None) -> str:
    """A cause in the desk's words; an id that the flow no longer has stays an id."""
    fault = flow.fault(cause) if flow else None
    if cause == OTHER or (fault is None and not cause):
        return _("Another cause")
    return fault.text.get(reader_language()) if fault else cause


def _line(event: TicketEvent, flow: Flow | None, zone: str) -> Entry:
    kind = EventKind(event.kind)
    return Entry(
        at=event.occurred_at,
        icon=_ICONS.get(kind, "arrow-right"),
        line=_words(kind, event.data, flow, zone),
        reason=str(event.data.get("reason", "")),
        who=_who(event),
        ref=_other_ticket(event.data),
    )


def _who(event: TicketEvent) -> str:
    if event.actor_name:
        return str(event.actor_name)
    roles = {Role.REPORTER: pgettext("actor", "Merchant"), Role.SYSTEM: pgettext("actor", "System")}
    return roles.get(event.actor_role, "")  # type: ignore[call-overload, no-any-return]


def _other_ticket(data: dict[str, Any]) -> str:
    """The reference in the data, if it is one: it becomes part of an address."""
    keys = ("into", "other", "ticket", "previous")
    found = next((str(data[key]) for key in keys if key in data), "")
    is_ref = found.startswith("T-") and len(found) == 8 and set(found[2:]) <= set(ALPHABET)
    return found if is_ref else ""


def _words(kind: EventKind, data: dict[str, Any], flow: Flow | None, zone: str) -> str:
    """The line without actor and time."""
    special = {
        EventKind.ASSIGNED: _assigned,
        EventKind.WAITING: lambda d: _waiting(d, zone),
        EventKind.DISPATCHED: _dispatched,
        EventKind.FIX_TRIED: lambda d: _tried(d, flow),
        EventKind.FIX_TAKEN_BACK: lambda d: _taken_back(d, flow),
        EventKind.RESOLVED: lambda d: _resolved(d, flow),
        EventKind.REOPENED: lambda d: _reopened(d, flow),
        EventKind.PRIORITY_CHANGED: _priority,
        EventKind.MERGED: _merged,
    }
    return str(special[kind](data) if kind in special else kind.label)


def _assigned(data: dict[str, Any]) -> str:
    names = [name for name in (data.get("user_name"), data.get("team_name")) if name]
    if not names:
        return _("Owner removed")
    return _("Assigned to %(who)s") % {"who": " · ".join(names)}


def _dispatched(data: dict[str, Any]) -> str:
    return _("Engineer booked: %(who)s") % {"who": data.get("user_name", "")}


def _waiting(data: dict[str, Any], zone: str) -> str:
    whom = label_of(WaitFor, data.get("wait_for"))
    at = parse_datetime(str(data.get("remind_at") or ""))
    if at is None:
        return _("Waiting for: %(whom)s") % {"whom": whom}
    local = at.astimezone(ZoneInfo(zone))
    values = {"whom": whom, "at": f"{local:%Y-%m-%d %H:%M}"}
    return _("Waiting for: %(whom)s · reminder %(at)s") % values


def _tried(data: dict[str, Any], flow: Flow | None) -> str:
    what = {"fix": _fix_words(data, flow)}
    if data.get("worked"):
        return _("Tried, worked: %(fix)s") % what
    return _("Tried, did not work: %(fix)s") % what


def _taken_back(data: dict[str, Any], flow: Flow | None) -> str:
    return _("Entry taken back: %(fix)s") % {"fix": _fix_words(data, flow)}


def _fix_words(data: dict[str, Any], flow: Flow | None) -> str:
    """A fix in the flow's words; an id that the flow no longer has stays an id."""
    step = flow.step(str(data.get("step", ""))) if flow else None
    return step.text.get(reader_language()) if step else str(data.get("step", ""))


def _resolved(data: dict[str, Any], flow: Flow | None) -> str:
    parts = [
        cause_words(str(data.get("cause", "")), flow),
        label_of(Certainty, data.get("certainty")),
        label_of(FixedBy, data.get("fixed_by")),
        label_of(Proof, data.get("proof")),
    ]
    return _("Resolved: %(how)s") % {"how": " · ".join(part for part in parts if part)}


def _reopened(data: dict[str, Any], flow: Flow | None) -> str:
    was = cause_words(str(data.get("cause", "")), flow)
    return _("Reopened. It was: %(cause)s") % {"cause": was}


def _priority(data: dict[str, Any]) -> str:
    before, after = label_of(Priority, data.get("before")), label_of(Priority, data.get("after"))
    return _("Priority: %(before)s → %(after)s") % {"before": before, "after": after}


def _merged(data: dict[str, Any]) -> str:
    return _("Merged into") if "into" in data else _("Took over a double:")


def label_of(choices: Any, value: Any) -> str:
    """The words of a stored key; a key of an older version stays a key."""
    return str(choices(value).label) if value in choices.values else str(value or "")
