"""Filing a report from the sticker: one form, one look at it, one button."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnostics import access as walks
from diagnostics.access import machine_page, show
from diagnostics.models import DiagnosisRun
from merchants.models import Contact
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core import browser, clock, doors
from posdoctor.core.errors import IllegalMoveError
from terminals.models import Terminal
from tickets import access, actions
from tickets.forms.files import sort_files
from tickets.forms.report import ReportForm, drafted
from tickets.lifecycle import Impact
from tickets.models import Attachment, ReportDraft, Ticket
from tickets.views.files import limited_upload, serve


@dataclass(frozen=True)
class Effect:
    """One answer to "can you still take payments?", as a button."""

    value: str
    label: str | Promise
    icon: str


IMPACTS = {
    effect.value: effect
    for effect in (
        Effect(Impact.ALL, _("I can’t take any payments"), "circle-x"),
        Effect(Impact.SOME, _("Some payments fail"), "circle-alert"),
        Effect(Impact.NONE, _("Payments work, I have a question"), "message-circle-question-mark"),
    )
}
FORM, CHECK = "tickets/merchant/report.html", "tickets/merchant/check.html"
METHODS = ["GET", "HEAD", "POST"]


@limited_upload
@never_cache
@machine_page
@require_http_methods(METHODS)
def form(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """What we do not know yet. POST keeps it as a draft, whatever is wrong with it."""
    run = walks.reportable_run(request, terminal, clock.now())
    if run and hasattr(run, "ticket"):
        return _to_track(run.ticket)
    machines = access.machines_at(terminal)
    if request.method != "POST":
        shown = ReportForm(initial=_initial(request, terminal, run), machines=machines)
        return _form_page(request, terminal, run, shown)
    run, cookie = _run_for(request, terminal, run)
    sent = ReportForm(request.POST, request.FILES, machines=machines)
    try:
        _keep(request, run, sent)
    except IllegalMoveError:  # filed by another tab meanwhile
        return _see_other(_address("tickets:report", terminal, run))
    if sent.errors:
        response = _form_page(request, terminal, run, sent, status=422)
    else:
        response = _see_other(_address("tickets:report_check", terminal, run))
    if cookie:
        browser.remember(response, cookie)
    return response


@never_cache
@machine_page
@require_http_methods(METHODS)
def check(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """One look before filing. POST files; a second tap finds the first one's ticket."""
    now = clock.now()
    run = walks.reportable_run(request, terminal, now)
    ticket = _ticket_of(run)
    if ticket:
        return _to_track(ticket)
    machines = access.machines_at(terminal)
    draft = _draft_of(run)
    filled = ReportForm.of_draft(draft, machines=machines) if draft else None
    if run is None or draft is None or filled is None or not filled.is_valid():
        # Parallel taps: the draft may have become a ticket since the look above.
        ticket = _ticket_of(walks.reportable_run(request, terminal, now))
        return (
            _to_track(ticket) if ticket else _see_other(_address("tickets:report", terminal, run))
        )
    if request.method == "POST":
        return _file(terminal, run, filled.cleaned_data, now)
    context = {
        "run": run,
        "draft": draft,
        "impact": IMPACTS[draft.impact].label,
        "photos": draft.attachments.order_by("pk"),
        "findings": walks.found_lines(run),
        "machines": machines,
        "form_url": _address("tickets:report", terminal, run),
    }
    return show(request, terminal, CHECK, context)


@limited_upload
@never_cache
@machine_page
@require_POST
def drop_photo(request: HttpRequest, terminal: Terminal, key: str) -> HttpResponse:
    """Takes a photo out of the draft again; what was typed meanwhile is kept."""
    run = walks.reportable_run(request, terminal, clock.now())
    if run is None or hasattr(run, "ticket"):
        return _see_other(_address("tickets:report", terminal, run))
    actions.drop_draft_file(walks.actor_of(run), run_id=run.pk, key=key)
    _keep(
        request,
        run,
        ReportForm(request.POST, request.FILES, machines=access.machines_at(terminal)),
    )
    return _see_other(_address("tickets:report", terminal, run))


@machine_page
@require_safe
def photo(request: HttpRequest, terminal: Terminal, key: str) -> HttpResponse:
    """A photo of this browser's own draft."""
    run = walks.reportable_run(request, terminal, clock.now())
    if run is None or not access.is_key(key):
        raise Http404
    photos = Attachment.objects.visible_to(walks.actor_of(run))
    found = photos.filter(key=key, draft__run=run).first()
    if found is None:
        raise Http404
    return serve(found)


