"""States of a ticket, the moves between them, and the words of a resolution. Pure rules."""

from datetime import timedelta
from enum import StrEnum

from django.db import models
from django.utils.translation import pgettext_lazy

REOPEN_WITHIN = timedelta(days=30)
CLOSE_AFTER_SILENCE = timedelta(hours=72)


class TicketStatus(models.TextChoices):
    """Staff words; a merchant reads MERCHANT_WORDS."""

    NEW = "new", pgettext_lazy("status", "New")
    OPEN = "open", pgettext_lazy("status", "In progress")
    WAIT_MERCHANT = "wait_merchant", pgettext_lazy("status", "Waiting on merchant")
    WAIT_VENDOR = "wait_vendor", pgettext_lazy("status", "Waiting on vendor")
    DISPATCHED = "dispatched", pgettext_lazy("status", "Engineer booked")
    ON_SITE = "on_site", pgettext_lazy("status", "On site")
    RESOLVED = "resolved", pgettext_lazy("status", "Fixed, to confirm")
    CLOSED = "closed", pgettext_lazy("status", "Closed")
    CANCELLED = "cancelled", pgettext_lazy("status", "Cancelled")
    MERGED = "merged", pgettext_lazy("status", "Merged")


_S = TicketStatus
WORKING = frozenset({_S.NEW, _S.OPEN, _S.WAIT_MERCHANT, _S.WAIT_VENDOR, _S.DISPATCHED, _S.ON_SITE})
ENDED = frozenset({_S.RESOLVED, _S.CLOSED, _S.CANCELLED, _S.MERGED})

MERCHANT_WORDS = {
    _S.NEW: pgettext_lazy("merchant status", "Received"),
    _S.OPEN: pgettext_lazy("merchant status", "We’re on it"),
    _S.WAIT_MERCHANT: pgettext_lazy("merchant status", "Waiting for you"),
    _S.WAIT_VENDOR: pgettext_lazy("merchant status", "We’re on it, waiting for a supplier"),
    _S.DISPATCHED: pgettext_lazy("merchant status", "Engineer booked"),
    _S.ON_SITE: pgettext_lazy("merchant status", "Engineer on site"),
    _S.RESOLVED: pgettext_lazy("merchant status", "Fixed, please confirm"),
    _S.CLOSED: pgettext_lazy("merchant status", "Done"),
    _S.CANCELLED: pgettext_lazy("merchant status", "Cancelled"),
    _S.MERGED: pgettext_lazy("merchant status", "Merged into another report"),
}


class Move(StrEnum):
    """A deed that changes the status; who may do it is in accounts.policies."""

    OPEN = "open"
    WAIT = "wait"
    RESUME = "resume"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    LEAVE = "leave"
    RESOLVE = "resolve"
    CONFIRM = "confirm"
    AUTOCLOSE = "autoclose"
    REOPEN = "reopen"
    CANCEL = "cancel"
    MERGE = "merge"


# Everything not listed is illegal (409 with the current state). Leaving from `dispatched`
# is a visit called off (docs/adr/0007).
SOURCES: dict[Move, frozenset[TicketStatus]] = {
    Move.OPEN: frozenset({_S.NEW}),
    Move.WAIT: frozenset({_S.OPEN}),
    Move.RESUME: frozenset({_S.WAIT_MERCHANT, _S.WAIT_VENDOR}),
    Move.DISPATCH: frozenset({_S.OPEN}),
    Move.ARRIVE: frozenset({_S.DISPATCHED}),
    Move.LEAVE: frozenset({_S.DISPATCHED, _S.ON_SITE}),
    Move.RESOLVE: frozenset({_S.OPEN, _S.WAIT_MERCHANT, _S.WAIT_VENDOR, _S.ON_SITE}),
    Move.CONFIRM: frozenset({_S.RESOLVED}),
    Move.AUTOCLOSE: frozenset({_S.RESOLVED}),
    Move.REOPEN: frozenset({_S.RESOLVED, _S.CLOSED}),
    Move.CANCEL: frozenset({_S.NEW, _S.OPEN, _S.WAIT_MERCHANT, _S.WAIT_VENDOR}),
    Move.MERGE: WORKING,
}


def can(move: Move, status: str) -> bool:
    """Whether the move exists from this status."""
    return TicketStatus(status) in SOURCES[move]


class WaitFor(models.TextChoices):
    """Whom a waiting ticket waits for."""

    MERCHANT = "merchant", pgettext_lazy("wait for", "Merchant")
    MAKER = "maker", pgettext_lazy("wait for", "Maker")
    NETWORK_PROVIDER = "network_provider", pgettext_lazy("wait for", "Network operator")
    ACQUIRER = "acquirer", pgettext_lazy("wait for", "Acquirer")


class Priority(models.TextChoices):
    """How much a shop suffers."""

    URGENT = "urgent", pgettext_lazy("priority", "Urgent")
    HIGH = "high", pgettext_lazy("priority", "High")
    NORMAL = "normal", pgettext_lazy("priority", "Normal")
    LOW = "low", pgettext_lazy("priority", "Low")


class Impact(models.TextChoices):
    """The merchant's answer to "can you still take payments?"."""

    ALL = "all", pgettext_lazy("impact", "No payments at all")
    SOME = "some", pgettext_lazy("impact", "Some payments fail")
    NONE = "none", pgettext_lazy("impact", "Payments work")


class Certainty(models.TextChoices):
    SURE = "sure", pgettext_lazy("certainty", "Sure")
    GUESS = "guess", pgettext_lazy("certainty", "A guess")


class FixedBy(models.TextChoices):
    """Who made it work again."""

    MERCHANT = "merchant", pgettext_lazy("fixed by", "Merchant")
    DESK = "desk", pgettext_lazy("fixed by", "Desk")
    FIELD = "field", pgettext_lazy("fixed by", "Field engineer")
    DEPOT = "depot", pgettext_lazy("fixed by", "Depot")
    ACQUIRER = "acquirer", pgettext_lazy("fixed by", "Acquirer")
    NETWORK_PROVIDER = "network_provider", pgettext_lazy("fixed by", "Network operator")
    MAKER = "maker", pgettext_lazy("fixed by", "Maker")
    ITSELF = "itself", pgettext_lazy("fixed by", "Went away by itself")


class Proof(models.TextChoices):
    """How it was seen that the terminal works; a fault is closed only after one was seen."""

    SIGN_IN = "sign_in", pgettext_lazy("proof", "Sign-in seen")
    TEST_SALE = "test_sale", pgettext_lazy("proof", "Test sale made")
    SLIP_TEXT = "slip_text", pgettext_lazy("proof", "Slip read out")
    TOLD = "told", pgettext_lazy("proof", "Merchant says so")


def first_priority(
    impact: str, *, terminals_down: int, terminals_at_store: int, is_security: bool
) -> Priority:
    """The priority that a report starts with.

    All terminals of the shop down, or a security cause: urgent; one of several down: high;
    works in part: normal; a question: low.
    """
    if is_security:
        return Priority.URGENT
    if impact == Impact.ALL:
        return Priority.URGENT if terminals_down >= terminals_at_store else Priority.HIGH
    return Priority.NORMAL if impact == Impact.SOME else Priority.LOW
