"""Filing the report of a walk through the API."""

from typing import Any, ClassVar

from django.conf import settings
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics.models import DiagnosisRun
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.parsers import FormParser, JsonParser
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import read
from tickets import actions
from tickets.api import inputs, shapes
from tickets.models import Ticket


class Filing(ApiView):
    """A view that files a report, with or without files."""

    parser_classes = (JsonParser, FormParser)
    max_body: ClassVar[int] = inputs.MAX_REQUEST_BYTES

    def file(self, run_id: int, given: dict[str, Any]) -> Ticket:
        """The one ticket of the run. `given`: a read ReportInput."""
        files = inputs.clean_files(given.pop("attachments"))
        already_filed = Ticket.objects.visible_to(self.actor).filter(run_id=run_id).first()
        if files and not already_filed:
            actions.save_draft(self.actor, run_id=run_id, now=self.now, files=files)
        source = Ticket.Source.PHONE if shapes.is_seat(self.actor) else Ticket.Source.STICKER
        return actions.report(self.actor, run_id=run_id, now=self.now, source=source, **given)


class Report(Filing):
    """`diagnoses/{ref}/report/`"""

    area = ApiToken.Area.DIAGNOSES.value

    @documented(
        "diagnoses_report",
        takes=inputs.ReportInput,
        gives=shapes.Filed,
        status=201,
        takes_files=True,
    )
    def post(self, request: Request, ref: str) -> Response:
        """File the report of a walk; a second time gives the same ticket."""
        run = self.row(DiagnosisRun.objects.visible_to(self.actor), ref=ref.upper())
        require(self.actor, Permission.TICKET_REPORT)
        ticket = self.file(run.pk, read(inputs.ReportInput, request.data))
        path = reverse("tickets:track", args=[ticket.track_token])
        filed = {"ticket": ticket.ref, "track_url": f"{settings.PUBLIC_URL}{path}"}
        return Response(shapes.Filed(filed).data, status=201)
