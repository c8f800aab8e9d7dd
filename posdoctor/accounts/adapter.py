"""How allauth fits in: no self-registration, mails through the queue."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from posdoctor.core.outbox import SEND_MAIL, wake


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an administrator, never by a visitor."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queues the mail with the change that caused it; a worker sends it."""
        super().send_mail(template_prefix, email, context)
        wake(SEND_MAIL)

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False
