"""Pages of learning: which numbers are in use, what moved, what waits, and what it all gains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from diagnostics import gain
from diagnostics.actions import snapshots as actions
from diagnostics.flow import UNSURE, Flow
from diagnostics.gain import Comparison, Estimate
from diagnostics.models import DiagnosisRun, FlowVersion, ParamSnapshot, reader_language
from posdoctor.accounts.access import hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock
from posdoctor.core.errors import DomainError

for_authors = hidden_without(Permission.FLOW_EDIT)
HISTORY_ROWS = 60
# A quarter, as long as a tenth of the checks is held back at least.
MEASURED = timedelta(days=90)
MOST_WALKS = 5_000
SKIP_ROWS = 12


@dataclass(frozen=True)
class Move:
    """One number that moved: a sentence, and the shares before and after as they are read."""

    words: str
    before: str
    after: str

    @classmethod
    def of(cls, words: str, before: float, after: float) -> "Move":
        """From shares of 1."""
        return cls(words, _number(before, is_share=True), _number(after, is_share=True))


@dataclass(frozen=True)
class Row:
    """One symptom of the list."""

    symptom: str
    title: str
    in_use: ParamSnapshot | None
    held: ParamSnapshot | None


@for_authors
@require_GET
def index(request: ActorRequest) -> HttpResponse:
    """Every flow that the provider's merchants walk, with the numbers it goes by."""
    versions = list(_versions(request))
    seen = _snapshots(request).filter(flow_version__in=versions).defer("rates")
    in_use = {row.flow_version_id: row for row in seen.filter(is_current=True)}
    held = {row.flow_version_id: row for row in seen.filter(state=ParamSnapshot.State.HELD)}
    language = reader_language()
    rows = [
        Row(v.symptom, v.flow.symptom.get(language), in_use.get(v.pk), held.get(v.pk))
        for v in versions
    ]
    context = {"rows": rows, "is_new": not in_use and not held, "least": actions.LEAST_CASES}
    return render(request, "diagnostics/learning.html", context)


@for_authors
@require_GET
def one(request: ActorRequest, symptom: str) -> HttpResponse:
    """One flow: numbers in use, what waits, what was."""
    version = _version(request, symptom)
    rows = _snapshots(request).filter(flow_version=version).defer("rates").order_by("-number")
    history = list(rows[:HISTORY_ROWS])
    in_use = rows.filter(is_current=True).first()
    held = rows.filter(state=ParamSnapshot.State.HELD).first()
    context = {
        "version": version,
        "title": version.flow.symptom.get(reader_language()),
        "in_use": in_use,
        "in_use_about": _about(version.flow, in_use),
        "held": held,
        "held_about": _about(version.flow, held),
        "history": history,
        "least": actions.LEAST_CASES,
    }
    return render(request, "diagnostics/learning_one.html", context)


@for_authors
@require_POST
def approve(request: ActorRequest, symptom: str) -> HttpResponse:
    """Held numbers come into use."""
    return _decide(request, symptom, actions.approve, gettext_lazy("In use for new checks"))


@for_authors
@require_POST
def reject(request: ActorRequest, symptom: str) -> HttpResponse:
    """Held numbers are put aside."""
    return _decide(request, symptom, actions.reject, gettext_lazy("Rejected"))


@for_authors
@require_POST
def go_back(request: ActorRequest, symptom: str) -> HttpResponse:
    """Earlier numbers, or the authored ones, come into use again."""
    return _decide(request, symptom, actions.go_back, gettext_lazy("In use for new checks"))


@for_authors
@require_GET
def gains(request: ActorRequest) -> HttpResponse:
    """Expected order against the tenth that keeps the authored one."""
    now = clock.now()
    runs = DiagnosisRun.objects.visible_to(request.actor)
    walks = runs.measured(since=now - MEASURED, now=now, most=MOST_WALKS)
    found = gain.gain_of(walks)
    context = {
        "count": len(walks),
        "is_cut": len(walks) == MOST_WALKS,
        "days": MEASURED.days,
        "least": gain.LEAST_WALKS,
        "most_minutes": int(gain.MOST_MINUTES),
        "measures": _measures(found),
        "skips": _skips(request, gain.skip_rates(walks, UNSURE, SKIP_ROWS)),
        "calibration": _calibration(gain.calibration_of(walks)),
        "has_held_back": any(not walk.is_expected for walk in walks),
    }
    return render(request, "diagnostics/learning_gain.html", context)


