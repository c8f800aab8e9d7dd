"""The desk's pages of logs: hand one in, read what it says, begin a check with it."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import Http404, HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnostics.access import IN_USE
from diagnostics.actions import logs as actions
from diagnostics.forms.logs import REFUSED, LogForm
from diagnostics.log_reader import MAX_BYTES, RejectedLog, link_failure
from diagnostics.models import FlowVersion, LogAnalysis, reader_language
from merchants.models import Contact
from posdoctor.accounts.access import hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock, doors
from posdoctor.core.request_guard import takes_bodies_up_to
from terminals.models import Terminal

# A file and the other fields of the form.
MAX_BODY = MAX_BYTES + 2 * 1024 * 1024
RECENT = 20

_Rest = ParamSpec("_Rest")
_View = Callable[Concatenate[ActorRequest, _Rest], HttpResponse]
_desk_page = hidden_without(Permission.LOG_ANALYSE)


def _with_file(view: _View[_Rest]) -> Callable[..., HttpResponse]:
    """Says in words that a body is too large, before anything parses it.

    SECURITY: the token check reads the form, so it runs inside, after the size is known.
    """
    inner = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def guarded(
        request: ActorRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> HttpResponse:
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return render(request, "413.html", status=413)
        try:
            request.POST  # noqa: B018 - parses the form, inside Django's own limits
        except (RequestDataTooBig, TooManyFilesSent):
            return render(request, "413.html", status=413)
        except UnreadablePostError:
            return HttpResponse(status=400)  # the sender is gone: nobody reads this
        return inner(request, *args, **kwargs)

    return takes_bodies_up_to(sys.maxsize)(guarded)


@_with_file
@_desk_page
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: ActorRequest) -> HttpResponse:
    """The form, with `?terminal=` filled in, and what was read lately."""
    if request.method != "POST":
        initial = {"terminal": request.GET.get("terminal", "")[:60]}
        return _form_page(request, LogForm(initial=initial, actor=request.actor))
    form = LogForm(request.POST, request.FILES, actor=request.actor)
    if not form.is_valid():
        return _form_page(request, form, status=422)
    now = clock.now()
    doors.knock(actions.LOGS_BY_PERSON, str(request.actor.user_id), now=now)
    source = LogAnalysis.Source.UPLOAD if form.cleaned_data["file"] else LogAnalysis.Source.PASTE
    terminal = form.cleaned_data["terminal"]
    try:
        made = actions.analyse_log(
            request.actor, log=form.log(), terminal=terminal, source=source, now=now
        )
    except RejectedLog as error:
        field = "file" if source == LogAnalysis.Source.UPLOAD else "text"
        form.add_error(field, REFUSED[error.reason])
        return _form_page(request, form, status=422)
    except actions.LogBusyError:
        form.add_error(None, _("Another large log is being read. Try again in half a minute."))
        return _form_page(request, form, status=429)
    return _see_other(reverse("diagnostics:log", args=[made.ref]))


@_desk_page
@require_safe
def page(request: ActorRequest, ref: str) -> HttpResponse:
    """What one log said."""
    analysis = _analysis(request, ref)
    return render(request, "diagnostics/logs_one.html", _context(request, analysis))


@_desk_page
@require_POST
def check(request: ActorRequest, ref: str) -> HttpResponse:
    """Begins a check of a symptom, led by the desk, with the log's evidence as answers."""
    analysis = _analysis(request, ref)
    if not _can_check(analysis):
        return render(request, "diagnostics/logs_one.html", _context(request, analysis), status=409)
    try:
        run = actions.check_from_log(
            request.actor,
            analysis_id=analysis.pk,
            symptom=slugify(request.POST.get("symptom", ""))[:40],
            language=_language_of(request, analysis.terminal),
            now=clock.now(),
        )
    except FlowVersion.DoesNotExist as error:
        raise Http404 from error
    return _see_other(reverse("tickets:new_step", args=[run.ref]))


def _form_page(request: ActorRequest, form: LogForm, *, status: int = 200) -> HttpResponse:
    rows = LogAnalysis.objects.visible_to(request.actor).with_page_columns().newest()
    # An address that is none would not lead back anywhere.
    wanted = slugify(request.GET.get("terminal", "")).upper()
    terminals = Terminal.objects.visible_to(request.actor)
    of_terminal = wanted if wanted and terminals.filter(ref=wanted).exists() else ""
    if wanted:
        rows = rows.filter(terminal__ref=wanted)
    context = {"form": form, "analyses": list(rows[:RECENT]), "of_terminal": of_terminal}
    return render(request, "diagnostics/logs.html", context, status=status)


