"""The list behind the bell: the row is the delivery, so nothing is ever sent."""

from posdoctor.notifications.models import Delivery


class InAppChannel:
    """Rows of this channel are made in the state `sent`; no sender meets one."""

    has_key = True

    def is_noop(self, delivery: Delivery) -> bool:  # noqa: ARG002
        """The list cannot be switched off."""
        return False

    def send(self, delivery: Delivery) -> str:
        """The row's own key."""
        return str(delivery.key)

    def close(self) -> None:
        """Nothing is open."""
