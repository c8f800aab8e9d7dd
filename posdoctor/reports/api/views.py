"""The supervisors' numbers as JSON."""

from dataclasses import asdict
from zoneinfo import ZoneInfo

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken, Provider
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.schema import documented
from posdoctor.reports import today
from posdoctor.reports.api import shapes


class Ops(ApiView):
    """`ops/`"""

    area = ApiToken.Area.TICKETS.value

    @documented("ops_read", gives=shapes.Ops)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """What is open, due and broken now, the share of kept promises, and who has what."""
        if not self.actor.is_staff:
            raise Http404
        require(self.actor, Permission.OPS_VIEW)
        own = self.row(Provider.objects.visible_to(self.actor), pk=self.actor.provider_id)
        board, _counts = today.read(self.actor, self.now, ZoneInfo(own.time_zone))
        numbers = {
            **asdict(board.total),
            "at": self.now,
            "unassigned": board.unowned.tally,
            "oldest_breached": board.oldest_ref or None,
            "target_percent": today.TARGET_PERCENT,
            "promises": board.shares,
            "people": [*board.people, *board.more_people, *board.idle],
            "teams": board.teams,
            "days": board.days,
            "symptoms": board.symptoms,
        }
        return Response(shapes.Ops(numbers).data)