# --- Rows ----------------------------------------------------------------------------


def _versions(request: ActorRequest) -> Any:
    return FlowVersion.objects.published_for(request.actor.provider_id).defer("document")


def _version(request: ActorRequest, symptom: str) -> FlowVersion:
    found: FlowVersion = get_object_or_404(_versions(request), symptom=symptom)
    return found


def _snapshots(request: ActorRequest) -> Any:
    return ParamSnapshot.objects.visible_to(request.actor)


def _decide(
    request: ActorRequest, symptom: str, act: Callable[..., Any], done: str | Promise
) -> HttpResponse:
    """The deed, then the page again; one that came too late says so there."""
    version = _version(request, symptom)
    number = request.POST.get("number", "")
    digest = request.POST.get("digest", "")
    try:
        if not (number.isascii() and number.isdigit() and len(number) < 9):
            raise ParamSnapshot.DoesNotExist
        act(
            request.actor,
            symptom=version.symptom,
            number=int(number),
            digest=digest,
            now=clock.now(),
        )
    except (DomainError, ObjectDoesNotExist):
        messages.error(request, _("Not done: these numbers have changed meanwhile"))
    else:
        messages.success(request, str(done))
    return redirect("diagnostics:learning_one", symptom=version.symptom)


# --- Words ---------------------------------------------------------------------------

_REASONS: Mapping[str, str | Promise] = {
    "locked": gettext_lazy("A locked cause, or one that stops use, would move."),
    "loss": gettext_lazy(
        "They foretell the causes of the last 14 days’ tickets worse than the numbers in use."
    ),
    "went_back": gettext_lazy(
        "Somebody went back to earlier numbers. What is learned after that waits for a decision."
    ),
}


def _about(flow: Flow, snapshot: ParamSnapshot | None) -> dict[str, Any]:
    """What the gate wrote of these numbers, in words."""
    if snapshot is None:
        return {}
    report = snapshot.report
    language = reader_language()
    limited = report.get("limited", {})
    names = [_fault_words(flow, fault, language) for fault in limited.get("causes", [])]
    return {
        "report": report,
        "reasons": [_REASONS[reason] for reason in report["reasons"] if reason in _REASONS],
        "moves": moves_in_words(flow, report.get("moves", {})),
        "limited_causes": names,
        "limited_rates": limited.get("rates", 0),
    }


def moves_in_words(flow: Flow, moves: Mapping[str, Sequence[Sequence[Any]]]) -> list[Move]:
    """Causes, then cures, then answers; those that the flow no longer has are left out."""
    found = [
        Move.of(_cause_words(flow, fault, is_up=after > before), before, after)
        for fault, before, after in moves.get("causes", ())
        if flow.fault(fault)
    ]
    found += [
        Move.of(_cure_words(flow, step, fault, is_up=after > before), before, after)
        for step, fault, before, after in moves.get("cures", ())
        if flow.step(step) and flow.fault(fault)
    ]
    found += [
        Move.of(_answer_words(flow, step, answer, fault), before, after)
        for step, answer, fault, before, after in moves.get("answers", ())
        if flow.step(step) and flow.fault(fault)
    ]
    return found


def _cause_words(flow: Flow, fault: str, *, is_up: bool) -> str:
    words = _("More often the cause: %(cause)s") if is_up else _("Less often the cause: %(cause)s")
    return words % {"cause": _fault_words(flow, fault, reader_language())}


def _cure_words(flow: Flow, step_id: str, fault: str, *, is_up: bool) -> str:
    step, language = flow.step(step_id), reader_language()
    assert step is not None
    up, down = _("Helps more often: %(fix)s, where it is: %(cause)s"), _(
        "Helps less often: %(fix)s, where it is: %(cause)s"
    )  # fmt: skip
    values = {"fix": step.text.get(language), "cause": _fault_words(flow, fault, language)}
    return (up if is_up else down) % values


