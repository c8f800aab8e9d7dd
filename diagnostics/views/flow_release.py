"""From a draft to merchants: comparing, previewing, approving, publishing, going back, files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from diagnostics.actions import comparing, drafts, publishing
from diagnostics.actions.drafts import ChangedMeanwhileError, OwnChangeError
from diagnostics.actions.publishing import (
    NeedsApprovalError,
    NotAsSeenError,
    NothingChangedError,
    NotReadyError,
)
from diagnostics.authoring.changes import Change, changes
from diagnostics.authoring.importing import MAX_BYTES, BadFileError
from diagnostics.authoring.safety import changed_safety
from diagnostics.engine import Answer, AnswerError, Ask, Attributes, Outcome, next_step
from diagnostics.flow import Flow, FlowError, validate
from diagnostics.forms.flow_changes import ChangeGroup, grouped
from diagnostics.forms.flow_words import file_words, shape_words
from diagnostics.forms.flows import ImportForm, PublishForm
from diagnostics.models import FlowDraft, FlowVersion, reader_language
from diagnostics.views import walk
from diagnostics.views.flows import draft_of, for_authors, is_number, overview, text_or_id
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.core import clock
from terminals.models import Terminal

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
WAYS = ("wifi", "cellular", "ethernet")
# More answers than any walk has.
MOST_ANSWERS = 60


@dataclass(frozen=True)
class Compared:
    """One class of terminals: the draft beside what is published. Numbers of `comparing`."""

    label: str
    model: str
    draft: dict[str, Any]
    published: dict[str, Any] | None

    @property
    def minutes_saved(self) -> float | None:
        """Minutes that the draft takes less; below 0 more."""
        if self.published is None:
            return None
        return round(float(self.published["minutes"]) - float(self.draft["minutes"]), 1)

    @property
    def minutes_lost(self) -> float:
        """Minutes that the draft takes more."""
        return -(self.minutes_saved or 0)


# --- Comparing -----------------------------------------------------------------------


@for_authors
@require_GET
def compare(request: ActorRequest, symptom: str) -> HttpResponse:
    """What differs, and what that does to minutes and first steps; looks again while it waits."""
    draft = draft_of(request, symptom)
    published = comparing.published_beside(draft)
    context = {
        "draft": draft,
        "symptom": symptom,
        "title": draft.flow.title.get(reader_language()),
        "published": published,
        "has_problems": bool(validate(draft.flow)),
        **_result(draft, published),
    }
    if request.headers.get("HX-Request"):
        return render(request, "diagnostics/flows/_compared.html", context)
    context["changes"] = _grouped(published.flow if published else None, draft.flow)
    return render(request, "diagnostics/flows/compare.html", context)


@for_authors
@require_POST
def ask_comparison(request: ActorRequest, symptom: str) -> HttpResponse:
    """Lets a worker compile the draft."""
    draft_of(request, symptom)
    try:
        comparing.ask(request.actor, symptom=symptom, now=clock.now())
    except NotReadyError:
        messages.error(request, _("Put the problems right first"))
        return redirect("diagnostics:flow", symptom=symptom)
    return redirect("diagnostics:flow_compare", symptom=symptom)


def _result(draft: FlowDraft, published: FlowVersion | None) -> dict[str, Any]:
    """The state of the comparison: known, under way, failed, or of another content."""
    stored = draft.comparison
    units: Sequence[dict[str, Any]] = stored.get("units", [])
    is_done = draft.compared_digest == comparing.pair_of(draft, published)
    waits = draft.comparison_asked_at is not None
    return {
        "is_done": is_done,
        "is_waiting": waits,
        "is_old": bool(draft.compared_digest) and not is_done and not waits,
        "has_failed": bool(stored.get("failed")),
        "done": len(units),
        "of": stored.get("of", 0),
        "rows": _rows(units) if is_done else [],
    }


def _rows(units: Sequence[dict[str, Any]]) -> list[Compared]:
    language = reader_language()
    found: dict[str, dict[str, Any]] = {}
    for unit in units:
        steps = [step[language] for step in unit["steps"]]
        beside = found.setdefault(unit["connection"], {"model": unit["model"]})
        beside[unit["which"]] = {**unit, "steps": steps, "percent": round(unit["calls"] * 100)}
    return [
        Compared(
            str(Terminal.Connection(way).label), row["model"], row["draft"], row.get("published")
        )
        for way, row in found.items()
        if "draft" in row
    ]


def _grouped(before: Flow | None, after: Flow) -> list[ChangeGroup]:
    found: list[Change] = changes(before, after)
    return grouped(found, before, after)


# --- Preview -------------------------------------------------------------------------


@for_authors
@GET_OR_POST
def preview(request: ActorRequest, symptom: str) -> HttpResponse:
    """Walks the draft as a merchant would. All answers stand in the address: nothing is stored."""
    draft = draft_of(request, symptom)
    way = request.GET.get("on", "")
    way = way if way in WAYS else WAYS[0]
    done = _done(request.GET.get("done", ""))
    if request.method == "POST":
        done = [*done, (request.POST.get("step", "")[:60], request.POST.get("answer", "")[:60])]
        return HttpResponseRedirect(_preview_url(symptom, way, done), status=HTTPStatus.SEE_OTHER)
    try:
        result = _next(draft, way, done)
    except (AnswerError, ValueError, LookupError, ZeroDivisionError):
        return _cannot_preview(request, symptom)
    ways = [
        (str(Terminal.Connection(one).label), _preview_url(symptom, one, []), one == way)
        for one in WAYS
    ]
    context = {
        "draft": draft,
        "symptom": symptom,
        "provider": request.seat.provider if request.seat else None,
        "title": draft.flow.title.get(reader_language()),
        "ways": ways,
        "again_url": _preview_url(symptom, way, []),
        "back_url": _preview_url(symptom, way, done[:-1]) if done else "",
        "desk_url": reverse("diagnostics:flow", args=[symptom]),
    }
    if isinstance(result, Ask):
        asked = walk.question_context(result, number=len(done) + 1)
        return render(request, "diagnostics/flows/preview.html", context | asked)
    ended = {"outcome": result, "advice": draft.flow.advice(result.advice).get(reader_language())}
    ended["causes"] = _causes(draft.flow, result)
    way_out = draft.flow.exit(result.exit)
    ended["way_title"] = text_or_id(way_out) if way_out else ""
    return render(request, "diagnostics/flows/preview_end.html", context | ended)


def _next(draft: FlowDraft, way: str, done: Sequence[tuple[str, str]]) -> Ask | Outcome:
    """Where this walk is; raises what a flow with problems makes the engine raise."""
    classes = comparing.typical_classes(draft.provider_id)
    attributes = next((c.attributes for c in classes if c.connection == way), Attributes())
    answers = [Answer(step, answer) for step, answer in done]
    return next_step(draft.flow, attributes, answers, actor="merchant")


def _cannot_preview(request: ActorRequest, symptom: str) -> HttpResponse:
    messages.error(request, _("The draft cannot be walked like this. Put the problems right first"))
    return redirect("diagnostics:flow", symptom=symptom)


def _causes(flow: Flow, outcome: Outcome) -> list[tuple[str, int]]:
    """The likeliest causes and their share in percent, for the author."""
    language = reader_language()
    named = [(flow.fault(fault), weight) for fault, weight in outcome.causes]
    return [(fault.text.get(language), round(weight * 100)) for fault, weight in named if fault]


def _done(text: str) -> list[tuple[str, str]]:
    pairs = [pair.partition(":") for pair in text.split(",") if ":" in pair]
    return [(step, answer) for step, _colon, answer in pairs[:MOST_ANSWERS]]


def _preview_url(symptom: str, way: str, done: Sequence[tuple[str, str]]) -> str:
    query = {"on": way, "done": ",".join(f"{step}:{answer}" for step, answer in done)}
    url = reverse("diagnostics:flow_preview", args=[symptom])
    return f"{url}?{urlencode({key: value for key, value in query.items() if value})}"


# --- Review and publishing -----------------------------------------------------------


@for_authors
@require_POST
def ask_review(request: ActorRequest, symptom: str) -> HttpResponse:
    """Says that a second person should look at the safety steps."""
    draft_of(request, symptom)
    drafts.ask_review(request.actor, symptom=symptom, now=clock.now())
    messages.success(request, _("Marked as ready for approval: another lead can approve it here"))
    return redirect("diagnostics:flow", symptom=symptom)


@for_authors
@require_POST
def approve(request: ActorRequest, symptom: str) -> HttpResponse:
    """Approves the content that was shown."""
    draft_of(request, symptom)
    digest = request.POST.get("digest", "")
    try:
        drafts.approve(request.actor, symptom=symptom, digest=digest, now=clock.now())
    except ChangedMeanwhileError:
        messages.error(request, _("The draft was changed meanwhile. Look at it again"))
    except OwnChangeError:
        messages.error(request, _("You changed something in this draft, so somebody else approves"))
    else:
        messages.success(request, _("Approved"))
    return redirect("diagnostics:flow", symptom=symptom)


@for_authors
@require_POST
def publish(request: ActorRequest, symptom: str) -> HttpResponse:
    """The draft becomes what merchants walk through."""
    draft = draft_of(request, symptom)
    form = PublishForm(request.POST)
    revision = request.POST.get("revision", "")
    if not form.is_valid():
        page = overview(request, draft, comparing.published_beside(draft), form)
        return render(request, "diagnostics/flows/flow.html", page, status=422)
    try:
        version = publishing.publish_draft(
            request.actor,
            symptom=symptom,
            revision=int(revision) if is_number(revision) else 0,
            against=request.POST.get("against", ""),
            note=form.cleaned_data["note"],
            now=clock.now(),
        )
    except (NotReadyError, NeedsApprovalError, NothingChangedError, NotAsSeenError) as error:
        messages.error(request, _refusal(error))
    else:
        words = _("Version %(n)d is published. Walks that are under way keep theirs")
        messages.success(request, words % {"n": version.version})
    return redirect("diagnostics:flow", symptom=symptom)


@for_authors
@require_POST
def discard(request: ActorRequest, symptom: str) -> HttpResponse:
    """Drops the draft."""
    draft_of(request, symptom)
    revision = request.POST.get("revision", "")
    try:
        drafts.discard(
            request.actor,
            symptom=symptom,
            revision=int(revision) if is_number(revision) else 0,
            now=clock.now(),
        )
    except ChangedMeanwhileError:
        messages.error(request, _("The draft was changed meanwhile. Look at it again"))
        return redirect("diagnostics:flow", symptom=symptom)
    messages.success(request, _("Draft discarded"))
    return redirect("diagnostics:flows")


# --- Versions ------------------------------------------------------------------------


@for_authors
@require_GET
def versions(request: ActorRequest, symptom: str) -> HttpResponse:
    """Every own version and the shipped one, with one click back."""
    rows = FlowVersion.objects.visible_to(request.actor).filter(symptom=symptom)
    own = list(rows.exclude(provider=None).order_by("-version"))
    shipped = rows.filter(provider=None, is_current=True).first()
    current = next((row for row in own if row.is_current), shipped)
    if current is None:
        raise Http404
    lines = [
        {"version": row, "is_safety": bool(changed_safety(current.flow, row.flow))} for row in own
    ]
    context = {
        "symptom": symptom,
        "title": current.flow.title.get(reader_language()),
        "lines": lines,
        "shipped": shipped,
        "current": current,
        "is_shipped_safety": bool(shipped and changed_safety(current.flow, shipped.flow)),
        "has_draft": FlowDraft.objects.visible_to(request.actor).filter(symptom=symptom).exists(),
    }
    return render(request, "diagnostics/flows/versions.html", context)


@for_authors
@require_POST
def restore(request: ActorRequest, symptom: str) -> HttpResponse:
    """Brings an earlier version back, or the shipped flow; or takes it as a draft."""
    wanted = request.POST.get("version", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else None
    if number is None and wanted != "shipped":
        return redirect("diagnostics:flow_versions", symptom=symptom)
    now, actor = clock.now(), request.actor
    try:
        if request.POST.get("as") == "draft":
            drafts.take_version(actor, symptom=symptom, number=number, now=now)
            messages.success(request, _("Taken as a draft"))
            return redirect("diagnostics:flow", symptom=symptom)
        if number is None:
            publishing.follow_shipped(actor, symptom=symptom, now=now)
            messages.success(request, _("The shipped flow is used again"))
        else:
            made = publishing.restore(actor, symptom=symptom, number=number, now=now)
            words = _("Version %(old)d is back, as version %(n)d")
            messages.success(request, words % {"old": number, "n": made.version})
    except FlowVersion.DoesNotExist as error:
        raise Http404 from error
    except (NotReadyError, NeedsApprovalError, NothingChangedError) as error:
        messages.error(request, _refusal(error))
    return redirect("diagnostics:flow_versions", symptom=symptom)


def _refusal(error: Exception) -> str:
    """Why something was not published."""
    if isinstance(error, NotReadyError):
        return _("Put the problems right first")
    if isinstance(error, NeedsApprovalError):
        return _("Safety steps change: another lead has to approve exactly this content")
    if isinstance(error, NothingChangedError):
        return _("This is what is published already")
    return _("The draft or the published version was changed meanwhile. Look at it again")


# --- Files ---------------------------------------------------------------------------


@for_authors
@require_GET
def export(request: ActorRequest, symptom: str) -> HttpResponse:
    """The draft as JSON; `?version=` a version's number or `shipped`; without a draft what is
    published.
    """
    rows = FlowVersion.objects.visible_to(request.actor).filter(symptom=symptom)
    wanted = request.GET.get("version", "")
    found: FlowDraft | FlowVersion | None
    if wanted == "shipped":
        found = rows.filter(provider=None, is_current=True).first()
    elif wanted:
        own = rows.exclude(provider=None)
        found = own.filter(version=int(wanted)).first() if wanted.isdecimal() else None
    else:
        found = FlowDraft.objects.visible_to(request.actor).filter(symptom=symptom).first()
        published = FlowVersion.objects.published_for(request.actor.provider_id)
        found = found or published.filter(symptom=symptom).first()
    if found is None:
        raise Http404
    text = json.dumps(found.flow.to_dict(), ensure_ascii=False, indent=2) + "\n"
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{symptom}.json"'
    return response


@for_authors
@GET_OR_POST
def bring_in(request: ActorRequest) -> HttpResponse:
    """A flow from a file, as a draft. What was sent stays in the page, to be put right."""
    is_sent = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
    if is_sent and form.is_valid():
        text = _text_of(form)
        try:
            draft = drafts.bring_in(request.actor, text=text, now=clock.now())
        except BadFileError as error:
            form = _with_error(text, file_words(error.code, error.where))
        except FlowError as error:
            form = _with_error(text, shape_words(error))
        else:
            messages.success(request, _("Brought in as a draft"))
            return redirect("diagnostics:flow", symptom=draft.symptom)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "diagnostics/flows/import.html", {"form": form}, status=status)


def _text_of(form: ImportForm) -> str:
    """The file's text, else what was pasted."""
    file = form.cleaned_data["file"]
    if file is None:
        return str(form.cleaned_data["text"])
    # One byte more than allowed is enough to say that it is too much.
    raw: bytes = file.read(MAX_BYTES + 1)
    return raw.decode("utf-8-sig", "replace")


def _with_error(text: str, words: str) -> ImportForm:
    """The form with the text in its field, the file's too, where it can be put right."""
    form = ImportForm({"text": text[:MAX_BYTES]})
    form.is_valid()
    form.add_error("text", words)
    return form
