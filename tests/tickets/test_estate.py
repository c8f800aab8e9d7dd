"""The demo estate: whole, the same for the same seed, and never in the way of real data."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Q

from diagnostics.actions import step_after
from diagnostics.engine import Ask, Outcome
from diagnostics.models import DiagnosisRun, FlowVersion
from merchants import hours
from merchants.models import Contact, Merchant, Store
from posdoctor.accounts.models import Provider, Seat, User
from posdoctor.core.fields import FreeCharField, FreeTextField
from posdoctor.core.scrub import scrub
from posdoctor.notifications.models import Delivery
from terminals.models import Terminal, TerminalEvent
from tests.builders import make_provider
from tickets.estate import phrases
from tickets.estate.bulk import without_keys
from tickets.estate.history import SELF_SOLVED
from tickets.estate.loader import load
from tickets.estate.people import DEMO_PASSWORD, PLACES, Plan
from tickets.estate.rows import CardDataError, words
from tickets.estate.seeded import Codes, spread
from tickets.events import EventKind
from tickets.lifecycle import WORKING, Move, TicketStatus
from tickets.models import Attachment, Message, Ticket, TicketEvent
from tickets.sla import actions as sla
from tickets.sla import audit, calendars
from tickets.sla.models import (
    COLUMNS,
    Alert,
    Calendar,
    Clock,
    ClockState,
    Policy,
    Promise,
    Segment,
)
from tickets.sla.tick import tick

UNTIL = "2026-11-21"
SMALL = ["--merchants=14", "--terminals=30", "--tickets=120", "--seed=5", f"--until={UNTIL}"]
PLAN = Plan(providers=2, merchants=14, terminals=30, tickets=120, seed=5, until=1_795_190_400)
NOW = datetime.fromtimestamp(PLAN.until, UTC)
FILLED = [
    User, Provider, Seat, Merchant, Store, Contact, Terminal, TerminalEvent, DiagnosisRun,
    Ticket, TicketEvent, Message, Attachment, Calendar, Policy, Clock, Segment, Alert, Delivery,
]  # fmt: skip


def load_small(*more: str) -> str:
    """Loads the small estate and checks every deferred key; returns the progress lines."""
    progress = io.StringIO()
    call_command("load_estate", *SMALL, *more, stderr=progress)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return progress.getvalue()


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "TRUNCATE accounts_provider, accounts_user, terminals_terminal RESTART IDENTITY CASCADE"
        )
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    # Flows may be a provider's: the shipped ones went with all the others.
    call_command("load_reference", verbosity=0)
    calendars._compiled.cache_clear()  # by ids, which begin anew too


def digest() -> str:
    """A hash over every column of every row that the load writes."""
    found = hashlib.sha256()
    for table in [model._meta.db_table for model in FILLED] + [
        "diagnostics_diagnosisstep", "merchants_membership", "accounts_seat_teams",
        "accounts_team", "terminals_terminalnumber", "tickets_calendarhours", "tickets_target",
    ]:  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY id")  # noqa: S608
            for (row,) in cursor.fetchall():
                found.update(row.encode())
    return found.hexdigest()


@contextmanager
def raises_at_the_end(kind: type[Exception]) -> Iterator[None]:
    with pytest.raises(kind), transaction.atomic():
        yield


def test_a_load_is_whole_and_has_the_size_that_was_asked_for(db: None):
    progress = load_small()

    assert Provider.objects.count() == 2
    assert Merchant.objects.count() == 14
    assert Terminal.objects.count() == 30
    assert Ticket.objects.count() == 120
    assert "120 of 120 tickets" in progress
    seats = Seat.objects.values("provider").annotate(
        desk=Count("id", filter=Q(role="desk")),
        field=Count("id", filter=Q(role="field")),
        leads=Count("id", filter=Q(role__in=["supervisor", "administrator"])),
    )
    assert [(s["desk"], s["field"], s["leads"]) for s in seats] == [(4, 2, 2), (4, 2, 2)]
    assert User.objects.filter(is_operator=True).count() == 1
    assert set(Ticket.objects.values_list("language", flat=True)) == {"zh-hans", "en"}
    assert Attachment.objects.filter(content_type="image/jpeg").exists()


def test_the_tickets_stand_in_every_state_and_most_are_done(db: None):
    load_small()

    assert set(Ticket.objects.values_list("status", flat=True)) >= set(WORKING) | {
        TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.CANCELLED,
    }  # fmt: skip
    open_ones = Ticket.objects.working().count()
    assert 20 <= open_ones <= 40
    assert Ticket.objects.filter(status="new", attention_at__isnull=True).count() == 0
    assert Ticket.objects.working().filter(priority="urgent").exists()
    stopped = Terminal.objects.filter(state="stopped")
    assert stopped.exists()
    for terminal in stopped:
        assert terminal.tickets.working().filter(is_security=True, run__state="stop_use").exists()
        newest = terminal.events.latest("occurred_at")
        assert newest.kind == "stopped"


def test_nothing_happens_after_until_and_nothing_waits_to_be_sent(db: None):
    load_small()

    newest = Ticket.objects.order_by("-last_activity_at").first()
    assert newest is not None
    until = PLAN.until
    assert newest.last_activity_at.timestamp() <= until
    assert max(e.occurred_at for e in TicketEvent.objects.all()).timestamp() <= until
    assert not TicketEvent.objects.filter(dispatched_at__isnull=True).exists()
    assert not Ticket.objects.filter(remind_at__lte=newest.last_activity_at).exists()


def test_every_history_tells_how_the_ticket_came_to_its_state(db: None):
    load_small()

    last_move = {
        "ticket.reported": "new", "ticket.opened": "open", "ticket.resumed": "open",
        "ticket.left": "open", "ticket.reopened": "open", "ticket.dispatched": "dispatched",
        "ticket.arrived": "on_site", "ticket.resolved": "resolved", "ticket.confirmed": "closed",
        "ticket.closed": "closed", "ticket.cancelled": "cancelled",
    }  # fmt: skip
    for ticket in Ticket.objects.prefetch_related("events", "messages"):
        events = sorted(ticket.events.all(), key=lambda event: event.pk)
        assert [e.occurred_at for e in events] == sorted(e.occurred_at for e in events)
        status = "?"
        for event in events:
            if event.kind == "ticket.waiting":
                status = "wait_merchant" if event.data["wait_for"] == "merchant" else "wait_vendor"
            elif event.kind == "ticket.merged" and "into" in event.data:
                status = "merged"
            status = last_move.get(event.kind, status)
        assert status == ticket.status, ticket.ref
        replies = [e.occurred_at for e in events if e.kind == "ticket.replied"]
        assert ticket.first_reply_at == (replies[0] if replies else None)
        said = {e.data["message"] for e in events if "message" in e.data}
        told = {m.pk for m in ticket.messages.all()}
        assert said <= told
        assert len(told - said) == 1  # the words of the report itself


def test_runs_are_walks_of_the_real_engine(db: None):
    load_small()

    runs = list(
        DiagnosisRun.objects.filter(state__in=["solved", "call", "stop_use"])
        .select_related("flow_version")
        .prefetch_related("steps")[:150]
    )
    assert len({run.state for run in runs}) == 3
    for run in runs:
        answers = run.answers()
        for asked, answer in enumerate(answers):
            result = step_after(run, answers[:asked])
            assert isinstance(result, Ask)
            assert result.step.id == answer.step_id
        result = step_after(run, answers)
        assert isinstance(result, Outcome)
        assert (result.kind, result.advice) == (run.state, run.outcome["advice"])


def test_about_two_walks_in_three_end_without_a_ticket(db: None):
    load_small()

    runs = DiagnosisRun.objects.count()
    alone = DiagnosisRun.objects.filter(ticket__isnull=True).count()
    # Open tickets have no share of their own: they are the last days' only.
    assert alone / runs == pytest.approx(SELF_SOLVED, abs=0.15)


def test_no_text_would_be_changed_by_the_card_guard(db: None):
    load_small()

    for model in FILLED:
        for field in model._meta.local_fields:
            if isinstance(field, FreeCharField | FreeTextField):
                for text in model._default_manager.values_list(field.name, flat=True).distinct():
                    assert scrub(text) == text
    for number in Merchant.objects.values_list("number", flat=True):
        assert scrub(number) == number
    for phone in Contact.objects.values_list("phone", flat=True):
        assert phone.startswith("199000")


def test_the_same_seed_gives_the_same_rows_and_another_does_not(db: None):
    empty()  # the sequences begin anew
    load_small()
    first = digest()
    empty()
    load_small()
    assert digest() == first
    empty()
    load_small("--seed=6")
    assert digest() != first


def test_a_large_load_writes_the_same_rows_and_puts_every_key_back(db: None):
    def keys() -> list[tuple[str, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
                " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
                " UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes"
                " WHERE schemaname = 'public' ORDER BY 1, 2, 3"
            )
            return [tuple(row) for row in cursor]

    before = keys()
    empty()
    load(PLAN, lambda _line: None, bulk_from=10**9)
    plain = digest()
    empty()
    load(PLAN, lambda _line: None, bulk_from=1)
    assert digest() == plain
    assert keys() == before


def test_keys_that_come_back_refuse_a_row_that_breaks_them(db: None):
    load_small()
    ticket = Ticket.objects.first()
    assert ticket is not None
    other = Provider.objects.exclude(pk=ticket.provider_id).get()

    with raises_at_the_end(IntegrityError), without_keys(["tickets_ticketevent"]):
        TicketEvent.objects.filter(ticket=ticket).update(provider=other)
    assert not TicketEvent.objects.filter(ticket=ticket, provider=other).exists()


def test_if_empty_does_and_says_nothing_in_a_used_database(db: None):
    make_provider()
    out, err = io.StringIO(), io.StringIO()
    call_command("load_estate", *SMALL, "--if-empty", stdout=out, stderr=err)
    assert out.getvalue() == err.getvalue() == ""
    assert Provider.objects.count() == 1


def test_a_used_database_is_refused(db: None):
    make_provider()
    with pytest.raises(CommandError, match="not empty"):
        load_small()
    assert not Ticket.objects.exists()


def test_a_stack_that_is_not_local_is_refused(db: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "LOCAL", False)
    with pytest.raises(CommandError, match="known password"):
        load_small()
    assert not User.objects.exists()


@pytest.mark.parametrize("wrong", ["--providers=9", "--merchants=1", "--until=soon", "--seed=-1"])
def test_impossible_sizes_are_refused(db: None, wrong: str):
    with pytest.raises(CommandError):
        load_small(wrong)


def test_append_adds_a_second_estate_beside_the_first(db: None):
    load_small()
    load_small("--append")
    assert Provider.objects.count() == 4
    assert Ticket.objects.count() == 240
    assert User.objects.filter(is_operator=True).count() == 1


def test_signins_are_printed_and_work(db: None):
    load_small()
    out = io.StringIO()
    call_command("show_demo_signins", stdout=out)
    text = out.getvalue()

    for user in User.objects.all():
        assert user.email in text
        assert user.check_password(DEMO_PASSWORD)
    assert DEMO_PASSWORD in text
    stickers = [line for line in text.splitlines() if line.startswith("Sticker:")]
    assert len(stickers) == 3
    code = stickers[0].split("/T/")[1].split()[0]
    assert Terminal.objects.by_sticker(code).get().state == "stopped"


def test_signins_are_silent_without_the_demo(db: None):
    make_provider(slug="shuhui")
    out = io.StringIO()
    call_command("show_demo_signins", stdout=out)
    assert out.getvalue() == ""


def test_there_are_words_for_every_cause_in_both_languages(db: None):
    chance = PLAN.chance("test")
    faults = {
        (version.symptom, fault.id)
        for version in FlowVersion.objects.published()
        for fault in version.flow.faults
    }
    for symptom, cause in faults:
        for language in ("zh-hans", "en"):
            for kind in ("openers", "answers", "replies"):
                assert phrases.said(chance, kind, language, symptom, cause)
            assert phrases.resolution(cause, "desk", language, sure=True)
        assert phrases.note(chance, symptom, cause)
    for text in phrases.every_text():
        assert scrub(text) == text


def test_opening_hours_of_the_estate_are_hours():
    for intervals in PLACES["hours"].values():
        hours.check(dict.fromkeys(hours.DAYS, intervals))


def test_a_text_with_a_card_number_cannot_get_into_the_estate():
    with pytest.raises(CardDataError):
        words("卡号 6222021234567890128 刷不了")


def test_codes_never_meet_and_pass_over_those_that_are_taken():
    codes = Codes(PLAN.chance("test"), 6)
    first = [codes.next() for _ in range(50_000)]
    assert len(set(first)) == len(first)
    assert {len(code) for code in first} == {6}
    again = Codes(PLAN.chance("test"), 6, taken=frozenset(first[:10]))
    assert again.next() == first[10]


@pytest.mark.parametrize(("total", "weights"), [(10, [6, 4]), (7, [1, 1, 1]), (0, [1, 2])])
def test_shares_are_whole_and_sum_to_the_total(total: int, weights: list[int]):
    assert sum(spread(total, weights)) == total


# --- Clocks ------------------------------------------------------------------------------


RESUMED = {
    EventKind.OPENED: Move.OPEN, EventKind.RESUMED: Move.RESUME, EventKind.ARRIVED: Move.ARRIVE,
    EventKind.DISPATCHED: Move.DISPATCH, EventKind.LEFT: Move.LEAVE,
    EventKind.REOPENED: Move.REOPEN,
}  # fmt: skip


def replay(ticket: Ticket) -> None:
    """Drives the product's own clocks through the events of a ticket that has none yet."""
    events = list(ticket.events.order_by("pk"))
    before = [e.data["before"] for e in events if e.kind == EventKind.PRIORITY_CHANGED]
    priority = [*before, ticket.priority][0]
    sla.start(
        provider_id=ticket.provider_id, ticket_id=ticket.pk, priority=priority, at=ticket.opened_at
    )
    for event in events:
        drive(event, {"ticket_id": ticket.pk, "at": event.occurred_at})


