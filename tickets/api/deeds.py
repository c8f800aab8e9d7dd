"""Addresses of the verbs: one deed each, answered with the ticket as it is afterwards."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics.flow import OTHER
from merchants.api.shapes import Phone
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.errors import Refusals, invalid
from posdoctor.core.api.parsers import FormParser, JsonParser
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import Input, NothingInput, read
from posdoctor.core.refs import clean_code
from tickets import actions
from tickets.api import inputs, shapes
from tickets.api.base import TicketsView
from tickets.forms.desk import cause_choices
from tickets.models import Ticket

_Act = Callable[..., Any]


class DeedView(TicketsView):
    """The right is asked before the input: who may not do it learns nothing of its shape."""

    def begin(
        self, request: Request, ref: str, permission: Permission, shape: type[Input]
    ) -> tuple[Ticket, dict[str, Any]]:
        """The ticket and the read input."""
        ticket = self.ticket(ref)
        require(self.actor, permission)
        return ticket, read(shape, request.data, now=self.now)

    def done(self, act: _Act, ticket: Ticket, **given: Any) -> Response:
        """Acts, and shows the ticket that is worked on now."""
        result = act(self.actor, ticket_id=ticket.pk, now=self.now, **given)
        ref = result.ref if isinstance(result, Ticket) else ticket.ref
        # An engineer who hands a job on does not see it any more.
        seen = Ticket.objects.visible_to(self.actor).filter(ref=ref).exists()
        if not seen:
            return Response(status=204)
        return Response(self.shown(ref))


class WordsView(DeedView):
    """A message, with or without files."""

    parser_classes = (JsonParser, FormParser)
    max_body: ClassVar[int] = inputs.MAX_REQUEST_BYTES

    def say(
        self,
        request: Request,
        ref: str,
        permission: Permission,
        act: _Act,
        shape: type[Input] = inputs.WordsInput,
    ) -> Response:
        """Cleans the files, then acts."""
        ticket, given = self.begin(request, ref, permission, shape)
        files = inputs.clean_files(given.pop("attachments"))
        return self.done(act, ticket, files=files, **given)


class Reply(WordsView):
    """`tickets/{ref}/reply/`"""

    @documented("tickets_reply", takes=inputs.ReplyInput, gives=shapes.Ticket, takes_files=True)
    def post(self, request: Request, ref: str) -> Response:
        """Answer the merchant in public; the first answer takes a new ticket up."""
        return self.say(request, ref, Permission.TICKET_REPLY, actions.reply, inputs.ReplyInput)


class Note(WordsView):
    """`tickets/{ref}/note/`"""

    @documented("tickets_note", takes=inputs.WordsInput, gives=shapes.Ticket, takes_files=True)
    def post(self, request: Request, ref: str) -> Response:
        """Write an internal note: no merchant ever sees it."""
        return self.say(request, ref, Permission.TICKET_NOTE, actions.note)


class Words(WordsView):
    """`tickets/{ref}/words/`"""

    @documented("tickets_words", takes=inputs.WordsInput, gives=shapes.Ticket, takes_files=True)
    def post(self, request: Request, ref: str) -> Response:
        """Add the merchant's own words; they reopen a ticket that waits or is resolved."""
        return self.say(request, ref, Permission.TICKET_ADD_WORDS, actions.add_words)


class Take(DeedView):
    """`tickets/{ref}/take/`"""

    @documented("tickets_take", takes=NothingInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Take a new ticket up for oneself."""
        ticket, _given = self.begin(request, ref, Permission.TICKET_ASSIGN, NothingInput)
        return self.done(actions.take_up, ticket)


class Assign(DeedView):
    """`tickets/{ref}/assign/`"""

    @documented("tickets_assign", takes=inputs.AssignInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Give the ticket to a person, a team, both or nobody."""
        ticket, given = self.begin(request, ref, Permission.TICKET_ASSIGN, inputs.AssignInput)
        user, team = ticket.assignee_id, ticket.team_id
        if "user" in given:
            user = self.person_id(given["user"], "user")
        if "team" in given:
            team = self.team_id(given["team"])
        return self.done(actions.assign, ticket, user_id=user, team_id=team)


class Wait(DeedView):
    """`tickets/{ref}/wait/`"""

    @documented("tickets_wait", takes=inputs.WaitInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Stop the work until the merchant or a supplier answers."""
        ticket, given = self.begin(request, ref, Permission.TICKET_WAIT, inputs.WaitInput)
        return self.done(actions.wait, ticket, wait_for=given["for"], remind_at=given["remind_at"])


class Resume(DeedView):
    """`tickets/{ref}/resume/`"""

    @documented("tickets_resume", takes=NothingInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Go on working on a waiting ticket."""
        ticket, _given = self.begin(request, ref, Permission.TICKET_WAIT, NothingInput)
        return self.done(actions.resume, ticket)


class Dispatch(DeedView):
    """`tickets/{ref}/dispatch/`"""

    refusals: ClassVar[Refusals] = {
        **TicketsView.refusals,
        "unknown_person": ("engineer", TicketsView.refusals["unknown_person"][1]),
    }

    @documented("tickets_dispatch", takes=inputs.DispatchInput, gives=shapes.Ticket, may_hide=True)
    def post(self, request: Request, ref: str) -> Response:
        """Book a visit: the ticket goes to a field engineer."""
        ticket, given = self.begin(request, ref, Permission.TICKET_DISPATCH, inputs.DispatchInput)
        engineer = self.person_id(given["engineer"], "engineer")
        return self.done(actions.dispatch, ticket, engineer_id=engineer)


class OnSite(DeedView):
    """`tickets/{ref}/on_site/`"""

    @documented("tickets_on_site", takes=NothingInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """The engineer stands in the shop."""
        ticket, _given = self.begin(request, ref, Permission.TICKET_ON_SITE, NothingInput)
        return self.done(actions.arrive, ticket)


class Leave(DeedView):
    """`tickets/{ref}/leave/`"""

    @documented("tickets_leave", takes=inputs.TicketReasonInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """End a visit without a fix, or call it off: back to the desk."""
        ticket, given = self.begin(
            request, ref, Permission.TICKET_ON_SITE, inputs.TicketReasonInput
        )
        return self.done(actions.leave, ticket, **given)


class Resolve(DeedView):
    """`tickets/{ref}/resolve/`"""

    @documented("tickets_resolve", takes=inputs.ResolveInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Say what it was and how it was seen to work; the merchant confirms or refuses."""
        ticket, given = self.begin(request, ref, Permission.TICKET_RESOLVE, inputs.ResolveInput)
        run = ticket.run
        flow = run.flow_version.flow if run and run.flow_version else None
        if given["cause"] not in dict(cause_choices(flow, ())):
            raise invalid({"cause": [_("This symptom has no such cause")]})
        if given["cause"] == OTHER and not given["note"].strip():
            raise invalid({"note": [_("Say in a few words what it was")]})
        return self.done(actions.resolve, ticket, **given)


class Reopen(DeedView):
    """`tickets/{ref}/reopen/`"""

    @documented("tickets_reopen", takes=inputs.ReopenInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Still broken: goes on, or after 30 days files a linked new ticket, which is answered."""
        ticket, given = self.begin(request, ref, Permission.TICKET_REOPEN, inputs.ReopenInput)
        return self.done(actions.reopen, ticket, words=given["note"])


class Close(DeedView):
    """`tickets/{ref}/close/`"""

    @documented("tickets_close", takes=NothingInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """The merchant confirms that it works."""
        ticket, _given = self.begin(request, ref, Permission.TICKET_CONFIRM, NothingInput)
        return self.done(actions.confirm, ticket)


class Cancel(DeedView):
    """`tickets/{ref}/cancel/`"""

    @documented("tickets_cancel", takes=inputs.TicketReasonInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """End a ticket that needs no more work."""
        ticket, given = self.begin(request, ref, Permission.TICKET_CANCEL, inputs.TicketReasonInput)
        return self.done(actions.cancel, ticket, **given)


class Merge(DeedView):
    """`tickets/{ref}/merge/`"""

    @documented("tickets_merge", takes=inputs.MergeInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """End this ticket as a double of another, which is answered."""
        ticket, given = self.begin(request, ref, Permission.TICKET_MERGE, inputs.MergeInput)
        code = clean_code(given["into"])
        target = f"T-{code[1:]}" if code.startswith("T") and len(code) == 7 else code
        if target == ticket.ref:
            raise invalid({"into": [_("That is this very ticket. Enter another reference.")]})
        if not Ticket.objects.visible_to(self.actor).filter(ref=target).exists():
            raise invalid({"into": [_("There is no ticket with this reference")]})
        return self.done(actions.merge_into, ticket, target_ref=target)


class ChangePriority(DeedView):
    """`tickets/{ref}/priority/`"""

    @documented("tickets_priority", takes=inputs.PriorityInput, gives=shapes.Ticket)
    def post(self, request: Request, ref: str) -> Response:
        """Change the priority, with a reason that stays in the time line."""
        ticket, given = self.begin(request, ref, Permission.TICKET_PRIORITY, inputs.PriorityInput)
        return self.done(actions.set_priority, ticket, **given)


class Reveal(DeedView):
    """`tickets/{ref}/reveal/`"""

    is_kept = False  # SECURITY: the whole number is stored nowhere else

    @documented("tickets_reveal", takes=NothingInput, gives=Phone)
    def post(self, request: Request, ref: str) -> Response:
        """The contact's whole number; that it was shown is in the time line."""
        ticket, _given = self.begin(request, ref, Permission.CONTACT_REVEAL, NothingInput)
        phone = actions.reveal_contact(self.actor, ticket_id=ticket.pk, now=self.now)
        return Response(Phone({"phone": phone}).data)
