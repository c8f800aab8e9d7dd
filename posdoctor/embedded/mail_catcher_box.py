"""The folder of the mails that the local stack caught: a Maildir, so other programs read it too."""

import contextlib
import mailbox
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as modern
from pathlib import Path

# The oldest go first. A demo sends a few dozen a day.
MOST_KEPT = 500


@dataclass(frozen=True)
class Kept:
    """One mail that was caught. `key` names it in the folder."""

    key: str
    message: EmailMessage


class Mails:
    """What was caught, newest first. One process writes; any number read."""

    def __init__(self, folder: Path, *, most: int = MOST_KEPT) -> None:
        self._fresh = folder / "new"
        for part in ("tmp", "new", "cur"):  # the library makes them in a new folder only
            (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._box = mailbox.Maildir(str(folder), create=False)
        self._most = most

    def keep(self, content: bytes) -> str:
        """Adds a mail, drops the oldest beyond the limit; returns its key."""
        key = self._box.add(content)
        for old in self.names()[self._most :]:
            self._box.discard(old)
        return key

    def names(self) -> list[str]:
        """All mails, the newest first."""
        ages = []
        for path in self._fresh.iterdir():
            with contextlib.suppress(FileNotFoundError):  # dropped meanwhile
                ages.append((path.stat().st_mtime_ns, path.name))
        return [name for _age, name in sorted(ages, reverse=True)]

    def get(self, key: str) -> Kept | None:
        """One mail; None where there is none of this name.

        SECURITY: the key comes from an address; only a name that is there becomes a path.
        """
        return self._read(key) if key in self.names() else None

    def newest(self, count: int) -> list[Kept]:
        """The newest mails, whole."""
        found = (self._read(key) for key in self.names()[:count])
        return [kept for kept in found if kept is not None]

    def _read(self, key: str) -> Kept | None:
        try:
            content = (self._fresh / key).read_bytes()
        except FileNotFoundError:
            return None
        return Kept(key, BytesParser(EmailMessage, policy=modern).parsebytes(content))
