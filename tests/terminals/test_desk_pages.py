"""Terminals at the desk: list, page, states, sticker, record."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from html import unescape

import pytest
from django.urls import reverse

from diagnostics.actions import answer, attributes_of, step_after
from diagnostics.engine import Ask
from diagnostics.flow import Check
from diagnostics.models import FlowVersion
from merchants.models import Store
from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.models import Seat
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import IllegalMoveError, NotAllowedError
from terminals import actions
from terminals.lifecycle import TerminalState
from terminals.models import Terminal, TerminalEvent, TerminalNumber
from tests.builders import (
    T0,
    actor_of,
    make_merchant,
    make_model,
    make_run,
    make_seat,
    make_store,
    make_terminal,
)
from tests.conftest import Persona

LIST = "/desk/terminals/"


def seat_of(persona: Persona) -> Seat:
    """The persona's seat, which is there."""
    assert persona.seat is not None
    return persona.seat


def store_of(terminal: Terminal) -> Store:
    """The store that the terminal stands in."""
    assert terminal.store is not None
    return terminal.store


def url(terminal: Terminal, deed: str = "") -> str:
    return f"/desk/terminals/{terminal.ref}/{deed}"


def kinds(terminal: Terminal) -> list[str]:
    return list(terminal.events.order_by("pk").values_list("kind", flat=True))


# --- List ----------------------------------------------------------------------------


def test_the_list_finds_by_serial_number_sticker_and_reference(desk: Persona, terminal: Terminal):
    other = make_terminal(make_store(terminal.provider))
    number = terminal.numbers.get().number
    for typed in (
        "0821a00723",
        number,
        "a2b3c4d5",
        terminal.ref.lower(),
        f" {terminal.serial} ",
        "Ａ２Ｂ３Ｃ４Ｄ５",
    ):
        page = desk.client.get(LIST, {"q": typed}).text
        assert terminal.serial in page
        assert other.serial not in page
    assert terminal.serial not in desk.client.get(LIST, {"q": "NOSUCH999"}).text


def test_filters_narrow_and_nonsense_is_left_out(desk: Persona, terminal: Terminal):
    elsewhere = make_store(terminal.provider, area="高新区")
    other = make_terminal(elsewhere, model=make_model(slug="n910", name="N910"), state="in_repair")
    for query in ({"state": "in_repair"}, {"area": "高新区"}, {"model": "n910"},
                  {"merchant": elsewhere.merchant.ref}):  # fmt: skip
        page = desk.client.get(LIST, query).text
        assert other.serial in page
        assert terminal.serial not in page
    page = desk.client.get(LIST, {"state": "exploded", "model": "'; --", "area": "月球"}).text
    assert terminal.serial in page
    assert other.serial in page


def test_the_list_goes_on_page_after_page_without_a_gap(
    desk: Persona,
    provider,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
):
    store = make_store(provider)
    model = make_model()
    for n in range(120):
        make_terminal(store, serial=f"SERIAL{n:04d}", model=model)
    seen: list[str] = []
    query: dict[str, str] = {}
    for _page in range(3):
        with django_assert_max_num_queries(12):
            page = desk.client.get(LIST, query).context["page"]
        seen += [terminal.serial for terminal in page.terminals]
        query = {"after": page.after}
    assert seen == [f"SERIAL{n:04d}" for n in range(120)]
    assert query == {"after": ""}


def test_a_foreign_terminal_is_in_no_list_and_on_no_page(outsider: Persona, terminal: Terminal):
    for query in ({}, {"q": terminal.serial}, {"merchant": store_of(terminal).merchant.ref}):
        assert terminal.ref not in outsider.client.get(LIST, query).text
    for deed in ("", "edit", "stop", "release", "move", "sticker"):
        assert outsider.client.get(url(terminal, deed)).status_code == 404
    panel = reverse("terminals:of_merchant", args=[store_of(terminal).merchant.ref])
    assert outsider.client.get(panel).status_code == 404


