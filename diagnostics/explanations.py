"""Reasons in words: for merchants without numbers, for the desk with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from diagnostics.actions import step_after
from diagnostics.engine import Answer, Ask, Attributes, Outcome, posterior
from diagnostics.flow import OTHER, Fix, Flow
from diagnostics.models import DiagnosisRun, reader_language
from diagnostics.reasons import LeftOut, Why, left_out, why

TOP_CAUSES = 3
# From here on the engine calls a cause sure; below it is the likeliest only.
SURE_FROM = 0.8


@dataclass(frozen=True)
class Cause:
    """A likely cause, for the desk. `percent` is what the engine believes, a whole number."""

    id: str
    words: str
    percent: int


@dataclass(frozen=True)
class TraceLine:
    """One step of a walk: what was asked and why, what was said, what was likeliest after it."""

    question: str
    answer: str
    is_bad: bool | None
    is_known: bool
    whence: str
    why: str
    causes: Sequence[Cause]


@dataclass(frozen=True)
class NotDone:
    """A step that was left out, and why."""

    question: str
    reason: str


@dataclass(frozen=True)
class Trace:
    """Everything that the desk may know of a walk."""

    lines: Sequence[TraceLine]
    causes: Sequence[Cause]
    is_sure: bool
    is_as_written: bool
    end: str
    exit: str
    left_out: Sequence[NotDone]


def why_for_merchant(run: DiagnosisRun, answers: Sequence[Answer], asked: Ask) -> str:
    """Why this step, in a sentence or two without any number but its minutes."""
    flow = run.numbers
    known = [*run.known(), *answers]
    reason = why(flow, _attributes(run), known, asked, actor="merchant")
    return _merchant_words(flow, asked, reason)


def why_for_desk(run: DiagnosisRun, answers: Sequence[Answer], asked: Ask) -> str:
    """Why this step, with what the engine believes and what it saves."""
    flow = run.numbers
    known = [*run.known(), *answers]
    reason = why(flow, _attributes(run), known, asked, actor="merchant", with_minutes=True)
    return _desk_words(flow, asked, reason)


def causes_of(run: DiagnosisRun, answers: Sequence[Answer]) -> list[Cause]:
    """The three likeliest causes after these answers; what nobody listed is not among them."""
    if run.flow_version is None:
        return []
    flow = run.numbers
    belief = posterior(flow, _attributes(run), [*run.known(), *answers])
    ranked = sorted(belief.items(), key=lambda item: -item[1])
    return [
        Cause(fault, _fault(flow, fault), round(100 * share))
        for fault, share in ranked
        if fault != OTHER
    ][:TOP_CAUSES]


def trace_of(run: DiagnosisRun) -> Trace:
    """The walk as it was led: every decision is made anew from the run's own numbers."""
    flow, answers = run.numbers, run.answers()
    lines = [*_known_lines(run), *(_line(run, answers, i) for i in range(len(answers)))]
    causes = causes_of(run, answers)
    ended = step_after(run, answers)
    unmade = left_out(flow, _attributes(run), [*run.known(), *answers], actor="merchant")
    way = flow.exit(ended.exit) if isinstance(ended, Outcome) else None
    return Trace(
        lines=lines,
        causes=causes,
        is_sure=bool(causes) and causes[0].percent >= 100 * SURE_FROM,
        is_as_written=run.order == DiagnosisRun.Order.AUTHORED,
        end=_end_words(ended) if isinstance(ended, Outcome) else "",
        exit=way.title.get(reader_language()) if way else "",
        left_out=[_not_done(flow, item) for item in unmade],
    )


def _known_lines(run: DiagnosisRun) -> list[TraceLine]:
    whence = {step: source for step, _answer, source in run.given}
    words = {
        "screen": _("from what the screen says"),
        "log": _("from the log"),
        "recent": _("answered a moment ago"),
        "record": _("from our records"),
    }
    lines = []
    for finding in run.findings()[: len(run.given)]:
        source = whence.get(finding.step.id, "")
        lines.append(
            TraceLine(
                question=finding.step.text.get(reader_language()),
                answer=finding.answer.text.get(reader_language()),
                is_bad=finding.is_bad,
                is_known=True,
                whence=words.get(source, ""),
                why="",
                causes=[],
            )
        )
    return lines


def _line(run: DiagnosisRun, answers: Sequence[Answer], index: int) -> TraceLine:
    before, after = answers[:index], answers[: index + 1]
    finding = run.findings()[len(run.given) + index]
    asked = step_after(run, before)
    # An older release may have chosen otherwise: then it is told what was asked, not why.
    is_replayed = isinstance(asked, Ask) and asked.step.id == finding.step.id
    return TraceLine(
        question=finding.step.text.get(reader_language()),
        answer=finding.answer.text.get(reader_language()),
        is_bad=finding.is_bad,
        is_known=False,
        whence="",
        why=why_for_desk(run, before, asked) if is_replayed and isinstance(asked, Ask) else "",
        causes=causes_of(run, after),
    )


