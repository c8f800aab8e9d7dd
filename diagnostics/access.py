"""Whose machine and whose walk a merchant page shows: the sticker's, and this browser's own.

No page of a passer-by reads rows in any other way.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language

from diagnostics import actions
from diagnostics.engine import Attributes
from diagnostics.models import DiagnosisRun, FlowVersion, reader_language
from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.models import Provider
from posdoctor.core import browser, clock, doors
from posdoctor.core.refs import ALPHABET, STICKER_LENGTH, clean_code
from terminals.lifecycle import TerminalState
from terminals.models import Terminal

# Machines that stand in a shop; the others have no page.
IN_USE = (TerminalState.ACTIVE, TerminalState.STOPPED)
# A walk is offered for going on with, and its answers go into a report, for this long.
OPEN_FOR = timedelta(hours=24)
_CODE = re.compile(rf"[{ALPHABET}]{{{STICKER_LENGTH}}}")
_RUN_REF = re.compile(rf"D-[{ALPHABET}]{{8}}")

_Rest = ParamSpec("_Rest")
_View = Callable[Concatenate[HttpRequest, Terminal, _Rest], HttpResponse]


def machine_page(view: _View[_Rest]) -> Callable[..., HttpResponse]:
    """A public page below `/t/<code>`: the view gets the machine instead of the code.

    An unknown code, a machine that is not in use and a provider that ended all give the same
    page; each such try is counted against the caller's address.
    """

    @login_not_required
    @wraps(view)
    def found(
        request: HttpRequest, code: str, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> HttpResponse:
        terminal = _machine(code)
        if terminal is None:
            who = doors.address_of(request)
            doors.knock(doors.UNKNOWN_CODE_BY_ADDRESS, who, now=clock.now())
            return render(request, "diagnostics/unknown.html", status=404)
        return view(request, terminal, *args, **kwargs)

    return found


def _machine(code: str) -> Terminal | None:
    cleaned = clean_code(code)
    if not _CODE.fullmatch(cleaned):
        return None
    return (
        Terminal.objects.by_sticker(cleaned)
        .filter(state__in=IN_USE)
        .select_related("model", "store", "provider")
        .first()
    )


def show(
    request: HttpRequest,
    terminal: Terminal,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """A page of this machine, with what its frame needs."""
    frame = {"terminal": terminal, "code": terminal.sticker_code, "provider": terminal.provider}
    return render(request, template, {**frame, **(context or {})}, status=status)


def offered(terminal: Terminal) -> list[FlowVersion]:
    """What can be wrong with such a machine, the most frequent first."""
    attributes = Attributes.from_dict(actions.attributes_of(terminal))
    return FlowVersion.objects.offered(attributes, provider_id=terminal.provider_id)


def actor_of(run: DiagnosisRun) -> Actor:
    """The person behind a walk, who may see and answer this one."""
    return reporter(provider_id=run.provider_id, run_id=run.pk)


def run_of(
    request: HttpRequest, terminal: Terminal, *, symptom: str = "", ref: str = ""
) -> DiagnosisRun | None:
    """This browser's newest walk of the machine: of one symptom, or the one named `ref`."""
    runs = DiagnosisRun.objects.of_browser(browser.key_of(request)).filter(terminal=terminal)
    if symptom:
        runs = runs.filter(flow_version__symptom=symptom)
    if _RUN_REF.fullmatch(ref):
        runs = runs.filter(ref=ref)
    return runs.with_page_columns().select_related("ticket").first()


def ended_run_of(request: HttpRequest, terminal: Terminal) -> DiagnosisRun | None:
    """The walk that an end page is about: named by `?run=`, else the newest one."""
    run = run_of(request, terminal, ref=request.GET.get("run", ""))
    return run if run and run.flow_version_id else None


