"""A mail receiver that keeps a line of JSON for each mail it was given. Run as a program.

How it behaves is told by the first word of the address: `slow-...` waits before it answers,
`rude-...` keeps the first copy of each mail and hangs up without an answer, so that the sender
cannot know.
"""

import asyncio
import json
import sys
from email.parser import BytesHeaderParser
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

SLOW_SECONDS = 0.15


class Mailbox:
    """Takes every mail; writes it down before it answers."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: set[str] = set()

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's name for the moment when a mail is there."""
        assert isinstance(envelope.content, bytes)
        headers = BytesHeaderParser().parsebytes(envelope.content)
        message_id = str(headers["Message-ID"])
        manner = envelope.rcpt_tos[0].partition("-")[0]
        hangs_up = manner == "rude" and message_id not in self._known
        self._known.add(message_id)
        note = {"id": message_id, "to": envelope.rcpt_tos, "hung_up": hangs_up}
        with self._file.open("a") as file:
            file.write(json.dumps(note) + "\n")
        if hangs_up and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        if manner == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        return "250 kept"


async def main(port: int, file: Path) -> None:
    mailbox = Mailbox(file)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="localhost", loop=loop), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
