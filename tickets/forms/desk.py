"""Forms of the desk: what a deed on a ticket needs. Each gives its action's arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from diagnostics.flow import OTHER, Flow
from diagnostics.models import reader_language
from merchants.models import Contact
from posdoctor.accounts.models import Seat, Team
from posdoctor.accounts.roles import Role
from posdoctor.core.forms import PhoneField, PlainForm
from posdoctor.core.refs import clean_code
from tickets.lifecycle import Certainty, FixedBy, Impact, Priority, Proof, WaitFor
from tickets.models import Ticket

REASON_LENGTH = 300
WORDS_LENGTH = 4000
TOP_CAUSES = 3
# SECURITY: a year that the database knows and Python does not would break every list.
LAST_YEAR = 2099
# The first hour of the working day, for "tomorrow morning".
MORNING = time(9)
REMINDERS = {
    "": pgettext_lazy("reminder", "None"),
    "1h": pgettext_lazy("reminder", "In 1 hour"),
    "4h": pgettext_lazy("reminder", "In 4 hours"),
    "tomorrow": pgettext_lazy("reminder", "Tomorrow 09:00"),
    "3d": pgettext_lazy("reminder", "In 3 days, 09:00"),
    "at": pgettext_lazy("reminder", "At a time of choice"),
}


@dataclass(frozen=True)
class Around:
    """What a deed's form is filled from; the page loads it once for all its forms."""

    ticket: Ticket
    now: datetime
    zone: str = "UTC"
    seats: Sequence[Seat] = ()
    teams: Sequence[Team] = ()
    flow: Flow | None = None
    likely: Sequence[str] = field(default_factory=tuple)


class DeedForm(PlainForm):
    """A form in a dialog of the ticket page; ids carry the deed's name, so that they differ."""

    deed: ClassVar[str] = ""

    def __init__(self, data: Any = None, *, around: Around, **kwargs: Any) -> None:
        super().__init__(data, auto_id=f"id_{self.deed}_%s", **kwargs)
        self.around = around

    def arguments(self) -> dict[str, Any]:
        """The action's keyword arguments; only after `is_valid()`."""
        return dict(self.cleaned_data)


class PlainDeedForm(DeedForm):
    """Nothing to fill in: the button says it all."""


def _reason(label: Any, missing: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=REASON_LENGTH,
        error_messages={"required": missing},
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class AssignForm(DeedForm):
    """To a person, a team, both or nobody; by their public references."""

    deed = "assign"
    person = forms.ChoiceField(label=pgettext_lazy("ticket", "Owner"), required=False)
    team = forms.ChoiceField(label=gettext_lazy("Team"), required=False)

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        ticket, nobody = self.around.ticket, ("", pgettext("owner", "Nobody"))
        self._people = {seat.user.ref: seat.user_id for seat in self.around.seats}
        self._teams = {team.ref: team.pk for team in self.around.teams}
        people = [(s.user.ref, f"{s.user.name} · {s.role_label}") for s in self.around.seats]
        _choices(self, "person", [nobody, *people])
        teams = [(team.ref, team.label) for team in self.around.teams]
        _choices(self, "team", [("", pgettext("team", "None")), *teams])
        self.initial["person"] = ticket.assignee.ref if ticket.assignee else ""
        self.initial["team"] = ticket.team.ref if ticket.team else ""

    def clean(self) -> dict[str, Any]:
        """Nobody has to be chosen: an empty request takes no ticket away from its owner."""
        if not {"person", "team"} & set(self.data):
            raise ValidationError(_("Choose an owner or a team"))
        return super().clean() or {}

    def arguments(self) -> dict[str, Any]:
        return {
            "user_id": self._people.get(self.cleaned_data["person"]),
            "team_id": self._teams.get(self.cleaned_data["team"]),
        }


class WaitForm(DeedForm):
    """For whom, and when to be reminded."""

    deed = "wait"
    wait_for = forms.ChoiceField(
        label=gettext_lazy("Waiting for"), choices=WaitFor.choices, widget=forms.RadioSelect
    )
    remind = forms.ChoiceField(
        label=gettext_lazy("Reminder"), choices=list(REMINDERS.items()), required=False
    )
    remind_at = forms.DateTimeField(
        label=gettext_lazy("Time of choice"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "step": 60}
        ),
        error_messages={"invalid": gettext_lazy("Enter date and time like 2026-11-23 09:30")},
    )
    required_texts = {"wait_for": gettext_lazy("Choose whom the ticket waits for")}

    def clean_remind_at(self) -> datetime | None:
        """Typed in the provider's zone; the form's own zone (UTC) is not it."""
        moment: datetime | None = self.cleaned_data["remind_at"]
        return moment.replace(tzinfo=ZoneInfo(self.around.zone)) if moment else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        remind, moment = cleaned.get("remind"), cleaned.get("remind_at")
        if remind == "at" and "remind_at" not in self.errors:
            if moment is None:
                self.add_error("remind_at", _("Enter the time of the reminder"))
            elif moment <= self.around.now:
                self.add_error("remind_at", _("Choose a time in the future"))
            elif moment.year > LAST_YEAR:
                self.add_error("remind_at", _("Choose an earlier year"))
        return cleaned

    def arguments(self) -> dict[str, Any]:
        remind = self.cleaned_data["remind"]
        moment = self.cleaned_data["remind_at"] if remind == "at" else self._moment(remind)
        return {"wait_for": self.cleaned_data["wait_for"], "remind_at": moment}

    def _moment(self, remind: str) -> datetime | None:
        now = self.around.now
        if remind in {"1h", "4h"}:
            return now + timedelta(hours=int(remind[0]))
        if remind in {"tomorrow", "3d"}:
            zone = ZoneInfo(self.around.zone)
            on = now.astimezone(zone).date() + timedelta(days=1 if remind == "tomorrow" else 3)
            return datetime.combine(on, MORNING, tzinfo=zone)
        return None


