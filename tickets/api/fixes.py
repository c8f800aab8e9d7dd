"""What staff tried for a ticket."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from posdoctor.accounts.policies import Permission
from posdoctor.core.api.errors import Refusals
from posdoctor.core.api.schema import documented
from tickets import actions
from tickets.api import inputs, shapes
from tickets.api.base import TicketsView
from tickets.api.deeds import DeedView
from tickets.models import Ticket, TriedFix


class Fixes(DeedView):
    """`tickets/{ref}/fixes/`"""

    refusals: ClassVar[Refusals] = {
        **TicketsView.refusals,
        "unknown_fix": ("step", _("The flow that was walked has no such fix")),
    }

    @documented("tickets_fixes", gives=shapes.TriedFixes)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Fixes that staff tried, the failed ones too. Merchants see none."""
        return Response(self._all(self.ticket(ref)))

    @documented("tickets_try_fix", takes=inputs.TriedFixInput, gives=shapes.TriedFixes)
    def post(self, request: Request, ref: str) -> Response:
        """Say whether a fix worked, the last say counts; null takes one's own entry back."""
        ticket, given = self.begin(request, ref, Permission.FIX_LOG, inputs.TriedFixInput)
        if given["worked"] is None:
            actions.take_back_fix(
                self.actor, ticket_id=ticket.pk, step_id=given["step"], now=self.now
            )
        else:
            actions.log_fix(
                self.actor,
                ticket_id=ticket.pk,
                step_id=given["step"],
                worked=given["worked"],
                now=self.now,
            )
        return Response(self._all(ticket))

    def _all(self, ticket: Ticket) -> Any:
        rows = TriedFix.objects.visible_to(self.actor).filter(ticket=ticket)
        found = list(rows.order_by("tried_at", "pk"))
        return shapes.TriedFixes({"results": found, "next": None, "previous": None}).data
