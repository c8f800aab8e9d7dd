"""Who hears of alerts and events, each exactly once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from posdoctor.accounts.actor import reporter
from posdoctor.accounts.models import Seat
from posdoctor.accounts.roles import Role
from posdoctor.notifications import actions as notifications
from posdoctor.notifications.models import Delivery
from tests.builders import (
    T0,
    actor_of,
    make_clocks,
    make_message,
    make_seat,
    make_team,
    make_terminal,
    make_ticket,
)
from tickets import actions, subscribers
from tickets.models import Ticket
from tickets.sla.models import Alert
from tickets.sla.tick import tick

MINUTE = timedelta(minutes=1)
LATE = T0 + 11 * MINUTE
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


class House:
    """A desk of two, a team, a supervisor, and a ticket of theirs."""

    def __init__(self) -> None:
        self.terminal = make_terminal()
        self.provider = self.terminal.provider
        self.owner = make_seat(self.provider, Role.DESK)
        self.colleague = make_seat(self.provider, Role.DESK)
        self.supervisor = make_seat(self.provider, Role.SUPERVISOR)
        self.team = make_team(self.provider)
        self.colleague.teams.add(self.team)
        make_seat(make_terminal().provider, Role.SUPERVISOR)  # another provider's

    def ticket(self, **fields: object) -> Ticket:
        values = {"status": "open", "priority": "urgent", "assignee": self.owner.user, **fields}
        return make_ticket(self.terminal, **values)

    def late(self, **fields: object) -> Ticket:
        ticket = self.ticket(**fields)
        make_clocks(ticket)
        return ticket


@pytest.fixture
def house(db: None) -> House:
    return House()


def told(kind: str, channel: str = "email") -> set[int]:
    rows = Delivery.objects.filter(kind=kind, channel=channel)
    users = list(rows.values_list("recipient_id", flat=True))
    assert len(users) == len(set(users)), "somebody was told twice"
    return set(users)


def ids(*seats: Seat) -> set[int]:
    return {seat.user_id for seat in seats}


def test_before_the_due_time_the_owner_is_told_by_both_channels(house: House):
    house.late()
    tick(T0 + 8 * MINUTE)
    subscribers.expand_alerts(T0 + 8 * MINUTE)
    assert told("clock.level") == told("clock.level", "in_app") == ids(house.owner)
    data = Delivery.objects.filter(channel="email").get().data
    assert (data["promise"], data["level"]) == ("first_response", 75)


def test_at_the_due_time_the_supervisor_is_told_too(house: House):
    house.late()
    tick(LATE)
    subscribers.expand_alerts(LATE)
    assert told("clock.level") == ids(house.owner, house.supervisor)


def test_a_ticket_of_nobody_is_the_teams(house: House):
    house.late(assignee=None, team=house.team)
    tick(T0 + 8 * MINUTE)
    subscribers.expand_alerts(T0 + 8 * MINUTE)
    assert told("clock.level") == ids(house.colleague)


def test_without_owner_and_team_it_is_the_whole_desks(house: House):
    house.late(assignee=None)
    tick(T0 + 8 * MINUTE)
    subscribers.expand_alerts(T0 + 8 * MINUTE)
    assert told("clock.level") == ids(house.owner, house.colleague)


def test_an_owner_who_left_is_not_the_only_one_told(house: House):
    house.late(team=house.team)
    Seat.objects.filter(pk=house.owner.pk).update(is_active=False)
    tick(T0 + 8 * MINUTE)
    subscribers.expand_alerts(T0 + 8 * MINUTE)
    assert told("clock.level") == ids(house.colleague)


def test_levels_passed_in_an_outage_are_told_as_one(house: House):
    house.late()
    tick(LATE)
    subscribers.expand_alerts(LATE)
    assert Delivery.objects.filter(channel="email", recipient=house.owner.user).count() == 1
    assert Delivery.objects.filter(channel="email").first().data["level"] == 100


def test_what_was_met_meanwhile_is_not_told(house: House):
    ticket = house.late()
    tick(T0 + 8 * MINUTE)
    subscribers.expand_alerts(T0 + 8 * MINUTE)
    actions.reply(actor_of(house.owner), ticket_id=ticket.pk, body="在看", now=T0 + 9 * MINUTE)
    assert Delivery.objects.get(channel="email").state == "cancelled"


def test_planning_again_tells_nobody_again(house: House):
    house.late()
    tick(LATE)
    for _again in range(3):
        Alert.objects.filter(state="expanded").update(state="pending")
        subscribers.expand_alerts(LATE)
    assert Delivery.objects.filter(channel="email").count() == 2


def test_planners_at_once_tell_each_person_once(transactional_db: None):
    house = House()
    for _ in range(20):
        house.late()
    tick(LATE)
    barrier = threading.Barrier(3)

    def run() -> None:
        barrier.wait(timeout=10)
        try:
            subscribers.expand_alerts(LATE)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not Alert.objects.filter(state="pending").exists()
    assert Delivery.objects.filter(channel="email").count() == 20 * 2


def test_who_gets_a_ticket_hears_of_it_but_not_who_gave_it_to_himself(house: House):
    ticket = house.ticket(assignee=None)
    colleague = actor_of(house.colleague)
    actions.assign(colleague, ticket_id=ticket.pk, user_id=house.owner.user_id, now=T0)
    other = house.ticket(assignee=None)
    actions.assign(colleague, ticket_id=other.pk, user_id=house.colleague.user_id, now=T0)
    subscribers.dispatch_events(T0)
    assert told("ticket.assigned") == ids(house.owner)


def test_the_owner_hears_that_the_merchant_wrote_and_that_it_is_broken_again(house: House):
    ticket = house.ticket()
    merchant = reporter(provider_id=house.provider.pk, ticket_id=ticket.pk)
    actions.add_words(merchant, ticket_id=ticket.pk, body="还是不行", now=T0)
    actions.resolve(actor_of(house.owner), ticket_id=ticket.pk, now=T0, **GOOD)
    actions.reopen(merchant, ticket_id=ticket.pk, now=T0)
    subscribers.dispatch_events(T0)
    assert told("ticket.merchant_wrote") == told("ticket.reopened") == ids(house.owner)


def test_each_event_is_told_once_and_old_news_never(house: House):
    ticket = house.ticket(assignee=None)
    actions.assign(
        actor_of(house.colleague), ticket_id=ticket.pk, user_id=house.owner.user_id, now=T0
    )
    subscribers.dispatch_events(T0 + timedelta(hours=25))
    assert not Delivery.objects.exists()
    assert subscribers.dispatch_events(T0 + timedelta(hours=25)) == 0


def test_one_event_that_cannot_be_planned_keeps_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    bad, good = house.ticket(assignee=None), house.ticket(assignee=None)
    for ticket in (bad, good):
        actions.assign(
            actor_of(house.colleague), ticket_id=ticket.pk, user_id=house.owner.user_id, now=T0
        )
    real = notifications.plan

    def plan(**fields: Any) -> int:
        if fields["data"]["ref"] == bad.ref:
            raise ValueError("a template is missing")
        return real(**fields)

    monkeypatch.setattr(notifications, "plan", plan)
    subscribers.dispatch_events(T0)
    assert Delivery.objects.filter(channel="email").get().data["ref"] == good.ref
    assert "cannot plan deliveries" in caplog.text
    monkeypatch.undo()
    subscribers.dispatch_events(T0)
    assert Delivery.objects.filter(channel="email").count() == 2


def test_card_numbers_in_a_title_never_reach_a_delivery(house: House):
    ticket = house.ticket(assignee=None)
    Ticket.objects.filter(pk=ticket.pk).update(title="卡号 4111 1111 1111 1111 刷不了")
    make_message(ticket)
    actions.assign(
        actor_of(house.colleague), ticket_id=ticket.pk, user_id=house.owner.user_id, now=T0
    )
    subscribers.dispatch_events(T0)
    assert "1111 1111" not in str(Delivery.objects.values_list("data", flat=True))
