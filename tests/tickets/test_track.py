"""The status link: proof, what it shows, and what the merchant may do."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from posdoctor.core import clock
from posdoctor.core.doors import UNLOCK_BY_ADDRESS, UNLOCK_BY_TICKET
from terminals.models import Terminal
from tests.builders import (
    actor_of,
    make_message,
    make_run,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
    make_user,
)
from tests.conftest import Persona, signed_in
from tests.tickets.test_report import english, file_report
from tickets import actions
from tickets.models import Message, Ticket, TicketEvent


@pytest.fixture
def ticket(terminal: Terminal) -> Ticket:
    return make_ticket(terminal, status="open")


def at(ticket: Ticket, name: str = "track") -> str:
    return reverse(f"tickets:{name}", args=[ticket.track_token])


def unlocked(ticket: Ticket) -> Client:
    """A browser that showed the last four digits."""
    client = signed_in(None)
    assert client.post(at(ticket, "track_unlock"), {"digits": "5521"}).status_code == 303
    return client


def secrets_of(ticket: Ticket) -> list[str]:
    return [
        ticket.ref, ticket.title, ticket.contact_name, ticket.contact_phone, "5521",
        ticket.store.name, ticket.merchant.name, ticket.terminal.counter, ticket.terminal.tail,
        ticket.terminal.sticker_code,
    ]  # fmt: skip


# --- Proof ---------------------------------------------------------------------------


def test_the_locked_door_shows_whose_help_desk_it_is_and_no_more(
    ticket: Ticket, anonymous: Persona, other_merchant: Persona, outsider: Persona, desk: Persona
):
    make_message(ticket, body="中午客人多")
    for persona in (anonymous, other_merchant, outsider, desk):
        words = persona.client.get(at(ticket)).content.decode()
        assert ticket.provider.name in words
        for secret in [*secrets_of(ticket), "中午客人多"]:
            assert secret not in words, (persona.name, secret)


def test_the_browser_that_filed_needs_no_proof(terminal: Terminal, anonymous: Persona):
    filed = file_report(anonymous.client)
    assert filed.ref in anonymous.client.get(at(filed)).content.decode()
    assert filed.ref not in signed_in(None).get(at(filed)).content.decode()


def test_people_of_the_shop_need_no_proof(ticket: Ticket, merchant: Persona):
    assert ticket.ref in merchant.client.get(at(ticket)).content.decode()


@pytest.mark.parametrize("digits", ["5521", "５５２１", " 55 21 "])
def test_the_last_four_digits_open_the_door_and_keep_it_open(digits: str, ticket: Ticket):
    client = signed_in(None)
    response = client.post(at(ticket, "track_unlock"), {"digits": digits})
    assert response.status_code == 303
    assert response["Location"] == at(ticket)
    for _ in range(2):
        assert ticket.ref in client.get(at(ticket)).content.decode()


def test_the_proof_is_for_one_report(ticket: Ticket, terminal: Terminal):
    other = make_ticket(terminal)
    client = unlocked(ticket)
    assert other.ref not in client.get(at(other)).content.decode()
    assert client.post(at(other, "track_cancel")).status_code == 404


@pytest.mark.parametrize("digits", ["", "552", "55 2", "66555", "abcd", "1990", "\x00\x00"])
def test_wrong_digits_say_what_to_do_and_show_nothing(digits: str, ticket: Ticket):
    client = english(signed_in(None))
    page = client.post(at(ticket, "track_unlock"), {"digits": digits})
    assert page.status_code == 422
    assert "<title>Error: " in page.content.decode()
    for secret in secrets_of(ticket):
        assert secret not in page.content.decode()
    assert ticket.ref not in client.get(at(ticket)).content.decode()


def test_tries_are_counted_in_words_and_end(ticket: Ticket):
    client = english(signed_in(None))
    for left in range(UNLOCK_BY_TICKET.limit - 1, 0, -1):
        page = client.post(at(ticket, "track_unlock"), {"digits": "0000"}).content.decode()
        assert f"{left} tries are left" in page or (left == 1 and "1 try is left" in page)
    last = client.post(at(ticket, "track_unlock"), {"digits": "0000"})
    assert last.status_code == 422
    assert "last try" in last.content.decode()
    # From here on the right digits do not help either, from any browser.
    for browser in (client, signed_in(None)):
        refused = browser.post(at(ticket, "track_unlock"), {"digits": "5521"})
        assert refused.status_code == 429
        assert ticket.ref not in browser.get(at(ticket)).content.decode()


def test_one_address_cannot_try_many_reports(terminal: Terminal):
    client = signed_in(None)
    answers = [
        client.post(at(make_ticket(terminal), "track_unlock"), {"digits": "0000"}).status_code
        for _ in range(UNLOCK_BY_ADDRESS.limit + 1)
    ]
    assert answers == [422] * UNLOCK_BY_ADDRESS.limit + [429]


@pytest.mark.parametrize("token", ["nothing", "x" * 22, "%00" * 22, "..%2f..%2fetc"])
def test_an_unknown_link_does_not_exist(token: str, db: None, anonymous: Persona):
    assert anonymous.client.get(f"/r/{token}").status_code == 404
    assert anonymous.client.post(f"/r/{token}/unlock", {"digits": "5521"}).status_code == 404


def test_the_link_of_a_provider_that_ended_does_not_exist(ticket: Ticket, merchant: Persona):
    client = unlocked(ticket)
    ticket.provider.is_active = False
    ticket.provider.save()
    assert client.get(at(ticket)).status_code == 404
    assert merchant.client.get(at(ticket)).status_code == 404


def test_pages_behind_the_link_are_not_kept_by_anyone(ticket: Ticket):
    assert "no-store" in unlocked(ticket).get(at(ticket))["Cache-Control"]


# --- What it shows -------------------------------------------------------------------


def test_internal_notes_never_appear(ticket: Ticket, merchant: Persona):
    make_message(ticket, "note", body="NOTE 商户态度不好", author_name="周敏")
    make_message(ticket, "reply", body="您好，我们在看", author_name="周敏")
    make_message(ticket, "merchant", body="好的")
    for client in (unlocked(ticket), merchant.client):
        page = client.get(at(ticket))
        assert "NOTE" not in page.content.decode()
        assert {message.kind for message in page.context["talk"]} == {"reply", "merchant"}


def test_a_note_is_not_taken_for_the_open_question(ticket: Ticket):
    make_message(ticket, "reply", body="请拍一张屏幕")
    make_message(ticket, "note", body="NOTE")
    Ticket.objects.update(status="wait_merchant", wait_for="merchant")
    page = unlocked(ticket).get(at(ticket))
    assert page.context["question"].body == "请拍一张屏幕"
    words = page.content.decode()
    assert words.index("请拍一张屏幕") < words.index('<ol class="steps">')


def test_it_leads_with_who_has_it(terminal: Terminal):
    team = make_team(terminal.provider, name="二线技术", name_en="Second line")
    person = make_seat(terminal.provider, user=make_user(name="周敏")).user
    cases = [
        (make_ticket(terminal), "Our support has it and is arranging who takes it"),
        (make_ticket(terminal, team=team), "Our support has it and is arranging who takes it"),
        (make_ticket(terminal, status="open", team=team), "Second line is working on it"),
        (make_ticket(terminal, status="open", team=team, assignee=person), "周敏 is working on it"),
        (make_ticket(terminal, status="wait_vendor"), "We’re on it, waiting for a supplier"),
        (
            make_ticket(terminal, status="dispatched", assignee=person),
            "Engineer 周敏 will come",
        ),
        (make_ticket(terminal, status="resolved"), "Fixed, please confirm"),
        (make_ticket(terminal, status="closed", closed_at=clock.now()), "Done"),
    ]
    for ticket, words in cases:
        assert words in english(unlocked(ticket)).get(at(ticket)).content.decode(), ticket.status


def test_stages_follow_the_status_and_promise_no_time(terminal: Terminal):
    wanted = {
        "new": ["done", "now", "todo", "todo"],
        "open": ["done", "now", "todo", "todo"],
        "wait_merchant": ["done", "now", "todo", "todo"],
        "dispatched": ["done", "done", "now", "todo"],
        "on_site": ["done", "done", "now", "todo"],
        "resolved": ["done", "done", "now"],
        "closed": ["done", "done", "done"],
        "cancelled": ["done", "done"],
    }
    for status, states in wanted.items():
        ticket = make_ticket(terminal, status=status)
        page = unlocked(ticket).get(at(ticket))
        stages = page.context["stages"]
        assert [stage.state for stage in stages] == states, status
        assert all(stage.at is None for stage in stages if stage.state == "todo")


def test_what_was_checked_is_on_the_page(terminal: Terminal):
    run = make_run(terminal, "network_down")
    run.steps.create(position=1, step_id="safety", answer_id="none", answered_at=clock.now())
    ticket = make_ticket(terminal, run=run)
    page = unlocked(ticket).get(at(ticket))
    assert len(page.context["findings"]) == 1
    assert page.context["keep_selling"]


# --- What the merchant may do --------------------------------------------------------


def test_words_reopen_a_report_that_waits_for_the_merchant(ticket: Ticket):
    Ticket.objects.update(status="wait_merchant", wait_for="merchant")
    client = unlocked(ticket)
    response = client.post(at(ticket, "track_words"), {"body": "屏幕写着 卡号 6222021234567890"})
    assert response.status_code == 303
    ticket.refresh_from_db()
    assert ticket.status == "open"
    message = Message.objects.get()
    assert message.kind == "merchant"
    assert "1234567890" not in message.body
    assert message.body in client.get(at(ticket)).content.decode()


def test_saying_nothing_is_no_message(ticket: Ticket):
    page = english(unlocked(ticket)).post(at(ticket, "track_words"), {"body": "  "})
    assert page.status_code == 422
    assert "Write a line or choose a photo" in page.content.decode()
    assert not Message.objects.exists()


def test_what_a_merchant_wrote_is_text_and_not_markup(ticket: Ticket):
    client = unlocked(ticket)
    client.post(at(ticket, "track_words"), {"body": "<script>alert(1)</script>"})
    assert "<script>alert" not in client.get(at(ticket)).content.decode()


def test_resolved_is_answered_by_two_buttons(terminal: Terminal):
    fixed, broken = (make_ticket(terminal, status="resolved") for _ in range(2))
    client = unlocked(fixed)
    words = client.get(at(fixed)).content.decode()
    assert at(fixed, "track_confirm") in words
    assert at(fixed, "track_still_broken") in words
    assert at(fixed, "track_words") not in words
    assert client.post(at(fixed, "track_confirm")).status_code == 303
    assert unlocked(broken).post(at(broken, "track_still_broken")).status_code == 303
    fixed.refresh_from_db()
    broken.refresh_from_db()
    assert (fixed.status, broken.status) == ("closed", "open")


def test_closed_opens_again_within_thirty_days(terminal: Terminal):
    now = clock.now()
    ticket = make_ticket(
        terminal, status="closed", resolved_at=now - timedelta(days=29), closed_at=now
    )
    client = unlocked(ticket)
    assert at(ticket, "track_still_broken") in client.get(at(ticket)).content.decode()
    response = client.post(at(ticket, "track_still_broken"))
    assert response["Location"] == at(ticket)
    ticket.refresh_from_db()
    assert ticket.status == "open"


def test_later_a_linked_report_begins_that_this_browser_may_see(terminal: Terminal):
    now = clock.now()
    old = make_ticket(
        terminal, status="closed", resolved_at=now - timedelta(days=31), closed_at=now
    )
    client = unlocked(old)
    response = client.post(at(old, "track_still_broken"))
    fresh = Ticket.objects.get(previous=old)
    assert response["Location"] == at(fresh)
    assert fresh.ref in client.get(at(fresh)).content.decode()
    assert fresh.ref not in signed_in(None).get(at(fresh)).content.decode()
    old.refresh_from_db()
    assert old.status == "closed"


def test_cancelling_says_why_to_the_desk(ticket: Ticket):
    assert unlocked(ticket).post(at(ticket, "track_cancel")).status_code == 303
    ticket.refresh_from_db()
    assert ticket.status == "cancelled"
    assert TicketEvent.objects.get(kind="ticket.cancelled").data["reason"]


def test_a_page_out_of_date_heals_itself(terminal: Terminal):
    ticket = make_ticket(terminal, status="resolved")
    client = unlocked(ticket)
    nothing = {"resolved_at": None, "cause": "", "certainty": "", "fixed_by": "", "proof": ""}
    Ticket.objects.update(status="cancelled", **nothing)
    page = client.post(at(ticket, "track_still_broken"))
    assert page.status_code == 409
    assert page.context["ticket"].status == "cancelled"
    assert page.context["has_changed"]


def test_a_merged_report_says_so_and_links_only_with_proof(terminal: Terminal, desk: Persona):
    ticket, target = make_ticket(terminal, status="open"), make_ticket(terminal, status="open")
    client = unlocked(ticket)
    assert desk.seat is not None
    actor = actor_of(desk.seat)
    actions.merge_into(actor, ticket_id=ticket.pk, target_ref=target.ref, now=clock.now())
    words = client.get(at(ticket)).content.decode()
    assert target.ref not in words
    assert target.track_token not in words
    client.post(at(target, "track_unlock"), {"digits": "5521"})
    assert at(target) in client.get(at(ticket)).content.decode()


def test_a_report_of_another_shop_stays_closed_to_merchants(
    provider: object, merchant: Persona, terminal: Terminal
):
    foreign = make_ticket(make_terminal(make_store(terminal.provider)))
    assert foreign.ref not in merchant.client.get(at(foreign)).content.decode()
    assert merchant.client.post(at(foreign, "track_cancel")).status_code == 404


def test_right_digits_do_not_use_up_the_tries_of_a_shared_address(terminal, anonymous):
    tickets = [make_ticket(terminal) for _ in range(UNLOCK_BY_ADDRESS.limit + 1)]
    for ticket in tickets:
        answer = anonymous.client.post(f"/r/{ticket.track_token}/unlock", {"digits": "5521"})
        assert answer.status_code in {302, 303}
    for _ in range(UNLOCK_BY_ADDRESS.limit):
        wrong = make_ticket(terminal)
        anonymous.client.post(f"/r/{wrong.track_token}/unlock", {"digits": "0000"})
    last = make_ticket(terminal)
    refused = anonymous.client.post(f"/r/{last.track_token}/unlock", {"digits": "5521"})
    assert refused.status_code == 429