def drive(event: TicketEvent, what: dict[str, Any]) -> None:
    match event.kind:
        case EventKind.REPLIED if event.occurred_at == event.ticket.first_reply_at:
            sla.meet(promise=Promise.FIRST_RESPONSE, reason=event.kind, **what)
        case EventKind.PRIORITY_CHANGED:
            sla.retarget(priority=event.data["after"], reason=event.kind, **what)
        case EventKind.WAITING:
            for_vendor = event.data["wait_for"] != "merchant"
            sla.pause(reason=Move.WAIT, for_vendor=for_vendor, **what)
        case EventKind.RESOLVED:
            sla.meet(promise=Promise.FIRST_RESPONSE, reason=Move.RESOLVE, **what)
            sla.meet(promise=Promise.RESTORE, reason=Move.RESOLVE, **what)
        case EventKind.CANCELLED:
            sla.cancel(reason=Move.CANCEL, **what)
        case EventKind.MERGED if "into" in event.data:
            sla.cancel(reason=Move.MERGE, **what)
        case kind if kind in RESUMED:
            sla.resume(reason=RESUMED[EventKind(kind)], **what)


def kept() -> dict[tuple[str, str], Any]:
    """Clocks with their ledger and the levels that were reached, by ticket and promise."""
    found = {}
    rows = Clock.objects.select_related("ticket").prefetch_related("segments", "alerts")
    for row in rows:
        found[row.ticket.ref, row.promise] = (
            {name: getattr(row, name) for name in ("started_at", "calendar_id", *COLUMNS)},
            [
                (s.epoch, s.kind, s.from_at, s.to_at, s.reason, s.working_seconds)
                for s in sorted(row.segments.all(), key=lambda s: s.pk)
            ],
            sorted((a.epoch, a.step, a.percent, a.due_at) for a in row.alerts.all()),
        )
    return found


