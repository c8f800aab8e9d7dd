"""What the ticket page shows, gathered in few queries; shared by the page and every deed on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from diagnostics.engine import Attributes, posterior
from diagnostics.flow import OTHER, Flow
from diagnostics.models import DiagnosisRun, reader_language
from merchants.hours import grouped
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Seat, Team
from posdoctor.accounts.policies import Permission, may
from terminals.lifecycle import TerminalState
from terminals.models import Terminal, TerminalNumber
from tickets.filters import VIEWS, WALK_LIMIT, QueueFilter
from tickets.forms import desk as forms
from tickets.lifecycle import Move, can
from tickets.models import Attachment, Message, Ticket, TicketEvent
from tickets.sla.shown import badges, with_calendars
from tickets.views.desk import Sight, face_version, version_of
from tickets.views.fixes import fixes_of
from tickets.views.time_line import cause_words, merged

REPAIRS_WITHIN = timedelta(days=90)
EARLIER_ROWS = 6
_DAY_NAMES = {
    "mon": pgettext_lazy("day", "Mon"),
    "tue": pgettext_lazy("day", "Tue"),
    "wed": pgettext_lazy("day", "Wed"),
    "thu": pgettext_lazy("day", "Thu"),
    "fri": pgettext_lazy("day", "Fri"),
    "sat": pgettext_lazy("day", "Sat"),
    "sun": pgettext_lazy("day", "Sun"),
}


@dataclass(frozen=True)
class Deed:
    """Something that can be done to a ticket: its address' name, its right and its words."""

    name: str
    permission: Permission
    title: str | Promise
    button: str | Promise
    icon: str
    form: type[forms.DeedForm] = forms.PlainDeedForm
    move: Move | None = None
    is_grave: bool = False
    key: str = ""

    @property
    def has_fields(self) -> bool:
        """Opens a dialog; else its button does it at once."""
        return self.form is not forms.PlainDeedForm


def _deed(name: str, permission: Permission, title: Any, icon: str, **more: Any) -> Deed:
    return Deed(name, permission, title, more.pop("button", title), icon, **more)


DEEDS: Mapping[str, Deed] = {
    deed.name: deed
    for deed in (
        _deed(
            "take", Permission.TICKET_ASSIGN, pgettext_lazy("deed", "Take"), "hand",
            move=Move.OPEN, key="t",
        ),
        _deed(
            "resume", Permission.TICKET_WAIT, pgettext_lazy("deed", "Resume work"), "play",
            move=Move.RESUME,
        ),
        _deed(
            "arrive", Permission.TICKET_ON_SITE, pgettext_lazy("deed", "On site"), "map-pin",
            move=Move.ARRIVE,
        ),
        _deed(
            "resolve", Permission.TICKET_RESOLVE, pgettext_lazy("deed", "Resolve"),
            "circle-check", form=forms.ResolveForm, move=Move.RESOLVE, key="e",
        ),
        _deed(
            "wait", Permission.TICKET_WAIT, pgettext_lazy("deed", "Wait"), "circle-pause",
            form=forms.WaitForm, move=Move.WAIT, key="z",
        ),
        _deed(
            "dispatch", Permission.TICKET_DISPATCH, pgettext_lazy("deed", "Book engineer"),
            "truck", form=forms.DispatchForm, move=Move.DISPATCH,
        ),
        _deed(
            "leave", Permission.TICKET_ON_SITE, pgettext_lazy("deed", "End visit"), "undo-2",
            form=forms.LeaveForm, move=Move.LEAVE,
        ),
        _deed(
            "reopen", Permission.TICKET_REOPEN, pgettext_lazy("deed", "Reopen"), "rotate-ccw",
            form=forms.ReopenForm, move=Move.REOPEN,
        ),
        _deed(
            "assign", Permission.TICKET_ASSIGN, pgettext_lazy("deed", "Assign"), "user-plus",
            form=forms.AssignForm, key="a",
        ),
        _deed(
            "priority", Permission.TICKET_PRIORITY, pgettext_lazy("deed", "Change priority"),
            "flag", form=forms.PriorityForm, key="p",
        ),
        _deed(
            "merge", Permission.TICKET_MERGE, pgettext_lazy("deed", "Merge"), "merge",
            form=forms.MergeForm, move=Move.MERGE,
        ),
        _deed(
            "cancel", Permission.TICKET_CANCEL, pgettext_lazy("deed", "Cancel ticket"), "ban",
            form=forms.CancelForm, move=Move.CANCEL, is_grave=True,
        ),
    )
}  # fmt: skip


def is_open(deed: Deed, ticket: Ticket) -> bool:
    """Whether the deed exists from this state: hides buttons; the action decides."""
    if deed.move is not None:
        return can(deed.move, ticket.status)
    return not ticket.has_ended or (deed.name == "assign" and ticket.status == "resolved")


@dataclass(frozen=True)
class EvidenceLine:
    """One answer of the walk. `tone`: f = speaks against the terminal, p = for it, u = neither."""

    question: str
    answer: str
    tone: str
    icon: str


@dataclass(frozen=True)
class Evidence:
    """What was checked before the report. `causes`: the likeliest, with their weight."""

    ref: str
    lines: Sequence[EvidenceLine]
    causes: Sequence[str]
    advice: str
    took: timedelta | None
    is_by_desk: bool
    screen_text: str
    state: str
    has_flow: bool


@dataclass(frozen=True)
class Place:
    """Where the ticket stands in the queue it was opened from."""

    title: str | Promise
    query: str
    back: QueueFilter
    position: int = 0
    total: int = 0
    previous_ref: str = ""
    next_ref: str = ""

    @property
    def more(self) -> str:
        """The same query behind another one."""
        return f"&{self.query[1:]}" if self.query else ""


_TONES = {
    True: ("f", "circle-x"),
    False: ("p", "circle-check"),
    None: ("u", "circle-question-mark"),
}


def evidence_of(run: DiagnosisRun | None) -> Evidence | None:
    """The walk as the desk reads it; None where the report came without a run."""
    if run is None:
        return None
    language = reader_language()
    flow = run.flow_version.flow if run.flow_version else None
    lines = []
    for finding in run.findings():
        tone, icon = _TONES[finding.is_bad]
        question, answer = finding.step.text.get(language), finding.answer.text.get(language)
        lines.append(EvidenceLine(question, answer, tone, icon))
    return Evidence(
        lines=lines,
        ref=run.ref,
        causes=[
            f"{cause_words(cause, flow)} {round(100 * share)} %"
            for cause, share in run.outcome.get("causes") or []
            if cause != OTHER
        ],
        advice=run.advice,
        took=run.finished_at - run.started_at if run.finished_at else None,
        is_by_desk=not run.browser_key,
        screen_text=run.screen_text,
        state=run.state,
        has_flow=flow is not None,
    )


def likely_causes(run: DiagnosisRun | None) -> list[str]:
    """Fault ids of the outcome, the likeliest first; empty where the walk did not end."""
    return [str(cause[0]) for cause in (run.outcome.get("causes") or [])] if run else []


def likely_so_far(run: DiagnosisRun | None) -> list[str]:
    """The same of a walk that was broken off; empty where nothing was answered."""
    if run is None or run.flow_version is None or not run.answers():
        return []
    known = Attributes.from_dict(run.attributes)
    belief = posterior(run.flow_version.flow, known, [*run.known(), *run.answers()])
    return sorted(belief, key=lambda fault: -belief[fault])


def flow_of(run: DiagnosisRun | None) -> Flow | None:
    """The flow that was walked."""
    return run.flow_version.flow if run and run.flow_version else None


def preview_of(actor: Actor, ticket: Ticket) -> dict[str, Any]:
    """The inbox's pane: ticket, evidence, the last words that the actor may read."""
    words = Message.objects.visible_to(actor).filter(ticket=ticket).order_by("-created_at", "-pk")
    return {"ticket": ticket, "evidence": evidence_of(ticket.run), "message": words.first()}


