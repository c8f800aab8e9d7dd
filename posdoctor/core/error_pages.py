"""The one place that turns domain errors into answers of the web."""

from collections.abc import Callable

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from posdoctor.core.errors import DomainError, IllegalMoveError, NotAllowedError, TooManyTriesError


class DomainErrorMiddleware:
    """Maps what a view did not catch to pages: domain errors to 403, 409 and 429; a row that an
    action did not find, hidden or gone since the view looked, to 404 as in the API.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised; None lets other errors go on."""
        if isinstance(error, TooManyTriesError):
            seconds = int(error.retry_after.total_seconds()) + 1
            minutes = max(1, round(seconds / 60))
            response = render(request, "429.html", {"minutes": minutes}, status=429)
            response["Retry-After"] = str(seconds)
            return response
        if isinstance(error, ObjectDoesNotExist):
            return render(request, "404.html", status=404)
        if isinstance(error, NotAllowedError):
            return render(request, "403.html", status=403)
        if isinstance(error, IllegalMoveError):
            return render(request, "409.html", {"current": error.current}, status=409)
        if isinstance(error, DomainError):
            # A race that the form could not foresee: something it offered is gone meanwhile.
            return render(request, "409.html", status=409)
        return None


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """The page behind a stale or missing form token. Django names the parameter `reason`."""
    return render(request, "csrf_failure.html", status=403)
