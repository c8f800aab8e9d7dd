"""The local stack's mail server: takes every mail, sends none on, shows them on a page.

`python -m posdoctor.embedded.mail_catcher FOLDER SMTP_PORT PAGE_PORT`, on the loopback alone.
"""

import sys
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from posdoctor.embedded.mail_catcher_box import Mails
from posdoctor.embedded.mail_catcher_page import server
from posdoctor.embedded.ports import LOOPBACK

LARGEST_BYTES = 5 * 1024 * 1024


class MailCatcher:
    """The SMTP server, in a thread of its own."""

    def __init__(self, mails: Mails, port: int) -> None:
        self._mails = mails
        self._controller = Controller(
            self, hostname=LOOPBACK, port=port, data_size_limit=LARGEST_BYTES
        )

    def start(self) -> None:
        """Listens when it returns. Raises OSError where the port is taken."""
        self._controller.start()

    def stop(self) -> None:
        """Closes the port."""
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keeps the mail with the addresses of its envelope, then says so."""
        head = "".join(f"Delivered-To: {address}\r\n" for address in envelope.rcpt_tos)
        try:
            self._mails.keep(head.encode("ascii", "replace") + envelope.original_content)
        except OSError as error:
            # For now, not for good: the disk is full, or somebody emptied the folder.
            return f"451 cannot keep it: {error.strerror}"
        return "250 kept"


def main(arguments: list[str]) -> int:
    """Serves until it is stopped; returns the exit status."""
    folder, smtp_port, page_port = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    mails = Mails(folder)
    with server(mails, page_port) as page:
        MailCatcher(mails, smtp_port).start()
        page.serve_forever()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        sys.exit(str(error))
