"""What a channel is, and which ones there are. To add one: docs/howto/add-a-channel.md."""

from types import TracebackType
from typing import Protocol, Self

from django.utils.module_loading import import_string

from posdoctor.notifications.models import Delivery

CHANNELS = {
    "in_app": "posdoctor.notifications.channels.in_app.InAppChannel",
    "email": "posdoctor.notifications.channels.email.EmailChannel",
}


class RefusedError(Exception):
    """The receiver will never take this delivery: trying again is useless.

    `words` is short and for machines ("SMTP 550"); it names nobody.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Channel(Protocol):
    """One way to reach people; lives for one batch, so that it may keep a connection open."""

    # Whether the receiver drops a second copy by the delivery's key. Without one, what a dead
    # sender held is `ambiguous` and never sent again by itself.
    has_key: bool

    def is_noop(self, delivery: Delivery) -> bool:
        """Whether the person does not want to be reached this way any more."""

    def send(self, delivery: Delivery) -> str:
        """Hands the delivery over; returns the reference under which the receiver knows it.

        Gives up within seconds. Raises RefusedError for good, anything else for now.
        """

    def close(self) -> None:
        """Lets go of what `send` kept open; never raises."""


def channel_class(name: str) -> type[Channel]:
    """The class behind a channel's name."""
    found: type[Channel] = import_string(CHANNELS[name])
    return found


class OpenChannels:
    """The channels that one batch uses, each opened once and closed at the end."""

    def __init__(self) -> None:
        self._open: dict[str, Channel] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._open.values():
            channel.close()

    def __getitem__(self, name: str) -> Channel:
        if name not in self._open:
            self._open[name] = channel_class(name)()
        return self._open[name]
