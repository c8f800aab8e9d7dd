"""What was learned for a symptom."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnostics.api.views import DiagnosesView
from diagnostics.models import FlowVersion, ParamSnapshot
from posdoctor.accounts.policies import Permission
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import Shape

MOST = 60


class LearnedNumbers(Shape):
    """Numbers that a night learned. `reasons`: why they were held."""

    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ParamSnapshot.State.values)
    in_use = serializers.BooleanField(source="is_current")
    made_at = serializers.DateTimeField()
    cases = serializers.FloatField(help_text="Faded by age; a guess counts half")
    reasons = serializers.SerializerMethodField()
    decided_by = serializers.CharField(
        source="decided_by_name", help_text="Empty where nobody had to decide"
    )
    decided_at = serializers.DateTimeField(allow_null=True)

    def get_reasons(self, snapshot: ParamSnapshot) -> list[str]:
        """`locked`, `loss` or `went_back`."""
        return [str(reason) for reason in snapshot.report.get("reasons", [])]


class AllLearnedNumbers(Shape):
    """The newest first; none in use: the flow goes by its authored numbers."""

    results = LearnedNumbers(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class Numbers(DiagnosesView):
    """`symptoms/{symptom}/numbers/`"""

    @documented("symptoms_numbers", gives=AllLearnedNumbers)
    def get(self, request: Request, symptom: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Numbers that were learned for the published flow of a symptom, the newest sixty."""
        self.hide_without(Permission.FLOW_EDIT)
        published = FlowVersion.objects.published_for(self.actor.provider_id)
        version = self.row(published.defer("document"), symptom=symptom)
        rows = ParamSnapshot.objects.visible_to(self.actor).filter(flow_version=version)
        found: Any = rows.defer("rates").order_by("-number")[:MOST]
        return Response(AllLearnedNumbers({"results": found, "next": None, "previous": None}).data)