def _attributes(run: DiagnosisRun) -> Attributes:
    return Attributes.from_dict(run.attributes)


def _fault(flow: Flow, fault_id: str) -> str:
    fault = flow.fault(fault_id)
    return fault.text.get(reader_language()) if fault else fault_id


def _answer_words(flow: Flow, step_id: str, answer_id: str) -> str:
    step = flow.step(step_id)
    options = step.answers if step else ()
    return next((o.text.get(reader_language()) for o in options if o.id == answer_id), answer_id)


def _fixed_words(reason: Why) -> str | None:
    """Reasons that have nothing to do with how likely anything is."""
    if reason.kind == "safety":
        return _("Safety comes first: some signs mean the terminal must not be used.")
    if reason.kind == "always":
        return _("This is asked every time: going on without it could do harm.")
    if reason.kind == "before":
        return _("This is settled before the next step, so that nothing is lost by it.")
    if reason.kind == "written":
        return _("The steps are taken in their written order.")
    return None


def _merchant_words(flow: Flow, asked: Ask, reason: Why) -> str:
    fixed = _fixed_words(reason)
    if fixed is not None:
        return fixed
    first = _fault(flow, reason.leading[0][0])
    if reason.kind == "try":
        return _("A common cause now: %(cause)s. This often helps.") % {"cause": first}
    second = _fault(flow, reason.leading[1][0]) if len(reason.leading) > 1 else first
    words = _("Common causes now: %(first)s, or %(second)s. This helps to tell.") % {
        "first": first,
        "second": second,
    }
    if reason.pointer:
        words += " " + _("“%(answer)s” would point to: %(cause)s.") % {
            "answer": _answer_words(flow, asked.step.id, reason.pointer.answer_id),
            "cause": _fault(flow, reason.pointer.fault_id),
        }
    return words


def _desk_words(flow: Flow, asked: Ask, reason: Why) -> str:
    fixed = _fixed_words(reason)
    if fixed is not None:
        return fixed
    leading = ", ".join(
        f"{_fault(flow, fault)} {round(100 * share)} %" for fault, share in reason.leading
    )
    parts = [_("Likeliest now: %(causes)s.") % {"causes": leading}]
    minutes = _minutes(reason.minutes)
    if reason.chance is not None:
        parts.append(
            _("Helps in %(percent)s %% of such cases, takes %(minutes)s; a call takes %(call)s.")
            % {
                "percent": round(100 * reason.chance),
                "minutes": minutes,
                "call": _minutes(flow.call.minutes),
            }
        )
        return " ".join(parts)
    if reason.pointer:
        parts.append(
            _("“%(answer)s” would point to %(cause)s (%(percent)s %%).")
            % {
                "answer": _answer_words(flow, asked.step.id, reason.pointer.answer_id),
                "cause": _fault(flow, reason.pointer.fault_id),
                "percent": round(100 * reason.pointer.chance),
            }
        )
    if reason.saves:
        parts.append(
            _("Takes %(minutes)s, saves about %(saved)s.")
            % {"minutes": minutes, "saved": _minutes(reason.saves)}
        )
    return " ".join(parts)


def _minutes(minutes: float) -> str:
    """`1 minute`, `2.5 minutes`."""
    shown = f"{minutes:.1f}".removesuffix(".0")
    return ngettext("%(n)s minute", "%(n)s minutes", 1 if shown == "1" else 2) % {"n": shown}


def _end_words(outcome: Outcome) -> str:
    words = {
        "fixed": _("A fix worked."),
        "answer": _("An answer ended the check."),
        "likely": _("A cause that takes the terminal out of use became likely."),
        "steps": _("Enough steps for one check."),
        "minutes": _("Enough minutes for one check."),
        "unsure": _("Three times “not sure” in a row."),
        "exhausted": _("No remaining step is worth its minutes."),
    }
    return words[outcome.reason]


def _not_done(flow: Flow, item: LeftOut) -> NotDone:
    return NotDone(item.step.text.get(reader_language()), _left_out_words(flow, item))


def _left_out_words(flow: Flow, item: LeftOut) -> str:
    if item.reason == "machine":
        return _("not on this terminal")
    if item.reason == "answered":
        other = flow.step(item.detail)
        asked = other.text.get(reader_language()) if other else item.detail
        return _("pointless after “%(question)s”") % {"question": asked}
    if item.reason == "others":
        return _("not for the merchant to do")
    if isinstance(item.step, Fix):
        return _("too unlikely to help for its minutes")
    return _("would not change what to do")
