"""How allauth fits in: no self-registration, mails through the queue, a lock by person."""

import unicodedata
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from posdoctor.accounts.models import Seat, User
from posdoctor.core.scrub import scrub


class SignedInBackend(AuthenticationBackend):  # type: ignore[misc]
    """allauth's way to sign in; who is signed in is read together with the seats in use."""

    def get_user(self, user_id: int) -> User | None:
        """The person of a session: one query for everybody who works for a provider."""
        seats = list(Seat.objects.active().of_user(user_id))
        if not seats:
            found: User | None = super().get_user(user_id)
            return found
        user = seats[0].user
        user.usable_seats = seats
        return user


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an administrator, never by a visitor."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("The email address or the password is wrong"),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The link of the reset mail.

        SECURITY: at the installation's own address, not at the host and port that whoever
        asked for the mail wrote into the request.
        """
        asked = urlsplit(super().get_reset_password_from_key_url(key))
        return f"{settings.PUBLIC_URL}{asked.path}" if settings.PUBLIC_URL else asked.geturl()

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:  # noqa: ARG002
        """Whose wrong passwords are counted together.

        SECURITY: allauth counts per host as well, and the caller writes the host: another
        port or case would be a fresh start. Spellings that find the same person are one.
        """
        login = str(credentials.get("email") or credentials.get("username") or "")
        login = unicodedata.normalize("NFKC", login).strip().lower().upper()
        # SECURITY: allauth keeps a plain digest; what was typed may be a card number.
        return salted_hmac("posdoctor.sign_in", login, algorithm="sha256").hexdigest()

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queues a mail; none to an address that holds card data, which nobody of ours has."""
        if scrub(email) == email:
            super().send_mail(template_prefix, email, context)
