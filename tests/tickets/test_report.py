"""Filing a report from the sticker, by HTTP and without a script."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from diagnostics.models import DiagnosisRun
from posdoctor.core import clock, doors
from terminals.models import Terminal
from tests.builders import make_contact, make_store, make_terminal
from tests.conftest import Persona, signed_in
from tests.diagnostics.test_walk import begin, no_to_all, tap
from tickets.models import Message, ReportDraft, Ticket, TicketEvent

FORM, CHECK = "/t/A2B3C4D5/report", "/t/A2B3C4D5/report/check"
PHONE = "13800005521"


def english(client: Client) -> Client:
    """The same browser, reading English: its texts need no catalogue."""
    client.cookies["django_language"] = "en"
    return client


def fill(client: Client, **form: str):
    """Sends the form by the button "can't take any payments"."""
    return client.post(FORM, {"contact_phone": PHONE, "impact": "all", **form})


def file_report(client: Client, **form: str) -> Ticket:
    """From the sticker to the filed report."""
    look = fill(client, **form)
    assert look.status_code == 303, look.content.decode()
    page = client.get(look["Location"])
    done = client.post(CHECK, {"run": page.context["run"].ref})
    assert done.status_code == 303
    token = done["Location"].removeprefix("/r/")
    return Ticket.objects.get(track_token=token)


def test_a_walk_becomes_a_ticket_with_all_its_answers(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    end = no_to_all(client, begin(client, terminal))
    run = DiagnosisRun.objects.get()
    answers = run.answers()
    assert reverse("tickets:report", args=["A2B3C4D5"]) in client.get(end).content.decode()
    ticket = file_report(client, run=run.ref, note="刷卡提示“通讯超时”", contact_name="王建国")
    assert ticket.run == run
    assert ticket.run.answers() == answers
    assert (ticket.symptom, ticket.status, ticket.impact) == ("network_down", "new", "all")
    assert (ticket.contact_phone, ticket.contact_name) == (PHONE, "王建国")
    assert ticket.provider == terminal.provider
    assert Message.objects.get().body == "刷卡提示“通讯超时”"
    assert list(TicketEvent.objects.values_list("kind", flat=True)) == ["ticket.reported"]
    assert not ReportDraft.objects.exists()
    page = client.get(f"/r/{ticket.track_token}")
    assert ticket.ref in page.content.decode()


def test_with_a_known_phone_it_takes_three_taps(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    file_report(client)
    form = client.get(FORM).context["form"]  # 1: report it
    known = form["contact_phone"].value()
    assert known == PHONE
    look = client.post(FORM, {"contact_phone": known, "impact": "some"})  # 2: the effect
    run = client.get(look["Location"]).context["run"]
    done = client.post(CHECK, {"run": run.ref})  # 3: send
    assert done["Location"].startswith("/r/")
    assert Ticket.objects.count() == 2


def test_the_form_never_shows_a_number_out_of_the_database(
    terminal: Terminal, anonymous: Persona, other_merchant: Persona, desk: Persona
):
    for persona in (anonymous, other_merchant, desk):
        assert "19900005521" not in persona.client.get(FORM).content.decode(), persona.name


def test_a_signed_in_merchant_finds_the_own_number(terminal: Terminal, merchant: Persona):
    assert merchant.client.get(FORM).context["form"]["contact_phone"].value() == "19900005521"


def test_a_forged_phone_cookie_is_ignored(terminal: Terminal, anonymous: Persona):
    anonymous.client.cookies["pd_phone"] = "13800005521"
    assert not anonymous.client.get(FORM).context["form"]["contact_phone"].value()


@pytest.mark.parametrize(
    "typed", ["138 0000 5521", "+8613800005521", "１３８００００５５２１", "138-0000-5521"]
)
def test_phones_are_taken_as_people_write_them(typed: str, terminal: Terminal, anonymous: Persona):
    assert file_report(anonymous.client, contact_phone=typed).contact_phone == PHONE


def test_an_empty_phone_is_said_in_three_places_and_costs_nothing(
    terminal: Terminal, anonymous: Persona
):
    client = english(anonymous.client)
    page = fill(client, contact_phone="", note="it says “timeout”", contact_name="Mr Wang")
    words = page.content.decode()
    assert page.status_code == 422
    assert re.search(r"<title>\s*Error: ", words)
    summary = re.search(r'<div class="errsum".*?</div>', words, re.DOTALL)
    assert summary is not None
    assert "autofocus" in summary[0]
    assert 'tabindex="-1"' in summary[0]
    assert '<a href="#id_contact_phone">Enter a phone number</a>' in summary[0]
    assert words.count("Enter a phone number") == 2
    assert 'id="id_contact_phone"' in words
    assert 'aria-invalid="true"' in words
    for typed in ("it says “timeout”", "Mr Wang"):
        assert typed in words
    assert not Ticket.objects.exists()
    # The draft outlives the page: another tab, another day, another language.
    draft = ReportDraft.objects.get()
    assert (draft.note, draft.contact_name, draft.impact) == ("it says “timeout”", "Mr Wang", "all")
    assert "it says “timeout”" in client.get(FORM).content.decode()


def test_a_wrong_number_is_kept_as_typed(terminal: Terminal, anonymous: Persona):
    page = fill(english(anonymous.client), contact_phone="138 0000 552")
    assert page.status_code == 422
    assert 'value="138 0000 552"' in page.content.decode()
    assert "1 digit is missing" in page.content.decode()
    assert 'value="138 0000 552"' in anonymous.client.get(FORM).content.decode()


def test_enter_in_a_field_does_not_choose_an_effect(terminal: Terminal, anonymous: Persona):
    """The first button of the form is what Enter presses."""
    words = anonymous.client.get(FORM).content.decode()
    first = re.search(r"<button[^>]*>", words[words.index('action="/t/A2B3C4D5/report"') :])
    assert first is not None
    assert 'value=""' in first[0]
    assert "hidden" in first[0]
    page = fill(english(anonymous.client), impact="")
    assert page.status_code == 422
    assert '<a href="#id_impact">Tap one: can you still take payments?</a>' in page.content.decode()
    assert 'id="id_impact"' in page.content.decode()


@pytest.mark.parametrize("impact", ["everything", "ALL", "\x00"])
def test_an_invented_effect_is_refused(impact: str, terminal: Terminal, anonymous: Persona):
    assert fill(anonymous.client, impact=impact).status_code == 422
    assert not Ticket.objects.exists()


def test_the_check_page_shows_all_and_changes_nothing(terminal: Terminal, anonymous: Persona):
    make_terminal(terminal.store)
    look = fill(anonymous.client, note="打不出小票", terminals_down="2")
    page = anonymous.client.get(look["Location"])
    words = page.content.decode()
    for shown in ("138 0000 5521", "打不出小票", terminal.counter):
        assert shown in words
    assert f"{FORM}?run={page.context['run'].ref}#id_note" in words
    assert not Ticket.objects.exists()
    ticket = file_report(anonymous.client, note="打不出小票", terminals_down="2")
    assert (ticket.terminals_down, ticket.priority) == (2, "urgent")


def test_one_of_two_machines_down_is_high_not_urgent(terminal: Terminal, anonymous: Persona):
    make_terminal(terminal.store)
    ticket = file_report(anonymous.client, terminals_down="1")
    assert (ticket.terminals_down, ticket.priority) == (1, "high")


def test_the_number_of_machines_is_bounded_by_the_shop(terminal: Terminal, anonymous: Persona):
    make_terminal(terminal.store)
    assert fill(anonymous.client, terminals_down="3").status_code == 422
    assert fill(anonymous.client, terminals_down="-1").status_code == 422


def test_the_check_page_without_a_draft_leads_to_the_form(terminal: Terminal, anonymous: Persona):
    assert anonymous.client.get(CHECK)["Location"] == FORM
    assert anonymous.client.post(CHECK)["Location"] == FORM
    assert not Ticket.objects.exists()


def test_a_second_tap_on_send_finds_the_first_ones_ticket(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    run = client.get(fill(client)["Location"]).context["run"]
    places = {client.post(CHECK, {"run": run.ref})["Location"] for _ in range(3)}
    assert len(places) == 1
    assert Ticket.objects.count() == 1
    # The form of a filed report is its status.
    assert {client.get(f"{FORM}?run={run.ref}")["Location"]} == places


def test_a_run_of_another_browser_cannot_be_reported(terminal: Terminal, anonymous: Persona):
    run = anonymous.client.get(fill(anonymous.client)["Location"]).context["run"]
    stranger = signed_in(None)
    assert stranger.post(CHECK, {"run": run.ref})["Location"] == FORM
    assert "13800005521" not in stranger.get(f"{FORM}?run={run.ref}").content.decode()
    assert not Ticket.objects.exists()


def test_a_stop_for_safety_is_reported_as_urgent(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    tap(client, begin(client, terminal), "tamper_text")
    ticket = file_report(client, impact="none")
    assert (ticket.priority, ticket.is_security) == ("urgent", True)


def test_a_solved_walk_does_not_ride_along_with_the_next_report(
    terminal: Terminal, anonymous: Persona
):
    client = anonymous.client
    begin(client, terminal)
    DiagnosisRun.objects.update(state="solved")
    assert file_report(client).symptom == ""


def test_reports_per_code_are_limited(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    run = client.get(fill(client)["Location"]).context["run"]
    for _ in range(doors.REPORTS_BY_CODE.limit):
        doors.knock(doors.REPORTS_BY_CODE, "A2B3C4D5", now=clock.now())
    assert client.post(CHECK, {"run": run.ref}).status_code == 429
    assert not Ticket.objects.exists()
    assert ReportDraft.objects.get().contact_phone == PHONE


def test_card_numbers_in_the_words_are_masked(terminal: Terminal, anonymous: Persona):
    ticket = file_report(anonymous.client, note="卡号 6222 0212 3456 7890 刷不了")
    stored = " ".join([Message.objects.get().body, ticket.title, ticket.last_words])
    assert "3456" not in stored
    assert "7890" in stored


def test_a_report_of_our_shop_is_nothing_to_other_providers(
    terminal: Terminal, anonymous: Persona, outsider: Persona
):
    make_contact(make_store(outsider.seat.provider if outsider.seat else None))
    ticket = file_report(anonymous.client)
    assert outsider.client.get(reverse("tickets:ticket", args=[ticket.ref])).status_code == 404
    locked = outsider.client.get(f"/r/{ticket.track_token}").content.decode()
    assert ticket.ref not in locked


def test_my_page_shows_own_machines_and_open_reports(
    terminal: Terminal, merchant: Persona, anonymous: Persona
):
    other = make_terminal(make_store(terminal.provider), counter="别家收银台")
    ticket = file_report(anonymous.client)
    words = merchant.client.get("/my/").content.decode()
    assert "/t/A2B3C4D5" in words
    assert f"/r/{ticket.track_token}" in words
    assert other.sticker_code not in words
    Ticket.objects.update(status="cancelled")
    assert ticket.track_token not in merchant.client.get("/my/").content.decode()
