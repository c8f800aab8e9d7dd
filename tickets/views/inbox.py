"""The inbox: queues of tickets, and the panels of tickets that other pages fetch."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
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
    GROUP_TITLES,
    PAGE_ROWS,
    SORTS,
    VIEWS,
    QueueFilter,
)
from tickets.lifecycle import Priority, TicketStatus
from tickets.models import Ticket
from tickets.querysets import GROUPS
from tickets.views.desk import actor_of, desk_page, is_fragment, staff_page, zone_of
from tickets.views.ticket_page import preview_of

PANEL_ROWS = 10
_AREAS = 200
GROUP_LOOKS = {
    "attention": ("bell-ring", "y"),
    "new": ("sparkles", ""),
    "open": ("circle-dashed", ""),
    "waiting": ("circle-pause", ""),
    "resolved": ("circle-check", ""),
    "ended": ("check-check", ""),
}


@dataclass(frozen=True)
class Group:
    """Rows under one heading; `count` counts the whole group, not only this page's part."""

    name: str
    title: str | Promise
    icon: str
    tone: str
    count: int
    rows: list[Ticket]


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
    actor = actor_of(request)
    queue = QueueFilter.of_inbox(view, request.GET)
    context = _list_context(actor, queue, view) | {"zone": zone_of(request)}
    rows = context["rows"]
    context["preview"] = preview_of(actor, rows[0].ref) if rows else None
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
    rows = list(tickets.with_list_columns().order_by("-opened_at", "-pk")[: PANEL_ROWS + 1])
    context = {
        "rows": rows[:PANEL_ROWS],
        "has_more": len(rows) > PANEL_ROWS,
        "shows_terminal": shows_terminal,
        "zone": zone_of(request),
    }
    return render(request, "tickets/desk/_panel.html", context)


def _list_context(actor: Actor, queue: QueueFilter, view: str) -> dict[str, Any]:
    """The list itself: groups or one run of rows, how many, and the neighbouring pages."""
    found = queue.ordered(actor).with_list_columns()
    rows = list(found[queue.start : queue.start + PAGE_ROWS + 1])
    has_next, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
    groups = _groups(actor, queue, rows) if queue.order == "queue" else []
    total = sum(group.count for group in groups) if groups else _count(actor, queue)
    return {
        "queue": queue,
        "view": view,
        "title": _title(actor, view),
        "rows": rows,
        "groups": [group for group in groups if group.rows],
        "total": f"{COUNT_LIMIT}+" if total > COUNT_LIMIT and not groups else total,
        "chips": _chips(queue, rows),
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


def _count(actor: Actor, queue: QueueFilter) -> int:
    """At most one more than the limit: nobody needs the exact number of a million rows."""
    return queue.matching(actor).order_by()[: COUNT_LIMIT + 1].count()


def _groups(actor: Actor, queue: QueueFilter, rows: list[Ticket]) -> list[Group]:
    counts = queue.matching(actor).count_by_group()
    return [
        Group(
            name=name,
            title=GROUP_TITLES[name],
            icon=GROUP_LOOKS[name][0],
            tone=GROUP_LOOKS[name][1],
            count=counts.get(name, 0),
            rows=[row for row in rows if row.group == name],  # type: ignore[attr-defined]
        )
        for name in GROUPS
        if counts.get(name)
    ]


def _tools(actor: Actor) -> dict[str, Any]:
    """The choices of each filter: what this provider has."""
    held = Terminal.objects.visible_to(actor).filter(model=OuterRef("pk"))
    models = TerminalModel.objects.filter(Exists(held)) if actor.is_staff else []
    areas = Store.objects.visible_to(actor).exclude(area="").order_by("area")
    return {
        "symptoms": symptom_options(),
        "models": [Option(model.slug, model.label) for model in models],
        "areas": [Option(a, a) for a in areas.values_list("area", flat=True).distinct()[:_AREAS]],
        "priorities": [Option(value, label) for value, label in Priority.choices],
        "statuses": [
            Option(ANY_STATUS, _("Every status")),
            *(Option(value, label) for value, label in TicketStatus.choices),
        ],
        "sorts": [Option(value, label) for value, label in SORTS.items()],
    }


def symptom_options() -> list[Option]:
    """Published symptoms in the desk's words, the most frequent first.

    Reads two words out of each document, not the documents.
    """
    flows = FlowVersion.objects.published().values_list("symptom", F("document__symptom"))
    language = reader_language()
    return [Option(symptom, words[language]) for symptom, words in flows]


def _chips(queue: QueueFilter, rows: list[Ticket]) -> list[Chip]:
    """What narrows the list, in words."""
    model = rows[0].terminal.model.label if rows else queue.model
    words = {
        "symptom": _symptom(queue.symptom),
        "model": str(model),
        "area": queue.area,
        "priority": str(dict(Priority.choices).get(queue.priority, "")),
        "status": _("Every status")
        if queue.status == ANY_STATUS
        else str(dict(TicketStatus.choices).get(queue.status, "")),
        "words": queue.words,
    }
    return [
        Chip(label, queue.change(**{name: ""}).inbox_query())
        for name, label in words.items()
        if getattr(queue, name)
    ]


def _symptom(symptom: str) -> str:
    if not symptom:
        return ""
    return next((o.label for o in symptom_options() if o.value == symptom), symptom)  # type: ignore[return-value]