def test_the_merchants_panel_lists_its_terminals_as_page_and_fragment(
    desk: Persona, terminal: Terminal
):
    other = make_terminal(make_store(terminal.provider))
    panel = reverse("terminals:of_merchant", args=[store_of(terminal).merchant.ref])
    page = desk.client.get(panel).text
    part = desk.client.get(panel, headers={"hx-request": "true"}).text
    assert "<html" in page
    assert "<html" not in part
    for text in (page, part):
        assert terminal.serial in text
        assert other.serial not in text


# --- Page ----------------------------------------------------------------------------


def test_the_page_tells_the_facts_and_marks_what_no_source_states(desk: Persona, provider):
    model = make_model(
        features={"battery": True, "printer": None, "dock": False},
        verified={"battery": True, "connections": True},
    )
    terminal = make_terminal(make_store(provider), model=model, firmware="PayDroid_7.1.1")
    page = desk.client.get(url(terminal) + "?lang=en").text
    number = terminal.numbers.get().number
    for fact in (terminal.serial, "PayDroid_7.1.1", store_of(terminal).name, number, "Wi-Fi",
                 f"http://127.0.0.1:8000/T/{terminal.sticker_code}"):  # fmt: skip
        assert fact in page
    facts = page[page.index("model-title") :]
    battery, printer, dock = (
        facts[facts.index(f"<dt>{name}</dt>") :].partition("</dd>")[0]
        for name in ("Battery", "Printer", "Charging dock")
    )
    assert "Yes" in battery
    assert "unverified" not in battery
    assert "Not known" in printer
    assert "No" in dock
    assert "unverified" in dock


def test_the_history_holds_deeds_and_self_checks_newest_first(desk: Persona, terminal: Terminal):
    run = make_run(terminal, "network_down")
    actions.stop_by_hand(
        actor_of(seat_of(desk)), terminal_id=terminal.pk, reason="电池鼓包", now=T0
    )
    history = desk.client.get(url(terminal)).context["history"]
    assert {entry.icon for entry in history} == {"octagon-alert", "stethoscope"}
    assert any(run.ref in entry.details for entry in history)
    assert any("电池鼓包" in entry.details for entry in history)
    assert [e.at for e in history] == sorted((e.at for e in history), reverse=True)


# --- States --------------------------------------------------------------------------


def test_the_desk_stops_and_only_a_lead_releases(
    desk: Persona, supervisor: Persona, terminal: Terminal
):
    assert desk.client.post(url(terminal, "stop"), {"reason": ""}).status_code == 422
    assert desk.client.post(url(terminal, "stop"), {"reason": "电池鼓包"}).status_code == 302
    terminal.refresh_from_db()
    assert terminal.state == TerminalState.STOPPED
    assert terminal.stopped_at is not None
    assert desk.client.post(url(terminal, "release"), {"reason": "好了"}).status_code == 403
    page = desk.client.get(url(terminal)).text
    assert url(terminal, "release") not in page
    assert supervisor.client.post(url(terminal, "release"), {"reason": ""}).status_code == 422
    response = supervisor.client.post(url(terminal, "release"), {"reason": "换了电池"})
    assert response.status_code == 302
    terminal.refresh_from_db()
    assert (terminal.state, terminal.stopped_for) == (TerminalState.ACTIVE, "")
    assert kinds(terminal) == ["stopped", "released"]
    assert terminal.events.get(kind="released").note == "换了电池"


def test_a_lead_who_stopped_it_needs_another_one(
    supervisor: Persona, administrator: Persona, terminal: Terminal
):
    supervisor.client.post(url(terminal, "stop"), {"reason": "电池鼓包"})
    page = supervisor.client.get(url(terminal)).text
    assert url(terminal, "release") not in page
    assert "您停用了这台终端" in page
    answer = supervisor.client.post(url(terminal, "release"), {"reason": "换了电池"})
    assert answer.status_code == 422
    assert "您停用了这台终端" in answer.text
    assert "换了电池" in answer.text
    assert kinds(terminal) == ["stopped"]
    assert url(terminal, "release") in administrator.client.get(url(terminal)).text
    done = administrator.client.post(url(terminal, "release"), {"reason": "换了电池"})
    assert done.status_code == 302
    assert kinds(terminal) == ["stopped", "released"]
    # The next stop is by somebody else: the first one may release it then.
    administrator.client.post(url(terminal, "stop"), {"reason": "又鼓包"})
    assert (
        supervisor.client.post(url(terminal, "release"), {"reason": "换了电池"}).status_code == 302
    )