def _answer_words(flow: Flow, step_id: str, answer: str, fault: str) -> str:
    step, language = flow.step(step_id), reader_language()
    assert step is not None
    said = next((o.text.get(language) for o in step.answers if o.id == answer), answer)
    values = {
        "question": step.text.get(language),
        "answer": said,
        "cause": _fault_words(flow, fault, language),
    }
    return _("%(question)s “%(answer)s”, where it is: %(cause)s") % values


def _fault_words(flow: Flow, fault_id: str, language: str) -> str:
    fault = flow.fault(fault_id)
    return fault.text.get(language) if fault else fault_id


def _measures(found: gain.Gain) -> list[dict[str, Any]]:
    """Lines of the table: words, a comparison, and whether it is a share."""
    lines: list[tuple[str, Comparison, bool]] = [
        (_("Minutes until solved or handed over"), found.minutes, False),
        (_("Solved by the merchant"), found.solved, True),
        (_("Steps per check"), found.steps, False),
        (_("Came back within 72 hours"), found.reopened, True),
        (_("Given up"), found.given_up, True),
    ]
    return [
        {
            "words": words,
            "expected": _estimate_words(pair.expected, is_share=is_share),
            "authored": _estimate_words(pair.authored, is_share=is_share),
            "difference": _difference_words(pair.difference, is_share=is_share),
            "verdict": pair.verdict,
            "sizes": (pair.expected.size, pair.authored.size),
        }
        for words, pair, is_share in lines
    ]


def _estimate_words(estimate: Estimate, *, is_share: bool) -> dict[str, str]:
    """The number and its interval as they are read; nothing for an empty sample."""
    if estimate.value is None:
        return {"value": "", "range": ""}
    value = _number(estimate.value, is_share=is_share)
    if estimate.low is None or estimate.high is None:
        return {"value": value, "range": ""}
    low, high = (_number(edge, is_share=is_share) for edge in (estimate.low, estimate.high))
    return {"value": value, "range": _("%(low)s to %(high)s") % {"low": low, "high": high}}


def _difference_words(estimate: Estimate, *, is_share: bool) -> dict[str, str]:
    words = _estimate_words(estimate, is_share=is_share)
    if estimate.value is not None and estimate.value > 0:
        words["value"] = f"+{words['value']}"
    return words


def _number(value: float, *, is_share: bool) -> str:
    words = f"{100 * value:.1f} %" if is_share else f"{value:.1f}"
    return words.replace("-", "−")


def _calibration(found: gain.Calibration) -> dict[str, Any]:
    """Bands with what was foretold and what came true; how often the first, and one of three."""
    bands = [
        {
            "range": _("%(low)s to %(high)s") % {
                "low": f"{100 * band.low:.0f} %", "high": f"{100 * band.high:.0f} %",
            },
            "foretold": "" if band.foretold is None else _number(band.foretold, is_share=True),
            "right": _estimate_words(band.right, is_share=True),
            "size": band.right.size,
            "holds": band.holds,
        }
        for band in found.bands
    ]  # fmt: skip
    return {
        "bands": bands,
        "size": found.first.size,
        "first": _estimate_words(found.first, is_share=True),
        "three": _estimate_words(found.three, is_share=True),
    }


def _skips(request: ActorRequest, rates: Sequence[gain.SkipRate]) -> list[dict[str, Any]]:
    """Steps in the reader's words; one that the published flow no longer has keeps its id."""
    flows = {version.symptom: version.flow for version in _versions(request)}
    language = reader_language()
    lines = []
    for rate in rates:
        flow = flows.get(rate.symptom)
        step = flow.step(rate.step) if flow else None
        lines.append(
            {
                "symptom": flow.symptom.get(language) if flow else rate.symptom,
                "step": step.text.get(language) if step else rate.step,
                "unsure": _estimate_words(rate.unsure, is_share=True),
                "size": rate.unsure.size,
            }
        )
    return lines
