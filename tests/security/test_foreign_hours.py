"""One provider's working hours, however odd, and the clocks of the others."""

from datetime import timedelta

import pytest

from posdoctor.accounts.models import Provider
from posdoctor.accounts.roles import Role
from tests.builders import (
    T0,
    actor_of,
    make_clocks,
    make_provider,
    make_seat,
    make_store,
    make_terminal,
    make_ticket,
)
from tickets.actions import promises
from tickets.sla import actions
from tickets.sla.actions import replan_stale
from tickets.sla.models import Clock
from tickets.sla.tick import tick

CLOSED = {"name": "x", "name_en": "", "time_zone": "Asia/Shanghai", "week": [[]] * 7}
OPEN = {**CLOSED, "week": [[(0, 1440)]] * 7}

pytestmark = pytest.mark.django_db


def started(provider: Provider) -> Clock:
    """A clock that runs since T0, with an hour of working time."""
    ticket = make_ticket(make_terminal(make_store(provider)))
    return make_clocks(ticket, restore=3600)["restore"]


def close_but_for_a_minute(clock: Clock) -> None:
    """Closed for ever but for a minute of tomorrow: the calendar opens, and is never reached."""
    lead = actor_of(make_seat(clock.provider, Role.SUPERVISOR))
    ref = clock.calendar.ref
    promises.change_calendar(lead, calendar_ref=ref, values=CLOSED, now=T0)
    tomorrow = (T0 + timedelta(days=1)).date()
    promises.set_days(
        lead, calendar_ref=ref, first=tomorrow, last=tomorrow, intervals=[(600, 601)],
        name="", now=T0,
    )  # fmt: skip


def test_hours_that_are_never_reached_hold_up_no_other_provider() -> None:
    odd, ours = started(make_provider()), started(make_provider())
    close_but_for_a_minute(odd)
    lead = actor_of(make_seat(ours.provider, Role.SUPERVISOR))
    promises.change_calendar(lead, calendar_ref=ours.calendar.ref, values=OPEN, now=T0)
    late = T0 + timedelta(hours=2)
    replan_stale(late)
    tick(late)
    ours.refresh_from_db()
    assert ours.breached_at == T0 + timedelta(hours=1)


def test_a_calendar_that_fails_holds_up_no_other_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it fails for."""
    odd, ours = started(make_provider()), started(make_provider())
    for clock in (odd, ours):
        lead = actor_of(make_seat(clock.provider, Role.SUPERVISOR))
        promises.change_calendar(lead, calendar_ref=clock.calendar.ref, values=OPEN, now=T0)
    batch = actions._replan_batch

    def failing(calendar_id: int, now: object) -> int:
        if calendar_id == odd.calendar_id:
            raise ValueError("odd")
        return batch(calendar_id, now)

    monkeypatch.setattr(actions, "_replan_batch", failing)
    replan_stale(T0 + timedelta(hours=2))
    tick(T0 + timedelta(hours=2))
    ours.refresh_from_db()
    assert ours.breached_at == T0 + timedelta(hours=1)


@pytest.mark.parametrize("deed", ["resume", "retarget"])
def test_deeds_on_a_ticket_go_on_without_a_due_time(deed: str) -> None:
    """A merchant's answer resumes the clock: it was an error, and the answer was lost."""
    odd = started(make_provider())
    actions.pause(ticket_id=odd.ticket_id, at=T0, reason="x")
    close_but_for_a_minute(odd)
    at = T0 + timedelta(minutes=10)
    actions.resume(ticket_id=odd.ticket_id, at=at, reason="x")
    if deed == "retarget":
        actions.retarget(ticket_id=odd.ticket_id, priority="high", at=at, reason="x")
    odd.refresh_from_db()
    assert odd.state == "running"
    assert odd.due_at is None


def test_hours_that_are_never_reached_leave_tickets_workable_and_come_back() -> None:
    odd = started(make_provider())
    close_but_for_a_minute(odd)
    replan_stale(T0)
    odd.refresh_from_db()
    assert odd.due_at is None
    assert odd.next_fire_at is None
    actions.pause(ticket_id=odd.ticket_id, at=T0 + timedelta(minutes=5), reason="x")
    lead = actor_of(make_seat(odd.provider, Role.SUPERVISOR))
    promises.change_calendar(lead, calendar_ref=odd.calendar.ref, values=OPEN, now=T0)
    actions.resume(ticket_id=odd.ticket_id, at=T0 + timedelta(minutes=10), reason="x")
    odd.refresh_from_db()
    assert odd.due_at is not None
