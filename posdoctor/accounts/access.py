"""Who may open a page of the desk at all. What a seat may do there is asked by each action."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpResponse

from posdoctor.accounts.middleware import ActorRequest

_Rest = ParamSpec("_Rest")


def for_seats(
    view: Callable[Concatenate[ActorRequest, _Rest], HttpResponse],
) -> Callable[Concatenate[ActorRequest, _Rest], HttpResponse]:
    """404 for everyone without a seat: merchants and operators do not learn what exists here."""

    @wraps(view)
    def guarded(
        request: ActorRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> HttpResponse:
        if request.actor.provider_id is None or request.actor.user_id is None:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded
