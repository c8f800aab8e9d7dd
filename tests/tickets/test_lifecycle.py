"""The states of a ticket: every move from every status, and the promises between them."""

from datetime import timedelta

import pytest

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import IllegalMoveError
from tests.builders import T0, actor_of, make_seat, make_ticket
from tests.conftest import Persona
from tickets import actions
from tickets.lifecycle import (
    CLOSE_AFTER_SILENCE,
    ENDED,
    MERCHANT_WORDS,
    SOURCES,
    WORKING,
    Move,
    Priority,
    TicketStatus,
    can,
    first_priority,
)
from tickets.models import Ticket

S = TicketStatus
# Written out by hand from the decisions, apart from the table in the code.
ALLOWED = {
    Move.OPEN: {S.NEW},
    Move.WAIT: {S.OPEN},
    Move.RESUME: {S.WAIT_MERCHANT, S.WAIT_VENDOR},
    Move.DISPATCH: {S.OPEN},
    Move.ARRIVE: {S.DISPATCHED},
    Move.LEAVE: {S.DISPATCHED, S.ON_SITE},
    Move.RESOLVE: {S.OPEN, S.WAIT_MERCHANT, S.WAIT_VENDOR, S.ON_SITE},
    Move.CONFIRM: {S.RESOLVED},
    Move.AUTOCLOSE: {S.RESOLVED},
    Move.REOPEN: {S.RESOLVED, S.CLOSED},
    Move.CANCEL: {S.NEW, S.OPEN, S.WAIT_MERCHANT, S.WAIT_VENDOR},
    Move.MERGE: {S.NEW, S.OPEN, S.WAIT_MERCHANT, S.WAIT_VENDOR, S.DISPATCHED, S.ON_SITE},
}
AFTER = {
    "take": S.OPEN,
    "wait": S.WAIT_VENDOR,
    "resume": S.OPEN,
    "dispatch": S.DISPATCHED,
    "arrive": S.ON_SITE,
    "leave": S.OPEN,
    "resolve": S.RESOLVED,
    "reopen": S.OPEN,
    "cancel": S.CANCELLED,
    "merge": S.MERGED,
}
MOVE_OF = {"take": Move.OPEN, **{move.value: move for move in Move}}


def test_the_table_is_the_decided_one():
    assert {move: set(sources) for move, sources in SOURCES.items()} == ALLOWED
    assert set(SOURCES) == set(Move)


def test_statuses_are_either_working_or_ended_and_all_have_words_for_merchants():
    assert set(TicketStatus) == WORKING | ENDED
    assert not WORKING & ENDED
    assert set(MERCHANT_WORDS) == set(TicketStatus)


@pytest.mark.parametrize("status", TicketStatus.values)
@pytest.mark.parametrize("name", sorted(AFTER))
def test_every_move_from_every_status_by_the_page(name: str, status: str, desk: Persona, terminal):
    owner = None if status == S.NEW else desk.user  # a new ticket with an owner is open
    ticket = make_ticket(terminal, status=status, assignee=owner)
    answer = desk.client.post(f"/desk/t/{ticket.ref}/{name}", _form_of(name, ticket))
    ticket.refresh_from_db()
    if can(MOVE_OF[name], status):
        assert answer.status_code == 303
        assert ticket.status == AFTER[name]
    else:
        assert answer.status_code == 409
        assert ticket.status == status
        assert ticket.ref in answer.content.decode()
        assert not ticket.events.exists()


def _form_of(name: str, ticket: Ticket) -> dict[str, str]:
    """A form that is good in itself."""
    if name == "dispatch":
        return {"engineer": make_seat(ticket.provider, "field").user.ref}
    if name == "merge":
        return {"into": make_ticket(ticket.terminal).ref}
    return {
        "wait": {"wait_for": "maker"},
        "leave": {"reason": "没人开门"},
        "cancel": {"reason": "报重了"},
        "resolve": {
            "cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in",
            "note": "重新签到后恢复",
        },
    }.get(name, {})  # fmt: skip


