"""Addresses of symptoms and of guided diagnoses."""

from typing import ClassVar

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics import actions
from diagnostics.access import IN_USE, offered
from diagnostics.api import shapes
from diagnostics.engine import Ask
from diagnostics.models import DiagnosisRun, FlowVersion, OwnCode, reader_language
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.errors import Refusals, invalid
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import read
from posdoctor.core.errors import IllegalMoveError
from terminals.models import Terminal


class DiagnosesView(ApiView):
    """Rows that every view here begins with."""

    area = ApiToken.Area.DIAGNOSES.value
    refusals: ClassVar[Refusals] = {
        "unknown_answer": ("answer", _("This step has no such answer")),
    }

    def run(self, ref: str) -> DiagnosisRun:
        """404 where it is hidden."""
        rows = DiagnosisRun.objects.visible_to(self.actor).with_page_columns()
        return self.row(rows, ref=ref.upper())

    def terminal(self, ref: str) -> Terminal:
        """The terminal that a body names; 422 where it is hidden or stands in no shop."""
        rows = Terminal.objects.visible_to(self.actor).filter(state__in=IN_USE)
        found = rows.with_list_columns().filter(ref=ref.upper()).first()
        if found is None:
            raise invalid({"terminal": [_("No terminal in use has this reference")]})
        return found


class Symptoms(DiagnosesView):
    """`symptoms/`"""

    @documented("symptoms_list", query=shapes.SymptomQuery, gives=shapes.Symptoms)
    def get(self, request: Request) -> Response:
        """What can be wrong, the most frequent first; of one terminal or of all."""
        asked = read(shapes.SymptomQuery, request.query_params)
        if "terminal" in asked:
            versions = offered(self.terminal(asked["terminal"]))
        else:
            published = FlowVersion.objects.published_for(self.actor.provider_id)
            versions = list(published.defer("document"))
        language = reader_language()
        rows = [
            {
                "id": version.symptom,
                "title": version.flow.title.get(language),
                "symptom": version.flow.symptom.get(language),
                "hint": version.flow.hint.get(language),
            }
            for version in versions
        ]
        return Response(shapes.Symptoms({"results": rows, "next": None, "previous": None}).data)


class Diagnoses(DiagnosesView):
    """`diagnoses/`"""

    @documented("diagnoses_start", takes=shapes.DiagnosisInput, gives=shapes.Diagnosis, status=201)
    def post(self, request: Request) -> Response:
        """Begin a walk. `language` is that of its texts, and of the report that may follow."""
        require(self.actor, Permission.RUN_START)
        given = read(shapes.DiagnosisInput, request.data)
        terminal = self.terminal(given["terminal"])
        try:
            run = actions.start(
                self.actor,
                terminal=terminal,
                symptom=given["symptom"],
                language=given.get("language") or get_language() or "zh-hans",
                now=self.now,
                screen_text=given["screen_text"],
            )
        except FlowVersion.DoesNotExist as error:
            raise invalid({"symptom": [_("There is no such symptom")]}) from error
        return Response(shapes.shown(self.run(run.ref), self.actor), status=201)


class OneDiagnosis(DiagnosesView):
    """`diagnoses/{ref}/`"""

    @documented("diagnoses_read", gives=shapes.Diagnosis)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One walk as it stands."""
        return Response(shapes.shown(self.run(ref), self.actor))


class Answers(DiagnosesView):
    """`diagnoses/{ref}/answers/`"""

    @documented("diagnoses_answer", takes=shapes.AnswerInput, gives=shapes.Diagnosis)
    def post(self, request: Request, ref: str) -> Response:
        """Answer a step. Another answer to an earlier step drops the steps after it."""
        run = self.run(ref)
        require(self.actor, Permission.RUN_ANSWER)
        given = read(shapes.AnswerInput, request.data)
        if run.flow_version is None or hasattr(run, "ticket"):
            raise IllegalMoveError("reported", "answered")
        if given["step"] not in _open_steps(run):
            raise invalid({"step": [_("This step is not open")]})
        actions.answer(
            self.actor,
            run_id=run.pk,
            step_id=given["step"],
            answer_id=given["answer"],
            now=self.now,
        )
        return Response(shapes.shown(self.run(ref), self.actor))


def _open_steps(run: DiagnosisRun) -> set[str]:
    """Steps that take an answer: those that have one, and the one that is asked."""
    answers = run.answers()
    asked = actions.step_after(run, answers)
    known = {answer.step_id for answer in answers}
    return known | {asked.step.id} if isinstance(asked, Ask) else known


class ResponseCodes(DiagnosesView):
    """`response-codes/`"""

    @documented("response_codes_list", query=shapes.CodeQuery, gives=shapes.ResponseCodes)
    def get(self, request: Request) -> Response:
        """What codes and words of a screen mean: all, or those that fit every part of the query.

        The provider's own definitions are among them. The same code may stand in several schemes.
        """
        asked = read(shapes.CodeQuery, request.query_params)
        catalogue = OwnCode.objects.visible_to(self.actor).catalogue()
        entries = list(catalogue.entries)
        if "code" in asked:
            entries = list(catalogue.by_code(asked["code"]))
        if "text" in asked:
            named = catalogue.search(asked["text"], limit=len(catalogue.entries))
            entries = [entry for entry in named if "code" not in asked or entry in entries]
        if "scheme" in asked:
            entries = [entry for entry in entries if entry.scheme == asked["scheme"]]
        rows = shapes.shown_codes(entries, catalogue.colliding, self.actor)
        return Response(
            shapes.ResponseCodes({"results": rows, "next": None, "previous": None}).data
        )