def test_a_detour_of_the_one_who_stopped_it_needs_another_one_too(
    supervisor: Persona, administrator: Persona, terminal: Terminal
):
    supervisor.client.post(url(terminal, "stop"), {"reason": "电池鼓包"})
    to_repair = {"state": "in_repair", "note": "送修"}
    assert supervisor.client.post(url(terminal, "move"), to_repair).status_code == 302
    back = {"state": "active", "note": "修好了"}
    refused = supervisor.client.post(url(terminal, "move"), back)
    assert refused.status_code == 422
    assert "您停用了这台终端" in refused.text
    assert administrator.client.post(url(terminal, "move"), back).status_code == 302
    terminal.refresh_from_db()
    assert terminal.state == TerminalState.ACTIVE


def stop_by_walk(terminal: Terminal, symptom: str, fault: str, language: str) -> Terminal:
    """Walks the symptom's flow as a machine with this fault answers, until it is stopped."""
    known = attributes_of(terminal)
    run = make_run(terminal, symptom, attributes=known, language=language, order="authored")
    actor = reporter(provider_id=terminal.provider_id, run_id=run.pk)
    while isinstance(asked := step_after(run, run.answers()), Ask):
        step = asked.step
        said = "unsolved"
        if isinstance(step, Check):
            likely = dict(zip(step.telling, step.row(fault), strict=True))
            said = max(likely, key=lambda option: likely[option]).id
        run = answer(actor, run_id=run.pk, step_id=step.id, answer_id=said, now=T0)
    terminal.refresh_from_db()
    assert (terminal.state, terminal.stopped_for) == (TerminalState.STOPPED, fault)
    return terminal


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_stop_for_a_fault_is_told_in_words_never_by_an_id(
    desk: Persona, supervisor: Persona, terminal: Terminal, language: str
):
    flow = FlowVersion.objects.published().get(symptom="card_not_read").flow
    cause = flow.fault("cr_hw")
    assert cause is not None
    stop_by_walk(terminal, "card_not_read", "cr_hw", language)
    for page in (
        desk.client.get(url(terminal) + "?lang=en").text,
        supervisor.client.get(url(terminal, "release") + "?lang=en").text,
    ):
        text = unescape(page)
        assert "cr_hw" not in text
        assert "Stopped after a self-check" in text
        assert f"{cause.text.get(language)} – {flow.advice('cr_hw').get(language)}" in text


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("safety.battery_swollen", "The battery is swollen"),
        ("safety.case_opened", "The case was opened"),
        ("by_hand", "Stopped at the desk"),
        ("left_the_flow", "Stopped after a self-check"),
    ],
)
def test_why_a_terminal_is_stopped(desk: Persona, terminal: Terminal, cause: str, words: str):
    actor = actor_of(seat_of(desk))
    actions.stop(actor, terminal_id=terminal.pk, cause=cause, now=T0, note="有烧焦味")
    page = desk.client.get(url(terminal) + "?lang=en").text
    assert page.count(words) == 2  # at the top and in the history
    assert page.count("有烧焦味") == 2
    assert cause not in page


def test_a_detour_through_repair_is_no_way_around_the_release(
    desk: Persona, supervisor: Persona, terminal: Terminal
):
    agent, lead = actor_of(seat_of(desk)), actor_of(seat_of(supervisor))
    actions.stop_by_hand(agent, terminal_id=terminal.pk, reason="进水", now=T0)
    actions.move(agent, terminal_id=terminal.pk, state="in_repair", now=T0, note="送修")
    with pytest.raises(NotAllowedError):
        actions.move(agent, terminal_id=terminal.pk, state="active", now=T0, note="好了")
    terminal.refresh_from_db()
    assert terminal.state == TerminalState.IN_REPAIR
    actions.move(lead, terminal_id=terminal.pk, state="active", now=T0, note="换主板")
    assert kinds(terminal) == ["stopped", "moved", "released"]
    # From now on it is a terminal like any other.
    actions.move(agent, terminal_id=terminal.pk, state="in_repair", now=T0, note="保养")
    actions.move(agent, terminal_id=terminal.pk, state="active", now=T0, note="好了")
    terminal.refresh_from_db()
    assert terminal.state == TerminalState.ACTIVE


