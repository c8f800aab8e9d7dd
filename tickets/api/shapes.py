"""Shapes of tickets. What a merchant does not see on the pages is null or empty here too."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnostics.models import DiagnosisRun
from merchants.api.shapes import MerchantRef, StoreRef
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.api.shapes import PersonRef, TeamRef
from posdoctor.accounts.roles import Role
from posdoctor.core.api.shapes import Shape
from posdoctor.core.templatetags.pd import masked_phone
from terminals.api.shapes import TerminalRef
from terminals.models import TerminalEvent
from tickets.events import EventKind
from tickets.lifecycle import Certainty, FixedBy, Impact, Priority, Proof, TicketStatus, WaitFor
from tickets.models import Attachment as AttachmentRow
from tickets.models import Message as MessageRow
from tickets.models import Ticket as TicketRow
from tickets.models import TicketEvent

LANGUAGES = [code for code, _name in settings.LANGUAGES]
# What an event's data may hold on the way out. SECURITY: the rest holds database ids.
_EVENT_DATA = {
    "after", "before", "cause", "certainty", "fixed_by", "follow_up", "into", "other", "previous",
    "proof", "reason", "remind_at", "run", "state", "step", "team_name", "user_name", "wait_for",
    "worked",
}  # fmt: skip
_TERMINAL_DATA = {"after", "before", "cause", "changes", "state", "store"}


def is_seat(actor: Actor) -> bool:
    """Works for the provider; a merchant sees less of a ticket."""
    return actor.provider_id is not None


class TicketContact(Shape):
    """Whom to call; `reveal/` gives the whole number."""

    name = serializers.CharField()
    phone = serializers.CharField()


class Resolution(Shape):
    """What it was, how sure, who fixed it, and how that was seen."""

    cause = serializers.CharField()
    certainty = serializers.ChoiceField(choices=Certainty.values)
    fixed_by = serializers.ChoiceField(choices=FixedBy.values)
    proof = serializers.ChoiceField(choices=Proof.values)
    note = serializers.CharField()


class Attachment(Shape):
    """A photo or text file."""

    key = serializers.CharField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes")
    url = serializers.SerializerMethodField()

    def get_url(self, file: AttachmentRow) -> str:
        """Where it is fetched, with the same sign-in."""
        ref = self.context["ref"]
        return reverse("api:ticket_attachment", kwargs={"ref": ref, "key": file.key})


class Ticket(Shape):
    """A report and the work on it. Merchants see no reminders, attention marks or resolution."""

    ref = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=TicketStatus.values)
    priority = serializers.ChoiceField(choices=Priority.values)
    impact = serializers.ChoiceField(choices=Impact.values)
    terminals_down = serializers.IntegerField()
    is_security = serializers.BooleanField()
    source = serializers.ChoiceField(choices=TicketRow.Source.values)  # type: ignore[assignment] # DRF takes declared fields off the class
    language = serializers.ChoiceField(choices=LANGUAGES)
    symptom = serializers.CharField(help_text="Empty where nothing was checked")
    diagnosis = serializers.CharField(source="run.ref", allow_null=True, default=None)
    merchant = MerchantRef()
    store = StoreRef()
    terminal = TerminalRef()
    contact = serializers.SerializerMethodField()
    assignee = PersonRef(allow_null=True)
    team = TeamRef(allow_null=True)
    wait_for = serializers.ChoiceField(choices=WaitFor.values, allow_blank=True)
    remind_at = serializers.SerializerMethodField()
    attention_at = serializers.SerializerMethodField()
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(
        source="next_due_at", allow_null=True, help_text="Of the next running clock"
    )
    first_reply_at = serializers.DateTimeField(allow_null=True)
    last_activity_at = serializers.DateTimeField()
    last_words = serializers.CharField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    reopened_count = serializers.IntegerField()
    resolution = serializers.SerializerMethodField()
    previous = serializers.SerializerMethodField()
    merged_into = serializers.SerializerMethodField()
    attachment_count = serializers.IntegerField()

    @extend_schema_field(TicketContact)
    def get_contact(self, ticket: TicketRow) -> dict[str, str]:
        """The number is masked."""
        return {"name": ticket.contact_name, "phone": masked_phone(ticket.contact_phone)}

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_remind_at(self, ticket: TicketRow) -> str | None:
        """When the desk is reminded."""
        return self._moment(ticket.remind_at)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_attention_at(self, ticket: TicketRow) -> str | None:
        """Since when somebody at the desk has to look."""
        return self._moment(ticket.attention_at)

    @extend_schema_field(Resolution(allow_null=True))
    def get_resolution(self, ticket: TicketRow) -> Any:
        """Null while there is none."""
        if not ticket.cause or not self._is_seat:
            return None
        plain = ("cause", "certainty", "fixed_by", "proof")
        values = {name: getattr(ticket, name) for name in plain}
        return values | {"note": ticket.resolution_note}

    def get_previous(self, ticket: TicketRow) -> str | None:
        """Reference of the ticket that this one follows."""
        return ticket.previous.ref if ticket.previous and self._is_seat else None

    def get_merged_into(self, ticket: TicketRow) -> str | None:
        """Reference of the ticket that this one doubles."""
        return ticket.merged_into.ref if ticket.merged_into and self._is_seat else None

    @property
    def _is_seat(self) -> bool:
        return is_seat(self.context["actor"])

    def _moment(self, at: Any) -> str | None:
        shown = serializers.DateTimeField().to_representation(at) if at else None
        return shown if self._is_seat else None


class TriedFix(Shape):
    """A fix that staff tried."""

    step = serializers.CharField(source="step_id", help_text="Of the flow that was walked")
    worked = serializers.BooleanField()
    tried_at = serializers.DateTimeField()
    who = serializers.CharField(source="tried_by_name")


class TriedFixes(Shape):
    """All of one ticket, in the order they were tried."""

    results = TriedFix(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class Filed(Shape):
    """A filed report: the ticket's reference and the merchant's status link."""

    ticket = serializers.CharField()
    track_url = serializers.URLField()


class Message(Shape):
    """Words on a ticket, with their files."""

    kind = serializers.ChoiceField(choices=MessageRow.Kind.values)
    body = serializers.CharField()
    attachments = Attachment(many=True)


class TimelineEntry(Shape):
    """One thing that happened: an event, or a message."""

    at = serializers.DateTimeField()
    type = serializers.ChoiceField(choices=["event", "message"])
    event = serializers.ChoiceField(choices=EventKind.values, allow_null=True)
    title = serializers.CharField(help_text="The event in words, in the language asked for")
    who = serializers.CharField(help_text="Name of the person, empty where nobody signed in")
    role = serializers.ChoiceField(choices=Role.values, allow_blank=True)
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment] # as above
    message = Message(allow_null=True)


class HistoryEntry(Shape):
    """One thing that happened to a terminal. `ref` is of the ticket or diagnosis."""

    at = serializers.DateTimeField()
    type = serializers.ChoiceField(choices=["ticket", "diagnosis", "event"])
    ref = serializers.CharField(allow_null=True)
    event = serializers.ChoiceField(choices=TerminalEvent.Kind.values, allow_null=True)
    title = serializers.CharField()
    state = serializers.CharField(help_text="Of the ticket or diagnosis, empty for an event")
    who = serializers.CharField()
    note = serializers.CharField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment] # as above


def plain(ticket: TicketRow, actor: Actor) -> Any:
    """The ticket as the caller may see it."""
    return Ticket(ticket, context={"actor": actor}).data


def of_event(event: TicketEvent) -> Any:
    """An event as an entry of the time line."""
    data = {name: value for name, value in event.data.items() if name in _EVENT_DATA}
    return TimelineEntry(
        {
            "at": event.occurred_at,
            "type": "event",
            "event": event.kind,
            "title": str(EventKind(event.kind).label),
            "who": event.actor_name,
            "role": event.actor_role,
            "data": data,
            "message": None,
        }
    ).data


def of_message(message: MessageRow, ref: str) -> Any:
    """A message as an entry of the time line."""
    files = sorted(message.attachments.all(), key=lambda file: file.pk)
    entry = {
        "at": message.created_at,
        "type": "message",
        "event": None,
        "title": str(MessageRow.Kind(message.kind).label),
        "who": message.author_name,
        "role": "",
        "data": {},
        "message": {"kind": message.kind, "body": message.body, "attachments": files},
    }
    return TimelineEntry(entry, context={"ref": ref}).data


def of_terminal_event(event: TerminalEvent) -> Any:
    """Custody and maintenance as an entry of a terminal's history."""
    data = {name: value for name, value in event.data.items() if name in _TERMINAL_DATA}
    return HistoryEntry(
        {
            "at": event.occurred_at,
            "type": "event",
            "ref": None,
            "event": event.kind,
            "title": str(TerminalEvent.Kind(event.kind).label),
            "state": "",
            "who": event.actor_name,
            "note": event.note,
            "data": data,
        }
    ).data


def of_ticket(ticket: TicketRow) -> Any:
    """A ticket as an entry of its terminal's history."""
    return _titled("ticket", ticket.opened_at, ticket.ref, ticket.title, ticket.status)


def of_run(run: DiagnosisRun) -> Any:
    """A diagnosis as an entry of its terminal's history."""
    return _titled("diagnosis", run.started_at, run.ref, run.symptom_title, run.state)


def _titled(kind: str, at: Any, ref: str, title: str, state: str) -> Any:
    entry = {"at": at, "type": kind, "ref": ref, "event": None, "title": title, "state": state}
    return HistoryEntry({**entry, "who": "", "note": "", "data": {}}).data
