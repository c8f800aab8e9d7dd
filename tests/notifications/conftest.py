"""A real SMTP server on the loopback, and a sender's clock."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from posdoctor.embedded import ports
from posdoctor.embedded.mail_catcher import MailCatcher
from posdoctor.embedded.mail_catcher_box import Mails
from tests.notifications.planning import MovedClock


class MoodyCatcher(MailCatcher):
    """Keeps mails, unless `says` holds another answer to MAIL, RCPT or DATA."""

    def __init__(self, folder: Path) -> None:
        self.port = ports.throwaway()
        self.mails = Mails(folder)
        self.says: dict[str, str] = {}
        self.knows_not: set[str] = set()
        self.conversations = 0
        self.asked = 0
        self.hangs_seconds = 0.0
        super().__init__(self.mails, self.port)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def ids(self) -> list[str]:
        """Message-IDs of what arrived, the newest first, copies too."""
        return [str(kept.message["Message-ID"]) for kept in self.mails.newest(1000)]

    async def handle_EHLO(  # noqa: N802 - aiosmtpd’s name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.conversations += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd’s name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        envelope.mail_from = address
        return self.says.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd’s name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.knows_not:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return self.says.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd’s name
        self.asked += 1
        if self.hangs_seconds:
            await asyncio.sleep(self.hangs_seconds)
        if "DATA" in self.says:
            return self.says["DATA"]
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def smtp(tmp_path: Path, settings: Settings) -> Iterator[MoodyCatcher]:
    """A mail server that this process sends to."""
    catcher = MoodyCatcher(tmp_path / "mails")
    settings.DIRECT_EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", catcher.port
    catcher.start()
    yield catcher
    catcher.stop()


@pytest.fixture
def moved() -> MovedClock:
    return MovedClock()
