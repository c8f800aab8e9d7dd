"""Puts `request.actor` on every request: who acts, in which provider, in which role."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.accounts.models import Seat, User
from posdoctor.accounts.roles import Role

SEAT_KEY = "seat_id"


class ActorRequest(HttpRequest):
    """A request after ActorMiddleware, for typing views."""

    actor: Actor
    seat: Seat | None


class ActorMiddleware:
    """Reads the seat that the session chose, else the person's first active one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.seat = SimpleLazyObject(lambda: _seat_of(request))  # type: ignore[attr-defined]
        request.actor = SimpleLazyObject(lambda: _actor_of(request))  # type: ignore[attr-defined]
        return self.get_response(request)


def seats_of(user: User) -> list[Seat]:
    """The person's usable seats, oldest first."""
    return list(Seat.objects.active().filter(user=user).select_related("provider").order_by("pk"))


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
