"""The inbox: queues of tickets, and the panels of tickets that other pages fetch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import caches
from django.db.models import Exists, F, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from diagnostics.models import FlowVersion, reader_language
from merchants.models import Merchant, Store
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core.htmx import render_page
from terminals.models import Terminal, TerminalModel
from tickets.context import nav_counts
from tickets.filters import (
    ANY_STATUS,
    COUNT_LIMIT,
    DUES,
    GROUP_TITLES,
    MISSED,
    NOBODY,
    PAGE_ROWS,
    SORTS,
    VIEWS,
    QueueFilter,
)
from tickets.lifecycle import Priority, TicketStatus
from tickets.models import Ticket
from tickets.querysets import GROUPS, TicketRow
from tickets.sla.badge import Badge
from tickets.views.desk import (
    Row,
    Sight,
    actor_of,
    desk_page,
    face_version,
    faces_of,
    is_fragment,
    is_unchanged,
    rows_of,
    sight_of,
    staff_page,
    version_of,
)

PANEL_ROWS = 10
_AREAS = 200
GROUP_LOOKS = {
    "over": ("octagon-alert", "r"),
    "hour": ("hourglass", "y"),
    "today": ("clock", ""),
    "later": ("calendar-days", ""),
    "paused": ("circle-pause", ""),
    "none": ("circle-dashed", ""),
    "resolved": ("circle-check", ""),
    "ended": ("check-check", ""),
}


@dataclass(frozen=True)
class Group:
    """Rows under one heading; `count` counts the whole group, not only this page's part."""

    name: str
    count: int
    rows: list[Row]

    @property
    def title(self) -> str | Promise:
        return GROUP_TITLES[self.name]

    @property
    def icon(self) -> str:
        return GROUP_LOOKS[self.name][0]

    @property
    def tone(self) -> str:
        return GROUP_LOOKS[self.name][1]


@dataclass(frozen=True)
class Listing:
    """One page of a list as it was read: enough to say whether a browser has it already."""

    tickets: list[TicketRow]
    faces: list[Badge]
    counts: Mapping[str, int]
    total: int
    has_next: bool

    def rows(self, queue: QueueFilter, sight: Sight, *, marks_first: bool) -> list[Row]:
        """To be drawn; the first one is the one that the pane shows."""
        query, faced = queue.ticket_query(), zip(self.tickets, self.faces, strict=True)
        return [
            Row(ticket, face, sight.zone, query, is_current=marks_first and not at)
            for at, (ticket, face) in enumerate(faced)
        ]

    def version(self, sight: Sight) -> str:
        """What any deed on a row touches, its face, the counts, the day."""
        return version_of(
            [(t.pk, t.last_activity_at, t.attention_at, t.assignee_id, t.status, t.priority,
              t.attachment_count) for t in self.tickets],
            [face_version(face) for face in self.faces],
            list(self.counts.items()),
            self.total,
            sight.today.ends_at,
        )  # fmt: skip


@dataclass(frozen=True)
class Option:
    """One value of a filter."""

    value: str
    label: str | Promise


@dataclass(frozen=True)
class Chip:
    """A filter that is on, with the address of the list without it."""

    label: str
    query: str


@require_GET
@staff_page
def page(request: HttpRequest, view: str = "mine") -> HttpResponse:
    """`/desk/` is one's own queue, `/desk/q/<view>/` the others; filters are in the address."""
    if view not in VIEWS:
        raise Http404
    actor, sight = actor_of(request), sight_of(request)
    queue, names = QueueFilter.of_inbox(view, request.GET).named(actor)
    listing = _read(actor, queue, sight)
    version = listing.version(sight)
    if is_unchanged(request, version):
        return HttpResponseNotModified()
    is_live = "HX-PTag" in request.headers  # the pane is the reader's choice
    rows = listing.rows(queue, sight, marks_first=not is_live)
    context = _list_context(actor, queue, listing, rows)
    context |= {"version": version, **sight.context()}
    context["chips"] = _chips(queue, names, actor.provider_id)
    if is_live:
        return render(request, "tickets/desk/_queue.html", context)
    if not is_fragment(request):
        context |= _tools(actor)
    return render_page(
        request, "tickets/desk/inbox.html", "tickets/desk/_queue_answer.html", context
    )


@require_GET
@desk_page
def of_terminal(request: HttpRequest, terminal_ref: str) -> HttpResponse:
    """The newest tickets of a terminal, for its page."""
    actor = actor_of(request)
    terminal = get_object_or_404(Terminal.objects.visible_to(actor), ref=terminal_ref.upper())
    tickets = Ticket.objects.visible_to(actor).filter(terminal=terminal)
    return _panel(request, tickets, shows_terminal=False)


@require_GET
@desk_page
def of_merchant(request: HttpRequest, merchant_ref: str) -> HttpResponse:
    """The newest tickets of a merchant, for its page."""
    actor = actor_of(request)
    merchant = get_object_or_404(Merchant.objects.visible_to(actor), ref=merchant_ref.upper())
    tickets = Ticket.objects.visible_to(actor).filter(merchant=merchant)
    return _panel(request, tickets, shows_terminal=True)


def _panel(request: HttpRequest, tickets: Any, *, shows_terminal: bool) -> HttpResponse:
    sight = sight_of(request)
    found = tickets.order_by("-opened_at", "-pk").rows(0, PANEL_ROWS + 1)
    context = {
        "rows": rows_of(found[:PANEL_ROWS], sight),
        "has_more": len(found) > PANEL_ROWS,
        "shows_terminal": shows_terminal,
        **sight.context(),
    }
    return render(request, "tickets/desk/_panel.html", context)


def _read(actor: Actor, queue: QueueFilter, sight: Sight) -> Listing:
    """This page of the list, and how many there are in all."""
    found = queue.ordered(actor, sight.today)
    is_grouped = queue.order == "queue"
    if is_grouped:
        found = found.with_sizes()
    tickets = found.rows(queue.start, queue.start + PAGE_ROWS + 1)
    has_next, tickets = len(tickets) > PAGE_ROWS, tickets[:PAGE_ROWS]
    counts = {GROUPS[t.place]: t.group_size for t in tickets} if is_grouped else {}
    is_whole = not has_next and not queue.start  # what is shown is all there is
    if is_grouped and tickets:
        total = tickets[0].list_size
    else:
        total = len(tickets) if is_whole else _count(actor, queue, sight)
    return Listing(tickets, faces_of(tickets, sight), counts, total, has_next)


def _list_context(
    actor: Actor, queue: QueueFilter, listing: Listing, rows: list[Row]
) -> dict[str, Any]:
    """What `tickets/desk/_queue.html` names: groups or one run of rows, the neighbouring pages."""
    total, has_next = listing.total, listing.has_next
    return {
        "queue": queue,
        "view": queue.view,
        "title": _title(actor, queue.view),
        "rows": rows,
        "groups": _groups(rows, listing.counts),
        "total": f"{COUNT_LIMIT}+" if total > COUNT_LIMIT and not listing.counts else total,
        "next_query": queue.change(start=queue.start + PAGE_ROWS).inbox_query() if has_next else "",
        "has_previous": queue.start > 0,
        "previous_query": queue.change(start=max(0, queue.start - PAGE_ROWS)).inbox_query(),
        "first": queue.start + 1,
        "last": queue.start + len(rows),
        "elsewhere": nav_counts(actor) if not rows else {},
    }


def _title(actor: Actor, view: str) -> str:
    if actor.role == Role.FIELD and view == "mine":
        return _("My jobs")
    return str(VIEWS[view])


def _count(actor: Actor, queue: QueueFilter, sight: Sight) -> int:
    """At most one more than the limit: nobody needs the exact number of a million rows."""
    return queue.matching(actor, sight.today).order_by()[: COUNT_LIMIT + 1].count()


