"""Logs: what comes in, what goes out, the address."""

from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics.actions import logs as actions
from diagnostics.forms.logs import REFUSED, TEXT_LENGTH
from diagnostics.log_reader import MAX_BYTES, RejectedLog
from diagnostics.models import LogAnalysis, reader_language
from merchants.api.shapes import REF_LENGTH
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import doors
from posdoctor.core.api.errors import invalid
from posdoctor.core.api.parsers import FormParser, JsonParser
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import Input, Shape, read
from terminals.models import Terminal


class LogInput(Input):
    """A log as `text`, or as `file` of a form: txt, log, csv, json, or a zip, up to 10 MB."""

    terminal = serializers.CharField(required=False, max_length=REF_LENGTH)
    text = serializers.CharField(required=False, max_length=TEXT_LENGTH, trim_whitespace=False)
    file = serializers.FileField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two. SECURITY: the size is known before anything is read into memory."""
        if ("text" in attrs) == ("file" in attrs):
            raise serializers.ValidationError({"text": [_("Send a text or a file")]})
        if "file" in attrs and (attrs["file"].size or 0) > MAX_BYTES:
            raise serializers.ValidationError({"file": [REFUSED["too_large"]]})
        return attrs


class LogFind(Shape):
    """A code, or a text of the screen, at one place. `at`: where the log says when."""

    scheme = serializers.CharField(help_text="`unknown` for a code that no table has")
    code = serializers.CharField()
    text = serializers.CharField(required=False, help_text="As it stands in the log; of texts only")
    meaning_zh = serializers.CharField()
    meaning_en = serializers.CharField()
    at = serializers.CharField(required=False, help_text="By the terminal's own clock, ISO 8601")
    line = serializers.IntegerField()


class LogProblem(Shape):
    """A network fact that does not fit."""

    id = serializers.CharField()
    text_zh = serializers.CharField()
    text_en = serializers.CharField()


class LogNetwork(Shape):
    """The terminal's settings as the log has them; empty for named and not set."""

    ip = serializers.CharField(required=False)
    mask = serializers.CharField(required=False)
    gateway = serializers.CharField(required=False)
    dns = serializers.ListField(child=serializers.CharField(), required=False)
    same_subnet = serializers.BooleanField(
        required=False, help_text="Whether the gateway is in the terminal's subnet"
    )
    signal_dbm = serializers.IntegerField(required=False, help_text="The weakest")
    problems = LogProblem(many=True, required=False)
    failures = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="How often what failed on the way to the host: dns, tls, timeout, ...",
    )


class LogTimes(Shape):
    """First and last moment, by the terminal's own clock; null without any."""

    first = serializers.CharField(allow_null=True)
    last = serializers.CharField(allow_null=True)


class LogMasked(Shape):
    """How much card data was taken out, by kind."""

    pan = serializers.IntegerField()
    track = serializers.IntegerField()
    cvv = serializers.IntegerField()
    pin = serializers.IntegerField()


class LogSymptom(Shape):
    """What the log speaks for, and why; the likeliest first."""

    id = serializers.CharField()
    why = serializers.CharField()


class LogPattern(Shape):
    """Lines of one shape, digits as `#`."""

    shape = serializers.CharField()
    count = serializers.IntegerField()
    line = serializers.IntegerField()
    last_line = serializers.IntegerField()
    at = serializers.CharField(allow_blank=True)
    last_at = serializers.CharField(allow_blank=True)


class LogFindings(Shape):
    """What a log says. At most 200 codes and texts, of one of them at most 20."""

    ref = serializers.CharField()
    terminal = serializers.CharField(allow_null=True, help_text="Reference")
    codes = LogFind(many=True)
    texts = LogFind(many=True)
    network = LogNetwork()
    versions = serializers.DictField(child=serializers.CharField())
    times = LogTimes()
    masked = LogMasked()
    symptoms = LogSymptom(many=True)
    patterns = LogPattern(many=True)
    evidence = serializers.ListField(
        child=serializers.CharField(), help_text="Checks that the log answers with yes"
    )
    stop_use = serializers.BooleanField(help_text="The terminal must not be used")


class LogAnalyses(ApiView):
    """`log-analyses/`"""

    area = ApiToken.Area.DIAGNOSES.value
    parser_classes = (JsonParser, FormParser)
    max_body: ClassVar[int] = MAX_BYTES + 1024 * 1024

    def check_throttles(self, request: Request) -> None:
        """Reading keeps a processor busy: fewer than other writes."""
        super().check_throttles(request)
        doors.knock(actions.LOGS_BY_PERSON, str(self.actor.user_id), now=self.now)

    @documented(
        "log_analyses_make", takes=LogInput, gives=LogFindings, status=201, takes_files=True
    )
    def post(self, request: Request) -> Response:
        """Read a log. What it says is kept, masked; the log itself is not."""
        require(self.actor, Permission.LOG_ANALYSE)
        given = read(LogInput, request.data)
        terminal = self._terminal(given["terminal"]) if "terminal" in given else None
        upload: UploadedFile[bytes] | None = given.get("file")
        try:
            made = actions.analyse_log(
                self.actor,
                log=upload.read() if upload else given["text"],
                terminal=terminal,
                source=LogAnalysis.Source.API,
                now=self.now,
            )
        except RejectedLog as error:
            field = "file" if upload else "text"
            raise invalid({field: [REFUSED[error.reason]]}, code=error.reason) from error
        return Response(_shown(made), status=201)

    def _terminal(self, ref: str) -> Terminal:
        found = Terminal.objects.visible_to(self.actor).filter(ref=ref.upper()).first()
        if found is None:
            raise invalid({"terminal": [_("No terminal has this reference")]})
        return found


def _shown(analysis: LogAnalysis) -> Any:
    findings, why = analysis.findings, f"why_{reader_language()}"
    symptoms = [{"id": one["id"], "why": one[why]} for one in findings["symptoms"]]
    terminal = analysis.terminal.ref if analysis.terminal else None
    values = {**findings, "ref": analysis.ref, "terminal": terminal, "symptoms": symptoms}
    return LogFindings(values).data
