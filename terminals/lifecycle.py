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


# It stands in a store; payments are taken with it, or will be once it is released.
IN_USE = frozenset({TerminalState.ACTIVE, TerminalState.STOPPED})
_T = TerminalState
MOVES: dict[TerminalState, frozenset[TerminalState]] = {
    _T.IN_STOCK: frozenset({_T.ACTIVE, _T.IN_REPAIR, _T.RETIRED}),
    _T.ACTIVE: frozenset({_T.STOPPED, _T.IN_REPAIR, _T.IN_STOCK, _T.RETIRED}),
    # SECURITY: a stopped terminal goes back to active only by a release with a reason.
    _T.STOPPED: frozenset({_T.ACTIVE, _T.IN_REPAIR, _T.RETIRED}),
    _T.IN_REPAIR: frozenset({_T.IN_STOCK, _T.ACTIVE, _T.RETIRED}),
    _T.RETIRED: frozenset(),
}


def can_move(current: str, wanted: str) -> bool:
    """Whether `wanted` is a legal next state."""
    return TerminalState(wanted) in MOVES[TerminalState(current)]
