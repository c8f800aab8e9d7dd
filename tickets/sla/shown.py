"""Clocks as rows, with the faces and the explanation that pages and the API show."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from tickets.sla.badge import Badge, Reader, badge, leading
from tickets.sla.calendars import compiled, compiled_version
from tickets.sla.clock import Clock as Rules
from tickets.sla.clock import Promise, State
from tickets.sla.explain import Life, Part, Step, Told, explain
from tickets.sla.models import Clock

# All of a clock that its face depends on, in the order that `leading_badge` takes.
FACE_COLUMNS = (
    "state", "budget_seconds", "consumed_seconds", "resumed_at", "due_at", "breached_at", "met_at",
    "calendar_id", "calendar__version",
)  # fmt: skip


def with_calendars() -> QuerySet[Clock]:
    """Clocks as the functions here need them: for a prefetch, in the order of their promises."""
    return Clock.objects.select_related("calendar").order_by("promise")


def badges(rows: Iterable[Clock], reader: Reader) -> list[Badge]:
    """One face for each clock of a ticket; none where nothing is promised."""
    return [_face(row, reader) for row in rows]


def leading_badge(found: Mapping[Promise, Sequence[Any]], reader: Reader) -> Badge:
    """The face that stands for a ticket in a list; `found` are the FACE_COLUMNS of its clocks."""
    clocks = {promise: _read(columns) for promise, columns in found.items()}
    first = leading(clocks)
    if first is None:
        return badge(None, None, reader)
    calendar_id, version = found[first][7:]
    work = compiled_version(calendar_id, version, reader.now)
    return badge(clocks[first], work, reader, promise=first)


def _read(columns: Sequence[Any]) -> Rules:
    state, budget, consumed, resumed_at, due_at, breached_at, met_at = columns[:7]
    return Rules(
        state=State(state),
        budget_seconds=budget,
        levels=(),
        consumed_seconds=consumed,
        resumed_at=resumed_at,
        due_at=due_at,
        breached_at=breached_at,
        met_at=met_at,
    )


def explained(
    row: Clock,
    reader: Reader,
    *,
    waits: Mapping[datetime, str],
    priorities: Iterable[tuple[datetime, str, str]],
) -> list[Step]:
    """Why it is due then; reads the ledger and the alerts: two queries."""
    return explain(
        Life(
            clock=row.read(),
            started_at=row.started_at,
            calendar=row.calendar.label,
            parts=[
                Part(s.kind, s.from_at, s.to_at, s.reason, s.working_seconds)
                for s in row.segments.order_by("pk")
            ],
            alerts=[Told(a.percent, a.state, a.raised_at) for a in row.alerts.order_by("pk")],
            waits=waits,
            priorities=list(priorities),
        ),
        compiled(row.calendar, reader.now),
        reader,
    )


def _face(row: Clock, reader: Reader) -> Badge:
    return badge(
        row.read(), compiled(row.calendar, reader.now), reader, promise=Promise(row.promise)
    )
