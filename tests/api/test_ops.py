"""The supervisors' numbers by the API: those of the page, counted as the filters count."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posdoctor.accounts.models import Provider
from posdoctor.core import clock
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.api.test_entry import refusal
from tests.builders import (
    T0,
    actor_of,
    make_clocks,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets import actions
from tickets.models import Ticket
from tickets.sla import actions as sla
from tickets.sla.models import Promise
from tickets.sla.tick import tick

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is T0, Friday 10:00 in Shanghai."""
    monkeypatch.setattr(clock, "now", lambda: T0)


@pytest.fixture
def lead(supervisor: Persona) -> Caller:
    return by_session(supervisor)


def promised(terminal: Terminal, left: timedelta, **fields: Any) -> Ticket:
    """In progress, answered, and to be restored so long after T0."""
    opened = min(T0, T0 + left) - HOUR
    ticket = make_ticket(terminal, opened_at=opened, status="open", **fields)
    make_clocks(ticket, first_response=60, restore=int((T0 + left - opened).total_seconds()))
    sla.meet(
        ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=opened + MINUTE, reason="reply"
    )
    return ticket


def test_numbers_are_those_of_the_lists(
    lead: Caller, desk: Persona, supervisor: Persona, provider: Provider, terminal: Terminal
):
    team = make_team(provider, name="夜班")
    worst = promised(terminal, -2 * HOUR, assignee=desk.user, team=team)
    promised(terminal, -HOUR)
    promised(terminal, HOUR, assignee=desk.user)
    promised(terminal, 3 * HOUR, team=team)
    resting = promised(terminal, 5 * HOUR)
    assert supervisor.seat
    actor = actor_of(supervisor.seat)
    actions.wait(actor, ticket_id=resting.pk, wait_for="merchant", now=T0)
    make_ticket(terminal, status="closed")
    found = lead.get("ops/").json()
    assert found["at"] == "2026-11-20T02:00:00Z"
    total = {"open": 5, "breached": 2, "due_within_hour": 1, "due_within_four_hours": 2}
    assert {name: found[name] for name in total} == total
    assert found["waiting"] == 1
    assert found["oldest_breached"] == worst.ref
    assert found["unassigned"] == {
        "open": 3, "breached": 1, "due_within_hour": 0, "due_within_four_hours": 1, "waiting": 1,
    }  # fmt: skip
    busiest = found["people"][0]
    assert desk.user
    assert (busiest["ref"], busiest["name"]) == (desk.user.ref, desk.user.name)
    assert (busiest["open"], busiest["breached"], busiest["due_within_hour"]) == (2, 1, 1)
    night = next(row for row in found["teams"] if row["ref"] == team.ref)
    assert (night["open"], night["breached"], night["due_within_four_hours"]) == (2, 1, 1)
    for due, name in (("breached", "breached"), ("hour", "due_within_hour")):
        assert len(lead.get("tickets/", {"due": due}).json()["results"]) == found[name]
        mine = {"due": due, "assignee": desk.user.ref}
        assert len(lead.get("tickets/", mine).json()["results"]) == busiest[name]


def test_shares_of_kept_promises_come_with_their_n(
    lead: Caller, supervisor: Persona, terminal: Terminal
):
    assert supervisor.seat
    actor = actor_of(supervisor.seat)
    for left in (HOUR, 2 * HOUR, -MINUTE):
        done = promised(terminal, left)
        actions.resolve(actor, ticket_id=done.pk, now=T0, **GOOD)
    promised(terminal, -HOUR)
    tick(T0)
    found = lead.get("ops/").json()
    restore = next(row for row in found["promises"] if row["promise"] == "restore")
    assert (restore["last_7_days"]["kept"], restore["last_7_days"]["decided"]) == (2, 4)
    assert restore["last_7_days"]["percent"] == 50
    assert restore["previous_7_days"] == {
        "kept": 0, "decided": 0, "percent": None, "average_seconds": None,
    }  # fmt: skip
    assert found["target_percent"] == 95
    assert [row["promise"] for row in found["promises"]] == Promise.values


def test_two_weeks_day_by_day_and_what_broke(lead: Caller, supervisor: Persona, terminal: Terminal):
    make_ticket(terminal, opened_at=T0 - timedelta(days=2), symptom="printer_paper")
    fixed = promised(terminal, HOUR, symptom="network_down")
    assert supervisor.seat
    actions.resolve(actor_of(supervisor.seat), ticket_id=fixed.pk, now=T0, **GOOD)
    found = lead.get("ops/").json()
    assert len(found["days"]) == 14
    assert found["days"][-1] == {"date": "2026-11-20", "created": 1, "fixed": 1}
    assert found["days"][-3] == {"date": "2026-11-18", "created": 1, "fixed": 0}
    assert {row["symptom"]: row["count"] for row in found["symptoms"]} == {
        "network_down": 1, "printer_paper": 1,
    }  # fmt: skip


def test_nothing_of_another_provider(
    lead: Caller, outsider: Persona, other_provider: Provider, terminal: Terminal
):
    there = make_terminal(make_store(other_provider, name="海港咖啡"))
    stranger = make_seat(other_provider).user
    hidden = promised(there, -HOUR, assignee=stranger, team=make_team(other_provider))
    answer = lead.get("ops/")
    assert answer.json()["open"] == 0
    for word in (hidden.ref, stranger.name, stranger.ref):
        assert word not in answer.content.decode()
    assert outsider.seat  # a lead there counts it
    boss = make_seat(other_provider, "supervisor")
    token = by_token(issue(Persona("boss", outsider.client, boss.user, boss)))
    assert token.get("ops/").json()["oldest_breached"] == hidden.ref


def test_it_is_for_leads(api: Caller, field: Persona, merchant: Persona):
    refusal(api.get("ops/"), 403, "not_allowed")
    for persona in (field, merchant):
        refusal(by_session(persona).get("ops/"), 404, "not_found")


def test_it_costs_the_same_for_2_and_for_12_tickets(lead: Caller, provider: Provider):
    def fill(number: int) -> None:
        for _ in range(number):
            terminal = make_terminal(make_store(provider))
            promised(terminal, HOUR, assignee=make_seat(provider).user, team=make_team(provider))

    def cost() -> int:
        lead.get("ops/")
        with CaptureQueriesContext(connection) as queries:
            assert lead.get("ops/").json()["open"] == Ticket.objects.count()
        return len(queries)

    fill(2)
    few = cost()
    fill(10)
    assert cost() == few
    assert few <= 16
