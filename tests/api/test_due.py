"""Tickets by the time left: filters on clocks, and when the next one is due."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posdoctor.core import clock
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session
from tests.api.test_entry import refusal
from tests.builders import T0, actor_of, make_clocks, make_store, make_terminal, make_ticket
from tests.conftest import Persona
from tickets import actions
from tickets.models import Ticket
from tickets.sla import actions as sla
from tickets.sla.models import Promise

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}
Make = Callable[..., Ticket]


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is T0, Friday 10:00 in Shanghai."""
    monkeypatch.setattr(clock, "now", lambda: T0)


@pytest.fixture
def due_in(terminal: Terminal) -> Make:
    """`due_in(timedelta)`: a ticket in progress, answered, whose restore clock is due then."""

    def _due_in(left: timedelta, place: Terminal = terminal) -> Ticket:
        opened = min(T0, T0 + left) - HOUR
        ticket = make_ticket(place, opened_at=opened, status="open")
        make_clocks(ticket, restore=int((T0 + left - opened).total_seconds()), first_response=60)
        sla.meet(
            ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=opened + MINUTE, reason="reply"
        )
        return ticket

    return _due_in


def refs(caller: Caller, **query: str) -> set[str]:
    answer = caller.get("tickets/", query)
    assert answer.status_code == 200, answer.content
    return {row["ref"] for row in answer.json()["results"]}


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_a_ticket_says_when_its_next_running_clock_is_due(
    api: Caller, desk: Persona, terminal: Terminal, due_in: Make
):
    ticket = make_ticket(terminal, opened_at=T0, status="open")
    clocks = make_clocks(ticket, first_response=600, restore=7200)
    first, second = clocks["first_response"].due_at, clocks["restore"].due_at
    assert first
    assert second

    def due_at() -> str | None:
        return api.get(f"tickets/{ticket.ref}/").json()["due_at"]

    assert due_at() == text(first)
    sla.meet(ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=T0 + MINUTE, reason="reply")
    assert due_at() == text(second)
    assert desk.seat
    actions.resolve(actor_of(desk.seat), ticket_id=ticket.pk, now=T0 + 2 * MINUTE, **GOOD)
    assert due_at() is None
    assert due_in(HOUR).ref in refs(api)
    listed = {row["ref"]: row["due_at"] for row in api.get("tickets/").json()["results"]}
    assert listed.pop(ticket.ref) is None
    assert list(listed.values()) == [text(T0 + HOUR)]


def test_due_before_takes_unfinished_ones_overdue_ones_too(
    api: Caller, desk: Persona, due_in: Make, terminal: Terminal
):
    over, soon, later = due_in(-HOUR), due_in(HOUR), due_in(5 * HOUR)
    make_ticket(terminal)  # nothing is promised
    done = due_in(HOUR)
    assert desk.seat
    actions.resolve(actor_of(desk.seat), ticket_id=done.pk, now=T0, **GOOD)
    assert refs(api, due_before=text(T0)) == {over.ref}
    assert refs(api, due_before=text(T0 + HOUR)) == {over.ref}
    assert refs(api, due_before=text(T0 + HOUR + timedelta(seconds=1))) == {over.ref, soon.ref}
    zoned = (T0 + 6 * HOUR).isoformat()
    assert refs(api, due_before=zoned) == {over.ref, soon.ref, later.ref}
    assert refs(api, due_before=zoned, status="resolved") == set()


@pytest.mark.parametrize(
    ("due", "names"),
    [
        ("breached", {"over", "stopped"}),
        ("hour", {"soon"}),
        ("four_hours", {"soon", "noon"}),
        ("today", {"soon", "noon", "evening"}),
    ],
)
def test_due_is_the_inboxs_filter(
    due: str, names: set[str], api: Caller, desk: Persona, due_in: Make
):
    spans = {"over": -HOUR, "soon": HOUR, "noon": 3 * HOUR, "evening": 13 * HOUR}
    made = {name: due_in(left) for name, left in spans.items()}
    made["tomorrow"] = due_in(15 * HOUR)
    made["stopped"] = due_in(-MINUTE)
    assert desk.seat
    actions.wait(actor_of(desk.seat), ticket_id=made["stopped"].pk, wait_for="merchant", now=T0)
    assert refs(api, due=due) == {made[name].ref for name in names}
    assert refs(api, due=due) == {
        ticket.ref
        for ticket in made.values()
        if ticket.ref in desk.client.get("/desk/q/all/", {"due": due}).content.decode()
    }


def test_breached_and_missed_find_broken_promises_of_finished_tickets_too(
    api: Caller, desk: Persona, terminal: Terminal, due_in: Make
):
    kept, over, fixed_late = due_in(HOUR), due_in(-HOUR), due_in(-HOUR)
    assert desk.seat
    actions.resolve(actor_of(desk.seat), ticket_id=fixed_late.pk, now=T0, **GOOD)
    unanswered = make_ticket(terminal, opened_at=T0 - HOUR)
    make_clocks(unanswered, first_response=60, restore=7200)
    nothing = make_ticket(terminal)
    broken = {over.ref, fixed_late.ref, unanswered.ref}
    assert refs(api, breached="true") == broken
    assert refs(api, breached="false") == {kept.ref, nothing.ref}
    assert refs(api, breached="true", status="open") == {over.ref}
    assert refs(api, missed="restore") == {over.ref, fixed_late.ref}
    assert refs(api, missed="first_response") == {unanswered.ref}


def test_merchants_filter_their_own_tickets(merchant: Persona, provider, due_in: Make):
    mine = due_in(-HOUR)
    foreign = due_in(-HOUR, make_terminal(make_store(provider)))
    caller = by_session(merchant)
    asked = {"due_before": text(T0), "breached": "true", "due": "breached", "missed": "restore"}
    for name, value in asked.items():
        assert refs(caller, **{name: value}) == {mine.ref}, name
    assert refs(caller, due="today") == refs(caller, breached="false") == set()
    assert foreign.ref not in refs(caller)


def test_a_merchants_day_is_the_providers(merchant: Persona, due_in: Make):
    evening, _tomorrow = due_in(13 * HOUR), due_in(15 * HOUR)  # 23:00 and 01:00 in Shanghai
    assert refs(by_session(merchant), due="today") == {evening.ref}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("due_before", "soon"), ("due_before", "2026-02-30T00:00:00Z"),
        ("due_before", "0001-01-01T00:00:00+14:00"),
        ("due_before", "9999-12-31T23:59:59-14:00"), ("breached", "perhaps"), ("due", "tomorrow"),
        ("missed", "repair"), ("overdue", "true"),
    ],
)  # fmt: skip
def test_an_unknown_value_is_refused(name: str, value: str, api: Caller):
    assert list(refusal(api.get("tickets/", {name: value}), 422, "invalid")["fields"]) == [name]


def test_filters_cost_the_same_for_3_and_for_12_tickets(api: Caller, due_in: Make):
    query = {"due_before": text(T0 + 9 * HOUR), "breached": "false", "due": "today"}

    def cost() -> int:
        api.get("tickets/", query)
        with CaptureQueriesContext(connection) as queries:
            assert len(refs(api, **query)) == Ticket.objects.count()
        return len(queries) - 1

    for _ in range(3):
        due_in(HOUR)
    few = cost()
    for _ in range(9):
        due_in(HOUR)
    assert cost() == few
