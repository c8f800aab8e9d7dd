"""The base of every view of the API: who, since when, in which language, how often, once."""

import sys
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db import models, transaction
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.accounts.api.authentication import actor_of
from posdoctor.accounts.models import ApiToken, User
from posdoctor.accounts.policies import Permission, may
from posdoctor.core import clock, doors
from posdoctor.core.api import idempotency, limits
from posdoctor.core.api.errors import Refusal, Refusals, too_large
from posdoctor.core.language import asked_language

_Row = TypeVar("_Row", bound=models.Model)


class SignedIn(BasePermission):
    """Denies by default: LoginRequiredMiddleware does not look at views of DRF."""

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
        """Somebody is known, by token or session."""
        return isinstance(request.user, User)


class WithinScope(BasePermission):
    """A token writes only where it may write, and only in its parts of the API."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises Refusal, which says what the token lacks."""
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        if request.method not in SAFE_METHODS and not token.can_write:
            raise Refusal(403, "token_scope", translation.gettext("This token may only read"))
        area = view.area
        if token.areas and area and area not in token.areas:
            text = translation.gettext("This token is for other parts of the API")
            raise Refusal(403, "token_scope", text)
        return True


class ApiView(APIView):
    """One address. Methods read, act and answer; every refusal is raised.

    A write runs in one transaction with the answer that is kept for repeats of it.
    """

    permission_classes = (SignedIn, WithinScope)
    http_method_names = ["get", "head", "post", "patch", "delete"]
    # The part of the API that a token may be bound to; empty: all tokens.
    area: ClassVar[str] = ""
    refusals: ClassVar[Refusals] = {}
    max_body: ClassVar[int] = limits.MAX_BODY_BYTES
    # An answer that holds a secret is not kept; the deed may be done twice.
    is_kept: ClassVar[bool] = True
    now: datetime
    actor: Actor = NOBODY

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """The function that addresses name. Its body is bounded in `initial`, in JSON."""
        view = super().as_view(**initkwargs)
        view.max_body_bytes = sys.maxsize  # type: ignore[attr-defined] # RequestGuardMiddleware
        return view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Size and address first: they cost the least, and guard what follows."""
        self.now = clock.now()
        _bound(request, self.max_body)
        doors.knock(limits.BY_ADDRESS, doors.address_of(request), now=self.now)
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        """Also settles who acts and in which language the answer is."""
        super().perform_authentication(request)
        self.actor = actor_of(request)
        if isinstance(request.user, User) and asked_language(request) is None:
            translation.activate(request.user.language)

    def check_throttles(self, request: Request) -> None:
        """Raises TooManyTriesError."""
        who = self._caller.name
        doors.knock(limits.BY_PERSON, who, now=self.now)
        if request.method not in SAFE_METHODS:
            doors.knock(limits.WRITES_BY_PERSON, who, now=self.now)

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """As DRF's own, with a transaction around every write."""
        self.args, self.kwargs = args, kwargs
        self.headers: dict[str, str] = self.default_response_headers
        self.request = self.initialize_request(request, *args, **kwargs)
        response: HttpResponseBase
        try:
            self.initial(self.request, *args, **kwargs)
            response = self._answer(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - DRF's handler raises what is no refusal
            response = self.handle_exception(error)
        self.response = self.finalize_response(
            self.request,
            response,  # type: ignore[arg-type] # files and kept answers are plain responses
            *args,
            **kwargs,
        )
        # Answers hold one person's view of one provider's rows.
        self.response.headers.setdefault("Cache-Control", "no-store")
        self.response.headers["Content-Language"] = translation.get_language()
        return self.response

    def row(self, rows: "models.QuerySet[_Row]", **lookup: Any) -> _Row:
        """The one row of a set that is bounded by who asks; 404 where there is none."""
        found = rows.filter(**lookup).first()
        if found is None:
            raise Http404
        return found

    def hide_without(self, permission: Permission) -> None:
        """404 for roles that have no page like this either."""
        if not may(self.actor, permission):
            raise Http404

    def _answer(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request, method = self.request, str(self.request.method).lower()
        known = method in self.http_method_names
        handler = getattr(self, method, None) if known else None
        if handler is None:
            self.http_method_not_allowed(request)
        if request.method in SAFE_METHODS:
            return handler(request, *args, **kwargs)  # type: ignore[misc, no-any-return] # refused above

        def act() -> Response:
            return handler(request, *args, **kwargs)  # type: ignore[misc, no-any-return]

        with transaction.atomic():
            if not self.is_kept:
                return act()
            return idempotency.once(request, self._caller, self.now, act)

    @property
    def _caller(self) -> idempotency.Caller:
        actor = self.actor
        return idempotency.Caller(f"{actor.user_id}@{actor.provider_id or ''}", actor.provider_id)


def _bound(request: Request, most: int) -> None:
    """SECURITY: before anything reads the body. Only a form may be as large as its files."""
    if not str(request.content_type).lower().startswith("multipart/"):
        most = min(most, limits.MAX_BODY_BYTES)
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > most:
        raise too_large()
