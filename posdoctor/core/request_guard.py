"""What no page takes: bodies beyond its size, addresses that no row can have."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

_View = TypeVar("_View", bound=Callable[..., HttpResponse])


def takes_bodies_up_to(size: int) -> Callable[[_View], _View]:
    """For pages with files: `size` in bytes instead of DATA_UPLOAD_MAX_MEMORY_SIZE."""

    def mark(view: _View) -> _View:
        view.max_body_bytes = size  # type: ignore[attr-defined]
        return view

    return mark


class RequestGuardMiddleware:
    """Stands before everything that reads a form.

    SECURITY: Django bounds the fields of a form but not its files: without this a stranger
    could fill the disk through any page that takes a POST, before any right is checked.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        _args: list[Any],
        _kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        """413 by the announced length, which is also all that Django reads; 404 for a NUL."""
        if "\x00" in request.path_info:
            raise Http404  # PostgreSQL has no such text: it would be an error of ours
        most = getattr(view, "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if _length_of(request) > most:
            return render(request, "413.html", status=413)
        return None


def _length_of(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
