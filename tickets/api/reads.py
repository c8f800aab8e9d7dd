"""Addresses that read: tickets, their time line and files, a terminal's history; new tickets."""

from typing import Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics import actions as checks
from diagnostics.access import IN_USE
from diagnostics.models import DiagnosisRun, FlowVersion
from merchants.models import Contact, Store
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import downloads
from posdoctor.core.api.errors import invalid
from posdoctor.core.api.paging import Order, Source, mixed_page_of, page_of
from posdoctor.core.api.schema import BINARY, PageQuery, documented, page_shape
from posdoctor.core.api.shapes import read
from terminals.models import Terminal
from tickets import actions
from tickets.access import is_key
from tickets.api import inputs, shapes
from tickets.api.base import TicketsView
from tickets.api.reports import Filing
from tickets.models import Attachment, Message, Ticket, TicketEvent
from tickets.querysets import TicketQuerySet, Today

NEWEST = Order(("opened_at", "ref"), is_descending=True, is_by_time=True)
OLDEST = Order(("opened_at", "ref"), is_by_time=True)
# Field of the address -> column of the row; references are stored in upper case.
_COLUMNS = {
    "priority": "priority", "symptom": "symptom", "model": "terminal__model__slug",
    "area": "store__area", "status": "status__in",
}  # fmt: skip
_REFERENCES = {"team": "team__ref", "terminal": "terminal__ref", "merchant": "merchant__ref"}


class Tickets(Filing, TicketsView):
    """`tickets/`"""

    @documented("tickets_list", query=inputs.TicketQuery, gives=page_shape(shapes.Ticket))
    def get(self, request: Request) -> Response:
        """Tickets, the newest first."""
        asked = read(inputs.TicketQuery, request.query_params)
        rows = self._narrowed(self.tickets(), asked)
        order = OLDEST if asked["sort"] == "oldest" else NEWEST
        shown = page_of(request, asked, rows, order, lambda t: shapes.plain(t, self.actor))
        return Response(shown)

    @documented(
        "tickets_add",
        takes=inputs.NewTicketInput,
        gives=shapes.Ticket,
        status=201,
        takes_files=True,
    )
    def post(self, request: Request) -> Response:
        """File a report that came by phone or from another system."""
        require(self.actor, Permission.RUN_START)
        given = read(inputs.NewTicketInput, request.data)
        terminal = self._terminal(given.pop("terminal"))
        symptom, language = given.pop("symptom", None), given.pop("language", None)
        try:
            run = checks.start(
                self.actor,
                terminal=terminal,
                symptom=symptom,
                language=language or self._language_of(terminal),
                now=self.now,
            )
        except FlowVersion.DoesNotExist as error:
            raise invalid({"symptom": [_("There is no such symptom")]}) from error
        ticket = self.file(run.pk, given)
        return Response(self.shown(ticket.ref), status=201)

    def _narrowed(self, rows: TicketQuerySet, asked: dict[str, Any]) -> TicketQuerySet:
        if "q" in asked:
            rows = rows.matching(asked["q"], self.actor)
        wanted = {_COLUMNS[name]: asked[name] for name in _COLUMNS if name in asked}
        wanted |= {_REFERENCES[n]: asked[n].upper() for n in _REFERENCES if n in asked}
        rows = self._timed(rows.filter(**wanted), asked)
        owner = asked.get("assignee", "")
        if owner == "none":
            return rows.unassigned()
        if owner == "me":
            return rows.of_user(self.actor.user_id)
        return rows.filter(assignee__ref=owner.upper()) if owner else rows

    def _timed(self, rows: TicketQuerySet, asked: dict[str, Any]) -> TicketQuerySet:
        if "due_before" in asked:
            rows = rows.due_before(asked["due_before"])
        if "due" in asked:
            rows = rows.working().due(asked["due"], Today.at(self.now, self._zone()))
        if "missed" in asked:
            rows = rows.missed(asked["missed"], self.now)
        if asked["breached"] is None:
            return rows
        is_broken = asked["breached"]
        return (rows.with_promises_broken if is_broken else rows.with_promises_kept)(self.now)

    def _zone(self) -> str:
        """The provider's; a merchant has it by its stores. Who has none has no tickets either."""
        zones = Store.objects.visible_to(self.actor).order_by("pk")
        return zones.values_list("provider__time_zone", flat=True).first() or "UTC"

    def _terminal(self, ref: str) -> Terminal:
        rows = Terminal.objects.visible_to(self.actor).filter(state__in=IN_USE)
        found = rows.with_list_columns().filter(ref=ref.upper()).first()
        if found is None:
            raise invalid({"terminal": [_("No terminal in use has this reference")]})
        return found

    def _language_of(self, terminal: Terminal) -> str:
        """The shop's language, not the desk's: the merchant will read the report."""
        people = Contact.objects.visible_to(self.actor).for_store(terminal.store_id or 0)
        return people.values_list("language", flat=True).first() or "zh-hans"


