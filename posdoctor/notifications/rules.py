"""When a delivery that failed is tried again, and when it is given up. Pure."""

import random
from datetime import timedelta

# How long a sender may hold a delivery. One that died leaves it to the next after this.
LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
# With the pauses below, half a day: a mail server that is away over night is back by then.
MOST_ATTEMPTS = 20


def pause_after(attempts: int, spread: float | None = None) -> timedelta:
    """How long to wait after this many attempts: 5 s, 15 s, 45 s, 2, 7, 20 min, then 1 h.

    `spread` (0 to 1, by chance where not given) moves it by up to a fifth either way, so that
    what failed together does not come back together.
    """
    chance = random.random() if spread is None else spread  # noqa: S311 - no secret
    steps: int = 3 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * steps, LONGEST_PAUSE) * (0.8 + 0.4 * chance)


def is_last(attempts: int) -> bool:
    """Whether a delivery that failed this often is given up."""
    return attempts >= MOST_ATTEMPTS
