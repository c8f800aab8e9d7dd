"""Clocks as rows, with the faces and the explanation that pages and the API show."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import QuerySet

from tickets.sla.badge import Badge, Reader, badge, leading
from tickets.sla.calendars import compiled
from tickets.sla.clock import Promise
from tickets.sla.explain import Life, Part, Step, Told, explain
from tickets.sla.models import Clock


def with_calendars() -> QuerySet[Clock]:
    """Clocks as the functions here need them: for a prefetch, in the order of their promises."""
    return Clock.objects.select_related("calendar").order_by("promise")


def badges(rows: Iterable[Clock], reader: Reader) -> list[Badge]:
    """One face for each clock of a ticket; none where nothing is promised."""
    return [_face(row, reader) for row in rows]


def leading_badge(rows: Iterable[Clock], reader: Reader) -> Badge:
    """The face that stands for a ticket in a list."""
    by_promise = {Promise(row.promise): row for row in rows}
    first = leading({promise: row.read() for promise, row in by_promise.items()})
    return badge(None, None, reader) if first is None else _face(by_promise[first], reader)


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
