"""Shapes of guided diagnoses. Texts of one walk are in the language of the walk."""

from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnostics import actions
from diagnostics.engine import Ask, Outcome
from diagnostics.flow import Check
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
            "why": _why(result),
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
    return {"kind": outcome.kind, "causes": causes, "advice": advice}


def _why(result: Ask | Outcome | None) -> str:
    if not isinstance(result, Ask):
        return ""
    if isinstance(result.step, Check):
        return _("Safety comes first") if result.step.safety else _("Tells the causes apart")
    return _("Helps with a likely cause")