def _groups(rows: list[Row], counts: Mapping[str, int]) -> list[Group]:
    """The groups that this page has rows of."""
    return [
        Group(name, count, [row for row in rows if GROUPS[row.ticket.place] == name])
        for name, count in counts.items()
    ]


def _tools(actor: Actor) -> dict[str, Any]:
    """The choices of each filter."""
    return {
        **_recorded_choices(actor),
        "priorities": [Option(value, label) for value, label in Priority.choices],
        "statuses": [
            Option(ANY_STATUS, _("Every status")),
            *(Option(value, label) for value, label in TicketStatus.choices),
        ],
        "dues": [Option(value, label) for value, label in DUES.items()],
        "sorts": [Option(value, label) for value, label in SORTS.items()],
    }


def _recorded_choices(actor: Actor) -> dict[str, list[Option]]:
    """What this provider has: three queries, so a process keeps them for a minute.

    SECURITY: kept by provider, and only what is the same for all of its staff.
    """
    if not actor.is_staff:
        return _read_choices(actor)
    key, kept = f"inbox-choices-{actor.provider_id}-{get_language()}", caches["process"]
    found: dict[str, list[Option]] | None = kept.get(key)
    if found is None:
        found = _read_choices(actor)
        kept.set(key, found)
    return found


def _read_choices(actor: Actor) -> dict[str, list[Option]]:
    held = Terminal.objects.visible_to(actor).filter(model=OuterRef("pk"))
    named = TerminalModel.objects.only("slug", "vendor", "vendor_zh", "name")
    models = named.filter(Exists(held)) if actor.is_staff else []
    areas = Store.objects.visible_to(actor).exclude(area="").order_by("area")
    return {
        "symptoms": symptom_options(actor.provider_id),
        "models": [Option(model.slug, model.label) for model in models],
        "areas": [Option(a, a) for a in areas.values_list("area", flat=True).distinct()[:_AREAS]],
    }


def symptom_options(provider_id: int | None) -> list[Option]:
    """The symptoms that this provider offers, in the desk's words, the most frequent first.

    Reads two words out of each document, not the documents.
    """
    flows = FlowVersion.objects.published_for(provider_id).values_list(
        "symptom", F("document__symptom")
    )
    language = reader_language()
    return [Option(symptom, words[language]) for symptom, words in flows]


def _chips(queue: QueueFilter, names: dict[str, str], provider_id: int | None) -> list[Chip]:
    """What narrows the list, in words; `names` are those of people and teams."""
    owner = _("Owner: %(name)s") % {"name": names.get("owner", "")}
    team = _("Team: %(name)s") % {"name": names.get("team", "")}
    words = {
        "symptom": _symptom(queue.symptom, provider_id),
        "model": _model(queue.model),
        "area": queue.area,
        "priority": str(dict(Priority.choices).get(queue.priority, "")),
        "status": _("Every status")
        if queue.status == ANY_STATUS
        else str(dict(TicketStatus.choices).get(queue.status, "")),
        "due": str(DUES.get(queue.due, "")),
        "missed": str(MISSED.get(queue.missed, "")),
        "owner": _("Unassigned") if queue.owner == NOBODY else owner,
        "team": _("Without team") if queue.team == NOBODY else team,
        "words": queue.words,
    }
    return [
        Chip(label, queue.change(**{name: ""}).inbox_query())
        for name, label in words.items()
        if getattr(queue, name)
    ]


def _model(slug: str) -> str:
    model = TerminalModel.objects.filter(slug=slug).first() if slug else None
    return str(model.label) if model else slug


def _symptom(symptom: str, provider_id: int | None) -> str:
    if not symptom:
        return ""
    return next((o.label for o in symptom_options(provider_id) if o.value == symptom), symptom)  # type: ignore[return-value]