def place_of(reader: "Reader", ticket: Ticket) -> Place | None:
    """Position, previous and next in the queue that the address names."""
    queue = reader.queue
    if queue is None:
        return None
    found = queue.ordered(reader.actor, reader.sight.today)
    refs = list(found.values_list("ref", flat=True)[:WALK_LIMIT])
    place = Place(title=VIEWS[queue.view], query=queue.ticket_query(), back=queue, total=len(refs))
    if ticket.ref not in refs:
        return replace(place, next_ref=refs[0] if refs else "")
    at = refs.index(ticket.ref)
    return replace(
        place,
        position=at + 1,
        previous_ref=refs[at - 1] if at else "",
        next_ref=refs[at + 1] if at + 1 < len(refs) else "",
    )


@dataclass(frozen=True)
class Shown:
    """How the page differs from its plain form: a form that was refused, a number revealed, the
    deed (its name) whose dialog is asked for.
    """

    deed: str = ""
    refused: forms.DeedForm | None = None
    composer: Any = None
    phone: str = ""


@dataclass(frozen=True)
class Reader:
    """Who looks, when, in which zone, and out of which queue."""

    actor: Actor
    now: datetime
    zone: str
    queue: QueueFilter | None = field(default=None)

    @property
    def sight(self) -> Sight:
        """The moment and the zone, as the faces of clocks take them."""
        return Sight(self.now, self.zone)


def clocks_of(ticket: Ticket, sight: Sight) -> dict[str, Any]:
    """What `tickets/desk/_clocks.html` names: the faces of both clocks, and their version."""
    rows = list(with_calendars().filter(ticket=ticket))
    faces = badges(rows, sight.reader(ticket))
    return {
        "ticket": ticket,
        "clocks": list(zip(rows, faces, strict=True)),
        "clocks_version": version_of([face_version(face) for face in faces], sight.today.ends_at),
        **sight.context(),
    }


def context_of(reader: Reader, ticket: Ticket, shown: Shown | None = None) -> dict[str, Any]:
    """Everything that `tickets/desk/ticket.html` and its fragment name."""
    shown = shown or Shown()
    actor, flow = reader.actor, flow_of(ticket.run)
    messages = list(_own(Message, actor, ticket).order_by("created_at", "pk"))
    files = list(_own(Attachment, actor, ticket).order_by("pk"))
    events = _own(TicketEvent, actor, ticket).order_by("occurred_at", "pk")
    first = next((m for m in messages if m.created_at == ticket.opened_at), None)
    reported = [f for f in files if first and f.message_id == first.pk]
    deeds = [deed for deed in DEEDS.values() if may(actor, deed.permission)]
    return {
        "ticket": ticket,
        "symptom_words": flow.symptom.get(reader_language()) if flow else "",
        **clocks_of(ticket, reader.sight),
        "place": place_of(reader, ticket),
        "evidence": evidence_of(ticket.run),
        "photos": [file for file in reported if file.is_image],
        "entries": merged(
            messages,
            events,
            [f for f in files if not (f in reported and f.is_image)],
            flow=flow,
            zone=reader.zone,
        ),
        "message_count": len(messages),
        "is_stopped": ticket.terminal.state == TerminalState.STOPPED,
        "deeds": {deed.name: deed for deed in deeds if is_open(deed, ticket)},
        "dialogs": _dialogs(reader, ticket, deeds, shown),
        "can_reply": may(actor, Permission.TICKET_REPLY) and not ticket.has_ended,
        "composer": shown.composer,
        "phone": shown.phone,
        "resolution": _resolution(ticket, flow),
        **fixes_of(actor, ticket, reader.now),
        **_side(reader, ticket),
    }


def _own(model: Any, actor: Actor, ticket: Ticket) -> Any:
    return model.objects.visible_to(actor).filter(ticket=ticket)


def _resolution(ticket: Ticket, flow: Flow | None) -> dict[str, Any] | None:
    if not ticket.cause:
        return None
    return {"cause": cause_words(ticket.cause, flow), "note": ticket.resolution_note}


def _dialogs(
    reader: Reader, ticket: Ticket, deeds: Sequence[Deed], shown: Shown
) -> list[tuple[Deed, forms.DeedForm]]:
    """What is refused or asked for; whatever the state, the page may have outlived its change."""
    if shown.refused is not None:
        return [(DEEDS[shown.refused.deed], shown.refused)]
    wanted = [deed for deed in deeds if deed.has_fields and deed.name == shown.deed]
    return [(deed, deed.form(around=around_of(reader, ticket, wanted))) for deed in wanted]


