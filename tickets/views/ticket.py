"""The ticket page and the deeds on it: parse, act, answer with the page or its fragment."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from posdoctor.accounts.policies import Permission, require
from posdoctor.core import clock
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.htmx import render_page
from posdoctor.core.request_guard import takes_bodies_up_to
from tickets import actions
from tickets.explanations import explanations
from tickets.filters import QueueFilter
from tickets.forms.composer import MessageForm, NoteForm, ReplyForm
from tickets.lifecycle import TicketStatus
from tickets.models import Message, Ticket
from tickets.views.desk import (
    actor_of,
    is_fragment,
    is_unchanged,
    say,
    sight_of,
    staff_page,
    zone_of,
)
from tickets.views.files import MAX_REQUEST_BYTES
from tickets.views.ticket_page import (
    DEEDS,
    Deed,
    Reader,
    Shown,
    around_of,
    clocks_of,
    context_of,
    dialog_of,
    preview_of,
)

PAGE, FRAGMENT = "tickets/desk/ticket.html", "tickets/desk/_answer.html"
# What the buttons of a fix say, and the answer to each.
FIX_SAID: Mapping[str, str | Promise] = {
    "worked": gettext_lazy("Noted: worked"),
    "failed": gettext_lazy("Noted: did not work"),
    "back": gettext_lazy("Entry taken back"),
}
_Act = Callable[..., Any]


@require_GET
@never_cache
@staff_page
def page(request: HttpRequest, ref: str) -> HttpResponse:
    """The whole ticket; `?pane=preview` is the inbox's pane; `clocks`, `why` and `deed`, the
    dialog that `?deed=` names, are parts of it.
    """
    pane = request.GET.get("pane") if is_fragment(request) else ""
    if pane == "clocks":
        return _clocks(request, ref)
    ticket = _ticket(request, ref)
    if pane == "preview":
        return render(request, "tickets/desk/_preview.html", _preview(request, ticket))
    if pane == "deed":
        return _dialog(request, ticket)
    if pane == "why":
        return render(request, "tickets/desk/_why.html", _why(request, ticket))
    asked = Shown(deed=request.GET.get("deed", ""))
    return _shown(request, ticket, asked, why=request.GET.get("pane") == "why")


@takes_bodies_up_to(MAX_REQUEST_BYTES)
@require_POST
@staff_page
def reply(request: HttpRequest, ref: str) -> HttpResponse:
    """Answers the merchant; `then=wait` waits for them afterwards."""
    return _speak(request, ref, ReplyForm, actions.reply, gettext_lazy("Sent to the merchant"))


@takes_bodies_up_to(MAX_REQUEST_BYTES)
@require_POST
@staff_page
def note(request: HttpRequest, ref: str) -> HttpResponse:
    """Keeps an internal note."""
    return _speak(request, ref, NoteForm, actions.note, gettext_lazy("Internal note saved"))


@require_POST
@staff_page
def take(request: HttpRequest, ref: str) -> HttpResponse:
    """Takes a new ticket up."""
    return _do(request, ref, DEEDS["take"], actions.take_up, gettext_lazy("Taken"))


@require_POST
@staff_page
def assign(request: HttpRequest, ref: str) -> HttpResponse:
    """To a person, a team, or nobody."""
    return _do(request, ref, DEEDS["assign"], actions.assign, gettext_lazy("Owner changed"))


@require_POST
@staff_page
def wait(request: HttpRequest, ref: str) -> HttpResponse:
    """Stops the work until somebody answers."""
    return _do(request, ref, DEEDS["wait"], actions.wait, gettext_lazy("Waiting"))


@require_POST
@staff_page
def resume(request: HttpRequest, ref: str) -> HttpResponse:
    """Goes on with a waiting ticket."""
    return _do(request, ref, DEEDS["resume"], actions.resume, gettext_lazy("Work resumed"))


@require_POST
@staff_page
def dispatch(request: HttpRequest, ref: str) -> HttpResponse:
    """Books a field engineer."""
    return _do(request, ref, DEEDS["dispatch"], actions.dispatch, gettext_lazy("Engineer booked"))


@require_POST
@staff_page
def arrive(request: HttpRequest, ref: str) -> HttpResponse:
    """The engineer stands in the shop."""
    return _do(request, ref, DEEDS["arrive"], actions.arrive, gettext_lazy("On site"))


@require_POST
@staff_page
def leave(request: HttpRequest, ref: str) -> HttpResponse:
    """Ends a visit without a fix."""
    return _do(request, ref, DEEDS["leave"], actions.leave, gettext_lazy("Back to the desk"))


@require_POST
@staff_page
def fix(request: HttpRequest, ref: str) -> HttpResponse:
    """Says whether a fix worked, or takes that back: one click, no dialog."""
    actor, ticket, now = actor_of(request), _ticket(request, ref), clock.now()
    require(actor, Permission.FIX_LOG)
    step, said = request.POST.get("step", ""), request.POST.get("said", "")
    if said not in FIX_SAID:
        raise actions.UnknownFixError(step)
    try:
        if said == "back":
            actions.take_back_fix(actor, ticket_id=ticket.pk, step_id=step, now=now)
        else:
            worked = said == "worked"
            actions.log_fix(actor, ticket_id=ticket.pk, step_id=step, worked=worked, now=now)
    except IllegalMoveError as error:
        return _stale(request, ref, error)
    return _done(request, ref, ref, str(FIX_SAID[said]))


@require_POST
@staff_page
def resolve(request: HttpRequest, ref: str) -> HttpResponse:
    """Says what it was and how it was seen to work."""
    return _do(request, ref, DEEDS["resolve"], actions.resolve, gettext_lazy("Resolved"))


@require_POST
@staff_page
def reopen(request: HttpRequest, ref: str) -> HttpResponse:
    """Goes on with a resolved or closed ticket, or begins a linked one."""
    return _do(request, ref, DEEDS["reopen"], actions.reopen, gettext_lazy("Reopened"))


@require_POST
@staff_page
def cancel(request: HttpRequest, ref: str) -> HttpResponse:
    """Ends a ticket that needs no work."""
    return _do(request, ref, DEEDS["cancel"], actions.cancel, gettext_lazy("Ticket cancelled"))


@require_POST
@staff_page
def merge(request: HttpRequest, ref: str) -> HttpResponse:
    """Ends this ticket as a double of another, which is shown next."""
    return _do(request, ref, DEEDS["merge"], actions.merge_into, gettext_lazy("Merged"))


@require_POST
@staff_page
def priority(request: HttpRequest, ref: str) -> HttpResponse:
    """Changes the priority with a reason."""
    deed = DEEDS["priority"]
    return _do(request, ref, deed, actions.set_priority, gettext_lazy("Priority changed"))


@require_POST
@never_cache
@staff_page
def reveal(request: HttpRequest, ref: str) -> HttpResponse:
    """Shows the contact's whole number; that it was shown is in the time line."""
    ticket = _ticket(request, ref)
    phone = actions.reveal_contact(actor_of(request), ticket_id=ticket.pk, now=clock.now())
    if is_fragment(request):
        context = {"ticket": ticket, "phone": phone}
        return render(request, "tickets/desk/_contact.html", context)
    return _shown(request, ticket, Shown(phone=phone))