def unfinished_run(request: HttpRequest, terminal: Terminal, now: datetime) -> DiagnosisRun | None:
    """A walk of today without an end and without a report, to go on with."""
    runs = DiagnosisRun.objects.of_browser(browser.key_of(request)).filter(
        terminal=terminal,
        state=DiagnosisRun.State.RUNNING,
        started_at__gte=now - OPEN_FOR,
        ticket__isnull=True,
        steps__isnull=False,
    )
    return runs.with_page_columns().first()


def reportable_run(request: HttpRequest, terminal: Terminal, now: datetime) -> DiagnosisRun | None:
    """The walk that a report would carry: the one named, else today's newest unsolved one."""
    named = request.POST.get("run", "") or request.GET.get("run", "")
    if _RUN_REF.fullmatch(named):
        return run_of(request, terminal, ref=named)
    runs = DiagnosisRun.objects.of_browser(browser.key_of(request)).filter(
        terminal=terminal, started_at__gte=now - OPEN_FOR, ticket__isnull=True
    )
    return (
        runs.exclude(state=DiagnosisRun.State.SOLVED)
        .with_page_columns()
        .select_related("ticket")
        .first()
    )


def reports_of(request: HttpRequest, terminal: Terminal) -> list[DiagnosisRun]:
    """This browser's walks of the machine that became a report which is still open, newest first.

    Known by the name of the relation only: tickets are above this app.
    """
    runs = (
        DiagnosisRun.objects.of_browser(browser.key_of(request))
        .filter(terminal=terminal, ticket__isnull=False)
        .exclude(ticket__status__in=["closed", "cancelled", "merged"])
    )
    return list(runs.select_related("ticket")[:3])


def begin_run(
    request: HttpRequest,
    terminal: Terminal,
    *,
    symptom: str | None,
    now: datetime,
    words: str = "",
) -> tuple[DiagnosisRun, str]:
    """A walk for this browser (None: a direct report), and the cookie value to remember.

    Raises TooManyTriesError; an unknown symptom is FlowVersion.DoesNotExist.
    """
    doors.knock(doors.RUNS_BY_CODE, terminal.sticker_code, now=now)
    doors.knock(doors.RUNS_BY_ADDRESS, doors.address_of(request), now=now)
    key, cookie = browser.ensure(request)
    run = actions.start(
        reporter(provider_id=terminal.provider_id),
        terminal=terminal,
        symptom=symptom,
        language=get_language() or "",
        now=now,
        browser_key=key,
        screen_text=words,
    )
    return run, cookie


def machines_of_shop(*, tail: str, phone: str) -> list[Terminal]:
    """Machines in use that end in `tail` at a shop with this phone, by counter."""
    machines = Terminal.objects.of_shop(tail=tail, phone=phone).select_related("model", "store")
    return list(machines.order_by("counter", "pk"))


def only_provider() -> Provider | None:
    """Whose hotline to show where no machine is known: only where there is no choice.

    SECURITY: with several, a list would tell a passer-by who the customers are.
    """
    providers = list(Provider.objects.filter(is_active=True)[:2])
    return providers[0] if len(providers) == 1 else None


def found_lines(run: DiagnosisRun) -> list[dict[str, str]]:
    """What was asked and answered, in the reader's language; `tone` like a Choice's."""
    language = reader_language()
    return [
        {
            "question": finding.step.text.get(language),
            "answer": finding.answer.text.get(language),
            "tone": tone_of(finding.is_bad),
        }
        for finding in run.findings()
    ]


def keep_selling(run: DiagnosisRun) -> str:
    """How to go on taking money meanwhile; nothing where the machine is to be left alone."""
    if run.flow_version is None or run.state == DiagnosisRun.State.STOP_USE:
        return ""
    return run.flow_version.flow.keep_selling.get(reader_language())


def tone_of(is_bad: bool | None) -> str:  # noqa: FBT001 - three states of an answer
    """`r` speaks against the machine, `g` for it, `q` says nothing."""
    return {True: "r", False: "g", None: "q"}[is_bad]