class OneTicket(TicketsView):
    """`tickets/{ref}/`"""

    @documented("tickets_read", gives=shapes.Ticket)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One ticket."""
        return Response(self.shown(ref))

    @documented("tickets_change", takes=inputs.TicketInput, gives=shapes.Ticket)
    def patch(self, request: Request, ref: str) -> Response:
        """Change owner, team or priority; the same deeds as `assign/` and `priority/`."""
        ticket = self.ticket(ref)
        given = read(inputs.TicketInput, request.data, partial=True)
        if given.keys() & {"assignee", "team"}:
            require(self.actor, Permission.TICKET_ASSIGN)
            owner, team = ticket.assignee_id, ticket.team_id
            if "assignee" in given:
                owner = self.person_id(given["assignee"], "assignee")
            if "team" in given:
                team = self.team_id(given["team"])
            actions.assign(
                self.actor, ticket_id=ticket.pk, now=self.now, user_id=owner, team_id=team
            )
        if "priority" in given:
            actions.set_priority(
                self.actor,
                ticket_id=ticket.pk,
                priority=given["priority"],
                reason=given["reason"],
                now=self.now,
            )
        return Response(self.shown(ref))


class Timeline(TicketsView):
    """`tickets/{ref}/timeline/`"""

    @documented("tickets_timeline", query=PageQuery, gives=page_shape(shapes.TimelineEntry))
    def get(self, request: Request, ref: str) -> Response:
        """What happened, the oldest first. Merchants see the public conversation only."""
        asked = read(PageQuery, request.query_params)
        ticket = self.ticket(ref)
        events = TicketEvent.objects.visible_to(self.actor).filter(ticket=ticket)
        messages = Message.objects.visible_to(self.actor).filter(ticket=ticket)
        messages = messages.prefetch_related("attachments")
        sources = [
            Source(events, "occurred_at", shapes.of_event),
            Source(messages, "created_at", lambda m: shapes.of_message(m, ticket.ref)),
        ]
        return Response(mixed_page_of(request, asked, sources))


class Attachments(TicketsView):
    """`tickets/{ref}/attachments/`"""

    @documented("tickets_attachments", query=PageQuery, gives=page_shape(shapes.Attachment))
    def get(self, request: Request, ref: str) -> Response:
        """Photos and files of a ticket, the oldest first."""
        asked = read(PageQuery, request.query_params)
        ticket = self.ticket(ref)
        rows = Attachment.objects.visible_to(self.actor).filter(ticket=ticket)

        def shown(file: Attachment) -> Any:
            return shapes.Attachment(file, context={"ref": ticket.ref}).data

        order = Order(("created_at", "key"), is_by_time=True)
        return Response(page_of(request, asked, rows, order, shown))


class OneAttachment(TicketsView):
    """`tickets/{ref}/attachments/{key}/`"""

    @documented("tickets_attachment", gives=BINARY, status=(200, "*/*"))
    def get(self, request: Request, ref: str, key: str) -> HttpResponse:  # noqa: ARG002
        """The file itself, in its own content type."""
        ticket = self.ticket(ref)
        rows = Attachment.objects.visible_to(self.actor).filter(ticket=ticket)
        found = rows.filter(key=key).first() if is_key(key) else None
        if found is None:
            raise Http404
        return downloads.serve(found.file, name=found.name, content_type=found.content_type)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - DRF's signature
        """Whatever is asked for: the file has the type that it has."""
        return super().perform_content_negotiation(request, force=True)


class History(ApiView):
    """`terminals/{ref}/history/`"""

    area = ApiToken.Area.RECORDS.value

    @documented("terminals_history", query=PageQuery, gives=page_shape(shapes.HistoryEntry))
    def get(self, request: Request, ref: str) -> Response:
        """Tickets, diagnoses, custody and maintenance of a terminal, the newest first."""
        asked = read(PageQuery, request.query_params)
        terminal = self.row(Terminal.objects.visible_to(self.actor), ref=ref.upper())
        tickets = Ticket.objects.visible_to(self.actor).filter(terminal=terminal)
        runs = DiagnosisRun.objects.visible_to(self.actor).filter(terminal=terminal)
        runs = runs.select_related("flow_version").defer("flow_version__document")
        sources = [
            Source(tickets, "opened_at", shapes.of_ticket),
            Source(runs, "started_at", shapes.of_run),
        ]
        if shapes.is_seat(self.actor):
            # Who did what to a machine is the provider's own business.
            events = terminal.events.all()
            sources.append(Source(events, "occurred_at", shapes.of_terminal_event))
        return Response(mixed_page_of(request, asked, sources, is_descending=True))
