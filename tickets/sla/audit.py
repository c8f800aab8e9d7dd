"""Proof, not hope: questions to the tables whose right answer is always "none".

Run every five minutes by beat and by `manage.py audit_clocks`. What is found is for a person:
nothing is mended here.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from tickets.sla.calendars import compiled
from tickets.sla.models import Clock, ClockState

# One clock in a hundred is worked out anew from its ledger.
SAMPLE_PERCENT = 1
_SAMPLE_LIMIT = 2_000

# Each answers with the ids of clocks (or alerts) that contradict a rule.
_QUESTIONS = {
    "late": """
        SELECT id FROM tickets_clock WHERE next_fire_at < %(now)s - interval '60 seconds'""",
    "alerts_differ_from_step": """
        SELECT k.id FROM tickets_clock k
        WHERE k.state IN ('running', 'paused') AND k.step <> (
            SELECT count(*) FROM tickets_alert a WHERE a.clock_id = k.id AND a.epoch = k.epoch)""",
    "alert_without_plan": """
        SELECT id FROM tickets_alert
        WHERE state = 'pending' AND raised_at < %(now)s - interval '60 seconds'""",
    "breach_missing": """
        SELECT id FROM tickets_clock
        WHERE breached_at IS NULL AND (
            (state = 'met' AND met_at > due_at)
            OR (state = 'running' AND due_at < %(now)s - interval '60 seconds'))""",
    "breach_too_many": """
        SELECT id FROM tickets_clock
        WHERE epoch = 1 AND breached_at IS NOT NULL
          AND (due_at IS NULL OR breached_at <> due_at
               OR (state = 'met' AND met_at <= due_at) OR due_at >= %(now)s)""",
}


@dataclass(frozen=True)
class Finding:
    """A broken rule: its name, how many rows break it, and some of their ids."""

    rule: str
    count: int
    ids: tuple[int, ...]


def audit(now: datetime) -> list[Finding]:
    """Everything that contradicts the rules of the clocks at `now`; empty = sound."""
    findings = []
    with connection.cursor() as cursor:
        for rule, question in _QUESTIONS.items():
            cursor.execute(question, {"now": now})
            ids = [row[0] for row in cursor.fetchall()]
            if ids:
                findings.append(Finding(rule, len(ids), tuple(ids[:10])))
    wrong = [clock.pk for clock in _sample() if not _adds_up(clock, now)]
    if wrong:
        findings.append(Finding("ledger_differs", len(wrong), tuple(wrong[:10])))
    return findings


def _sample() -> list[Clock]:
    sql = (
        "SELECT id FROM tickets_clock TABLESAMPLE BERNOULLI (%s) "
        "WHERE state = %s AND breached_at IS NULL LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [SAMPLE_PERCENT, ClockState.RUNNING, _SAMPLE_LIMIT])
        ids = [row[0] for row in cursor.fetchall()]
    rows = Clock.objects.filter(pk__in=ids).select_related("calendar")
    return list(rows.prefetch_related("segments"))


def _adds_up(clock: Clock, now: datetime) -> bool:
    """Consumption is the sum of the ledger, and the due time follows from it."""
    if clock.calendar_version != clock.calendar.version or clock.resumed_at is None:
        return True  # about to be planned anew
    ran = sum(part.working_seconds for part in clock.segments.all())
    calendar = compiled(clock.calendar, now)
    if calendar.never_opens:
        return clock.due_at is None
    left = max(0.0, clock.budget_seconds - clock.consumed_seconds)
    due = calendar.add(clock.resumed_at, left)
    return (
        math.isclose(ran, clock.consumed_seconds, abs_tol=1.0)
        and clock.due_at is not None
        and abs((clock.due_at - due).total_seconds()) < 1
    )
