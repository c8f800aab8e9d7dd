"""The sticker's pages: start, one step at a time, and the three ends of a walk."""

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnostics import access, actions
from diagnostics.access import machine_page, show
from diagnostics.engine import Ask
from diagnostics.explanations import why_for_merchant
from diagnostics.flow import Fix, Step
from diagnostics.forms import FindForm, WordsForm
from diagnostics.models import DiagnosisRun, FlowVersion, reader_language
from posdoctor.core import browser, clock, doors
from terminals.lifecycle import TerminalState
from terminals.models import Terminal

TILES = 6
# Not a symptom: "none of these, I say it in my own words".
OTHER = "other"
MAX_CHOICES = 8
# Dangers of fire and shock. Elsewhere a machine is left as it is: it may be evidence.
UNPLUG = frozenset({"safety.battery_swollen", "safety.liquid_or_drop", "pw_swollen"})


@dataclass(frozen=True)
class Tile:
    """A symptom to tap."""

    symptom: str
    title: str
    hint: str
    icon: str


@dataclass(frozen=True)
class Choice:
    """An answer to tap. `tone`: r speaks against the machine, g for it, q says nothing."""

    id: str
    label: str
    detail: str
    icon: str
    tone: str
    is_chosen: bool


# --- Start ---------------------------------------------------------------------------


