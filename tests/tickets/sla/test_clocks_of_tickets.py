"""What deeds on tickets do to their clocks, through the deeds themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.models import Provider
from terminals.models import Terminal
from tests.builders import T0, actor_of, make_clocks, make_run, make_terminal, make_ticket
from tests.conftest import Persona
from tickets import actions
from tickets.models import Ticket
from tickets.sla.actions import edit_calendar, replan_stale
from tickets.sla.defaults import default_policy
from tickets.sla.models import Alert, Calendar, CalendarDay, Clock, Segment
from tickets.sla.tick import tick

GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}
HOUR = timedelta(hours=1)


@pytest.fixture
def actor(desk: Persona) -> Actor:
    assert desk.seat
    return actor_of(desk.seat)


@pytest.fixture
def ticket(terminal: Terminal) -> Ticket:
    """Urgent, 10 minutes to answer and 4 hours to restore, round the clock."""
    return make_ticket(terminal, status="open", priority="urgent", opened_at=T0)


def clock_of(ticket: Ticket, promise: str = "restore") -> Clock:
    return ticket.clocks.get(promise=promise)


def test_a_report_carries_the_promises_of_its_priority(terminal: Terminal):
    run = make_run(terminal)
    ticket = actions.report(
        reporter(provider_id=terminal.provider_id, run_id=run.pk),
        run_id=run.pk,
        contact_phone="13800005521",
        impact="all",
        now=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),  # 20:00 in Shanghai, an hour before closing
    )
    due = dict(ticket.clocks.values_list("promise", "due_at"))
    assert due == {
        "first_response": datetime(2026, 11, 20, 12, 10, tzinfo=UTC),
        "restore": datetime(2026, 11, 21, 4, 0, tzinfo=UTC),  # 1 h today, 3 h from 9:00 on
    }


def test_the_first_reply_meets_the_first_response_and_no_later_one_does(
    actor: Actor, ticket: Ticket
):
    make_clocks(ticket)
    actions.reply(
        actor, ticket_id=ticket.pk, body="先连店里的 Wi-Fi", now=T0 + timedelta(minutes=6)
    )
    actions.reply(actor, ticket_id=ticket.pk, body="好了吗", now=T0 + HOUR)
    first = clock_of(ticket, "first_response")
    assert (first.state, first.met_at) == ("met", T0 + timedelta(minutes=6))
    assert first.breached_at is None
    assert clock_of(ticket).state == "running"


def test_a_note_meets_nothing(actor: Actor, ticket: Ticket):
    make_clocks(ticket)
    actions.note(actor, ticket_id=ticket.pk, body="已联系银行", now=T0 + timedelta(minutes=2))
    assert clock_of(ticket, "first_response").state == "running"


def test_waiting_for_the_merchant_stops_the_restore_clock_until_he_answers(
    actor: Actor, ticket: Ticket
):
    make_clocks(ticket)
    actions.wait(actor, ticket_id=ticket.pk, wait_for="merchant", now=T0 + HOUR)
    assert clock_of(ticket).state == "paused"
    assert clock_of(ticket, "first_response").state == "running"
    merchant = reporter(provider_id=ticket.provider_id, ticket_id=ticket.pk)
    actions.add_words(merchant, ticket_id=ticket.pk, body="重启过了", now=T0 + 5 * HOUR)
    clock = clock_of(ticket)
    assert (clock.state, clock.due_at) == ("running", T0 + 8 * HOUR)
    ledger = list(clock.segments.order_by("pk").values_list("kind", "from_at", "to_at"))
    assert ledger == [("run", T0, T0 + HOUR), ("pause", T0 + HOUR, T0 + 5 * HOUR)]


@pytest.mark.parametrize(("pauses", "state"), [(False, "running"), (True, "paused")])
def test_waiting_for_a_vendor_stops_it_where_the_policy_says_so(
    actor: Actor, ticket: Ticket, pauses: bool, state: str
):
    make_clocks(ticket)
    policy = default_policy(ticket.provider_id)
    policy.pauses_for_vendor = pauses
    policy.save()
    actions.wait(actor, ticket_id=ticket.pk, wait_for="maker", now=T0 + HOUR)
    assert clock_of(ticket).state == state


def test_resolving_meets_both_and_reopening_lets_only_the_restore_clock_run(
    actor: Actor, ticket: Ticket
):
    make_clocks(ticket)
    actions.resolve(actor, ticket_id=ticket.pk, now=T0 + timedelta(minutes=8), **GOOD)
    assert set(ticket.clocks.values_list("state", flat=True)) == {"met"}
    actions.reopen(actor, ticket_id=ticket.pk, now=T0 + 10 * HOUR)
    assert clock_of(ticket, "first_response").state == "met"
    clock = clock_of(ticket)
    assert clock.state == "running"
    assert clock.due_at == T0 + 14 * HOUR - timedelta(minutes=8)


def test_a_new_priority_is_a_new_promise(actor: Actor, ticket: Ticket):
    make_clocks(ticket)
    actions.set_priority(
        actor, ticket_id=ticket.pk, priority="high", reason="只坏一台", now=T0 + HOUR
    )
    clock = clock_of(ticket)
    assert (clock.epoch, clock.due_at) == (2, T0 + 8 * HOUR)
    # The answer was due after ten minutes: that stays broken.
    assert clock_of(ticket, "first_response").breached_at == T0 + timedelta(minutes=10)


def test_cancelling_and_merging_void_the_promises(actor: Actor, ticket: Ticket, terminal: Terminal):
    make_clocks(ticket)
    other = make_ticket(terminal, status="open", priority="urgent", opened_at=T0)
    make_clocks(other)
    actions.merge_into(actor, ticket_id=ticket.pk, target_ref=other.ref, now=T0 + HOUR)
    actions.cancel(actor, ticket_id=other.pk, reason="已恢复", now=T0 + HOUR)
    assert set(Clock.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Clock.objects.filter(next_fire_at__isnull=False).exists()


def test_an_event_before_the_tick_still_raises_what_lay_before_it(actor: Actor, ticket: Ticket):
    make_clocks(ticket)
    actions.wait(actor, ticket_id=ticket.pk, wait_for="merchant", now=T0 + 3.5 * HOUR)
    assert list(
        Alert.objects.filter(clock__promise="restore")
        .order_by("step")
        .values_list("percent", "state")
    ) == [(50, "suppressed"), (75, "pending")]
    tick(T0 + 9 * HOUR)
    assert Alert.objects.filter(clock__promise="restore").count() == 2


def test_an_alert_nobody_was_told_of_is_cancelled_with_the_promise(actor: Actor, ticket: Ticket):
    make_clocks(ticket)
    tick(T0 + timedelta(minutes=9, seconds=30))
    actions.reply(
        actor, ticket_id=ticket.pk, body="在看", now=T0 + timedelta(minutes=9, seconds=50)
    )
    states = Alert.objects.filter(clock__promise="first_response").values_list("percent", "state")
    assert dict(states) == {50: "suppressed", 75: "suppressed", 90: "cancelled"}


def test_a_reply_from_before_the_due_time_clears_what_the_tick_noted(actor: Actor, ticket: Ticket):
    make_clocks(ticket)
    tick(T0 + timedelta(minutes=10, seconds=1))
    assert clock_of(ticket, "first_response").breached_at
    actions.reply(actor, ticket_id=ticket.pk, body="在看", now=T0 + timedelta(minutes=10))
    first = clock_of(ticket, "first_response")
    assert (first.state, first.breached_at) == ("met", None)
    assert first.segments.filter(kind=Segment.Kind.CLEARED).count() == 1


def test_a_report_is_filed_even_under_a_calendar_that_never_opens(terminal: Terminal):
    policy = default_policy(terminal.provider_id)
    for target in policy.targets.select_related("calendar"):
        edit_calendar(target.calendar_id, _without_hours)
    run = make_run(terminal)
    ticket = actions.report(
        reporter(provider_id=terminal.provider_id, run_id=run.pk),
        run_id=run.pk,
        contact_phone="13800005521",
        impact="all",
        now=T0,
    )
    assert set(ticket.clocks.values_list("due_at", flat=True)) == {None}


def _without_hours(calendar: Calendar) -> datetime:
    calendar.hours.all().delete()
    return T0


def _closed_tomorrow(calendar: Calendar) -> datetime:
    CalendarDay.objects.create(calendar=calendar, date=(T0 + 24 * HOUR).date(), kind="closed")
    return T0 + 24 * HOUR


def test_an_edited_calendar_moves_the_plans_it_touches_and_fires_no_old_one(ticket: Ticket):
    clocks = make_clocks(ticket, restore=20 * 3600)
    calendar = clocks["restore"].calendar
    edit_calendar(calendar.pk, _closed_tomorrow)
    late = T0 + 30 * HOUR
    assert tick(late).claimed == 0, "plans of the old version wait"
    assert replan_stale(late) == 2
    assert clock_of(ticket).due_at == T0 + 44 * HOUR  # 14 h today, 24 h closed, 6 h
    assert clock_of(ticket, "first_response").due_at == T0 + timedelta(minutes=10)
    assert tick(late).claimed == 2
    assert replan_stale(late) == 0
    calendar.refresh_from_db()
    assert calendar.changed_from is None


def test_an_edit_back_restores_every_due_time(ticket: Ticket):
    clocks = make_clocks(ticket, restore=20 * 3600)
    edit_calendar(clocks["restore"].calendar_id, _closed_tomorrow)
    replan_stale(T0)

    def reopened(calendar: Calendar) -> datetime:
        calendar.days.all().delete()
        return T0

    edit_calendar(clocks["restore"].calendar_id, reopened)
    replan_stale(T0)
    assert clock_of(ticket).due_at == clocks["restore"].due_at


def test_a_deed_on_a_ticket_whose_plan_is_old_plans_it_first(actor: Actor, ticket: Ticket):
    clocks = make_clocks(ticket, restore=20 * 3600)
    edit_calendar(clocks["restore"].calendar_id, _closed_tomorrow)
    actions.wait(actor, ticket_id=ticket.pk, wait_for="merchant", now=T0 + 22 * HOUR)
    clock = clock_of(ticket)
    assert (clock.state, clock.breached_at) == ("paused", None)
    assert clock.consumed_seconds == 14 * 3600


def test_the_database_refuses_a_clock_on_a_foreign_ticket(ticket: Ticket, provider: Provider):
    clock = make_clocks(ticket)["restore"]
    foreign = make_terminal()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError), transaction.atomic():
        Clock.objects.filter(pk=clock.pk).update(provider=foreign.provider)
