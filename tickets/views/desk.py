"""What the desk's pages share: who reads, when and in which zone, faces of clocks, live parts."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import get_language, gettext
from django_htmx.http import trigger_client_event

from posdoctor.accounts.access import for_seats
from posdoctor.accounts.actor import Actor
from posdoctor.core import clock
from posdoctor.core.templatetags import pd
from terminals.models import TerminalModel
from tickets.models import Ticket
from tickets.querysets import TicketRow, Today
from tickets.sla import badge
from tickets.sla.shown import leading_badge

_P = ParamSpec("_P")
# Of the last words, in characters.
_MOST_WORDS = 90


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


_ROW = """<li class="row{looks}" id="row-{ref}"
  data-row data-href="{url}" data-preview="{url}{pane}">
  {face}
  <span class="tx">
    <a class="ti" href="{url}"><span class="x">{title}</span>{attention}</a>
    <span class="s">{about}</span>
  </span>
  <span class="m">{marks}</span>
  {owner}
  {moment}
</li>"""


@dataclass(frozen=True, slots=True)
class Row:
    """A ticket of a list. `query` is the part of its address that names the list."""

    ticket: TicketRow
    badge: badge.Badge
    zone: str
    query: str = ""
    is_current: bool = False

    @property
    def url(self) -> str:
        """The ticket's page."""
        return _page(self.ticket.ref) + self.query

    @property
    def preview_url(self) -> str:
        """The ticket as the pane beside the list shows it."""
        return f"{self.url}{'&' if self.query else '?'}pane=preview"

    @property
    def model(self) -> str:
        """What the terminal is called."""
        ticket = self.ticket
        return _model_words(_language(), ticket.vendor, ticket.vendor_zh, ticket.model_name)

    @property
    def html(self) -> SafeString:
        """Two lines of a list. A snippet, not a template: a page draws thirty of them, and a
        template takes ten times as long for each.
        """
        ticket, language, url = self.ticket, _language(), escape(self.url)
        words = ticket.recent_words
        if len(words) > _MOST_WORDS:
            words = Truncator(words).chars(_MOST_WORDS)
        about = [ticket.store_name, self.model, words] if words else [ticket.store_name, self.model]
        return format_html(
            _ROW,
            looks=_LOOKS[ticket.attention_at is not None, self.is_current],
            ref=ticket.ref,
            url=url,
            pane=_PANE[bool(self.query)],
            face=pd.clock_badge(self.badge, self.zone),
            title=ticket.title,
            attention=_attention(language) if ticket.attention_at else _NOTHING,
            about=" · ".join(about),
            marks=_marks(
                language, ticket.step_count, ticket.attachment_count, ticket.priority, ticket.status
            ),
            owner=_owner(language, ticket.assignee_name or ""),
            moment=pd.when_short(ticket.last_activity_at, self.zone),
        )


_NOTHING = SafeString()
# What stands between a ticket's address, with or without a query, and the pane.
_PANE = {True: mark_safe("&amp;pane=preview"), False: mark_safe("?pane=preview")}
# Whether somebody has to look at it, and whether the pane shows it.
_LOOKS = {
    (False, False): _NOTHING, (True, False): mark_safe(" unread"),
    (False, True): mark_safe(" cur"), (True, True): mark_safe(" unread cur"),
}  # fmt: skip


def faces_of(tickets: Iterable[TicketRow], sight: Sight) -> list[badge.Badge]:
    """The face of the next due clock of each."""
    zone = ZoneInfo(sight.zone)
    return [
        leading_badge(ticket.clocks, badge.Reader(sight.now, zone, ticket.wait_for))
        for ticket in tickets
    ]


def rows_of(tickets: Iterable[TicketRow], sight: Sight) -> list[Row]:
    """Rows of a list that no queue is walked from."""
    found = list(tickets)
    return [Row(t, face, sight.zone) for t, face in zip(found, faces_of(found, sight), strict=True)]


def _language() -> str:
    return get_language() or ""


# What many rows have in common is drawn once a process and language.


@lru_cache(maxsize=4096)
def _marks(_language: str, steps: int, files: int, priority: str, status: str) -> SafeString:
    context = {"steps": steps, "files": files, "priority": priority, "status": status}
    return render_to_string("tickets/desk/_row_marks.html", context)


@lru_cache(maxsize=4096)
def _page(ref: str) -> str:
    return reverse("tickets:ticket", args=[ref])


@lru_cache(maxsize=1024)
def _owner(_language: str, name: str) -> SafeString:
    return render_to_string("tickets/desk/_row_owner.html", {"name": name})


@lru_cache(maxsize=8)
def _attention(_language: str) -> SafeString:
    return format_html('<span class="vh">{}</span>', gettext("Needs attention"))


@lru_cache(maxsize=1024)
def _model_words(_language: str, vendor: str, vendor_zh: str, name: str) -> str:
    return TerminalModel(vendor=vendor, vendor_zh=vendor_zh, name=name).label


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
