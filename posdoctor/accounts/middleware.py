"""Puts `request.actor` on every request: who acts, in which provider, in which role."""

from collections.abc import Callable
from urllib.parse import unquote_plus

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.functional import SimpleLazyObject

from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.accounts.models import Seat, User
from posdoctor.accounts.roles import Role
from posdoctor.core.scrub import scrub

SEAT_KEY = "seat_id"


class ActorRequest(HttpRequest):
    """A request after ActorMiddleware, for typing views."""

    actor: Actor
    seat: Seat | None


class SignInMiddleware(LoginRequiredMiddleware):
    """Sends strangers to the sign-in page, and from there to what they asked for.

    SECURITY: but for what they searched for where it is a card number: the address of the sign-in
    page stays in histories and in the lines of proxies.
    """

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        """A redirect to the sign-in page."""
        asked = unquote_plus(request.get_full_path())
        if scrub(asked) == asked:
            return super().handle_no_permission(request, view_func)
        return redirect_to_login("/", resolve_url(self.get_login_url(view_func)))


class ActorMiddleware:
    """Reads the seat that the session chose, else the person's first active one.

    SECURITY: a page shows what its reader may see. Unless its view says otherwise nobody keeps
    it: no cache on the way, and no Back button after signing out on a shared computer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.seat = SimpleLazyObject(lambda: _seat_of(request))  # type: ignore[attr-defined]
        request.actor = SimpleLazyObject(lambda: _actor_of(request))  # type: ignore[attr-defined]
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


def seats_of(user: User) -> list[Seat]:
    """The person's usable seats, oldest first; those of a signed-in person are read with it."""
    if user.usable_seats is not None:
        return user.usable_seats
    return list(Seat.objects.active().of_user(user.pk))


def _seat_of(request: HttpRequest) -> Seat | None:
    user = request.user
    if not isinstance(user, User):
        return None
    seats = seats_of(user)
    chosen = request.session.get(SEAT_KEY)
    return next((seat for seat in seats if seat.pk == chosen), seats[0] if seats else None)


def _actor_of(request: HttpRequest) -> Actor:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return NOBODY
    seat: Seat | None = request.seat  # type: ignore[attr-defined]
    if seat:
        return Actor(
            role=Role(seat.role), provider_id=seat.provider_id, user_id=user.pk, name=user.name
        )
    if user.is_operator:
        return Actor(role=Role.OPERATOR, user_id=user.pk, name=user.name)
    # A merchant's provider follows from each membership; querysets look it up by user.
    return Actor(role=Role.MERCHANT, user_id=user.pk, name=user.name)
