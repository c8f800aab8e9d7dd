"""Shapes of guided diagnoses. Texts of one walk are in the language of the walk."""

from collections.abc import Collection, Sequence
from typing import Any

from django.conf import settings
from django.utils import translation
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnostics import actions
from diagnostics.codes import CodeEntry, folded
from diagnostics.engine import Ask, Outcome
from diagnostics.explanations import why_for_desk, why_for_merchant
from diagnostics.models import DiagnosisRun, reader_language
from merchants.api.shapes import REF_LENGTH
from posdoctor.accounts.actor import Actor
from posdoctor.core.api.shapes import Input, Shape
from terminals.lifecycle import TerminalState

LANGUAGES = [code for code, _name in settings.LANGUAGES]


class Symptom(Shape):
    """What can be wrong."""

    id = serializers.CharField()
    title = serializers.CharField(help_text="In the merchant's words")
    symptom = serializers.CharField(help_text="In the desk's words")
    hint = serializers.CharField()


class Symptoms(Shape):
    """All of them at once, the most frequent first."""

    results = Symptom(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class AnswerOption(Shape):
    """One possible answer."""

    id = serializers.CharField()
    text = serializers.CharField()


class NextStep(Shape):
    """What to ask or do next. `minutes`: of this step; `minutes_left`: of the rest, if known."""

    step = serializers.CharField()
    kind = serializers.ChoiceField(choices=["check", "fix"])
    question = serializers.CharField()
    how = serializers.CharField()
    answers = AnswerOption(many=True)
    minutes = serializers.FloatField()
    minutes_left = serializers.IntegerField(allow_null=True)


class Cause(Shape):
    """A likely cause. `probability` (0 to 1) is for people of the desk, absent for others."""

    id = serializers.CharField()
    text = serializers.CharField()
    probability = serializers.FloatField(required=False)


class DiagnosisOutcome(Shape):
    """How the walk ended."""

    kind = serializers.ChoiceField(choices=["solved", "call", "stop_use"])
    causes = Cause(many=True)
    advice = serializers.CharField()
    exit = serializers.CharField(
        help_text="To whom a call goes: desk, acquirer, network_provider or replacement"
    )


class GivenAnswer(Shape):
    """A step that was answered."""

    step = serializers.CharField()
    question = serializers.CharField()
    answer = serializers.CharField()
    text = serializers.CharField()


class Diagnosis(Shape):
    """A walk: `next` is null once there is an `outcome`, or where nothing is to be checked."""

    ref = serializers.CharField()
    terminal = serializers.CharField(help_text="Reference")
    symptom = serializers.CharField(help_text="Empty: reported without a check")
    language = serializers.ChoiceField(choices=LANGUAGES)
    state = serializers.ChoiceField(choices=DiagnosisRun.State.values)
    next = NextStep(allow_null=True)
    outcome = DiagnosisOutcome(allow_null=True)
    why = serializers.CharField(help_text="Why this comes next, in a few words")
    steps_done = serializers.IntegerField()
    answers = GivenAnswer(many=True)
    stop_use = serializers.BooleanField(help_text="The terminal must not be used")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class DiagnosisInput(Input):
    """Which terminal, and what is wrong with it."""

    terminal = serializers.CharField(max_length=REF_LENGTH)
    symptom = serializers.CharField(max_length=40)
    language = serializers.ChoiceField(choices=LANGUAGES, required=False)
    screen_text = serializers.CharField(max_length=300, allow_blank=True, default="")


class AnswerInput(Input):
    """The answer to a step: one of its `answers`."""

    step = serializers.CharField(max_length=60)
    answer = serializers.CharField(max_length=60)


class SymptomQuery(Input):
    """Which symptoms."""

    terminal = serializers.CharField(
        required=False, max_length=REF_LENGTH, help_text="Those that this terminal can have"
    )


class ResponseCode(Shape):
    """What one code of one table means, or one text of the screen."""

    scheme = serializers.CharField(help_text="Whose table; `own` is the provider's")
    scheme_name = serializers.CharField()
    code = serializers.CharField(help_text="As a screen shows it; empty for a text of the screen")
    id = serializers.CharField(help_text="Names the entry within its scheme")
    meaning_zh = serializers.CharField()
    meaning_en = serializers.CharField()
    words = serializers.ListField(child=serializers.CharField(), help_text="Texts of the screen")
    collides = serializers.BooleanField(help_text="Another scheme has the same code")
    category = serializers.CharField()
    action_class = serializers.CharField(
        help_text="UnionPay's: A approved, B may be tried again, C not, D act, E fault"
    )
    sign_in = serializers.ChoiceField(choices=["yes", "maybe", "no"])
    stop_use = serializers.BooleanField(help_text="The terminal must not be used")
    merchant = serializers.CharField(help_text="What the merchant does")
    desk = serializers.CharField(required=False, help_text="What the desk does; staff only")
    symptom = serializers.CharField(help_text="The self-check that deals with it, if any")
    checks = serializers.ListField(
        child=serializers.CharField(), help_text="Checks of a diagnosis that it answers with yes"
    )
    belongs_to = serializers.CharField(
        help_text="The code on the screen that it belongs to, if any"
    )
    is_sourced = serializers.BooleanField(help_text="A source states the meaning")


class ResponseCodes(Shape):
    """All of them at once, those that collide first."""

    results = ResponseCode(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class CodeQuery(Input):
    """Which codes; without any, all."""

    scheme = serializers.CharField(required=False, max_length=40, help_text="Only of this table")
    code = serializers.CharField(
        required=False, max_length=40, help_text="O counts as 0, I and l as 1; any case and width"
    )
    text = serializers.CharField(
        required=False, max_length=500, help_text="What a screen says, as typed or misread"
    )


def shown_codes(
    entries: Sequence[CodeEntry], colliding: Collection[str], actor: Actor
) -> list[dict[str, Any]]:
    """Entries for the caller, those first whose code is in another scheme, too."""
    language = reader_language()
    rows = []
    for entry in entries:
        row = {
            "scheme": entry.scheme,
            "scheme_name": entry.scheme_name.get(language),
            "code": entry.on_screen,
            "id": entry.code,
            "meaning_zh": entry.meaning.zh,
            "meaning_en": entry.meaning.en,
            "words": [*entry.words, *entry.weak],
            "collides": entry.on_screen != "" and folded(entry.on_screen) in colliding,
            "merchant": entry.merchant.get(language),
            "is_sourced": entry.is_sourced,
        }
        for name in ("category", "action_class", "sign_in", "stop_use", "symptom"):
            row[name] = getattr(entry, name)
        row["belongs_to"] = entry.parent
        row["checks"] = list(entry.checks)
        if actor.is_staff:
            row["desk"] = entry.desk.get(language)
        rows.append(row)
    return sorted(rows, key=lambda row: not row["collides"])


@extend_schema_field(Diagnosis)
def shown(run: DiagnosisRun, actor: Actor) -> Any:
    """The walk as the caller may see it."""
    with translation.override(run.language):
        result = _result(run)
        values = {
            "ref": run.ref,
            "terminal": run.terminal.ref,
            "symptom": run.flow_version.symptom if run.flow_version else "",
            "language": run.language,
            "state": run.state,
            "next": _next(result) if isinstance(result, Ask) else None,
            "outcome": _outcome(run, result, actor) if isinstance(result, Outcome) else None,
            "why": _why(run, result, actor),
            "steps_done": len(run.ordered_steps()),
            "answers": [
                {
                    "step": finding.step.id,
                    "question": finding.step.text.get(reader_language()),
                    "answer": finding.answer.id,
                    "text": finding.answer.text.get(reader_language()),
                }
                for finding in run.findings()
            ],
            "stop_use": run.terminal.state == TerminalState.STOPPED
            or run.state == DiagnosisRun.State.STOP_USE,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
        }
        return Diagnosis(values).data


def _result(run: DiagnosisRun) -> Ask | Outcome | None:
    """What the flow says after the answers; nothing where nothing was to be checked."""
    return actions.step_after(run, run.answers()) if run.flow_version else None


def _next(asked: Ask) -> dict[str, Any]:
    language, step = reader_language(), asked.step
    return {
        "step": step.id,
        "kind": step.kind,
        "question": step.text.get(language),
        "how": step.how.get(language) if step.how else "",
        "answers": [{"id": o.id, "text": o.text.get(language)} for o in step.answers],
        "minutes": step.minutes,
        "minutes_left": asked.minutes_left,
    }


def _outcome(run: DiagnosisRun, outcome: Outcome, actor: Actor) -> dict[str, Any]:
    assert run.flow_version is not None
    flow, language = run.flow_version.flow, reader_language()
    causes = []
    for cause, probability in outcome.causes:
        fault = flow.fault(cause)
        shown_cause: dict[str, Any] = {
            "id": cause,
            "text": fault.text.get(language) if fault else cause,
        }
        if actor.is_staff:
            shown_cause["probability"] = round(probability, 4)
        causes.append(shown_cause)
    advice = flow.advice(outcome.advice).get(language)
    return {"kind": outcome.kind, "causes": causes, "advice": advice, "exit": outcome.exit}


def _why(run: DiagnosisRun, result: Ask | Outcome | None, actor: Actor) -> str:
    if not isinstance(result, Ask):
        return ""
    words = why_for_desk if actor.is_staff else why_for_merchant
    return words(run, run.answers(), result)