class DispatchForm(DeedForm):
    """Which field engineer goes."""

    deed = "dispatch"
    engineer = forms.ChoiceField(label=gettext_lazy("Field engineer"), widget=forms.RadioSelect)
    required_texts = {"engineer": gettext_lazy("Choose an engineer")}

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        seats = [seat for seat in self.around.seats if seat.role == Role.FIELD]
        self._people = {seat.user.ref: seat.user_id for seat in seats}
        _choices(self, "engineer", [(seat.user.ref, seat.user.name) for seat in seats])

    @property
    def has_engineers(self) -> bool:
        """Somebody can be sent."""
        return bool(self._people)

    def arguments(self) -> dict[str, Any]:
        return {"engineer_id": self._people[self.cleaned_data["engineer"]]}


class LeaveForm(DeedForm):
    """Why the visit ended without a fix."""

    deed = "leave"
    reason = _reason(gettext_lazy("Reason"), gettext_lazy("Say why the visit ended"))


class CauseSelect(forms.RadioSelect):
    """The likeliest causes as large buttons above all others; plain radios without a script."""

    template_name = "tickets/desk/_causes.html"

    def optgroups(
        self, name: str, value: list[Any], attrs: dict[str, Any] | None = None
    ) -> list[Any]:
        """Numbers the radios through the groups: the error summary leads to the first one."""
        groups = super().optgroups(name, value, attrs)
        options = [option for _label, inside, _place in groups for option in inside]
        for place, option in enumerate(options):
            if "id" in option["attrs"] and attrs:
                option["attrs"]["id"] = f"{attrs['id']}_{place}"
        return groups


class ResolveForm(DeedForm):
    """What it was, how sure, who fixed it, and how that was seen: all four or no resolution."""

    deed = "resolve"
    cause = forms.ChoiceField(label=gettext_lazy("Cause"), widget=CauseSelect)
    certainty = forms.ChoiceField(
        label=gettext_lazy("Certainty"), choices=Certainty.choices, widget=forms.RadioSelect
    )
    fixed_by = forms.ChoiceField(
        label=gettext_lazy("Fixed by"), choices=[("", "—"), *FixedBy.choices]
    )
    proof = forms.ChoiceField(
        label=gettext_lazy("Proof"), choices=Proof.choices, widget=forms.RadioSelect
    )
    note = forms.CharField(
        label=pgettext_lazy("resolution", "Note"),
        required=False,
        max_length=WORDS_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Stays with the desk. Needed for another cause."),
    )
    required_texts = {
        "cause": gettext_lazy("Choose the cause"),
        "certainty": gettext_lazy("Choose how sure the cause is"),
        "fixed_by": gettext_lazy("Choose who fixed it"),
        "proof": gettext_lazy("Choose how it was seen to work"),
    }

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        _choices(self, "cause", grouped_causes(self.around.flow, self.around.likely))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("cause") == OTHER and not cleaned.get("note"):
            self.add_error("note", _("Say in a few words what it was"))
        return cleaned


