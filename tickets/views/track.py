"""The status link: who has it, what happens next, and the merchant's own part in it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from diagnostics.access import found_lines, keep_selling
from posdoctor.accounts.actor import Actor
from posdoctor.core import browser, clock, doors
from posdoctor.core.errors import IllegalMoveError
from tickets import access, actions
from tickets.access import proven_page
from tickets.forms.files import sort_files
from tickets.forms.report import UnlockForm, WordsForm
from tickets.lifecycle import Move, TicketStatus, can
from tickets.models import Message, Ticket
from tickets.views.files import limited_upload
from tickets.views.progress import answered_at, headline, promised, stages

PAGE, LOCKED = "tickets/merchant/track.html", "tickets/merchant/locked.html"


@never_cache
@login_not_required
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """How the report stands; without proof a locked door that shows nothing of it."""
    ticket = access.ticket_of(token)
    actor = access.actor_for(request, ticket)
    if actor is None:
        return _locked(request, ticket, UnlockForm())
    return _shown(request, ticket, actor)


@never_cache
@login_not_required
@require_POST
def unlock(request: HttpRequest, token: str) -> HttpResponse:
    """The proof: last four digits of the contact phone. Every try counts for the ticket, wrong
    ones for the address too: many shops share the address of a mobile network.
    """
    ticket, now = access.ticket_of(token), clock.now()
    form = UnlockForm(request.POST)
    if not form.is_valid():
        return _locked(request, ticket, form, status=422)
    address = doors.address_of(request)
    doors.check(doors.UNLOCK_BY_ADDRESS, address, now=now)
    left = doors.knock(doors.UNLOCK_BY_TICKET, ticket.track_token, now=now)
    if not access.knows_phone(ticket, form.cleaned_data["digits"]):
        doors.knock(doors.UNLOCK_BY_ADDRESS, address, now=now)
        form.add_error("digits", _tries(left))
        return _locked(request, ticket, form, status=422)
    response = _back_to(ticket)
    browser.remember_proof(request, response, ticket.track_token)
    return response


@limited_upload
@proven_page
@require_POST
def add_words(request: HttpRequest, ticket: Ticket, actor: Actor) -> HttpResponse:
    """A line or photos from the merchant. What is good is sent, what is not is named."""
    form, now = WordsForm(request.POST, request.FILES), clock.now()
    if not form.is_valid():
        return _shown(request, ticket, actor, form=form, status=422)
    doors.knock(doors.WORDS_BY_TICKET, ticket.track_token, now=now)
    good, problems = sort_files(
        form.cleaned_data["photos"],
        room=actions.MAX_FILES,
        who=doors.address_of(request),
        now=now,
    )
    body = form.cleaned_data["body"].strip()
    if not body and not good:
        form.add_error("photos", problems)
        return _shown(request, ticket, actor, form=form, status=422)
    try:
        actions.add_words(actor, ticket_id=ticket.pk, body=body, files=good, now=now)
    except IllegalMoveError:
        return _changed(request, ticket, actor)
    messages.success(request, _("Sent"))
    for problem in problems:
        messages.error(request, problem)
    return _back_to(ticket)


@proven_page
@require_POST
def confirm(request: HttpRequest, ticket: Ticket, actor: Actor) -> HttpResponse:
    """It works."""
    return _do(request, ticket, actor, actions.confirm)


@proven_page
@require_POST
def still_broken(request: HttpRequest, ticket: Ticket, actor: Actor) -> HttpResponse:
    """It does not work after all: goes on, or after 30 days begins a linked report."""
    return _do(request, ticket, actor, actions.reopen)


@proven_page
@require_POST
def cancel(request: HttpRequest, ticket: Ticket, actor: Actor) -> HttpResponse:
    """It works again, nobody has to come."""
    # Staff read the reason in the time line, whatever language the merchant reads.
    with translation.override(settings.LANGUAGE_CODE):
        reason = _("The merchant says that it works again")
    return _do(request, ticket, actor, actions.cancel, reason=reason)


def _do(
    request: HttpRequest, ticket: Ticket, actor: Actor, act: Callable[..., Ticket], **more: Any
) -> HttpResponse:
    try:
        result = act(actor, ticket_id=ticket.pk, now=clock.now(), **more)
    except IllegalMoveError:
        return _changed(request, ticket, actor)
    response = _back_to(result)
    if result.pk != ticket.pk:
        # Who could see the old report may see the one that follows it.
        browser.remember_proof(request, response, result.track_token)
    return response


def _changed(request: HttpRequest, ticket: Ticket, actor: Actor) -> HttpResponse:
    """The page as it stands now: somebody was faster."""
    fresh = access.ticket_of(ticket.track_token)
    return _shown(request, fresh, actor, has_changed=True, status=409)


def _shown(
    request: HttpRequest, ticket: Ticket, actor: Actor, *, status: int = 200, **more: Any
) -> HttpResponse:
    said = Message.objects.visible_to(actor).filter(ticket=ticket).order_by("created_at", "pk")
    talk = list(said.prefetch_related("attachments"))
    run = ticket.run
    steps = found_lines(run) if run else []
    waits = ticket.status == TicketStatus.WAIT_MERCHANT
    replies = [message for message in talk if message.kind == Message.Kind.REPLY]
    target = ticket.merged_into
    clocks = {row.promise: row for row in ticket.clocks.all()}
    context = {
        "ticket": ticket,
        "provider": ticket.provider,
        "zone": ticket.store.time_zone,
        "headline": headline(ticket),
        "promised": promised(ticket, clocks, clock.now()),
        "stages": stages(
            ticket, step_count=len(steps), answered_at=answered_at(clocks) if replies else None
        ),
        "talk": talk,
        "question": replies[-1] if waits and replies else None,
        "findings": steps,
        "keep_selling": keep_selling(run) if run and not ticket.has_ended else "",
        "form": WordsForm(),
        "can_write": ticket.status not in _SILENT,
        "can_cancel": can(Move.CANCEL, ticket.status),
        "can_confirm": can(Move.CONFIRM, ticket.status),
        "can_reopen": can(Move.REOPEN, ticket.status),
        "merged_into": target if target and access.actor_for(request, target) else None,
    }
    return render(request, PAGE, context | more, status=status)


# A resolved report is answered by two buttons: a thank-you must not reopen it.
_SILENT = frozenset(
    {TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED}
)


def _locked(
    request: HttpRequest, ticket: Ticket, form: UnlockForm, *, status: int = 200
) -> HttpResponse:
    """SECURITY: of the report nothing is shown but whose help desk it is."""
    context = {"form": form, "provider": ticket.provider, "token": ticket.track_token}
    return render(request, LOCKED, context, status=status)


def _tries(left: int) -> str:
    if not left:
        return _("These digits do not fit. That was the last try for an hour.")
    text = ngettext(
        "These digits do not fit. %(n)d try is left.",
        "These digits do not fit. %(n)d tries are left.",
        left,
    )
    return text % {"n": left}


def _back_to(ticket: Ticket) -> HttpResponse:
    address = reverse("tickets:track", args=[ticket.track_token])
    return HttpResponseRedirect(address, status=HTTPStatus.SEE_OTHER)
