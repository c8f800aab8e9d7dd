"""Attachments on the way in and out: the guard on a request's size, and serving one file."""

import contextlib
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_safe

from posdoctor.accounts.actor import Actor
from posdoctor.core import downloads
from posdoctor.core.request_guard import takes_bodies_up_to
from posdoctor.core.uploads import MAX_IMAGE_BYTES
from tickets.access import is_key, proven_page
from tickets.actions import MAX_FILES
from tickets.models import Attachment, Ticket
from tickets.views.desk import actor_of, staff_page

_View = Callable[..., HttpResponse]
MAX_REQUEST_BYTES = MAX_FILES * MAX_IMAGE_BYTES + 2 * 1024 * 1024
# Read and thrown away after a refusal, so that the browser gets to see the answer.
_DRAINED_BYTES = 200 * 1024 * 1024
_PIECE = 256 * 1024


def limited_upload(view: _View) -> _View:
    """Refuses a body that is too large before anything parses it, in words.

    SECURITY: the token check reads the form, so it runs inside, after the size is known.
    """
    inner = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _length_of(request) > MAX_REQUEST_BYTES:
            _drain(request)
            return render(request, "413.html", status=413)
        try:
            request.POST  # noqa: B018 - parses the form, inside the two limits below
        except (RequestDataTooBig, TooManyFilesSent):
            return render(request, "413.html", status=413)
        except UnreadablePostError:
            return HttpResponse(status=400)  # the sender is gone: nobody reads this
        return inner(request, *args, **kwargs)

    # This guard answers in words, and reads on so that a browser sees them.
    return takes_bodies_up_to(sys.maxsize)(guarded)


@proven_page
@require_safe
def of_track(_request: HttpRequest, ticket: Ticket, actor: Actor, key: str) -> HttpResponse:
    """A file of the public conversation, for those with proof."""
    return _file(actor, ticket, key)


@require_safe
@staff_page
def of_desk(request: HttpRequest, ref: str, key: str) -> HttpResponse:
    """A file of a ticket, for the desk and the engineer who has the job."""
    actor = actor_of(request)
    ticket = Ticket.objects.visible_to(actor).filter(ref=ref).first()
    if ticket is None:
        raise Http404
    return _file(actor, ticket, key)


def serve(attachment: Attachment) -> HttpResponse:
    """The file itself, so that no browser runs it or keeps it for others."""
    return downloads.serve(
        attachment.file, name=attachment.name, content_type=attachment.content_type
    )


def _file(actor: Actor, ticket: Ticket, key: str) -> HttpResponse:
    if not is_key(key):
        raise Http404
    found = Attachment.objects.visible_to(actor).filter(ticket=ticket, key=key).first()
    if found is None:
        raise Http404
    return serve(found)


def _length_of(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _drain(request: HttpRequest) -> None:
    left = min(_length_of(request), _DRAINED_BYTES)
    with contextlib.suppress(UnreadablePostError):
        while left > 0 and (piece := request.read(min(_PIECE, left))):
            left -= len(piece)