@require_GET
@never_cache
@staff_page
def print_slip(request: HttpRequest, ref: str) -> HttpResponse:
    """The service slip: one sheet with a box for signatures."""
    ticket = _ticket(request, ref)
    context = context_of(_reader(request), ticket)
    return render(request, "tickets/desk/print.html", context)


def _clocks(request: HttpRequest, ref: str) -> HttpResponse:
    """The head's clocks, which ask by themselves: 304 while they hold."""
    ticket = get_object_or_404(Ticket.objects.visible_to(actor_of(request)), ref=ref)
    context = clocks_of(ticket, sight_of(request))
    if is_unchanged(request, context["clocks_version"]):
        return HttpResponseNotModified()
    return render(request, "tickets/desk/_clocks.html", context)


def _preview(request: HttpRequest, ticket: Ticket) -> dict[str, Any]:
    return {
        "preview": preview_of(actor_of(request), ticket),
        "queue": QueueFilter.of_ticket(request.GET),
        "zone": zone_of(request),
    }


def _dialog(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    context = dialog_of(_reader(request), ticket, request.GET.get("deed", ""))
    if context is None:
        raise Http404
    return render(request, "tickets/desk/_dialog.html", context)


def _why(request: HttpRequest, ticket: Ticket) -> dict[str, Any]:
    sight = sight_of(request)
    return {
        "why": explanations(actor_of(request), ticket, sight.reader(ticket)),
        "zone": sight.zone,
    }


def _ticket(request: HttpRequest, ref: str) -> Ticket:
    """The ticket with its page columns, or 404 where it does not exist for the actor."""
    rows = Ticket.objects.visible_to(actor_of(request)).with_page_columns()
    return get_object_or_404(rows.prefetch_related("run__steps"), ref=ref)


def _reader(request: HttpRequest) -> Reader:
    queue = QueueFilter.of_ticket(request.GET)
    return Reader(actor_of(request), clock.now(), zone_of(request), queue)


def _shown(
    request: HttpRequest,
    ticket: Ticket,
    shown: Shown | None = None,
    *,
    status: int = 200,
    why: bool = False,
) -> HttpResponse:
    context = context_of(_reader(request), ticket, shown)
    if why:
        context |= _why(request, ticket)
    return render_page(request, PAGE, FRAGMENT, context, status=status)


def _do(request: HttpRequest, ref: str, deed: Deed, act: _Act, done: str | Promise) -> HttpResponse:
    """Right, form, action, answer: the one shape of every move."""
    actor, ticket = actor_of(request), _ticket(request, ref)
    require(actor, deed.permission)
    around = around_of(_reader(request), ticket, [deed])
    form = deed.form(request.POST, around=around)
    if not form.is_valid():
        return _refused(request, ticket, deed, form)
    try:
        result = act(actor, ticket_id=ticket.pk, now=around.now, **form.arguments())
    except IllegalMoveError as error:
        return _stale(request, ref, error)
    except Ticket.DoesNotExist:
        form.add_error("into", _("There is no ticket with this reference"))
        return _refused(request, ticket, deed, form)
    return _done(request, result.ref, ref, str(done))


def _refused(request: HttpRequest, ticket: Ticket, deed: Deed, form: Any) -> HttpResponse:
    """422 with what was typed: the form alone for htmx, else the page with its dialog open."""
    if not is_fragment(request):
        return _shown(request, ticket, Shown(refused=form), status=422)
    context = {"ticket": ticket, "deed": deed, "form": form, "place": None}
    context["query"] = _query(request)
    response = render(request, "tickets/desk/_deed.html", context, status=422)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _stale(request: HttpRequest, ref: str, error: IllegalMoveError) -> HttpResponse:
    """409 with the ticket as it is now, so that the screen heals itself."""
    state = TicketStatus(error.current).label
    text = _("Not possible any more. The status is now: %(state)s") % {"state": state}
    if not is_fragment(request):
        context = context_of(_reader(request), _ticket(request, ref)) | {"stale": text}
        return render(request, PAGE, context, status=409)
    response = _whole(_shown(request, _ticket(request, ref), status=409))
    say(request, response, text, level="error")
    return response


def _done(request: HttpRequest, new_ref: str, ref: str, text: str) -> HttpResponse:
    """303 or the fragment; leads elsewhere where the work goes on in another ticket."""
    visible = Ticket.objects.visible_to(actor_of(request)).filter(ref=new_ref).exists()
    if is_fragment(request) and visible and new_ref == ref:
        response = _whole(_shown(request, _ticket(request, ref)))
        say(request, response, text)
        return response
    url = reverse("tickets:ticket", args=[new_ref]) + _query(request)
    url = url if visible else reverse("tickets:inbox")
    if is_fragment(request):
        response = HttpResponseClientRedirect(url)
    else:
        response = redirect(url)
        response.status_code = 303
    messages.success(request, text)  # the next page says it, whoever asked for this one
    return response


def _whole(response: HttpResponse) -> HttpResponse:
    """Aims a fragment at the whole ticket: its form sat in a dialog."""
    return reswap(retarget(response, "#ticket"), "outerMorph")  # type: ignore[arg-type]


def _query(request: HttpRequest) -> str:
    """The queue that the ticket was opened from, cleaned, for the next address."""
    queue = QueueFilter.of_ticket(request.GET)
    return queue.ticket_query() if queue else ""


def _speak(
    request: HttpRequest, ref: str, form_class: type[MessageForm], act: _Act, done: str | Promise
) -> HttpResponse:
    actor, ticket = actor_of(request), _ticket(request, ref)
    require(actor, form_class.permission)
    form = form_class(request.POST, request.FILES)
    if not form.is_valid():
        return _unsent(request, ticket, form)
    try:
        message: Message = act(actor, ticket_id=ticket.pk, now=clock.now(), **form.arguments())
    except (actions.NothingToSayError, actions.TooManyFilesError) as error:
        form.explain(error.code)
        return _unsent(request, ticket, form)
    except IllegalMoveError as error:
        return _stale(request, ref, error)
    response = _done(request, ref, ref, str(done))
    if is_fragment(request):
        trigger_client_event(response, "pd:sent", {"kind": message.kind})
    return response


def _unsent(request: HttpRequest, ticket: Ticket, form: MessageForm) -> HttpResponse:
    """422 with the words that were typed."""
    if not is_fragment(request):
        return _shown(request, ticket, Shown(composer=form), status=422)
    context = {"ticket": ticket, "form": form, "query": _query(request)}
    return render(request, f"tickets/desk/_{form.tab}_form.html", context, status=422)