S = TerminalState
# Written out by hand: what the desk may choose on the page of a placed terminal.
BY_HAND = {
    S.IN_STOCK: {S.ACTIVE, S.IN_REPAIR, S.RETIRED},
    S.ACTIVE: {S.IN_REPAIR, S.IN_STOCK, S.RETIRED},
    S.STOPPED: {S.IN_REPAIR, S.RETIRED},
    S.IN_REPAIR: {S.IN_STOCK, S.ACTIVE, S.RETIRED},
    S.RETIRED: set(),
}


@pytest.mark.parametrize("wanted", list(S))
@pytest.mark.parametrize("current", list(S))
def test_moves_by_hand(desk: Persona, provider, current: TerminalState, wanted: TerminalState):
    stopped = {"stopped_at": T0} if current == S.STOPPED else {}
    terminal = make_terminal(make_store(provider), state=current, **stopped)
    assert set(actions.moves_by_hand(terminal)) == BY_HAND[current]
    response = desk.client.post(url(terminal, "move"), {"state": wanted, "note": "测试"})
    terminal.refresh_from_db()
    if wanted in BY_HAND[current]:
        assert response.status_code == 302
        assert terminal.state == wanted
        assert kinds(terminal) == ["moved"]
    else:
        assert response.status_code == 409
        assert terminal.ref in response.text  # the page as it is now
        assert terminal.state == current
        assert kinds(terminal) == []


def test_a_move_needs_a_reason_and_keeps_what_was_chosen(desk: Persona, terminal: Terminal):
    response = desk.client.post(url(terminal, "move"), {"state": "in_repair", "note": " "})
    assert response.status_code == 422
    assert 'value="in_repair"' in response.text
    assert "checked" in response.text
    terminal.refresh_from_db()
    assert terminal.state == TerminalState.ACTIVE


def test_a_terminal_without_a_store_is_not_put_into_use(desk: Persona, provider):
    terminal = make_terminal(make_store(provider), state="in_stock")
    Terminal.objects.filter(pk=terminal.pk).update(store=None)
    response = desk.client.post(url(terminal, "move"), {"state": "active", "note": "装机"})
    assert response.status_code == 409


def test_stopping_twice_shows_the_state_instead(desk: Persona, terminal: Terminal):
    desk.client.post(url(terminal, "stop"), {"reason": "冒烟"})
    again = desk.client.post(url(terminal, "stop"), {"reason": "冒烟"})
    assert again.status_code == 409
    assert kinds(terminal) == ["stopped"]
    with pytest.raises(IllegalMoveError):
        actions.stop_by_hand(actor_of(seat_of(desk)), terminal_id=terminal.pk, reason="x", now=T0)


# --- Sticker -------------------------------------------------------------------------


def test_the_sticker_is_replaced_in_two_steps(desk: Persona, terminal: Terminal):
    first = desk.client.get(url(terminal, "sticker"))
    assert first.status_code == 200
    assert "A2B3C4D5" in first.text
    terminal.refresh_from_db()
    assert terminal.sticker_code == "A2B3C4D5"
    desk.client.post(url(terminal, "sticker"))
    terminal.refresh_from_db()
    assert terminal.sticker_code != "A2B3C4D5"
    assert not Terminal.objects.by_sticker("A2B3C4D5").exists()
    assert kinds(terminal) == ["sticker_replaced"]


# --- Record --------------------------------------------------------------------------


def record(terminal: Terminal, **changes: str) -> dict[str, str]:
    """What the form of this terminal sends."""
    return {
        "serial": terminal.serial,
        "model": terminal.model.slug,
        "store": store_of(terminal).ref,
        "counter": terminal.counter,
        "connection": terminal.connection,
        "number_card": terminal.numbers.get().number,
        **changes,
    }


