"""What the desk's pages share: who reads, in which zone, what is the desk's alone, toasts."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django_htmx.http import trigger_client_event

from posdoctor.accounts.access import for_seats
from posdoctor.accounts.actor import Actor

_P = ParamSpec("_P")


def actor_of(request: HttpRequest) -> Actor:
    """Who acts; ActorMiddleware put it there."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def zone_of(request: HttpRequest) -> str:
    """The name of the time zone that the provider's staff read times in."""
    seat = request.seat  # type: ignore[attr-defined]
    return str(seat.provider.time_zone) if seat else "UTC"


# Field engineers too; to everyone without a seat the page does not exist.
staff_page = for_seats


def desk_page(
    view: Callable[Concatenate[HttpRequest, _P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, _P], HttpResponse]:
    """For the desk alone; a field engineer works on given jobs and has no such page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
        if not actor_of(request).is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded  # type: ignore[return-value] # wraps() names the first argument


def is_fragment(request: HttpRequest) -> bool:
    """htmx asks for a part of the page."""
    htmx = getattr(request, "htmx", None)
    return bool(htmx and not htmx.boosted)


def say(request: HttpRequest, response: HttpResponse, text: str, *, level: str = "") -> None:
    """A toast: at once by htmx, else on the next page."""
    if is_fragment(request):
        detail = {"text": text, "level": level} if level else {"text": text}
        trigger_client_event(response, "pd:toast", detail)
    elif level:
        messages.error(request, text)
    else:
        messages.success(request, text)
