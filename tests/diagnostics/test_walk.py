"""The sticker's pages by HTTP: one browser, one machine, no script."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from diagnostics.models import DiagnosisRun, DiagnosisStep, FlowVersion
from posdoctor.accounts.models import Provider
from posdoctor.core import clock
from posdoctor.core.doors import FIND_BY_ADDRESS, UNKNOWN_CODE_BY_ADDRESS
from posdoctor.core.models import DoorCount
from terminals.models import Terminal, TerminalEvent
from tests.builders import make_model, make_run, make_store, make_terminal, make_ticket
from tests.conftest import Persona, signed_in
from tickets.models import ReportDraft, Ticket

SYMPTOM = "network_down"


def begin(client: Client, terminal: Terminal, symptom: str = SYMPTOM, **form: str) -> str:
    """Taps a symptom; the address of its first step."""
    response = client.post(
        reverse("diagnostics:begin", args=[terminal.sticker_code, symptom]), form
    )
    assert response.status_code == 303
    return str(response["Location"])


def tap(client: Client, address: str, answer: str) -> str:
    """Answers the step of that page; the address that follows."""
    page = client.get(address)
    assert page.status_code == 200, address
    response = client.post(address, {"step": page.context["step"].id, "answer": answer})
    assert response.status_code == 303
    return str(response["Location"])


def no_to_all(client: Client, address: str) -> str:
    """Walks on with the answer that finds nothing, to the end page."""
    for _ in range(20):
        page = client.get(address)
        if "step" not in page.context:
            return address
        ids = [choice.id for choice in page.context["choices"]]
        address = tap(client, address, next(a for a in ("none", "no", "unsolved") if a in ids))
    raise AssertionError("the walk does not end")


def counted() -> tuple[int, ...]:
    tables = (DiagnosisRun, DiagnosisStep, Ticket, ReportDraft, TerminalEvent, DoorCount)
    return tuple(table.objects.count() for table in tables)


# --- Start ---------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/T/A2B3C4D5", "/t/a2b3c4d5", "/t/a2b3c4d5/", "/T/a2b3-c4d5"])
def test_every_form_of_the_address_shows_the_machine_and_writes_nothing(
    address: str, terminal: Terminal, anonymous: Persona
):
    before = counted()
    page = anonymous.client.get(address)
    assert page.status_code == 200
    assert page.context["terminal"] == terminal
    assert counted() == before
    assert "sessionid" not in anonymous.client.cookies


def test_a_passer_by_sees_what_is_printed_and_nothing_else(terminal: Terminal, anonymous: Persona):
    ticket = make_ticket(terminal, contact_name="王建国", contact_phone="19900005521")
    words = anonymous.client.get("/t/A2B3C4D5").content.decode()
    assert terminal.store is not None
    for shown in (terminal.counter, terminal.store.name, "3318", "tel:4000000101"):
        assert shown in words
    hidden = (
        terminal.serial, terminal.ref, "王建国", "19900005521", "5521", ticket.ref, ticket.title,
        ticket.track_token, terminal.store.merchant.number,
    )  # fmt: skip
    for secret in hidden:
        assert secret not in words


def test_six_tiles_at_most_and_none_that_cannot_apply(terminal: Terminal, anonymous: Persona):
    page = anonymous.client.get("/t/A2B3C4D5")
    tiles = [tile.symptom for tile in page.context["tiles"]]
    shares = list(FlowVersion.objects.published().values_list("symptom", flat=True))
    assert tiles == shares[:6]
    assert "cannot_print" in tiles
    terminal.model = make_model(features={"printer": False}, verified={"printer": True})
    terminal.save()
    for address in ("/t/A2B3C4D5", "/t/A2B3C4D5/more"):
        page = anonymous.client.get(address)
        assert "cannot_print" not in [tile.symptom for tile in page.context["tiles"]]
    assert len(anonymous.client.get("/t/A2B3C4D5").context["tiles"]) == 6


@pytest.mark.parametrize("state", ["retired", "in_stock", "in_repair"])
def test_a_machine_that_is_not_in_use_has_no_page(
    state: str, terminal: Terminal, anonymous: Persona
):
    terminal.state = state
    terminal.save()
    page = anonymous.client.get("/t/A2B3C4D5")
    assert page.status_code == 404
    assert terminal.counter not in page.content.decode()
    assert reverse("diagnostics:find") in page.content.decode()


def test_a_provider_that_ended_has_no_machines(
    provider: Provider, terminal: Terminal, anonymous: Persona
):
    provider.is_active = False
    provider.save()
    assert anonymous.client.get("/t/A2B3C4D5").status_code == 404
    assert anonymous.client.post("/t/A2B3C4D5/check/network_down").status_code == 404
    assert not DiagnosisRun.objects.exists()


@pytest.mark.parametrize("code", ["ZZZZZZZZ", "short", "A2B3C4D5x", "A2B3C4D0", "'--"])
def test_an_unknown_code_leads_to_the_search(code: str, terminal: Terminal, anonymous: Persona):
    page = anonymous.client.get(f"/t/{code}")
    assert page.status_code == 404
    assert reverse("diagnostics:find") in page.content.decode()


def test_guessing_codes_ends_at_a_closed_door(terminal: Terminal, anonymous: Persona):
    for _ in range(UNKNOWN_CODE_BY_ADDRESS.limit):
        assert anonymous.client.get("/t/ZZZZZZZZ").status_code == 404
    refused = anonymous.client.get("/t/ZZZZZZZZ")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    # The door is about guesses: a real sticker still opens.
    assert anonymous.client.get("/t/A2B3C4D5").status_code == 200


def test_a_stopped_machine_says_so_and_offers_no_checks(terminal: Terminal, anonymous: Persona):
    Terminal.objects.filter(pk=terminal.pk).update(
        state="stopped", stopped_at=clock.now(), stopped_for="safety.battery_swollen"
    )
    page = anonymous.client.get("/t/A2B3C4D5")
    assert page.status_code == 200
    assert page.context["tiles"] == []
    assert reverse("tickets:report", args=["A2B3C4D5"]) in page.content.decode()
    assert begin(anonymous.client, terminal) == reverse("diagnostics:start", args=["A2B3C4D5"])
    assert not DiagnosisRun.objects.exists()


# --- Walk ----------------------------------------------------------------------------


def answer_of_nothing(client: Client, page: str) -> str:
    """The answer on this page that finds nothing and solves nothing."""
    offered = [choice.id for choice in client.get(page).context["choices"]]
    return next(name for name in ("no", "none", "unsolved") if name in offered)


def test_every_walk_begins_with_the_safety_screen(terminal: Terminal, anonymous: Persona):
    for symptom in FlowVersion.objects.published().values_list("symptom", flat=True):
        page = anonymous.client.get(begin(anonymous.client, terminal, symptom))
        assert page.context["step"].id == "safety", symptom


def test_answers_are_stored_and_the_end_follows_from_them(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    end = no_to_all(client, begin(client, terminal))
    run = DiagnosisRun.objects.get()
    assert run.state == "call"
    assert end == reverse("diagnostics:unsolved", args=["A2B3C4D5"]) + f"?run={run.ref}"
    assert [step.position for step in run.ordered_steps()] == list(range(1, run.steps.count() + 1))
    page = client.get(end)
    assert len(page.context["findings"]) == run.steps.count()
    assert "%" not in str(page.context["findings"])


def test_back_shows_the_earlier_answer_and_a_change_cuts_what_followed(
    terminal: Terminal, anonymous: Persona
):
    client = anonymous.client
    first = begin(client, terminal)
    second = tap(client, first, "none")
    plain = answer_of_nothing(client, second)
    third = tap(client, second, plain)
    assert third.endswith("/3")
    assert client.get(third).context["back_url"] == second
    page = client.get(second)
    assert [choice.id for choice in page.context["choices"] if choice.is_chosen] == [plain]
    assert DiagnosisStep.objects.count() == 2
    # The same answer again changes nothing and goes on.
    assert tap(client, second, plain) == third
    assert DiagnosisStep.objects.count() == 2
    # Another one to the first drops the second.
    tap(client, first, "unsure")
    assert list(DiagnosisStep.objects.values_list("step_id", "answer_id")) == [("safety", "unsure")]


def test_a_repeated_tap_counts_once(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    first = begin(client, terminal)
    form = {"step": "safety", "answer": "none"}
    places = {client.post(first, form)["Location"] for _ in range(3)}
    assert len(places) == 1
    assert DiagnosisStep.objects.count() == 1
    assert begin(client, terminal) == first
    assert begin(client, terminal) == first
    # A walk with answers stays; the second begin made one more, the third used it again.
    assert DiagnosisRun.objects.count() == 2


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"step": "safety"},
        {"step": "safety", "answer": "yes; drop table"},
        {"step": "nothing", "answer": "none"},
        {"step": "safety\x00", "answer": "none\x00"},
    ],
)
def test_a_forged_answer_shows_the_same_step_again(
    form: dict[str, str], terminal: Terminal, anonymous: Persona
):
    first = begin(anonymous.client, terminal)
    response = anonymous.client.post(first, form)
    assert response.status_code == 303
    assert response["Location"] == first
    assert not DiagnosisStep.objects.exists()


@pytest.mark.parametrize("number", [0, 2, 7, 999])
def test_a_step_that_is_not_there_yet_leads_to_the_open_one(
    number: int, terminal: Terminal, anonymous: Persona
):
    first = begin(anonymous.client, terminal)
    address = reverse("diagnostics:step", args=["A2B3C4D5", SYMPTOM, number])
    assert anonymous.client.get(address)["Location"] == first


def test_another_browser_has_no_part_in_the_walk(terminal: Terminal, anonymous: Persona):
    first = begin(anonymous.client, terminal)
    stranger = signed_in(None)
    start = reverse("diagnostics:start", args=["A2B3C4D5"])
    assert stranger.get(first)["Location"] == start
    answer = stranger.post(first, {"step": "safety", "answer": "battery_swollen"})
    assert answer["Location"] == start
    assert not DiagnosisStep.objects.exists()
    run = DiagnosisRun.objects.get()
    assert stranger.get(f"/t/A2B3C4D5/stopped?run={run.ref}")["Location"] == start
    terminal.refresh_from_db()
    assert terminal.state == "active"


def test_a_walk_belongs_to_its_machine(terminal: Terminal, anonymous: Persona):
    twin = make_terminal(terminal.store)
    begin(anonymous.client, terminal)
    run = DiagnosisRun.objects.get()
    address = reverse("diagnostics:step", args=[twin.sticker_code, SYMPTOM, 1])
    start = reverse("diagnostics:start", args=[twin.sticker_code])
    assert anonymous.client.get(address)["Location"] == start
    end = reverse("diagnostics:unsolved", args=[twin.sticker_code]) + f"?run={run.ref}"
    assert anonymous.client.get(end)["Location"] == start


def test_a_danger_stops_the_machine_at_once(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    end = tap(client, begin(client, terminal), "battery_swollen")
    run = DiagnosisRun.objects.get()
    terminal.refresh_from_db()
    assert (run.state, terminal.state) == ("stop_use", "stopped")
    assert terminal.stopped_for == "safety.battery_swollen"
    assert TerminalEvent.objects.get().kind == "stopped"
    page = client.get(end)
    assert page.status_code == 200
    assert page.context["run"].advice in page.content.decode()
    assert "tel:4000000101" in page.content.decode()
    assert page.context["must_unplug"]
    # The next scan says so to everyone.
    assert signed_in(None).get("/t/A2B3C4D5").context["is_stopped"]


def test_fixed_and_broken_again_goes_on_where_it_was(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    address = begin(client, terminal)
    for _ in range(20):
        page = client.get(address)
        if page.context["step"].kind == "fix":
            break
        ids = [choice.id for choice in page.context["choices"]]
        address = tap(client, address, "none" if "none" in ids else "no")
    end = tap(client, address, "solved")
    run = DiagnosisRun.objects.get()
    assert run.state == "solved"
    assert run.finished_at is not None
    assert end == reverse("diagnostics:fixed", args=["A2B3C4D5"]) + f"?run={run.ref}"
    assert client.get(end).status_code == 200
    on = client.post(end)
    assert on.status_code == 303
    run.refresh_from_db()
    assert run.state != "solved"
    assert run.ordered_steps()[-1].answer_id == "unsolved"
    assert client.get(on["Location"]).status_code == 200
    # The end page is no longer this walk's place.
    assert client.get(end)["Location"] == on["Location"]


def test_the_language_can_change_in_the_middle(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    second = tap(client, begin(client, terminal), "none")
    chinese = client.get(second)
    english = client.get(f"{second}?lang=en")
    assert '<html lang="zh-Hans"' in chinese.content.decode()
    assert '<html lang="en"' in english.content.decode()
    assert chinese.context["step"] == english.context["step"]
    assert chinese.context["question"] != english.context["question"]
    third = tap(client, second, answer_of_nothing(client, second))
    assert (
        client.get(third).context["question"].isascii()
        or "’" in client.get(third).context["question"]
    )
    assert DiagnosisStep.objects.count() == 2


def test_own_words_are_kept_without_card_numbers(terminal: Terminal, anonymous: Persona):
    begin(anonymous.client, terminal, words="刷 4111 1111 1111 1111 提示失败")
    run = DiagnosisRun.objects.get()
    assert "1111 1111" not in run.screen_text
    assert run.screen_text.startswith("刷 ")


def test_none_of_the_symptoms_goes_to_the_report_with_the_words(
    terminal: Terminal, anonymous: Persona
):
    address = begin(anonymous.client, terminal, "other", words="屏幕上有一只猫")
    run = DiagnosisRun.objects.get()
    assert run.flow_version is None
    assert address == reverse("tickets:report", args=["A2B3C4D5"]) + f"?run={run.ref}"
    assert "屏幕上有一只猫" in anonymous.client.get(address).content.decode()


def test_an_unknown_symptom_does_not_exist(terminal: Terminal, anonymous: Persona):
    address = reverse("diagnostics:begin", args=["A2B3C4D5", "no_such_thing"])
    assert anonymous.client.post(address).status_code == 404


def test_walks_per_code_are_limited(terminal: Terminal, anonymous: Persona):
    from posdoctor.core import doors  # noqa: PLC0415 - only this test fills a door

    for _ in range(doors.RUNS_BY_CODE.limit):
        doors.knock(doors.RUNS_BY_CODE, "A2B3C4D5", now=clock.now())
    address = reverse("diagnostics:begin", args=["A2B3C4D5", SYMPTOM])
    assert anonymous.client.post(address).status_code == 429
    assert not DiagnosisRun.objects.exists()


def test_an_open_walk_is_offered_to_its_browser_alone_and_for_a_day(
    terminal: Terminal, anonymous: Persona
):
    client = anonymous.client
    second = tap(client, begin(client, terminal), "none")
    assert second in client.get("/t/A2B3C4D5").content.decode()
    assert second not in signed_in(None).get("/t/A2B3C4D5").content.decode()
    DiagnosisRun.objects.update(started_at=clock.now() - timedelta(hours=25))
    assert second not in client.get("/t/A2B3C4D5").content.decode()


def test_end_pages_of_nobody_lead_to_the_start(terminal: Terminal, anonymous: Persona):
    make_run(terminal, SYMPTOM, state="stop_use")
    for name in ("fixed", "stopped", "unsolved"):
        address = reverse(f"diagnostics:{name}", args=["A2B3C4D5"])
        assert anonymous.client.get(address)["Location"] == "/t/A2B3C4D5"


# --- Without a sticker ---------------------------------------------------------------


def find(client: Client, tail: str, phone: str):
    return client.post(reverse("diagnostics:find"), {"tail": tail, "phone": phone})


@pytest.mark.parametrize(
    ("tail", "phone"),
    [("3318", "19900005521"), ("３３１８", "+86 199 0000 5521"), (" 33-18 ", "199 0000 5521")],
)
def test_serial_and_phone_together_find_the_machine(
    tail: str, phone: str, terminal: Terminal, anonymous: Persona
):
    assert find(anonymous.client, tail, phone)["Location"] == "/t/A2B3C4D5"


def test_a_wrong_half_is_never_named(terminal: Terminal, anonymous: Persona):
    answers = [
        find(anonymous.client, "3318", "19900005522"),
        find(anonymous.client, "3319", "19900005521"),
        find(anonymous.client, "3319", "19900005522"),
    ]
    pages = set()
    for (tail, phone), answer in zip(
        [("3318", "19900005522"), ("3319", "19900005521"), ("3319", "19900005522")],
        answers,
        strict=True,
    ):
        assert answer.status_code == 422
        assert "Location" not in answer
        words = (
            answer.content.decode().replace(f'value="{tail}"', "").replace(f'value="{phone}"', "")
        )
        pages.add(_without_token(words))
    assert len(pages) == 1


def _without_token(page: str) -> str:
    import re  # noqa: PLC0415 - one use

    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


def test_several_machines_are_told_apart_by_counter(terminal: Terminal, anonymous: Persona):
    twin = make_terminal(terminal.store, serial="9921B00723318", counter="外卖窗口")
    page = find(anonymous.client, "3318", "19900005521")
    assert page.status_code == 200
    words = page.content.decode()
    assert "/t/A2B3C4D5" in words
    assert f"/t/{twin.sticker_code}" in words
    assert twin.counter in words


def test_a_machine_of_another_shop_or_out_of_use_is_not_found(
    terminal: Terminal, anonymous: Persona
):
    make_terminal(make_store(terminal.provider), serial="7721C00723318")
    assert find(anonymous.client, "3318", "19900005521")["Location"] == "/t/A2B3C4D5"
    Terminal.objects.filter(pk=terminal.pk).update(state="retired")
    assert find(anonymous.client, "3318", "19900005521").status_code == 422


def test_searches_are_limited_by_address(terminal: Terminal, anonymous: Persona):
    for _ in range(FIND_BY_ADDRESS.limit):
        assert find(anonymous.client, "0000", "19900005521").status_code == 422
    assert find(anonymous.client, "3318", "19900005521").status_code == 429


def test_evidence_is_left_alone_where_nothing_burns(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    page = client.get(tap(client, begin(client, terminal), "case_opened"))
    assert page.status_code == 200
    assert not page.context["must_unplug"]


# --- Cost ----------------------------------------------------------------------------


def test_pages_cost_few_queries(
    terminal: Terminal, anonymous: Persona, django_assert_max_num_queries: Callable[..., Any]
):
    client = anonymous.client
    second = tap(client, begin(client, terminal), "none")
    for address in ("/t/A2B3C4D5", second, "/t/A2B3C4D5/report"):
        client.get(address)
        with django_assert_max_num_queries(8):
            assert client.get(address).status_code == 200
