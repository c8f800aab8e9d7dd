"""The one shape of every refusal of the API: `{"code", "detail", "fields"?, "current"?}`."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import (
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from posdoctor.core.errors import DomainError, IllegalMoveError, NotAllowedError, TooManyTriesError
from posdoctor.core.scrub import scrub

PREFIX = "/api/"
# A refusal's code -> the field it is about and what to do; declared by each view.
Refusals = Mapping[str, tuple[str, str | Promise]]
# Errors of one body as a whole stand under this name.
WHOLE = "non_field_errors"

logger = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An answer other than success, raised so that the transaction around it is undone."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def invalid(fields: Mapping[str, Sequence[Any]], *, code: str = "invalid") -> Refusal:
    """422: what is wrong, field by field. Names of nested fields are joined by dots."""
    words = {_sayable(name): [_sayable(text) for text in texts] for name, texts in fields.items()}
    return Refusal(422, code, _("Check the marked fields"), fields=words)


def _sayable(text: Any) -> str:
    """What was sent may be quoted: without card data, and without half characters (JSON takes
    `"\\ud800"`), which no answer can be written with.
    """
    return scrub(str(text).encode("utf-8", "replace").decode("utf-8"))


def too_large() -> Refusal:
    """413."""
    return Refusal(413, "too_large", _("The request is too large"))


def answer(refusal: Refusal) -> Response:
    """The refusal as a response that a view may return."""
    body = {"code": refusal.code, "detail": refusal.detail, **refusal.more}
    return Response(body, status=refusal.status, headers=refusal.headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's setting EXCEPTION_HANDLER. None: an error of ours, which becomes a 500."""
    refusals: Refusals = getattr(context.get("view"), "refusals", {})
    refusal = _refusal(error, refusals)
    return answer(refusal) if refusal else None


def _refusal(error: Exception, refusals: Refusals) -> Refusal | None:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, DomainError):
        return _of_domain(error, refusals)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    plain: tuple[tuple[type[Exception], Callable[[], Refusal]], ...] = (
        (Http404, not_found),
        (ObjectDoesNotExist, not_found),
        (PermissionDenied, not_allowed),
        (RequestDataTooBig, too_large),
        (TooManyFilesSent, too_large),
        (UnreadablePostError, malformed),
    )
    return next((make() for kind, make in plain if isinstance(error, kind)), None)


def malformed() -> Refusal:
    """400: not even its shape can be read."""
    return Refusal(400, "malformed", _("The request cannot be read"))


def not_found() -> Refusal:
    """404: it does not exist, or not for this caller."""
    return Refusal(404, "not_found", _("There is nothing at this address"))


def not_allowed() -> Refusal:
    """403: visible, but not this caller's to do."""
    return Refusal(403, "not_allowed", _("Your role does not allow this"))


def _of_domain(error: DomainError, refusals: Refusals) -> Refusal:
    if isinstance(error, NotAllowedError):
        return not_allowed()
    if isinstance(error, TooManyTriesError):
        seconds = str(int(error.retry_after.total_seconds()) + 1)
        text = _("Too many requests. Try again in %(seconds)s seconds.") % {"seconds": seconds}
        return Refusal(429, "too_many_requests", text, headers={"Retry-After": seconds})
    if isinstance(error, IllegalMoveError):
        text = _("Not possible in the present state (%(state)s)") % {"state": error.current}
        return Refusal(409, error.code, text, current=error.current)
    if error.code in refusals:
        field, words = refusals[error.code]
        return invalid({field: [words]})
    return Refusal(409, error.code, _("This is no longer possible. Read it again."))


def _of_framework(error: exceptions.APIException) -> Refusal:
    if isinstance(error, exceptions.ValidationError):
        return invalid(dict(_flat(error.detail)))
    known: dict[type[exceptions.APIException], tuple[int, str, str]] = {
        exceptions.ParseError: (400, "malformed", _("The request cannot be read")),
        exceptions.MethodNotAllowed: (
            405, "method_not_allowed", _("This address does not take this method")
        ),
        exceptions.NotAcceptable: (406, "not_acceptable", _("Answers are JSON only")),
        exceptions.UnsupportedMediaType: (
            415, "unsupported_media_type", _("This address does not take this content type")
        ),
        exceptions.PermissionDenied: (403, "not_allowed", str(error.detail)),
        exceptions.NotFound: (404, "not_found", _("There is nothing at this address")),
        exceptions.NotAuthenticated: (401, "not_authenticated", _("Sign in or send a token")),
        exceptions.AuthenticationFailed: (401, "invalid_token", str(error.detail)),
    }  # fmt: skip
    status, code, text = known.get(
        type(error), (error.status_code, error.default_code, str(error.detail))
    )
    # DRF makes a 403 of a missing sign-in where no way of signing in names a header.
    headers = {"WWW-Authenticate": str(error.auth_header)} if hasattr(error, "auth_header") else {}
    if isinstance(error, exceptions.MethodNotAllowed):
        code, status = "method_not_allowed", 405
    return Refusal(status, code, text, headers=headers)


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Nested errors as (dotted name, texts)."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            whole = name == WHOLE and path
            yield from _flat(inner, path if whole else f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for place, inner in enumerate(detail):
            if inner:
                yield from _flat(inner, f"{path}.{place}")
    else:
        texts = detail if isinstance(detail, list) else [detail]
        yield path or WHOLE, [str(text) for text in texts]


def is_api(request: HttpRequest) -> bool:
    """Whether the answer must be JSON whatever happens."""
    return request.path_info.startswith(PREFIX)


def plain_answer(refusal: Refusal) -> HttpResponse:
    """The refusal where no API view is reached: unknown addresses and errors of ours."""
    body = {"code": refusal.code, "detail": refusal.detail, **refusal.more}
    return JsonResponse(
        body,
        status=refusal.status,
        headers=refusal.headers,
        json_dumps_params={"ensure_ascii": False},
    )


def server_error() -> Refusal:
    """500, without a word about the inside."""
    return Refusal(500, "server_error", _("Something went wrong on our side. Try again later."))