def test_the_record_is_corrected_and_old_and_new_are_kept(desk: Persona, terminal: Terminal):
    other = make_store(terminal.provider)
    model = make_model(slug="n910", name="N910")
    data = record(
        terminal, serial=" ｎ9-000123 ", model="n910", store=other.ref.lower(), number_card="",
        number_qr="ab12cd34", sim_iccid="89860012345678901234", warranty_until="2027-05-01",
    )  # fmt: skip
    assert desk.client.post(url(terminal, "edit"), data).status_code == 302
    terminal.refresh_from_db()
    assert (terminal.serial, terminal.model, terminal.store) == ("N9-000123", model, other)
    assert terminal.warranty_until == date(2027, 5, 1)
    numbers = list(TerminalNumber.objects.filter(terminal=terminal).values_list("kind", "number"))
    assert numbers == [("qr", "AB12CD34")]
    changes = TerminalEvent.objects.get(terminal=terminal).data["changes"]
    assert changes["serial"] == ["0821A00723318", "N9-000123"]
    assert changes["number_qr"] == ["", "AB12CD34"]
    assert "counter" not in changes
    assert "N9-000123" in desk.client.get(url(terminal)).text


def test_saving_an_unchanged_record_records_nothing(desk: Persona, terminal: Terminal):
    desk.client.post(url(terminal, "edit"), record(terminal))
    assert kinds(terminal) == []


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("serial", "", "Enter the serial"),
        ("serial", "12", "6 to 50 letters"),
        ("serial", "ABC_1234", "6 to 50 letters"),
        ("model", "", "Choose the model"),
        ("store", "S-ZZZZZZ", "No store has the reference"),
        ("store", "", "needs a store"),
        ("number_card", "1234567", "this one has 7"),
        ("number_qr", "12 34 5", "this one has 5"),
        ("sim_iccid", "12345", "this one has 5"),
        ("installed_on", "yesterday", "Write the date like"),
    ],
)
def test_a_wrong_record_says_what_to_do_and_changes_nothing(
    desk: Persona, terminal: Terminal, field: str, value: str, advice: str
):
    data = record(terminal, counter="收银台 9", **{field: value})
    response = desk.client.post(url(terminal, "edit") + "?lang=en", data)
    assert response.status_code == 422
    assert response.text.count(advice) == 2  # in the summary and beside the field
    assert "收银台 9" in response.text
    assert response.text.index("<title>Error:") > 0
    terminal.refresh_from_db()
    assert terminal.counter == "收银台 1"


def test_a_serial_belongs_to_one_terminal_of_a_provider(
    desk: Persona, terminal: Terminal, other_provider
):
    taken = make_terminal(make_store(terminal.provider))
    response = desk.client.post(url(terminal, "edit"), record(terminal, serial=taken.serial))
    assert response.status_code == 422
    elsewhere = make_terminal(make_store(other_provider))
    data = record(terminal, serial=elsewhere.serial)
    assert desk.client.post(url(terminal, "edit"), data).status_code == 302


def test_a_store_of_another_provider_does_not_exist_in_the_form(
    desk: Persona, terminal: Terminal, other_provider
):
    foreign: Store = make_store(other_provider)
    response = desk.client.post(url(terminal, "edit"), record(terminal, store=foreign.ref))
    assert response.status_code == 422
    terminal.refresh_from_db()
    assert terminal.store != foreign


# --- Adding --------------------------------------------------------------------------

NEW = f"{LIST}new"


def new_record(place: Store | None, **changes: str) -> dict[str, str]:
    """What the page for a new terminal sends."""
    return {
        "serial": "n9-000777",
        "model": "n910",
        "store": place.ref if place else "",
        "state": "active" if place else "in_stock",
        "counter": "收银台 2",
        "connection": "wifi",
        "number_card": "ab12cd34",
        "firmware": "7.1",
        "app_version": "2.0",
        "warranty_until": "2028-01-31",
        **changes,
    }


@pytest.fixture
def store(provider) -> Store:
    make_model(slug="n910", name="N910")
    merchant = make_merchant(provider, name="春熙路面馆")
    return make_store(merchant=merchant, name="春熙路面馆（总店）")