@machine_page
@require_safe
def start(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """Which machine this is and what is wrong with it. Writes nothing."""
    stopped = terminal.state == TerminalState.STOPPED
    context = {
        "tiles": [] if stopped else _tiles(terminal)[:TILES],
        "is_stopped": stopped,
        "walk": access.unfinished_run(request, terminal, clock.now()),
        "reports": access.reports_of(request, terminal),
    }
    return show(request, terminal, "diagnostics/start.html", context)


@machine_page
@require_safe
def more(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """All symptoms, and a field for the own words."""
    if terminal.state == TerminalState.STOPPED:
        return _see_other(reverse("diagnostics:start", args=[terminal.sticker_code]))
    context = {"tiles": _tiles(terminal), "form": WordsForm(), "other": OTHER}
    return show(request, terminal, "diagnostics/more.html", context)


@machine_page
@require_POST
def begin(request: HttpRequest, terminal: Terminal, symptom: str) -> HttpResponse:
    """Starts a walk of the symptom; `other` goes on to the report with the own words."""
    code, now = terminal.sticker_code, clock.now()
    if terminal.state == TerminalState.STOPPED and symptom != OTHER:
        return _see_other(reverse("diagnostics:start", args=[code]))
    form = WordsForm(request.POST)
    words = form.cleaned_data["words"] if form.is_valid() else ""
    asked = None if symptom == OTHER else symptom
    try:
        run, cookie = access.begin_run(request, terminal, symptom=asked, now=now, words=words)
    except FlowVersion.DoesNotExist as error:
        raise Http404 from error
    if asked is None:
        response = _see_other(reverse("tickets:report", args=[code]) + f"?run={run.ref}")
    else:
        response = _see_other(reverse("diagnostics:step", args=[code, symptom, 1]))
    browser.remember(response, cookie)
    return response


# --- Walk ----------------------------------------------------------------------------


@machine_page
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, terminal: Terminal, symptom: str, number: int) -> HttpResponse:
    """Step `number` of this browser's walk: the answered one, or the next open one."""
    run = access.run_of(request, terminal, symptom=symptom)
    if run is None:
        return _see_other(reverse("diagnostics:start", args=[terminal.sticker_code]))
    if hasattr(run, "ticket"):
        return _see_other(reverse("tickets:track", args=[run.ticket.track_token]))
    if request.method == "POST":
        run = _answer(run, request.POST.get("step", ""), request.POST.get("answer", ""))
        return _see_other(_page_after(run, terminal, number + 1))
    asked = actions.step_after(run, run.answers()[: max(number, 1) - 1])
    if not 1 <= number <= len(run.ordered_steps()) + 1 or not isinstance(asked, Ask):
        return _see_other(_page_after(run, terminal, number))
    context = _step_context(run, asked, number) | {
        "back_url": _back(terminal, symptom, number),
        "is_stopped": terminal.state == TerminalState.STOPPED,
    }
    return show(request, terminal, "diagnostics/step.html", context)


@machine_page
@require_http_methods(["GET", "HEAD", "POST"])
def fixed(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """The end where a fix worked. POST: it is broken again, go on where it stopped."""
    run = access.ended_run_of(request, terminal)
    if run is None or run.state != DiagnosisRun.State.SOLVED:
        return _right_page(run, terminal)
    if request.method == "POST":
        last = run.ordered_steps()[-1]
        run = _answer(run, last.step_id, "unsolved")
        return _see_other(_page_after(run, terminal, last.position + 1))
    return show(request, terminal, "diagnostics/fixed.html", {"run": run})


@machine_page
@require_safe
def stopped(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """The end where the machine must not be used."""
    run = access.ended_run_of(request, terminal)
    if run is None or run.state != DiagnosisRun.State.STOP_USE:
        return _right_page(run, terminal)
    context = {
        "run": run,
        "back_url": _back_into(run, terminal),
        "must_unplug": run.outcome.get("advice") in UNPLUG,
    }
    return show(request, terminal, "diagnostics/stopped.html", context)


@machine_page
@require_safe
def unsolved(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """The end where the desk takes over."""
    run = access.ended_run_of(request, terminal)
    if run is None or run.state != DiagnosisRun.State.CALL:
        return _right_page(run, terminal)
    context = {
        "run": run,
        "back_url": _back_into(run, terminal),
        "findings": access.found_lines(run),
        "keep_selling": access.keep_selling(run),
    }
    return show(request, terminal, "diagnostics/unsolved.html", context)


# --- Without a sticker ---------------------------------------------------------------


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """The machine by the end of its serial and the shop's phone; never says which was wrong."""
    form = FindForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form, "provider": access.only_provider()}
    if request.method != "POST":
        return render(request, "diagnostics/find.html", context)
    doors.knock(doors.FIND_BY_ADDRESS, doors.address_of(request), now=clock.now())
    if not form.is_valid():
        return render(request, "diagnostics/find.html", context, status=422)
    doors.knock(doors.FIND_BY_PHONE, form.cleaned_data["phone"], now=clock.now())
    found = access.machines_of_shop(**form.cleaned_data)[:MAX_CHOICES]
    if len(found) == 1:
        return _see_other(reverse("diagnostics:start", args=[found[0].sticker_code]))
    context |= {"found": found, "is_unknown": not found}
    return render(request, "diagnostics/find.html", context, status=200 if found else 422)


# --- Parts ---------------------------------------------------------------------------


def _tiles(terminal: Terminal) -> list[Tile]:
    language = reader_language()
    flows = [(version.symptom, version.flow) for version in access.offered(terminal)]
    return [
        Tile(symptom, flow.title.get(language), flow.hint.get(language), flow.icon)
        for symptom, flow in flows
    ]


def _step_context(run: DiagnosisRun, asked: Ask, number: int) -> dict[str, Any]:
    """The page of step `number`; an answer given before is marked."""
    given = run.ordered_steps()[number - 1 : number]
    return {
        "run": run,
        "why": why_for_merchant(run, run.answers()[: number - 1], asked),
        **question_context(asked, number, given[0].answer_id if given else ""),
    }


def question_context(asked: Ask, number: int, before: str = "") -> dict[str, Any]:
    """What a step shows, whoever walks; `before` is the answer given earlier."""
    language, step = reader_language(), asked.step
    return {
        "step": step,
        "number": number,
        "minutes": asked.minutes_left,
        "question": step.text.get(language),
        "how": step.how.get(language) if step.how else "",
        "wait_seconds": step.wait_seconds if isinstance(step, Fix) else 0,
        "choices": _choices(step, before),
        "was_answered": bool(before),
    }


def _choices(step: Step, before: str) -> list[Choice]:
    language = reader_language()
    icons = {True: "circle-x", False: "circle-check", None: "circle-question-mark"}
    return [
        Choice(
            id=option.id,
            label=option.text.get(language),
            detail=option.detail.get(language) if option.detail else "",
            icon=option.icon or icons[option.bad],
            tone=access.tone_of(option.bad),
            is_chosen=option.id == before,
        )
        for option in step.answers
    ]


def _answer(run: DiagnosisRun, step_id: str, answer_id: str) -> DiagnosisRun:
    """A tap on a page that is out of date changes nothing: the right page follows."""
    actor = access.actor_of(run)
    with contextlib.suppress(actions.UnknownAnswerError):
        actions.answer(actor, run_id=run.pk, step_id=step_id, answer_id=answer_id, now=clock.now())
    return DiagnosisRun.objects.visible_to(actor).with_page_columns().get(pk=run.pk)


def _page_after(run: DiagnosisRun, terminal: Terminal, number: int) -> str:
    """The address of step `number` where there is one, else the next open step or the end."""
    steps = len(run.ordered_steps())
    code = terminal.sticker_code
    if run.state == DiagnosisRun.State.RUNNING or 1 <= number <= steps:
        assert run.flow_version is not None
        shown = min(max(number, 1), steps + 1)
        return reverse("diagnostics:step", args=[code, run.flow_version.symptom, shown])
    ends = {
        DiagnosisRun.State.SOLVED: "diagnostics:fixed",
        DiagnosisRun.State.STOP_USE: "diagnostics:stopped",
        DiagnosisRun.State.CALL: "diagnostics:unsolved",
    }
    return reverse(ends[DiagnosisRun.State(run.state)], args=[code]) + f"?run={run.ref}"


def _right_page(run: DiagnosisRun | None, terminal: Terminal) -> HttpResponse:
    """Where somebody belongs who opened an end page that is not theirs."""
    if run is None:
        return _see_other(reverse("diagnostics:start", args=[terminal.sticker_code]))
    return _see_other(_page_after(run, terminal, len(run.ordered_steps()) + 1))


def _back(terminal: Terminal, symptom: str, number: int) -> str:
    if number <= 1:
        return reverse("diagnostics:start", args=[terminal.sticker_code])
    return reverse("diagnostics:step", args=[terminal.sticker_code, symptom, number - 1])


def _back_into(run: DiagnosisRun, terminal: Terminal) -> str:
    """The last answered step, from an end page."""
    assert run.flow_version is not None
    return _back(terminal, run.flow_version.symptom, len(run.ordered_steps()) + 1)


def _see_other(address: str) -> HttpResponse:
    return HttpResponseRedirect(address, status=HTTPStatus.SEE_OTHER)