def _analysis(request: ActorRequest, ref: str) -> LogAnalysis:
    rows = LogAnalysis.objects.visible_to(request.actor).with_page_columns()
    return get_object_or_404(rows, ref=ref.upper())


def _can_check(analysis: LogAnalysis) -> bool:
    """Only a terminal that stands in a shop has somebody who can look."""
    return analysis.terminal is not None and analysis.terminal.state in IN_USE


def _language_of(request: ActorRequest, terminal: Terminal | None) -> str:
    """The shop's, since the merchant will read the report; else the desk's own."""
    store_id = terminal.store_id if terminal else None
    people = Contact.objects.visible_to(request.actor).for_store(store_id or 0)
    return people.values_list("language", flat=True).first() or get_language() or "zh-hans"


def _context(request: ActorRequest, analysis: LogAnalysis) -> dict[str, Any]:
    findings, language = analysis.findings, reader_language()
    network = findings["network"]
    first = findings["times"]["first"] or ""
    day = first.partition("T")[0]
    return {
        "analysis": analysis,
        "findings": findings,
        "finds": _grouped([*findings["codes"], *findings["texts"]], language, day),
        "moments": [_moment(moment, language, day) for moment in findings["timeline"]],
        "patterns": [
            {**p, "at": _short(p["at"], day), "last_at": _short(p["last_at"], day)}
            for p in findings["patterns"]
        ],
        "first": _short(first, ""),
        "last": _short(findings["times"]["last"] or "", day),
        "problems": [p[f"text_{language}"] for p in network.get("problems", ())],
        "failures": _failures(network.get("failures", {}), language),
        "suggestions": _suggestions(request, findings["symptoms"], language),
        "masked": sum(findings["masked"].values()),
        "can_check": _can_check(analysis),
        "is_empty": not any(
            findings[name] for name in ("codes", "texts", "network", "versions", "timeline")
        ),
    }


def _moment(moment: Mapping[str, Any], language: str, day: str) -> dict[str, Any]:
    shown = {"text": moment[f"text_{language}"]}
    return {**moment, **shown, **{at: _short(moment[at], day) for at in ("at", "last_at")}}


def _short(at: str, day: str) -> str:
    """A moment as people read it; the day only where it is another than the log's first."""
    date, _, time = at.partition("T")
    return time if time and date == day else f"{date} {time}".strip()


def _grouped(finds: Iterable[Mapping[str, Any]], language: str, day: str) -> list[dict[str, Any]]:
    """Each code and text once, where it stands first and how often; in the order of the log."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for find in finds:
        row = rows.setdefault(
            (find["scheme"], find["code"]),
            {
                "code": "" if "text" in find else find["code"],
                "words": find.get("text", ""),
                "meaning": find[f"meaning_{language}"],
                "line": find["line"],
                "at": _short(find.get("at", ""), day),
                "count": 0,
            },
        )
        row["count"] += 1
    return sorted(rows.values(), key=lambda row: row["line"])


def _failures(counts: Mapping[str, int], language: str) -> list[tuple[str, int]]:
    """Failures on the way to the host in words, the most frequent first."""
    rows = [(link_failure(name).get(language), count) for name, count in counts.items()]
    return sorted(rows, key=lambda row: -row[1])


def _suggestions(
    request: ActorRequest, symptoms: Iterable[Mapping[str, str]], language: str
) -> list[dict[str, str]]:
    """The symptoms that have a flow, with its name and icon."""
    flows = FlowVersion.objects.published_for(request.actor.provider_id).defer("document")
    by_id = {version.symptom: version.flow for version in flows}
    return [
        {
            "id": symptom["id"],
            "title": by_id[symptom["id"]].symptom.get(language),
            "icon": by_id[symptom["id"]].icon,
            "why": symptom[f"why_{language}"],
        }
        for symptom in symptoms
        if symptom["id"] in by_id
    ]


def _see_other(address: str) -> HttpResponse:
    return HttpResponseRedirect(address, status=HTTPStatus.SEE_OTHER)