def test_a_terminal_is_added_to_a_store(desk: Persona, store: Store):
    assert NEW in desk.client.get(LIST).text
    begun = desk.client.get(NEW, {"store": store.ref})
    assert begun.context["form"]["state"].value() == "active"
    assert store.ref in str(begun.context["form"]["store"].value())
    response = desk.client.post(NEW, new_record(store))
    added = Terminal.objects.get()
    assert response["Location"] == url(added)
    assert (added.serial, added.provider, added.store) == ("N9-000777", store.provider, store)
    assert (added.state, added.model.slug, added.counter) == ("active", "n910", "收银台 2")
    assert (added.firmware, added.app_version) == ("7.1", "2.0")
    assert added.warranty_until == date(2028, 1, 31)
    assert [str(number) for number in added.numbers.all()] == ["AB12CD34"]
    event = added.events.get()
    assert (event.kind, event.data) == ("added", {"state": "active", "store": store.ref})
    assert event.actor_user_id == seat_of(desk).user_id
    page = desk.client.get(url(added) + "?lang=en").text
    assert store.name in page
    assert "<b>Added</b> · Active" in page


def test_a_terminal_in_stock_needs_no_store(desk: Persona, store: Store):
    assert desk.client.post(NEW, new_record(None)).status_code == 302
    assert (Terminal.objects.get().state, Terminal.objects.get().store) == ("in_stock", None)


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("serial", "", "Enter the serial"),
        ("serial", "TAKEN-1", "Another terminal has this serial"),
        ("model", "", "Choose the model"),
        ("store", "", "needs a store"),
        ("store", "没有这家店", "No store fits"),
        ("state", "", "Choose the state"),
        ("state", "stopped", "stopped is not one of the available choices"),
        ("number_card", "1234567", "this one has 7"),
        ("warranty_until", "soon", "Write the date like"),
    ],
)
def test_a_wrong_new_terminal_says_what_to_do_and_adds_nothing(
    desk: Persona, store: Store, field: str, value: str, advice: str
):
    make_terminal(store, serial="TAKEN-1")
    data = new_record(store, **{field: value})
    response = desk.client.post(NEW + "?lang=en", data)
    assert response.status_code == 422
    assert response.text.count(advice) == 2
    assert "收银台 2" in response.text
    assert Terminal.objects.count() == 1


def test_a_taken_serial_is_said_in_chinese_and_is_free_with_another_provider(
    desk: Persona, outsider: Persona, store: Store
):
    assert desk.client.post(NEW, new_record(store)).status_code == 302
    assert desk.client.post(NEW, new_record(store)).text.count("另一台终端用了这个序列号") == 2
    assert outsider.client.post(NEW, new_record(None)).status_code == 302


def test_a_store_is_found_by_its_words_and_picked_where_several_fit(desk: Persona, store: Store):
    shop = make_merchant(store.provider, name="蜀香火锅")
    first = make_store(merchant=shop, name="一环店", address="一环路 1 号")
    second = make_store(merchant=shop, name="二环店", address="二环路 2 号")
    shown = desk.client.get(NEW).text
    for one in (store, first, second):  # offered by the browser while typing
        assert f'<option value="{one.name}' in shown
    # One fits: by a part of the name, by the merchant's name with the address, by the label.
    for n, typed in enumerate(["面馆", "蜀香　一环路", f"一环店 · 蜀香火锅 · {first.ref}"]):
        data = new_record(None, store=typed, serial=f"FOUND-{n}")
        assert desk.client.post(NEW, data).status_code == 302, typed
    placed = Terminal.objects.order_by("serial").values_list("store__name", flat=True)
    assert list(placed) == [store.name, "一环店", "一环店"]
    # Several fit: none is taken without being chosen, and the choice survives another mistake.
    data = new_record(None, store="蜀香", serial="PICKED")
    several = desk.client.post(NEW + "?lang=en", data)
    assert several.status_code == 422
    assert several.text.count("Several stores fit") == 2
    for one in (first, second):
        assert f'value="{one.ref}"' in several.text
    assert 'value="蜀香"' in several.text
    assert not several.context["form"]["store_pick"].is_optional
    wrong = desk.client.post(NEW, {**data, "store_pick": second.ref, "number_card": "1"})
    picked = wrong.context["form"]["store_pick"]
    assert wrong.status_code == 422
    assert [(str(one.data["value"]), one.data["selected"]) for one in picked] == [
        (first.ref, False),
        (second.ref, True),
    ]
    assert desk.client.post(NEW, {**data, "store_pick": second.ref}).status_code == 302
    assert Terminal.objects.get(serial="PICKED").store == second