def _run_for(
    request: HttpRequest, terminal: Terminal, run: DiagnosisRun | None
) -> tuple[DiagnosisRun, str]:
    """The walk to report, else a direct one; and the cookie to set, empty for none."""
    if run:
        return run, ""
    return walks.begin_run(request, terminal, symptom=None, now=clock.now())


def _keep(request: HttpRequest, run: DiagnosisRun, sent: ReportForm) -> None:
    """Keeps words and good photos; what is wrong becomes the form's errors."""
    sent.is_valid()
    actor, now = walks.actor_of(run), clock.now()
    draft = actions.save_draft(actor, run_id=run.pk, now=now, **sent.kept())
    good, problems = sort_files(
        request.FILES.getlist("photos"),
        room=actions.MAX_FILES - draft.attachments.count(),
        who=doors.address_of(request),
        now=now,
    )
    if good:
        actions.save_draft(actor, run_id=run.pk, now=now, files=good)
    if problems:
        sent.add_error("photos", problems)


def _file(
    terminal: Terminal, run: DiagnosisRun, values: dict[str, Any], now: datetime
) -> HttpResponse:
    doors.knock(doors.REPORTS_BY_CODE, terminal.sticker_code, now=now)
    ticket = actions.report(
        walks.actor_of(run),
        run_id=run.pk,
        now=now,
        contact_phone=values["contact_phone"],
        contact_name=values["contact_name"],
        note=values["note"],
        impact=values["impact"],
        terminals_down=int(values.get("terminals_down") or 1),
    )
    response = _to_track(ticket)
    browser.remember_phone(response, ticket.contact_phone)
    return response


def _form_page(
    request: HttpRequest,
    terminal: Terminal,
    run: DiagnosisRun | None,
    shown: ReportForm,
    *,
    status: int = 200,
) -> HttpResponse:
    draft = _draft_of(run)
    context = {
        "form": shown,
        "run": run,
        "photos": draft.attachments.order_by("pk") if draft else (),
        "impact": draft.impact if draft else "",
        "impacts": IMPACTS.values(),
        "back_url": _back(terminal, run),
        "max_files": actions.MAX_FILES,
    }
    return show(request, terminal, FORM, context, status=status)


def _initial(request: HttpRequest, terminal: Terminal, run: DiagnosisRun | None) -> dict[str, Any]:
    """The draft, else what this browser or its signed-in owner is known by.

    SECURITY: a passer-by never gets a number out of the database.
    """
    draft = _draft_of(run)
    if draft:
        return drafted(draft)
    contact = _own_contact(request, terminal)
    return {
        "contact_phone": browser.phone_of(request) or (contact.phone if contact else ""),
        "contact_name": contact.name if contact else "",
        "note": run.screen_text if run else "",
    }


def _own_contact(request: HttpRequest, terminal: Terminal) -> Contact | None:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if actor.role != Role.MERCHANT or terminal.store_id is None:
        return None
    return Contact.objects.visible_to(actor).for_store(terminal.store_id).first()


def _draft_of(run: DiagnosisRun | None) -> ReportDraft | None:
    return getattr(run, "draft", None)


def _ticket_of(run: DiagnosisRun | None) -> Ticket | None:
    return getattr(run, "ticket", None)


def _back(terminal: Terminal, run: DiagnosisRun | None) -> str:
    """To the walk's last page, or to the start."""
    code = terminal.sticker_code
    ends = {
        DiagnosisRun.State.CALL: "diagnostics:unsolved",
        DiagnosisRun.State.STOP_USE: "diagnostics:stopped",
    }
    if run is None or run.flow_version is None:
        return reverse("diagnostics:start", args=[code])
    if run.state in ends:
        return reverse(ends[DiagnosisRun.State(run.state)], args=[code]) + f"?run={run.ref}"
    return reverse("diagnostics:step", args=[code, run.flow_version.symptom, run.next_number])


def _address(name: str, terminal: Terminal, run: DiagnosisRun | None) -> str:
    query = f"?run={run.ref}" if run else ""
    return reverse(name, args=[terminal.sticker_code]) + query


def _to_track(ticket: Ticket) -> HttpResponse:
    return _see_other(reverse("tickets:track", args=[ticket.track_token]))


def _see_other(address: str) -> HttpResponse:
    return HttpResponseRedirect(address, status=HTTPStatus.SEE_OTHER)
