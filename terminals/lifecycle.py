"""States of a terminal and the moves between them. Pure."""

from django.db import models
from django.utils.translation import pgettext_lazy


class TerminalState(models.TextChoices):
    """Where a terminal is in its life."""

    IN_STOCK = "in_stock", pgettext_lazy("terminal", "In stock")
    ACTIVE = "active", pgettext_lazy("terminal", "Active")
    STOPPED = "stopped", pgettext_lazy("terminal", "Stopped")
    IN_REPAIR = "in_repair", pgettext_lazy("terminal", "In repair")
    RETIRED = "retired", pgettext_lazy("terminal", "Retired")


MOVES: dict[TerminalState, frozenset[TerminalState]] = {
    TerminalState.IN_STOCK: frozenset(
        {TerminalState.ACTIVE, TerminalState.IN_REPAIR, TerminalState.RETIRED}
    ),
    TerminalState.ACTIVE: frozenset(
        {
            TerminalState.STOPPED,
            TerminalState.IN_REPAIR,
            TerminalState.IN_STOCK,
            TerminalState.RETIRED,
        }
    ),
    # SECURITY: a stopped terminal goes back to active only by a release with a reason.
    TerminalState.STOPPED: frozenset(
        {TerminalState.ACTIVE, TerminalState.IN_REPAIR, TerminalState.RETIRED}
    ),
    TerminalState.IN_REPAIR: frozenset(
        {TerminalState.IN_STOCK, TerminalState.ACTIVE, TerminalState.RETIRED}
    ),
    TerminalState.RETIRED: frozenset(),
}


def can_move(current: str, wanted: str) -> bool:
    """Whether `wanted` is a legal next state."""
    return TerminalState(wanted) in MOVES[TerminalState(current)]
