"""The night's round of learning: every provider, every flow that its merchants walk."""

import logging
import time
from datetime import datetime

from diagnostics.actions import snapshots
from diagnostics.models import FlowVersion
from posdoctor.accounts.models import Provider
from posdoctor.core.outbox import wake
from tickets.cases import closed_cases

logger = logging.getLogger(__name__)

LEARN = "tickets.learn"
# A flow takes up to two minutes of compiling: what is left after this waits for the next task.
ROUND_SECONDS = 180.0


def learn(now: datetime, *, seconds: float = ROUND_SECONDS) -> int:
    """Makes the numbers that are due, for about so long; returns how many were stored.

    May run twice, late or be killed: what is done is not due any more. A flow that cannot be
    learned is logged and keeps no other waiting.
    """
    end, stored = time.monotonic() + seconds, 0
    for provider_id in Provider.objects.filter(is_active=True).values_list("pk", flat=True):
        for version in FlowVersion.objects.published_for(provider_id).defer("document"):
            if time.monotonic() > end:
                if stored:  # else the same flow would be in the way of the next round, too
                    wake(LEARN)
                return stored
            stored += _learned(provider_id, version, now)
    return stored


def _learned(provider_id: int, version: FlowVersion, now: datetime) -> bool:
    if not snapshots.is_due(provider_id, version, now=now):
        return False
    try:
        cases = closed_cases(provider_id, version.symptom, now)
        return snapshots.learn(provider_id, version, cases, now=now) is not None
    except Exception:
        logger.exception("cannot learn %s of provider %s", version.symptom, provider_id)
        return False
