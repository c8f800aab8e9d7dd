"""A person's notices behind the bell, and for leads what is stuck on its way."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from posdoctor.accounts.access import for_seats, hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock
from posdoctor.notifications import actions
from posdoctor.notifications.context import unread_of
from posdoctor.notifications.models import Delivery, DeliveryState
from posdoctor.notifications.querysets import TOTALS_OVER

PAGE_ROWS = 50
for_leads = hidden_without(Permission.DELIVERY_RETRY)


@for_seats
@require_GET
def notices(request: ActorRequest) -> HttpResponse:
    """What the person was told, the newest first."""
    # SECURITY: the last word on whose rows these are is notices_of, for leads too.
    rows = Delivery.objects.visible_to(request.actor).notices_of(request.actor).newest_first()
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    return render(request, "notifications/notices.html", {"page": page})


@for_seats
@require_GET
def bell(request: ActorRequest) -> HttpResponse:
    """The number of unread notices, asked for every 20 s: 304 where it is still the same."""
    unread = unread_of(request.actor)
    tag = f'"{unread.tag}"'
    response = get_conditional_response(request, etag=tag)
    if response is None:
        response = render(request, "notifications/_bell_answer.html", {"unread": unread})
    response.headers["ETag"] = tag
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Cookie"])
    return response


@for_seats
@require_POST
def read_all(request: ActorRequest) -> HttpResponse:
    """Marks all of the person's notices as read."""
    actions.mark_read(request.actor, now=clock.now())
    return redirect("notifications:notices")


@for_seats
@require_POST
def open_notice(request: ActorRequest, key: UUID) -> HttpResponse:
    """Marks one notice as read and goes where it leads.

    A POST: browsers fetch links before anybody clicks, and a notice nobody saw must stay unread.
    """
    mine = Delivery.objects.visible_to(request.actor).notices_of(request.actor)
    notice = get_object_or_404(mine, key=key)
    actions.mark_read(request.actor, keys=[notice.key], now=clock.now())
    return redirect(notice.url)


@for_seats
@require_POST
def seen(request: ActorRequest) -> HttpResponse:
    """A page says that it is shown: notices about it are read. Answers with the new number."""
    # PostgreSQL has no text with a NUL: it would be an error of ours.
    url = request.POST.get("url", "").replace("\x00", "")
    actions.mark_seen(request.actor, url=url, now=clock.now())
    return render(request, "notifications/_bell_answer.html")


@for_leads
@require_GET
def deliveries(request: ActorRequest) -> HttpResponse:
    """What is stuck on its way to people, and totals of a week."""
    now = clock.now()
    ours = Delivery.objects.visible_to(request.actor)
    stuck = ours.stuck(now).select_related("recipient").newest_first()
    counts = ours.filter(created_at__gte=now - TOTALS_OVER).count_by_state()
    context = {
        "page": Paginator(stuck, PAGE_ROWS).get_page(request.GET.get("page")),
        "totals": [(state, counts.get(state, 0)) for state in DeliveryState],
        "days": TOTALS_OVER.days,
    }
    return render(request, "notifications/deliveries.html", context)


@for_leads
@require_POST
def retry(request: ActorRequest, key: UUID) -> HttpResponse:
    """Puts one delivery back into the queue."""
    get_object_or_404(Delivery.objects.visible_to(request.actor), key=key)
    actions.retry(request.actor, key=key, now=clock.now())
    messages.success(request, _("It is sent again now"))
    return redirect("notifications:deliveries")
