"""Who may open a status link: the browser that filed it, the shop's own people, or whoever
knows the last four digits of the contact phone.
"""

import re
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from diagnostics.access import IN_USE
from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.roles import Role
from posdoctor.core import browser
from terminals.models import Terminal
from tickets.models import Ticket

# What a token or an attachment's key looks like; anything else never reaches the database.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
# A shop with more machines than this says so in words.
MAX_MACHINES = 20

_Rest = ParamSpec("_Rest")
_View = Callable[Concatenate[HttpRequest, Ticket, Actor, _Rest], HttpResponse]


def ticket_of(token: str) -> Ticket:
    """The ticket behind a status link. Raises Http404."""
    if not _TOKEN.fullmatch(token):
        raise Http404
    ticket = Ticket.objects.by_track_token(token).with_page_columns().first()
    if ticket is None:
        raise Http404
    return ticket


def is_key(key: str) -> bool:
    """Whether this can be the key of an attachment."""
    return _TOKEN.fullmatch(key) is not None


def actor_for(request: HttpRequest, ticket: Ticket) -> Actor | None:
    """As whom this browser may see the ticket; None without proof."""
    signed_in: Actor = request.actor  # type: ignore[attr-defined]
    own = Ticket.objects.visible_to(signed_in).filter(pk=ticket.pk)
    if signed_in.role == Role.MERCHANT and own.exists():
        return signed_in
    if _filed_here(request, ticket) or browser.proven(request, ticket.track_token):
        return reporter(provider_id=ticket.provider_id, ticket_id=ticket.pk)
    return None


def proven_page(view: _View[_Rest]) -> Callable[..., HttpResponse]:
    """A page below `/r/<token>` for those with proof; to everyone else it does not exist."""

    @never_cache
    @login_not_required
    @wraps(view)
    def guarded(
        request: HttpRequest, token: str, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> HttpResponse:
        ticket = ticket_of(token)
        actor = actor_for(request, ticket)
        if actor is None:
            raise Http404
        return view(request, ticket, actor, *args, **kwargs)

    return guarded


def knows_phone(ticket: Ticket, digits: str) -> bool:
    """Whether these are the last four digits of the contact phone."""
    return secrets.compare_digest(ticket.contact_phone[-4:].encode(), digits.encode())


def machines_at(terminal: Terminal) -> int:
    """How many machines the shop of this one uses, at most MAX_MACHINES."""
    count = Terminal.objects.filter(store=terminal.store, state__in=IN_USE).count()
    return min(max(count, 1), MAX_MACHINES)


def _filed_here(request: HttpRequest, ticket: Ticket) -> bool:
    """The signed cookie of the browser that walked and filed. Runs led by phone have no key."""
    key = ticket.run.browser_key if ticket.run else ""
    return bool(key) and secrets.compare_digest(key, browser.key_of(request))
