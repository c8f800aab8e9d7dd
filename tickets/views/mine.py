"""What a signed-in merchant sees: the own machines and open reports."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnostics.access import IN_USE
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import Terminal
from tickets.lifecycle import TicketStatus
from tickets.models import Ticket
from tickets.views.progress import promised

MAX_ROWS = 200
_ENDED = [TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED]


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Machines by shop, open reports first; 404 for everyone who is no merchant."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if actor.role != Role.MERCHANT:
        raise Http404
    machines = Terminal.objects.visible_to(actor).filter(state__in=IN_USE, provider__is_active=True)
    now = clock.now()
    reports = Ticket.objects.visible_to(actor).filter(provider__is_active=True)
    context = {
        "machines": machines.select_related("model", "store", "provider").order_by(
            "store__name", "store_id", "counter", "pk"
        )[:MAX_ROWS],
        "reports": [
            (ticket, promised(ticket, {row.promise: row for row in ticket.clocks.all()}, now))
            for ticket in reports.exclude(status__in=_ENDED)
            .select_related("terminal__model", "store")
            .prefetch_related("clocks")
            .order_by("-opened_at", "-pk")[:MAX_ROWS]
        ],
    }
    return render(request, "tickets/merchant/mine.html", context)
