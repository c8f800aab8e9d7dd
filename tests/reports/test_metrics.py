"""Clocks and deliveries on /metrics."""

from datetime import timedelta

from django.test import Client

from posdoctor.core import clock
from posdoctor.notifications import actions as notifications
from tests.builders import make_clocks, make_seat, make_ticket
from tickets.sla.tick import tick


def told(client: Client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_running_clocks_and_how_late_the_oldest_level_is(db: None, terminal):
    opened = clock.now() - timedelta(minutes=30)
    make_clocks(make_ticket(terminal, priority="urgent", opened_at=opened), restore=100 * 3600)
    before = told(Client())
    assert before["posdoctor_clocks_running"] == 2
    assert 24 * 60 < before["posdoctor_clocks_late_seconds"] < 26 * 60
    tick(clock.now())
    after = told(Client())
    assert (after["posdoctor_clocks_running"], after["posdoctor_clocks_late_seconds"]) == (1, 0)
    assert after["posdoctor_alerts_pending"] == 1


def test_deliveries_by_state_and_the_age_of_the_oldest(db: None, provider):
    seat = make_seat(provider)
    notifications.plan(
        provider_id=provider.pk,
        source="event:1",
        kind="ticket.assigned",
        recipients=[seat.user_id],
        data={},
        url="/desk/",
        now=clock.now() - timedelta(minutes=7),
    )
    found = told(Client())
    assert found['posdoctor_deliveries{channel="email",state="pending"}'] == 1
    assert found['posdoctor_deliveries{channel="in_app",state="sent"}'] == 1
    assert 6 * 60 < found["posdoctor_delivery_oldest_seconds"] < 8 * 60
