"""Domain errors: a rule of the product said no. They know nothing of the web."""

from datetime import timedelta


class DomainError(Exception):
    """A rule of the product said no. `code` is stable and for machines."""

    code = "refused"


class IllegalMoveError(DomainError):
    """The ticket or terminal is in a state from which this move does not exist."""

    code = "illegal_move"

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(f"{current} -> {wanted}")
        self.current = current
        self.wanted = wanted


class NotAllowedError(DomainError):
    """The row is visible to the actor, the deed is not theirs."""

    code = "not_allowed"


class TooManyTriesError(DomainError):
    """A door is closed for `retry_after`."""

    code = "too_many_tries"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__("too many tries")
        self.retry_after = max(timedelta(seconds=1), retry_after)
