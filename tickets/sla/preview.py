"""When a promise would be due, with pauses, by the same rules that run the clocks."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from tickets.sla import clock as rules
from tickets.sla.badge import Reader
from tickets.sla.calendars import compiled
from tickets.sla.explain import Life, Part, Step, explain
from tickets.sla.models import Calendar

Pause = tuple[datetime, datetime | None]


def preview(
    *,
    budget_seconds: float,
    levels: Sequence[int],
    calendar: Calendar,
    start: datetime,
    pauses: Iterable[Pause],
    reader: Reader,
) -> tuple[rules.Clock, list[Step]]:
    """The clock after all pauses, and why it is due then. A pause without end leaves it paused.

    Pauses are taken in the order of their beginnings; one that begins inside another starts
    nothing new. Raises CalendarHorizonError where the calendar is not known that far.
    """
    work = compiled(calendar, start)
    clock = rules.start(budget_seconds, levels, work, start)
    parts: list[Part] = []
    for begin, end in sorted(pauses, key=lambda pause: pause[0]):
        if clock.resumed_at is None or begin < clock.resumed_at:
            continue
        before = clock
        clock = rules.pause(clock, work, begin)
        ran = clock.consumed_seconds - before.consumed_seconds
        assert before.resumed_at is not None
        parts.append(Part("run", before.resumed_at, begin, "pause", ran))
        if end is None or end <= begin:
            break
        clock = rules.resume(clock, work, end)
        parts.append(Part("pause", begin, end, "resume", 0.0))
    life = Life(clock=clock, started_at=start, calendar=calendar.label, parts=parts)
    return clock, explain(life, work, reader)
