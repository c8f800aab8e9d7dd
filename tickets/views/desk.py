"""What the desk's pages share: who reads, when and in which zone, faces of clocks, live parts."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import get_language
from django_htmx.http import trigger_client_event

from posdoctor.accounts.access import for_seats
from posdoctor.accounts.actor import Actor
from posdoctor.core import clock
from tickets.models import Ticket
from tickets.querysets import Today
from tickets.sla import badge
from tickets.sla.shown import leading_badge

_P = ParamSpec("_P")


def actor_of(request: HttpRequest) -> Actor:
    """Who acts; ActorMiddleware put it there."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def zone_of(request: HttpRequest) -> str:
    """The name of the time zone that the provider's staff read times in."""
    seat = request.seat  # type: ignore[attr-defined]
    return str(seat.provider.time_zone) if seat else "UTC"


@dataclass(frozen=True)
class Sight:
    """The moment and the zone (by name) that a page is read in."""

    now: datetime
    zone: str

    @property
    def today(self) -> Today:
        """As sets of tickets take it."""
        return Today.at(self.now, self.zone)

    def reader(self, ticket: Ticket) -> badge.Reader:
        """As the faces of the ticket's clocks take it."""
        return badge.Reader(self.now, ZoneInfo(self.zone), ticket.wait_for)

    def context(self) -> dict[str, Any]:
        """What a part with clocks needs to count on: the moment in milliseconds, and the words."""
        return {
            "zone": self.zone,
            "now_ms": int(self.now.timestamp() * 1000),
            "countdown": "|".join(badge.countdown_words()),
        }


def sight_of(request: HttpRequest) -> Sight:
    """Now, in the zone of the provider's staff."""
    return Sight(clock.now(), zone_of(request))


def with_badges(rows: Iterable[Ticket], sight: Sight) -> list[Ticket]:
    """The same tickets, read `with_clocks`, each with `badge`: the face of its next due clock."""
    tickets = list(rows)
    for ticket in tickets:
        face = leading_badge(ticket.clocks.all(), sight.reader(ticket))
        ticket.badge = face  # type: ignore[attr-defined]
    return tickets


def version_of(*shown: object) -> str:
    """The tag of a live part: another one when anything in `shown` is another, or the language.

    Words that a browser counts on from are no reason to send the part again.
    """
    text = repr((get_language(), shown))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def face_version(face: badge.Badge) -> tuple[object, ...]:
    """What of a face is worth sending: not its count, the ring in twentieths."""
    share = None if face.share_left is None else round(face.share_left * 20)
    words = "" if face.counts_down else face.words
    return face.promise, face.state, face.due_at, share, words, face.next_change_at


def is_unchanged(request: HttpRequest, version: str) -> bool:
    """A live part asks again and has this version already."""
    return request.headers.get("HX-PTag") == version


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
