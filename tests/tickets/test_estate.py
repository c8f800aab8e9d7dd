"""The demo estate: whole, the same for the same seed, and never in the way of real data."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager

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
from terminals.models import Terminal, TerminalEvent
from tests.builders import make_provider
from tickets.estate import phrases
from tickets.estate.bulk import without_keys
from tickets.estate.history import SELF_SOLVED
from tickets.estate.loader import load
from tickets.estate.people import DEMO_PASSWORD, PLACES, Plan
from tickets.estate.rows import CardDataError, words
from tickets.estate.seeded import Codes, spread
from tickets.lifecycle import WORKING, TicketStatus
from tickets.models import Attachment, Message, Ticket, TicketEvent

UNTIL = "2026-11-21"
SMALL = ["--merchants=14", "--terminals=30", "--tickets=120", "--seed=5", f"--until={UNTIL}"]
PLAN = Plan(providers=2, merchants=14, terminals=30, tickets=120, seed=5, until=1_795_190_400)
FILLED = [
    User, Provider, Seat, Merchant, Store, Contact, Terminal, TerminalEvent, DiagnosisRun,
    Ticket, TicketEvent, Message, Attachment,
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


def digest() -> str:
    """A hash over every column of every row that the load writes."""
    found = hashlib.sha256()
    for table in [model._meta.db_table for model in FILLED] + [
        "diagnostics_diagnosisstep", "merchants_membership", "accounts_seat_teams",
        "accounts_team", "terminals_terminalnumber",
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
