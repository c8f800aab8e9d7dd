"""Whether so many shops with the same trouble at once are more than chance."""

import math

# Fewer shops than this prove nothing, however quiet the place usually is.
LEAST_SHOPS = 3
# How often chance alone may look like an outage: once in a thousand looks.
FALSE_ALARM = 0.001
# Reports come by day: the busiest hour has about three times those of an average hour.
BUSIEST_HOUR = 3.0


def is_surge(shops: int, usual: float) -> bool:
    """Whether `shops` reports in a span are too many for one that usually has `usual`.

    `usual` is the mean over whole days. Reports of unrelated faults come like a Poisson process:
    a surge is a number that chance would reach or pass in fewer than FALSE_ALARM of such spans of
    the busiest hour.
    """
    if shops < LEAST_SHOPS:
        return False
    mean = usual * BUSIEST_HOUR
    term, below = math.exp(-mean), 0.0
    for number in range(shops):
        below += term
        term *= mean / (number + 1)
    return 1.0 - below < FALSE_ALARM
