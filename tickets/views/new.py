"""A report taken on the phone: find the terminal, lead the check, write the report."""

from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from diagnostics import actions as checks
from diagnostics.engine import Answer, Ask
from diagnostics.explanations import why_for_desk
from diagnostics.models import DiagnosisRun, FlowVersion, reader_language
from merchants.models import Contact
from posdoctor.accounts.actor import Actor
from posdoctor.core import clock
from posdoctor.core.templatetags.pd import masked_phone
from terminals.models import Terminal
from tickets import actions
from tickets.forms.desk import FindForm, PhoneReportForm
from tickets.models import Ticket
from tickets.views.desk import actor_of, desk_page, zone_of
from tickets.views.search import cleaned, terminals_matching
from tickets.views.ticket_page import evidence_of

FOUND_ROWS = 20
IN_USE = ("active", "stopped")


@require_GET
@desk_page
def find(request: HttpRequest) -> HttpResponse:
    """Which terminal the caller speaks of."""
    actor, typed = actor_of(request), cleaned(request.GET.get("q", ""))
    terminals = list(terminals_matching(actor, typed)[:FOUND_ROWS]) if typed else []
    context = {
        "form": FindForm(initial={"q": typed}),
        "typed": typed,
        "terminals": terminals,
        "in_use": IN_USE,
    }
    return render(request, "tickets/desk/new_find.html", context)


@require_http_methods(["GET", "POST"])
@desk_page
def start(request: HttpRequest, terminal_ref: str) -> HttpResponse:
    """What is wrong: a symptom begins its check, "direct" goes on to the report."""
    actor = actor_of(request)
    terminal = _terminal(actor, terminal_ref)
    if request.method == "GET" or not _symptom_known(terminal, request.POST.get("symptom", "")):
        return _start_page(request, terminal, status=200 if request.method == "GET" else 422)
    symptom = request.POST["symptom"]
    run = checks.start(
        actor,
        terminal=terminal,
        symptom=None if symptom == "direct" else symptom,
        language=_language_of(actor, terminal),
        now=clock.now(),
    )
    name = "tickets:new_report" if symptom == "direct" else "tickets:new_step"
    return _see_other(reverse(name, args=[run.ref]))


@require_http_methods(["GET", "POST"])
@desk_page
def step(request: HttpRequest, run_ref: str) -> HttpResponse:
    """The current question, to be read aloud; `?n=2` shows an earlier one with its answer."""
    actor = actor_of(request)
    run = _run(actor, run_ref)
    if run.flow_version is None or hasattr(run, "ticket"):
        return redirect("tickets:new_report", run_ref=run.ref)
    if request.method == "POST":
        return _answer(request, actor, run)
    answers = run.answers()
    number = _number(request.GET.get("n", ""), len(answers) + 1)
    asked = checks.step_after(run, answers[: number - 1])
    if not isinstance(asked, Ask):
        return _ended(request, run, number)
    return render(request, "tickets/desk/new_step.html", _step_context(run, asked, answers, number))


@require_http_methods(["GET", "POST"])
@desk_page
def report(request: HttpRequest, run_ref: str) -> HttpResponse:
    """Caller, payments, words: files the ticket with all that was checked."""
    actor = actor_of(request)
    run = _run(actor, run_ref)
    filed = Ticket.objects.visible_to(actor).filter(run=run).first()
    if filed:  # a second tap, or back after filing
        return _see_other(reverse("tickets:ticket", args=[filed.ref]))
    form = _report_form(request, actor, run)
    if request.method == "GET" or not form.is_valid():
        context = {"run": run, "form": form, "evidence": evidence_of(run)}
        status = 422 if form.is_bound else 200
        return render(request, "tickets/desk/new_report.html", context, status=status)
    ticket = actions.report(
        actor, run_id=run.pk, source=Ticket.Source.PHONE, now=clock.now(), **form.arguments()
    )
    return _see_other(reverse("tickets:ticket", args=[ticket.ref]))


def _terminal(actor: Actor, ref: str) -> Terminal:
    """A terminal that a shop uses: only such a one has somebody who calls."""
    rows = Terminal.objects.visible_to(actor).filter(state__in=IN_USE)
    return get_object_or_404(rows.with_list_columns(), ref=ref.upper())


