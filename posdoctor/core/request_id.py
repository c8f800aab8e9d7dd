"""One id per request, task or round of the ticker: in every log line, in the answer, in tasks.

It names no person and proves nothing; it only ties lines together.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# The name under which it travels with a task's message.
TASK_HEADER = "posdoctor_request_id"
# What proxies make: a UUID with or without dashes. Anything else could carry somebody's data,
# or forge a line.
_SANE = re.compile(
    r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.IGNORECASE
)


@dataclass(frozen=True)
class Context:
    """What the lines of this thread belong to; `task` is empty outside the queue."""

    request_id: str = ""
    task: str = ""


_context: ContextVar[Context] = ContextVar("posdoctor_log_context", default=Context())  # noqa: B039 - frozen


def current() -> Context:
    """What is going on in this thread; empty between requests."""
    return _context.get()


def new() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def sane(value: object) -> str:
    """`value` if it is an id of the shape that is accepted, else empty."""
    return value if isinstance(value, str) and _SANE.fullmatch(value) else ""


@contextmanager
def bound(request_id: str = "") -> Iterator[str]:
    """Ties everything inside to `request_id`, or to a fresh one; gives the id."""
    token = _context.set(Context(request_id or new()))
    try:
        yield current().request_id
    finally:
        _context.reset(token)


def begin_task(name: str, handed_on: object) -> Token[Context]:
    """Ties what follows to a task and the id that came with its message; for `end_task`."""
    return _context.set(Context(sane(handed_on) or new(), name))


def end_task(token: Token[Context]) -> None:
    """Back to what was before the task."""
    _context.reset(token)


class RequestIdMiddleware:
    """Stands first: takes the id of the proxy in front, or makes one, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # SECURITY: without a trusted proxy anybody could choose the id of their lines.
        asked = request.headers.get(HEADER, "") if settings.TRUSTED_PROXIES else ""
        with bound(sane(asked)) as request_id:
            response = self.get_response(request)
            response.headers[HEADER] = request_id
        return response
