"""The tick: exactly once, whoever runs it and how often."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from tests.builders import T0, make_clocks, make_terminal, make_ticket
from tickets.models import Ticket
from tickets.sla.models import Alert, Clock
from tickets.sla.tick import BATCH, tick

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ticket(terminal) -> Ticket:
    return make_ticket(terminal, status="open", priority="urgent", opened_at=T0)


def told(promise: str = "first_response") -> list[tuple[int, str]]:
    alerts = Alert.objects.filter(clock__promise=promise).order_by("step")
    return list(alerts.values_list("percent", "state"))


def test_nothing_due_is_nothing_done(ticket: Ticket):
    make_clocks(ticket)
    assert tick(T0 + MINUTE).claimed == 0
    assert not Alert.objects.exists()


def test_each_level_is_raised_once_however_often_it_ticks(ticket: Ticket):
    make_clocks(ticket)
    for minute in (5.1, 5.2, 7.6, 9.1, 10, 10.1, 11, 60):
        tick(T0 + minute * MINUTE)
    assert told() == [(50, "pending"), (75, "pending"), (90, "pending"), (100, "pending")]
    clock = ticket.clocks.get(promise="first_response")
    assert (clock.breached_at, clock.next_fire_at) == (T0 + 10 * MINUTE, None)


def test_at_the_due_time_itself_nothing_is_broken_yet(ticket: Ticket):
    make_clocks(ticket)
    tick(T0 + 10 * MINUTE)
    assert told()[-1] == (90, "pending")
    assert ticket.clocks.get(promise="first_response").breached_at is None
    tick(T0 + 10 * MINUTE + timedelta(microseconds=1))
    assert told()[-1] == (100, "pending")


def test_after_an_outage_one_alert_is_told_and_the_others_are_proof(ticket: Ticket):
    make_clocks(ticket)
    done = tick(T0 + 30 * MINUTE)
    assert (done.claimed, done.raised) == (1, 4)
    assert done.lateness_seconds == pytest.approx(25 * 60)
    assert told() == [
        (50, "suppressed"), (75, "suppressed"), (90, "suppressed"), (100, "pending"),
    ]  # fmt: skip


def test_many_tickers_at_once_raise_each_level_once(transactional_db: None):
    terminal = make_terminal()
    first = make_ticket(terminal, status="open", priority="urgent", opened_at=T0)
    make_clocks(first)
    rows = list(Clock.objects.filter(ticket=first, promise="first_response"))
    tickets = [make_ticket(terminal, status="open", opened_at=T0) for _ in range(60)]
    Clock.objects.bulk_create(_copy(rows[0], ticket_id=ticket.pk) for ticket in tickets)
    barrier = threading.Barrier(4)
    raised: list[int] = []

    def run() -> None:
        barrier.wait(timeout=10)
        try:
            raised.extend(tick(T0 + 10.5 * MINUTE).raised for _ in range(3))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(raised) == 12
    assert sum(raised) == Alert.objects.count() == 61 * 4
    assert Alert.objects.filter(state="pending").count() == 61


def test_a_tick_takes_more_than_one_batch(transactional_db: None):
    terminal = make_terminal()
    first = make_ticket(terminal, status="open", priority="urgent", opened_at=T0)
    make_clocks(first)
    clock = Clock.objects.get(ticket=first, promise="first_response")
    tickets = Ticket.objects.bulk_create(make_ticket_row(first) for _ in range(BATCH + 3))
    Clock.objects.bulk_create(_copy(clock, ticket_id=ticket.pk) for ticket in tickets)
    assert tick(T0 + 6 * MINUTE).claimed == BATCH + 4


def make_ticket_row(like: Ticket) -> Ticket:
    """Another ticket like this one, not saved."""
    columns = ("provider_id", "merchant_id", "store_id", "terminal_id", "title", "priority")
    more = ("impact", "contact_phone", "opened_at", "last_activity_at", "source", "status")
    return Ticket(**{name: getattr(like, name) for name in (*columns, *more)})


def _copy(clock: Clock, **fields: object) -> Clock:
    values = {
        f.attname: getattr(clock, f.attname) for f in Clock._meta.local_fields if not f.primary_key
    }
    return Clock(**{**values, **fields})