def dialog_of(reader: Reader, ticket: Ticket, name: str) -> dict[str, Any] | None:
    """What `tickets/desk/_dialog.html` names; None for a deed without one or another role's."""
    deeds = [deed for deed in DEEDS.values() if may(reader.actor, deed.permission)]
    query = reader.queue.ticket_query() if reader.queue else ""
    for deed, form in _dialogs(reader, ticket, deeds, Shown(deed=name)):
        return {"ticket": ticket, "deed": deed, "form": form, "query": query}
    return None


def around_of(reader: Reader, ticket: Ticket, deeds: Sequence[Deed]) -> forms.Around:
    """What the forms of these deeds are filled from; people are read only where one picks them."""
    names = {deed.name for deed in deeds}
    actor = reader.actor
    seats = Seat.objects.visible_to(actor).active().with_people()
    return forms.Around(
        ticket=ticket,
        now=reader.now,
        zone=reader.zone,
        seats=list(seats) if names & {"assign", "dispatch"} else (),
        teams=list(Team.objects.visible_to(actor)) if "assign" in names else (),
        flow=flow_of(ticket.run),
        likely=likely_causes(ticket.run) or likely_so_far(ticket.run),
    )


def _side(reader: Reader, ticket: Ticket) -> dict[str, Any]:
    """The right panel: terminal, merchant, earlier tickets."""
    mine = Ticket.objects.visible_to(reader.actor)
    others = mine.filter(merchant_id=ticket.merchant_id).exclude(pk=ticket.pk)
    earlier = others.with_summary_columns().order_by("-opened_at", "-pk")[:EARLIER_ROWS]
    return {
        **_terminal_side(reader, ticket),
        "hours": hours_words(ticket.store.opening_hours),
        "earlier": [
            (other, cause_words(other.cause, flow_of(other.run)) if other.cause else "")
            for other in sorted(earlier, key=lambda o: o.terminal_id != ticket.terminal_id)
        ],
    }


def _terminal_side(reader: Reader, ticket: Ticket) -> dict[str, Any]:
    """The terminal's numbers, how often it was reported lately, how many terminals the merchant
    uses: one query, a row for each number or one without.
    """
    terminals = Terminal.objects.visible_to(reader.actor)
    recent = Ticket.objects.visible_to(reader.actor).opened_since(reader.now - REPAIRS_WITHIN)
    # All of the shop, for an engineer too, who sees only those of own jobs.
    in_use = type(ticket.terminal)._default_manager.filter(  # noqa: SLF001 - Django's documented name
        store__merchant_id=ticket.merchant_id,
        state__in=[TerminalState.ACTIVE, TerminalState.STOPPED],
    )
    rows = (
        terminals.filter(pk=ticket.terminal_id)
        .annotate(
            repairs=_number_of(recent.filter(terminal_id=OuterRef("pk")), "terminal_id"),
            in_use=_number_of(in_use, "store__merchant_id"),
        )
        .order_by("numbers__kind")
        .values_list("numbers__kind", "numbers__number", "repairs", "in_use")
    )
    found = list(rows)
    kinds = dict(TerminalNumber.Kind.choices)
    return {
        "numbers": [(kinds[kind], number) for kind, number, *_counts in found if kind],
        "repairs": found[0][2] if found else 0,
        "other_terminals": found[0][3] if found else 0,
    }


def _number_of(rows: Any, column: str) -> Coalesce:
    """How many rows there are, all of which share the value of `column`."""
    grouped = rows.order_by().values(column).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(grouped), 0)


def hours_words(hours: Mapping[str, list[list[str]]]) -> list[tuple[str, str]]:
    """`[("Mon – Fri", "09:00-21:00"), ("Sun", "closed")]`; empty where none are known."""
    found = []
    for first, last, words in grouped(hours) if hours else []:
        days = str(_DAY_NAMES[first])
        if first != last:
            days = f"{days} – {_DAY_NAMES[last]}"
        found.append((days, words or _("closed")))
    return found
