"""The supervisors' page: one region that is asked for again every fifteen seconds."""

from hashlib import blake2b
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from posdoctor.accounts.middleware import SEAT_KEY
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.htmx import render_page
from posdoctor.reports import queries, today
from tickets.views.desk import actor_of, is_fragment, zone_of

_TAG = "HX-PTag"


@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """`/ops/`: today's numbers; to htmx the region alone, and 304 while nothing changed."""
    assert request.user.pk is not None  # signed in: LoginRequiredMiddleware
    now, version = queries.moment_and_version(request.user.pk)
    tag = _tag(request, version)
    # SECURITY: before the permission, but it gives nothing away: the tag holds the reader's
    # seats, so only somebody who was shown this very state, and still may, can name it.
    if is_fragment(request) and tag in _tags_of(request):
        return HttpResponseNotModified()
    actor = actor_of(request)
    if not actor.is_staff:
        raise Http404
    require(actor, Permission.OPS_VIEW)
    zone = ZoneInfo(zone_of(request))
    board, counts = today.read(actor, now, zone)
    context = {"board": board, "zone": zone, "tag": tag, "target": today.TARGET_PERCENT}
    context |= {"nav_counts": counts}
    response = render_page(request, "reports/ops.html", "reports/_ops.html", context)
    if is_fragment(request):
        response[_TAG], response["ETag"] = tag, f'"{tag}"'
    return response


def _tags_of(request: HttpRequest) -> set[str]:
    """What the browser says it has: by htmx's own header, or as any client of HTTP says it."""
    known = request.headers.get("If-None-Match", "").removeprefix("W/").strip('"')
    return {request.headers.get(_TAG, ""), known} - {""}


def _tag(request: HttpRequest, version: tuple[object, ...]) -> str:
    """The version for this reader, seat and language, as one word that tells nothing."""
    parts = (*version, request.user.pk, request.session.get(SEAT_KEY), get_language())
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