class ReopenForm(DeedForm):
    """Why work goes on."""

    deed = "reopen"
    words = forms.CharField(
        label=pgettext_lazy("resolution", "Note"),
        required=False,
        max_length=WORDS_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class CancelForm(DeedForm):
    """Why no work is needed."""

    deed = "cancel"
    reason = _reason(gettext_lazy("Reason"), gettext_lazy("Say why the ticket is cancelled"))


class MergeForm(DeedForm):
    """Which ticket this one doubles."""

    deed = "merge"
    into = forms.CharField(
        label=gettext_lazy("Merge into"),
        max_length=20,
        help_text=gettext_lazy("The reference of the ticket that stays, like T-7K3Q9M"),
        error_messages={"required": gettext_lazy("Enter the reference of the other ticket")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )

    def clean_into(self) -> str:
        """Typed with or without the dash, in either case."""
        code = clean_code(self.cleaned_data["into"])
        ref = f"T-{code[1:]}" if code.startswith("T") and len(code) == 7 else code
        if ref == self.around.ticket.ref:
            raise ValidationError(_("That is this very ticket. Enter another reference."))
        return ref

    def arguments(self) -> dict[str, Any]:
        return {"target_ref": self.cleaned_data["into"]}


class PriorityForm(DeedForm):
    """Another priority, and why."""

    deed = "priority"
    priority = forms.ChoiceField(
        label=gettext_lazy("Priority"), choices=Priority.choices, widget=forms.RadioSelect
    )
    reason = _reason(gettext_lazy("Reason"), gettext_lazy("Say why the priority changes"))

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.initial["priority"] = self.around.ticket.priority


class FindForm(PlainForm):
    """What the caller can read out."""

    q = forms.CharField(
        label=gettext_lazy("Serial, terminal number, sticker, phone or merchant name"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class PhoneReportForm(PlainForm):
    """The rest of a report taken on the phone."""

    contact = forms.ChoiceField(
        label=gettext_lazy("Caller"), widget=forms.RadioSelect, required=False
    )
    contact_name = forms.CharField(
        label=pgettext_lazy("person", "Name"), max_length=60, required=False
    )
    contact_phone = PhoneField(label=gettext_lazy("Phone"), required=False)
    impact = forms.ChoiceField(
        label=gettext_lazy("Payments"), choices=Impact.choices, widget=forms.RadioSelect
    )
    terminals_down = forms.IntegerField(
        label=gettext_lazy("Terminals that take no payments"),
        min_value=1,
        max_value=99,
        required=False,
    )
    note = forms.CharField(
        label=gettext_lazy("In the caller's words"),
        required=False,
        max_length=WORDS_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The first line becomes the subject. The merchant can read it."),
    )
    required_texts = {"impact": gettext_lazy("Choose whether payments still work")}
    SOMEBODY_ELSE: ClassVar[str] = "new"

    def __init__(
        self, data: Any = None, *, contacts: Sequence[Contact], masked: Mapping[int, str], **kw: Any
    ) -> None:
        super().__init__(data, **kw)
        # Positions, not ids: no database id leaves the system.
        self._contacts = {str(place): contact for place, contact in enumerate(contacts, 1)}
        known = [(key, f"{c.name} · {masked[c.pk]}") for key, c in self._contacts.items()]
        _choices(self, "contact", [*known, (self.SOMEBODY_ELSE, _("Somebody else"))])
        if not self._contacts:
            self.initial["contact"] = self.SOMEBODY_ELSE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("contact") in self._contacts:
            self.errors.pop("contact_phone", None)
        elif not cleaned.get("contact_phone") and "contact_phone" not in self.errors:
            self.add_error("contact_phone", _("Choose a caller or enter a phone number"))
        return cleaned

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `report`."""
        contact = self._contacts.get(self.cleaned_data["contact"])
        name, phone = self.cleaned_data["contact_name"], self.cleaned_data.get("contact_phone", "")
        return {
            "contact_name": contact.name if contact else name,
            "contact_phone": contact.phone if contact else phone,
            "impact": self.cleaned_data["impact"],
            "terminals_down": self.cleaned_data["terminals_down"] or 1,
            "note": self.cleaned_data["note"],
        }


def grouped_causes(flow: Flow | None, likely: Sequence[str]) -> list[Any]:
    """As `cause_choices`, the run's likeliest in a group above the rest where there are some."""
    every = cause_choices(flow, likely)
    count = len(_top_causes(flow, likely))
    if not count:
        return every
    return [
        (_("Likeliest after the check"), every[:count]),
        (_("All other causes"), every[count:]),
    ]


def _top_causes(flow: Flow | None, likely: Sequence[str]) -> list[str]:
    known = [fault for fault in likely if flow and fault != OTHER and flow.fault(fault)]
    return known[:TOP_CAUSES]


def cause_choices(flow: Flow | None, likely: Sequence[str]) -> list[tuple[str, str]]:
    """Causes of the symptom: the run's likeliest first, the rest by frequency, `other` last."""
    if flow is None:
        return [(OTHER, _("Another cause"))]
    language = reader_language()
    top = _top_causes(flow, likely)
    by_weight = sorted(flow.faults, key=lambda fault: -fault.weight)
    rest = [fault.id for fault in by_weight if fault.id not in {*top, OTHER}]
    named = [(fault.id, fault.text.get(language)) for fault in flow.faults]
    words = {**dict(named), OTHER: _("Another cause")}
    return [(fault, words[fault]) for fault in [*top, *rest, OTHER]]


def _choices(form: forms.Form, name: str, choices: list[Any]) -> None:
    choice = form.fields[name]
    assert isinstance(choice, forms.ChoiceField)
    choice.choices = choices
