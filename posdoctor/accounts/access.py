"""Who may open a page at all. To everybody else it does not exist: 404, not 403.

What somebody may do on a page that they see is asked by each action.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpResponse

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission, may

_Rest = ParamSpec("_Rest")
_View = Callable[Concatenate[ActorRequest, _Rest], HttpResponse]


def for_seats(view: _View[_Rest]) -> _View[_Rest]:
    """Pages of everybody who works for a provider, field engineers too."""
    return _guarded(view, lambda actor: actor.provider_id is not None and actor.user_id is not None)


def for_staff(view: _View[_Rest]) -> _View[_Rest]:
    """Pages over all of a provider's records: desk, supervisor, administrator."""
    return _guarded(view, lambda actor: actor.is_staff)


def hidden_without(permission: Permission) -> Callable[[_View[_Rest]], _View[_Rest]]:
    """Pages that serve this one deed: for roles that have it."""
    return lambda view: _guarded(view, lambda actor: may(actor, permission))


def _guarded(view: _View[_Rest], sees: Callable[[Actor], bool]) -> _View[_Rest]:
    @wraps(view)
    def guarded(
        request: ActorRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> HttpResponse:
        if not sees(request.actor):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded
