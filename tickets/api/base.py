"""Rows that the views of tickets begin with."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken, Seat, Team
from posdoctor.core.api.errors import Refusals, invalid
from tickets.api import shapes
from tickets.models import Ticket
from tickets.querysets import TicketQuerySet


class TicketsView(ApiView):
    """Tickets that the caller sees, people they can go to."""

    area = ApiToken.Area.TICKETS.value
    refusals: ClassVar[Refusals] = {
        "nothing_to_say": ("body", _("Write something or add a file")),
        "too_many_files": ("attachments", _("Send at most five files at once")),
        "unknown_person": ("user", _("There is nobody here with this reference")),
    }

    def tickets(self) -> TicketQuerySet:
        """Visible ones, with all that is shown."""
        rows = Ticket.objects.visible_to(self.actor).with_list_columns().with_next_due()
        return rows.select_related(
            "merchant", "store__merchant", "team", "run", "previous", "merged_into"
        ).defer("run__attributes", "run__outcome")

    def ticket(self, ref: str) -> Ticket:
        """404 where it is hidden."""
        return self.row(self.tickets(), ref=ref.upper())

    def shown(self, ref: str) -> Any:
        """The ticket as it is now."""
        return shapes.plain(self.ticket(ref), self.actor)

    def person_id(self, ref: str | None, field: str) -> int | None:
        """Of a colleague who can sign in; 422 for an unknown one."""
        if ref is None:
            return None
        seats = Seat.objects.visible_to(self.actor).active().filter(user__ref=ref.upper())
        found = seats.values_list("user_id", flat=True).first()
        if found is None:
            raise invalid({field: [_("There is nobody here with this reference")]})
        return found

    def team_id(self, ref: str | None) -> int | None:
        """Of a team of the provider; 422 for an unknown one."""
        if ref is None:
            return None
        teams = Team.objects.visible_to(self.actor).filter(ref=ref.upper())
        found = teams.values_list("pk", flat=True).first()
        if found is None:
            raise invalid({"team": [_("There is no such team")]})
        return found