@pytest.mark.parametrize("status", TicketStatus.values)
def test_merchant_confirms_only_what_is_resolved(status: str, merchant: Persona, terminal):
    ticket = make_ticket(terminal, status=status)
    actor = _merchant_actor(merchant)
    if status in {S.RESOLVED, S.CLOSED}:  # closed: a second tap
        assert actions.confirm(actor, ticket_id=ticket.pk, now=T0).status == S.CLOSED
    else:
        with pytest.raises(IllegalMoveError):
            actions.confirm(actor, ticket_id=ticket.pk, now=T0)


@pytest.mark.parametrize("status", TicketStatus.values)
def test_a_merchants_word_reopens_what_waits_for_it_or_is_resolved(
    status: str, merchant: Persona, terminal
):
    ticket = make_ticket(terminal, status=status)
    actor = _merchant_actor(merchant)
    if status in {S.CLOSED, S.CANCELLED, S.MERGED}:
        with pytest.raises(IllegalMoveError):
            actions.add_words(actor, ticket_id=ticket.pk, body="还是不行", now=T0)
        return
    actions.add_words(actor, ticket_id=ticket.pk, body="还是不行", now=T0)
    ticket.refresh_from_db()
    assert ticket.status == (S.OPEN if status in {S.WAIT_MERCHANT, S.RESOLVED} else status)
    assert ticket.attention_at == T0
    assert ticket.last_words == "还是不行"


def test_silence_of_72_hours_closes_and_a_second_less_does_not(terminal):
    early = make_ticket(terminal, status="resolved", resolved_at=T0 + timedelta(seconds=1))
    silent = make_ticket(terminal, status="resolved", resolved_at=T0)
    actions.sweep(T0 + CLOSE_AFTER_SILENCE)
    early.refresh_from_db()
    silent.refresh_from_db()
    assert (early.status, silent.status) == (S.RESOLVED, S.CLOSED)
    assert silent.closed_at == T0 + CLOSE_AFTER_SILENCE
    assert [event.kind for event in silent.events.all()] == ["ticket.closed"]
    actions.sweep(T0 + CLOSE_AFTER_SILENCE)
    assert silent.events.count() == 1


@pytest.mark.parametrize(
    ("days", "same"), [(0, True), (30, True), (31, False)], ids=["at once", "30 days", "31 days"]
)
def test_reopen_within_30_days_goes_on_and_later_begins_a_linked_ticket(
    days: int, same: bool, desk: Persona, terminal
):
    ticket = make_ticket(terminal, status="closed", closed_at=T0)
    assert desk.seat
    now = T0 + timedelta(days=days)
    result = actions.reopen(actor_of(desk.seat), ticket_id=ticket.pk, now=now)
    ticket.refresh_from_db()
    assert (result.pk == ticket.pk) is same
    if same:
        assert ticket.status == S.OPEN
        assert ticket.cause == ""
        assert ticket.resolved_at is None
        assert ticket.reopened_count == 1
    else:
        assert ticket.status == S.CLOSED
        assert result.previous_id == ticket.pk
        assert result.status == S.NEW
        assert result.terminal_id == ticket.terminal_id
        again = actions.reopen(actor_of(desk.seat), ticket_id=ticket.pk, now=now)
        assert again.pk == result.pk


@pytest.mark.parametrize(
    ("impact", "down", "there", "security", "priority"),
    [
        ("all", 1, 1, False, Priority.URGENT),
        ("all", 1, 2, False, Priority.HIGH),
        ("all", 2, 2, False, Priority.URGENT),
        ("some", 1, 1, False, Priority.NORMAL),
        ("none", 1, 1, False, Priority.LOW),
        ("none", 1, 3, True, Priority.URGENT),
    ],
)
def test_first_priority(impact: str, down: int, there: int, security: bool, priority: str):
    found = first_priority(
        impact, terminals_down=down, terminals_at_store=there, is_security=security
    )
    assert found == priority


def _merchant_actor(merchant: Persona) -> Actor:
    assert merchant.user
    return Actor(role=Role.MERCHANT, user_id=merchant.user.pk, name=merchant.user.name)
