"""Deeds on tickets: state and event together, repeats, races, who may."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction

from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import IllegalMoveError, NotAllowedError
from tests.builders import (
    T0,
    actor_of,
    make_message,
    make_run,
    make_seat,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets import actions
from tickets.lifecycle import TicketStatus
from tickets.models import Message, Ticket, TicketEvent

NOW = T0 + timedelta(hours=1)
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


@pytest.fixture
def actor(desk: Persona) -> Actor:
    assert desk.seat
    return actor_of(desk.seat)


def kinds(ticket: Ticket) -> list[str]:
    return list(ticket.events.order_by("pk").values_list("kind", flat=True))


def test_first_reply_takes_a_new_ticket_up_and_is_kept_as_the_first(actor: Actor, terminal):
    ticket = make_ticket(terminal, attention_at=T0)
    actions.reply(actor, ticket_id=ticket.pk, body="先连店里的 Wi-Fi", now=NOW)
    actions.reply(actor, ticket_id=ticket.pk, body="好了吗", now=NOW + timedelta(minutes=5))
    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.OPEN
    assert ticket.first_reply_at == NOW
    assert ticket.attention_at is None
    assert ticket.last_words == "好了吗"
    assert kinds(ticket) == ["ticket.opened", "ticket.replied", "ticket.replied"]


def test_reply_can_wait_for_the_merchant_in_the_same_step(actor: Actor, terminal):
    ticket = make_ticket(terminal, status="open")
    actions.reply(actor, ticket_id=ticket.pk, body="请按一次签到", now=NOW, then="wait")
    ticket.refresh_from_db()
    assert (ticket.status, ticket.wait_for) == (TicketStatus.WAIT_MERCHANT, "merchant")
    assert kinds(ticket) == ["ticket.waiting", "ticket.replied"]


@pytest.mark.parametrize("say", [actions.reply, actions.note])
def test_the_same_words_twice_in_a_row_are_one_message(
    say: Callable[..., Message], actor, terminal
):
    ticket = make_ticket(terminal, status="open")
    first = say(actor, ticket_id=ticket.pk, body="请按一次签到", now=NOW)
    again = say(actor, ticket_id=ticket.pk, body=" 请按一次签到 ", now=NOW + timedelta(seconds=2))
    assert again.pk == first.pk
    assert ticket.messages.count() == ticket.events.count() == 1
    say(actor, ticket_id=ticket.pk, body="请按一次签到", now=NOW + timedelta(minutes=2))
    assert ticket.messages.count() == 2


def test_a_message_needs_words_or_files(actor: Actor, terminal):
    ticket = make_ticket(terminal, status="open")
    with pytest.raises(actions.NothingToSayError):
        actions.reply(actor, ticket_id=ticket.pk, body="  ", now=NOW)
    assert not ticket.events.exists()


@pytest.mark.parametrize("status", ["resolved", "closed", "cancelled", "merged"])
def test_an_ended_ticket_takes_notes_but_no_reply(status: str, actor: Actor, terminal):
    ticket = make_ticket(terminal, status=status)
    with pytest.raises(IllegalMoveError):
        actions.reply(actor, ticket_id=ticket.pk, body="您好", now=NOW)
    actions.note(actor, ticket_id=ticket.pk, body="备件已退回", now=NOW)
    assert kinds(ticket) == ["ticket.noted"]


def test_card_numbers_are_masked_in_words_and_reasons(actor: Actor, terminal):
    ticket = make_ticket(terminal, status="open")
    message = actions.note(actor, ticket_id=ticket.pk, body="卡 4111111111111111 刷不了", now=NOW)
    actions.cancel(actor, ticket_id=ticket.pk, reason="卡 4111111111111111", now=NOW)
    message.refresh_from_db()
    event = ticket.events.get(kind="ticket.cancelled")
    assert "4111111111111111" not in message.body + str(event.data)
    assert "411111******1111" in message.body


DEEDS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "wait": ("open", {"wait_for": "maker"}, "ticket.waiting", {"wait_for": "maker"}),
    "resume": ("wait_vendor", {}, "ticket.resumed", {}),
    "arrive": ("dispatched", {}, "ticket.arrived", {}),
    "leave": ("on_site", {"reason": "没人"}, "ticket.left", {"reason": "没人"}),
    "resolve": ("open", GOOD, "ticket.resolved", GOOD),
    "reopen": ("resolved", {}, "ticket.reopened", {"cause": "other", "fixed_by": "desk"}),
    "cancel": ("new", {"reason": "报重了"}, "ticket.cancelled", {"reason": "报重了"}),
}


@pytest.mark.parametrize("name", DEEDS)
def test_every_deed_leaves_one_event_with_actor_and_time(name: str, actor: Actor, terminal):
    status, arguments, kind, data = DEEDS[name]
    ticket = make_ticket(terminal, status=status)
    getattr(actions, name)(actor, ticket_id=ticket.pk, now=NOW, **arguments)
    event = ticket.events.get()
    assert (event.kind, event.actor_user_id, event.occurred_at) == (kind, actor.user_id, NOW)
    assert data.items() <= event.data.items()
    assert event.dispatched_at is None


def test_assigning_opens_a_new_ticket_and_names_person_and_team(actor: Actor, provider, terminal):
    ticket = make_ticket(terminal)
    seat, team = make_seat(provider), make_team(provider)
    arguments = {"ticket_id": ticket.pk, "user_id": seat.user_id, "team_id": team.pk, "now": NOW}
    actions.assign(actor, **arguments)
    actions.assign(actor, **arguments)  # a second tap
    ticket.refresh_from_db()
    assert (ticket.assignee_id, ticket.team_id, ticket.status) == (seat.user_id, team.pk, "open")
    assert kinds(ticket) == ["ticket.assigned", "ticket.opened"]
    assert ticket.events.first().data["user_name"] == seat.user.name


def test_nobody_of_another_provider_can_own_a_ticket(actor, other_provider, terminal):
    ticket = make_ticket(terminal)
    stranger, team = make_seat(other_provider), make_team(other_provider)
    with pytest.raises(actions.UnknownPersonError):
        actions.assign(actor, ticket_id=ticket.pk, user_id=stranger.user_id, now=NOW)
    with pytest.raises(actions.UnknownPersonError):
        actions.assign(actor, ticket_id=ticket.pk, team_id=team.pk, now=NOW)
    with pytest.raises(actions.UnknownPersonError):
        actions.dispatch(
            actor,
            ticket_id=make_ticket(terminal, status="open").pk,
            engineer_id=actor.user_id,
            now=NOW,
        )


def test_dispatch_gives_the_job_to_the_engineer_who_then_sees_it(actor, field: Persona, terminal):
    ticket = make_ticket(terminal, status="open", attention_at=T0)
    assert field.seat
    engineer = actor_of(field.seat)
    assert not Ticket.objects.visible_to(engineer).exists()
    actions.dispatch(actor, ticket_id=ticket.pk, engineer_id=field.seat.user_id, now=NOW)
    assert Ticket.objects.visible_to(engineer).get().status == TicketStatus.DISPATCHED
    ticket.refresh_from_db()
    assert ticket.attention_at is None


def test_priority_changes_with_a_reason_and_not_after_the_end(actor: Actor, terminal):
    ticket = make_ticket(terminal, status="open")
    change = {"ticket_id": ticket.pk, "priority": "urgent", "reason": "店里只有一台", "now": NOW}
    actions.set_priority(actor, **change)
    actions.set_priority(actor, **change)
    event = ticket.events.get()
    assert event.data == {"before": "normal", "after": "urgent", "reason": "店里只有一台"}
    ended = make_ticket(terminal, status="closed")
    with pytest.raises(IllegalMoveError):
        actions.set_priority(actor, **{**change, "ticket_id": ended.pk})


def test_reminder_comes_once_and_asks_for_attention(actor: Actor, terminal):
    ticket = make_ticket(terminal, status="open")
    at = NOW + timedelta(hours=1)
    actions.wait(actor, ticket_id=ticket.pk, wait_for="acquirer", remind_at=at, now=NOW)
    actions.sweep(at - timedelta(seconds=1))
    ticket.refresh_from_db()
    assert ticket.attention_at is None
    actions.sweep(at)
    actions.sweep(at)
    ticket.refresh_from_db()
    assert ticket.attention_at == at
    assert kinds(ticket).count("ticket.reminded") == 1


def test_merging_ends_the_double_and_tells_the_other(actor: Actor, terminal):
    double, kept = make_ticket(terminal), make_ticket(terminal, status="open")
    actions.merge_into(actor, ticket_id=double.pk, target_ref=kept.ref.lower(), now=NOW)
    double.refresh_from_db()
    kept.refresh_from_db()
    assert (double.status, double.merged_into_id) == (TicketStatus.MERGED, kept.pk)
    assert kept.attention_at == NOW
    assert kept.events.get().data == {"other": double.ref}
    with pytest.raises(IllegalMoveError):
        actions.merge_into(actor, ticket_id=kept.pk, target_ref=double.ref, now=NOW)
    with pytest.raises(IllegalMoveError):
        actions.merge_into(actor, ticket_id=kept.pk, target_ref=kept.ref, now=NOW)


def test_reveal_is_recorded_with_who_asked(actor: Actor, terminal):
    ticket = make_ticket(terminal, contact_phone="19900005521")
    assert actions.reveal_contact(actor, ticket_id=ticket.pk, now=NOW) == "19900005521"
    event = ticket.events.get()
    assert (event.kind, event.actor_user_id) == ("ticket.contact_revealed", actor.user_id)
    assert "19900005521" not in str(event.data)


def test_a_resolution_without_all_four_answers_cannot_be_stored(actor: Actor, terminal):
    for missing in GOOD:
        ticket = make_ticket(terminal, status="open")
        with pytest.raises(IntegrityError), transaction.atomic():
            actions.resolve(actor, ticket_id=ticket.pk, now=NOW, **{**GOOD, missing: ""})


@pytest.mark.parametrize(
    ("deed", "arguments"),
    [
        ("assign", {}),
        ("wait", {"wait_for": "maker"}),
        ("cancel", {"reason": "x"}),
        ("set_priority", {"priority": "low", "reason": "x"}),
        ("reopen", {}),
    ],
)
def test_a_field_engineer_may_not_do_the_desks_deeds(deed, arguments, field: Persona, terminal):
    ticket = make_ticket(terminal, status="open", assignee=field.user)
    assert field.seat
    with pytest.raises(NotAllowedError):
        getattr(actions, deed)(actor_of(field.seat), ticket_id=ticket.pk, now=NOW, **arguments)


def test_a_reporter_can_cancel_and_confirm_only_its_own_ticket(terminal):
    mine, other = make_ticket(terminal), make_ticket(terminal)
    actor = reporter(provider_id=mine.provider_id, ticket_id=mine.pk)
    with pytest.raises(Ticket.DoesNotExist):
        actions.cancel(actor, ticket_id=other.pk, reason="x", now=NOW)
    assert actions.cancel(actor, ticket_id=mine.pk, reason="好了", now=NOW).status == "cancelled"
    with pytest.raises(NotAllowedError):
        actions.note(actor, ticket_id=mine.pk, body="x", now=NOW)


def test_merchant_never_sees_a_note_or_the_time_line(merchant: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    make_message(ticket, "note", body="欠费未告知")
    shown = make_message(ticket, "reply", body="正在处理")
    TicketEvent.objects.create(
        provider=ticket.provider,
        ticket=ticket,
        kind="ticket.noted",
        actor_role="desk",
        via="web",
        occurred_at=T0,
    )
    assert merchant.user
    shop = Actor(role=Role.MERCHANT, user_id=merchant.user.pk)
    passer_by = reporter(provider_id=ticket.provider_id, ticket_id=ticket.pk)
    for actor in (shop, passer_by):
        assert list(Message.objects.visible_to(actor)) == [shown]
        assert not TicketEvent.objects.visible_to(actor).exists()


# --- Two at the same time ------------------------------------------------------------


def together(*deeds: Callable[[], Any]) -> list[Any]:
    """Runs the deeds at the same moment, each on a connection of its own; results or errors."""
    barrier = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(place: int, deed: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=10)
            results[place] = deed()
        except Exception as error:  # noqa: BLE001 - the test judges it
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_overlapping_sweeps_close_a_silent_ticket_once(terminal):
    ticket = make_ticket(terminal, status="resolved")
    later = T0 + timedelta(hours=72)
    assert together(*[lambda: actions.sweep(later)] * 3) == [None] * 3
    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.CLOSED
    assert kinds(ticket) == ["ticket.closed"]


@pytest.mark.django_db(transaction=True)
def test_two_people_who_take_the_same_ticket_do_not_both_get_it(provider, terminal):
    ticket = make_ticket(terminal)
    actors = [actor_of(make_seat(provider)) for _ in range(2)]
    results = together(
        *[lambda a=a: actions.take_up(a, ticket_id=ticket.pk, now=NOW) for a in actors]
    )
    assert sum(isinstance(result, IllegalMoveError) for result in results) == 1
    assert kinds(ticket) == ["ticket.assigned", "ticket.opened"]


@pytest.mark.django_db(transaction=True)
def test_merging_two_into_each_other_neither_hangs_nor_loops(provider, terminal):
    one, two = make_ticket(terminal), make_ticket(terminal)
    actor = actor_of(make_seat(provider))
    results = together(
        lambda: actions.merge_into(actor, ticket_id=one.pk, target_ref=two.ref, now=NOW),
        lambda: actions.merge_into(actor, ticket_id=two.pk, target_ref=one.ref, now=NOW),
    )
    assert sum(isinstance(result, IllegalMoveError) for result in results) == 1
    statuses = {Ticket.objects.get(pk=pk).status for pk in (one.pk, two.pk)}
    assert statuses == {TicketStatus.NEW, TicketStatus.MERGED}


@pytest.mark.django_db(transaction=True)
def test_two_taps_on_file_give_one_ticket(provider, terminal):
    run = make_run(terminal)
    actor = actor_of(make_seat(provider))
    results = together(
        *[
            lambda: (
                actions.report(
                    actor, run_id=run.pk, contact_phone="19900005521", impact="all", now=NOW
                ).pk
            )
        ]
        * 2
    )
    assert results[0] == results[1]
    assert Ticket.objects.filter(run=run).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_taps_on_send_give_one_message(provider, terminal):
    ticket = make_ticket(terminal, status="open")
    actor = actor_of(make_seat(provider))
    results = together(
        *[lambda: actions.reply(actor, ticket_id=ticket.pk, body="请签到", now=NOW, then="wait").pk]
        * 2
    )
    assert results[0] == results[1]
    assert ticket.messages.count() == 1


def test_a_report_by_phone_carries_its_source_and_the_shops_priority(actor: Actor, terminal):
    make_terminal(terminal.store)
    run = make_run(terminal)
    filed = actions.report(
        actor, run_id=run.pk, contact_phone="19900005521", impact="all", source="phone", now=NOW
    )
    assert (filed.source, filed.priority, filed.attention_at) == ("phone", "high", NOW)
    assert kinds(filed) == ["ticket.reported"]