def _language_of(actor: Actor, terminal: Terminal) -> str:
    """The shop's language, not the desk's: the merchant will read the report."""
    people = Contact.objects.visible_to(actor).for_store(terminal.store_id or 0)
    return people.values_list("language", flat=True).first() or "zh-hans"


def _run(actor: Actor, ref: str) -> DiagnosisRun:
    rows = DiagnosisRun.objects.visible_to(actor).with_page_columns()
    rows = rows.select_related("terminal__store__merchant").prefetch_related("steps")
    return get_object_or_404(rows, ref=ref.upper())


def _symptom_known(terminal: Terminal, symptom: str) -> bool:
    offered = FlowVersion.objects.published_for(terminal.provider_id)
    return symptom == "direct" or offered.filter(symptom=symptom).exists()


def _start_page(request: HttpRequest, terminal: Terminal, *, status: int) -> HttpResponse:
    flows = FlowVersion.objects.published_for(terminal.provider_id).values_list(
        "symptom", F("document__symptom"), F("document__title"), F("document__icon")
    )
    language = reader_language()
    mine = Ticket.objects.visible_to(actor_of(request)).filter(terminal=terminal).working()
    context = {
        "terminal": terminal,
        "symptoms": [
            {"id": symptom, "label": desk[language], "said": said[language], "icon": icon}
            for symptom, desk, said, icon in flows
        ],
        "open_tickets": list(mine.order_by("-opened_at")[:5]),
        "is_missing": status == 422,
        "zone": zone_of(request),
    }
    return render(request, "tickets/desk/new_start.html", context, status=status)


def _answer(request: HttpRequest, actor: Actor, run: DiagnosisRun) -> HttpResponse:
    """Stores an answer; one that the flow does not have changes nothing and is asked again."""
    try:
        checks.answer(
            actor,
            run_id=run.pk,
            step_id=request.POST.get("step", "")[:60],
            answer_id=request.POST.get("answer", "")[:60],
            now=clock.now(),
        )
    except checks.UnknownAnswerError:
        return _see_other(reverse("tickets:new_step", args=[run.ref]))
    return _see_other(reverse("tickets:new_step", args=[run.ref]))


def _number(text: str, last: int) -> int:
    """Which step to show: the one asked for, else the current one."""
    number = int(text) if text.isdecimal() and len(text) < 4 else last
    return max(1, min(number, last))


def _step_context(
    run: DiagnosisRun, asked: Ask, answers: list[Answer], number: int
) -> dict[str, Any]:
    given = answers[number - 1].answer_id if number <= len(answers) else ""
    language = reader_language()
    return {
        "run": run,
        "step": asked.step,
        "question": asked.step.text.get(language),
        "why": why_for_desk(run, answers[: number - 1], asked),
        "how": asked.step.how.get(language) if asked.step.how else "",
        "choices": [
            {
                "id": option.id,
                "label": option.text.get(language),
                "detail": option.detail.get(language) if option.detail else "",
                "icon": option.icon,
                "is_given": option.id == given,
            }
            for option in asked.step.answers
        ],
        "number": number,
        "minutes_left": asked.minutes_left,
        "evidence": evidence_of(run),
    }


def _ended(request: HttpRequest, run: DiagnosisRun, number: int) -> HttpResponse:
    """The walk is over: solved or stopped is said first, the report is one step away."""
    context = {"run": run, "evidence": evidence_of(run), "number": number}
    return render(request, "tickets/desk/new_ended.html", context)


def _report_form(request: HttpRequest, actor: Actor, run: DiagnosisRun) -> PhoneReportForm:
    store_id = run.terminal.store_id
    contacts = list(Contact.objects.visible_to(actor).for_store(store_id or 0)[:8])
    masked = {contact.pk: masked_phone(contact.phone) for contact in contacts}
    data = request.POST if request.method == "POST" else None
    return PhoneReportForm(data, contacts=contacts, masked=masked)


def _see_other(url: str) -> HttpResponse:
    response = redirect(url)
    response.status_code = 303
    return response