def test_of_many_fitting_stores_the_first_are_offered(desk: Persona, store: Store):
    shop = make_merchant(store.provider, name="连锁")
    for n in range(12):
        make_store(merchant=shop, name=f"连锁{n:02d}店")
    page = desk.client.post(NEW + "?lang=en", new_record(None, store="连锁"))
    assert page.text.count("Many stores fit") == 2
    assert len(list(page.context["form"]["store_pick"])) == 10
    exact = desk.client.post(NEW, new_record(None, store="连锁07店"))
    assert exact.status_code == 302


def test_a_pick_that_does_not_fit_the_words_is_no_choice(
    desk: Persona, store: Store, other_provider
):
    make_store(store.provider, name="面馆二店")
    foreign = make_store(other_provider, name="面馆三店")
    data = new_record(None, store="面馆", store_pick=foreign.ref)
    response = desk.client.post(NEW, data)
    assert response.status_code == 422
    for hidden in (f'value="{foreign.ref}"', foreign.name):
        assert hidden not in response.text
    begun = desk.client.get(NEW, {"store": foreign.ref})
    assert begun.context["form"]["store"].value() == ""
    assert not Terminal.objects.exists()


def test_the_record_shows_the_stores_name_and_keeps_it(desk: Persona, terminal: Terminal):
    place = store_of(terminal)
    shown = desk.client.get(url(terminal, "edit"))
    value = shown.context["form"]["store"].value()
    assert value.startswith(place.name)
    assert desk.client.post(url(terminal, "edit"), record(terminal, store=value)).status_code == 302
    assert kinds(terminal) == []


def test_a_card_number_typed_into_a_new_record_is_masked(desk: Persona, store: Store):
    card = "6222021234567890128"
    data = new_record(store, counter=f"卡 {card}", firmware=card)
    assert desk.client.post(NEW, data).status_code == 302
    added = Terminal.objects.get()
    assert card not in added.counter + added.firmware
    assert added.firmware.startswith("622202")


def test_only_the_desk_adds_a_terminal(desk: Persona, merchant: Persona, field: Persona):
    assert merchant.user is not None
    owner = Actor(role=Role.MERCHANT, user_id=merchant.user.pk)
    for actor in (owner, actor_of(seat_of(field))):
        with pytest.raises(NotAllowedError):
            actions.add(actor, now=T0, values={"state": "in_stock", "store": None}, numbers={})
    with pytest.raises(IllegalMoveError):
        actions.add(
            actor_of(seat_of(desk)),
            now=T0,
            values={"state": "retired", "store": None},
            numbers={},
        )


def test_owners_and_field_engineers_have_no_page_of_a_terminal(
    field: Persona, merchant: Persona, terminal: Terminal
):
    for persona in (field, merchant):
        assert persona.client.get(url(terminal)).status_code == 404
    actor = actor_of(seat_of(field))
    with pytest.raises(Terminal.DoesNotExist):
        actions.replace_sticker(actor, terminal_id=terminal.pk, now=T0)


def test_a_lead_of_another_provider_releases_nothing_here(other_provider, terminal: Terminal):
    lead = make_seat(other_provider, "administrator")
    with pytest.raises(Terminal.DoesNotExist):
        actions.release(actor_of(lead), terminal_id=terminal.pk, reason="x", now=T0)


def test_card_numbers_in_a_reason_are_masked(desk: Persona, terminal: Terminal):
    desk.client.post(url(terminal, "stop"), {"reason": "卡号 6222021234567890128 卡住"})
    note = terminal.events.get().note
    assert "6222021234567890128" not in note
    assert "卡住" in note


def test_the_panel_of_a_merchant_with_many_terminals_points_to_the_list(desk: Persona, provider):
    store = make_store(merchant=make_merchant(provider))
    model = make_model()
    for _ in range(21):
        make_terminal(store, model=model)
    panel = reverse("terminals:of_merchant", args=[store.merchant.ref])
    page = desk.client.get(panel, headers={"hx-request": "true"})
    assert len(page.context["terminals"]) == 20
    assert f"{LIST}?merchant={store.merchant.ref}" in page.text
