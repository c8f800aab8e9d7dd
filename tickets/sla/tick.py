"""The tick: every level that was reached becomes an alert row, in one statement a batch.

Any number of tickers may run at once: rows are claimed with SKIP LOCKED, and the unique key
of an alert refuses a second one. No Python per row, hence no row that can poison a batch.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

logger = logging.getLogger(__name__)

BATCH = 500
# A tick that finds more leaves it to the next one, five seconds later, so that heartbeats go on.
MOST_BATCHES = 200

# 1. due: running clocks whose next level lies before now, unless their plan is of an older
#    version of the calendar (tickets.sla.actions.replan_stale mends those first).
# 2. upd: their step moves past every level before now; a due time before now is a breach.
# 3. ins: an alert for each level passed; only the last is told, the others are proof.
# `<`: at the due time itself the promise is kept.
_TICK = """
WITH due AS MATERIALIZED (
    SELECT k.id, k.epoch, k.step AS old, k.fire_at, k.due_at, k.levels, k.next_fire_at,
           (SELECT count(*) FROM unnest(k.fire_at) f WHERE f < %(now)s)::smallint AS step
    FROM tickets_clock k
    JOIN tickets_calendar c ON c.id = k.calendar_id AND c.version = k.calendar_version
    WHERE k.next_fire_at < %(now)s
    ORDER BY k.next_fire_at
    LIMIT %(batch)s
    FOR UPDATE OF k SKIP LOCKED
), upd AS (
    UPDATE tickets_clock k
    SET step = d.step,
        next_fire_at = d.fire_at[d.step + 1],
        breached_at = CASE WHEN d.due_at < %(now)s
                      THEN coalesce(k.breached_at, d.due_at) ELSE k.breached_at END
    FROM due d
    WHERE k.id = d.id
), ins AS (
    INSERT INTO tickets_alert (clock_id, epoch, step, percent, due_at, state, raised_at)
    SELECT d.id, d.epoch, s, d.levels[s], d.due_at,
           CASE WHEN s = d.step THEN 'pending' ELSE 'suppressed' END, %(now)s
    FROM due d, generate_series(d.old + 1, d.step) s
    ON CONFLICT (clock_id, epoch, step) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM ins),
       coalesce((SELECT extract(epoch FROM %(now)s - min(next_fire_at)) FROM due), 0)
"""


@dataclass(frozen=True)
class Ticked:
    """What one tick did: clocks claimed, alerts written, and how late the latest was in seconds."""

    claimed: int = 0
    raised: int = 0
    lateness_seconds: float = 0.0


def tick(now: datetime) -> Ticked:
    """Raises every alert that is due before `now`; safe to run twice, late or at once."""
    claimed = raised = 0
    lateness = 0.0
    for _batch in range(MOST_BATCHES):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_TICK, {"now": now, "batch": BATCH})
            rows, alerts, late = cursor.fetchone()
        claimed, raised = claimed + rows, raised + alerts
        lateness = max(lateness, float(late))
        if rows < BATCH:
            break
    if claimed:
        logger.info("tick: %d clocks, %d alerts, %.1f s late", claimed, raised, lateness)
    return Ticked(claimed, raised, lateness)