def test_clocks_are_as_the_product_would_have_kept_them(db: None):
    load_small()
    ours = kept()
    assert len(ours) == 240

    Clock.objects.all().delete()
    for ticket in Ticket.objects.order_by("pk"):
        replay(ticket)
    tick(NOW)

    theirs = kept()
    assert ours.keys() == theirs.keys()
    with_ledger = 0
    for name, (columns, ledger, levels) in ours.items():
        assert columns == theirs[name][0], name
        assert levels == theirs[name][2], name
        if columns["started_at"] > NOW - timedelta(days=92):
            assert ledger == theirs[name][1], name
            with_ledger += len(ledger)
    assert with_ledger > 50


def test_the_auditor_finds_nothing_and_no_alert_waits(db: None, monkeypatch: pytest.MonkeyPatch):
    load_small()
    monkeypatch.setattr(audit, "SAMPLE_PERCENT", 100)

    assert audit.audit(NOW) == []
    assert set(Alert.objects.values_list("state", flat=True)) <= {"expanded", "suppressed"}
    for clock in Clock.objects.all():
        is_going = clock.state == ClockState.RUNNING and clock.step < len(clock.levels)
        assert (clock.next_fire_at is not None) == is_going
        assert clock.next_fire_at is None or clock.next_fire_at >= NOW
    assert not Alert.objects.filter(raised_at__gt=NOW).exists()


