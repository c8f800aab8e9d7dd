"""Two ways into the API: a token of a program, or the session of a signed-in browser."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as _SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from posdoctor.accounts import actions
from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.accounts.models import ApiToken, User
from posdoctor.accounts.roles import Role
from posdoctor.core import clock, doors
from posdoctor.core.api import limits

SCHEME = "Token"


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token pdt_…`. `request.auth` is the ApiToken."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """None where no token was sent; AuthenticationFailed or TooManyTriesError for a wrong one.

        SECURITY: a usable token passes however many wrong ones came from its address.
        """
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        now = clock.now()
        token = actions.token_used(secret.strip(), now=now)
        if token is None:
            doors.knock(limits.WRONG_TOKEN_BY_ADDRESS, doors.address_of(request), now=now)
            raise AuthenticationFailed(_("This token is unknown, revoked or expired"))
        return token.seat.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """What a 401 names; its presence makes DRF answer 401 instead of 403."""
        return f'{SCHEME} realm="api"'


class SessionAuthentication(_SessionAuthentication):
    """The cookie of the pages, with the token against forged requests on every write."""


def actor_of(request: Request) -> Actor:
    """Who acts through the API."""
    if isinstance(request.auth, ApiToken):
        seat = request.auth.seat
        return Actor(
            role=Role(seat.role),
            provider_id=seat.provider_id,
            user_id=seat.user_id,
            name=seat.user.name,
            via="api",
        )
    if not isinstance(request.user, User):
        return NOBODY
    actor: Actor = request._request.actor  # type: ignore[attr-defined] # noqa: SLF001 - DRF's documented name
    # Lazy, so not a dataclass that `replace` knows.
    return Actor(actor.role, actor.provider_id, actor.user_id, actor.name, via="api")


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # its registry
    """The token in the OpenAPI document."""

    target_class = "posdoctor.accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        """OpenAPI has no word for this scheme: a header with a prefix."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token pdt_…`, from the profile page or `bin/manage issue_token`",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session in the OpenAPI document."""

    target_class = "posdoctor.accounts.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        """The cookie of the pages; writes also need the header X-CSRFToken."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A signed-in browser; writes also send `X-CSRFToken`",
        }