def test_a_tick_after_the_load_raises_only_what_falls_due_then(db: None):
    load_small()
    assert tick(NOW).raised == 0

    soon = NOW + timedelta(minutes=20)
    due = sum(
        moment < soon
        for clock in Clock.objects.filter(next_fire_at__lt=soon)
        for moment in clock.fire_at[clock.step :]
    )
    ticked = tick(soon)
    assert 0 < due == ticked.raised
    assert ticked.claimed <= 8


@pytest.mark.parametrize("until", ["2026-11-21T03:10:00+08:00", "2026-11-20T14:35:00+08:00"])
def test_at_any_hour_something_is_late_soon_due_later_paused_and_nobodys(db: None, until: str):
    load_small(f"--until={until}")
    now = datetime.fromisoformat(until)

    hours: dict[int, set[int]] = defaultdict(set)
    working = Clock.objects.filter(ticket__in=Ticket.objects.working())
    for clock in working.filter(state="running"):
        assert clock.due_at is not None
        hours[clock.provider_id].add(max(-1, (clock.due_at - now) // timedelta(hours=1)))
    assert len(hours) == 2
    for seen in hours.values():
        assert seen >= {-1, 0, 1, 2, 3}
        assert max(seen) >= 4
    for provider in Provider.objects.all():
        own = Ticket.objects.working().filter(provider=provider)
        assert own.filter(assignee=None, clocks__due_at__gt=now).exists()
        assert working.filter(provider=provider, state="paused").exists()
        assert own.filter(opened_at__gt=now - timedelta(minutes=20)).exists()
    ended = Ticket.objects.filter(resolved_at__lte=now)
    assert ended.filter(resolved_at__gt=now - timedelta(hours=36)).exists()


def test_some_promises_are_broken_more_in_some_weeks_and_most_are_kept(db: None):
    load_small("--tickets=2000")

    def broken(clocks: Any) -> float:
        return float(clocks.filter(breached_at__isnull=False).count() / clocks.count())

    ended = Clock.objects.filter(state="met")
    assert broken(ended.filter(promise="first_response")) == pytest.approx(0.08, abs=0.025)
    assert broken(ended.filter(promise="restore")) == pytest.approx(0.10, abs=0.03)
    weeks: dict[int, list[bool]] = defaultdict(list)
    for clock in ended.filter(promise="first_response"):
        weeks[clock.started_at.isocalendar().week].append(clock.breached_at is not None)
    shares = [sum(week) / len(week) for week in weeks.values() if len(week) > 20]
    assert max(shares) > 0.15
    assert min(shares) < 0.06


def test_people_find_notices_inside_the_product_and_nobody_is_mailed(db: None):
    load_small()

    notices = Delivery.objects.all()
    assert set(notices.values_list("channel", "state")) == {("in_app", "sent")}
    assert set(notices.values_list("kind", flat=True)) == {"clock.level", "ticket.assigned"}
    assert set(notices.values_list("recipient__seats__role", flat=True)) >= {
        "desk", "field", "supervisor",
    }  # fmt: skip
    assert notices.filter(read_at=None).exists()
    assert notices.filter(read_at__isnull=False).exists()
    assert not notices.filter(created_at__gt=NOW).exists()
    for delivery in notices:
        ticket = Ticket.objects.get(ref=delivery.data["ref"])
        assert ticket.provider_id == delivery.provider_id


def test_urgent_work_is_promised_round_the_clock(db: None):
    load_small()

    assert Policy.objects.filter(is_default=True).count() == 2
    for policy in Policy.objects.all():
        by_priority = defaultdict(set)
        for target in policy.targets.select_related("calendar"):
            by_priority[target.priority].add(target.calendar.name_en)
        assert by_priority["urgent"] == by_priority["high"] == {"Round the clock"}
        assert by_priority["normal"] == by_priority["low"] == {"All year 9:00–21:00"}
