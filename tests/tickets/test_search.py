"""The desk's search: what is found, in which order, and what never leaks."""

import logging

import pytest
from django.urls import reverse

from merchants.models import Merchant
from terminals.models import TerminalNumber
from tests.builders import (
    T0,
    actor_of,
    make_contact,
    make_merchant,
    make_store,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets.models import Ticket

NAMES = [
    "老王川菜馆",
    "蓉城药房三店",
    "Blue Door Bakery",
    "好邻居便利店（高新）",
    "７-Eleven 天府店",
]


def hits(persona: Persona, typed: str) -> str:
    answer = persona.client.get(reverse("tickets:search"), {"q": typed})
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_part_of_a_chinese_name_finds_the_merchant(desk: Persona, provider):
    assert desk.seat
    for name in NAMES:
        make_merchant(provider, name=name)
    visible = Merchant.objects.visible_to(actor_of(desk.seat))
    missed = []
    for name in NAMES[:2]:
        for start in range(len(name)):
            for end in range(start + 1, len(name) + 1):
                if not visible.named_like(name[start:end]).filter(name=name).exists():
                    missed.append(name[start:end])
    assert not missed


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("blue bak", "Blue Door Bakery"),
        ("BLUE", "Blue Door Bakery"),
        ("高新 邻居", "好邻居便利店（高新）"),
        ("7-eleven", "７-Eleven 天府店"),
        ("eleven 天府", "７-Eleven 天府店"),
    ],
)
def test_words_in_any_order_case_and_width(typed: str, name: str, desk: Persona, provider):
    for each in NAMES:
        make_merchant(provider, name=each)
    found = hits(desk, typed)
    assert name in found
    assert all(other not in found for other in NAMES if other != name)


def test_pairs_that_stand_apart_do_not_match_as_a_word(desk: Persona, provider):
    assert desk.seat
    make_merchant(provider, name="川香馆")
    visible = Merchant.objects.visible_to(actor_of(desk.seat))
    assert not visible.named_like("川馆").exists()


def test_a_whole_reference_leads_to_its_ticket_however_it_is_typed(desk: Persona, terminal):
    ticket = make_ticket(terminal)
    for typed in (ticket.ref, ticket.ref.lower(), f" {ticket.ref} ", ticket.ref.replace("-", "")):
        answer = desk.client.get(reverse("tickets:search"), {"q": typed})
        assert answer.status_code == 302
        assert answer["Location"] == reverse("tickets:ticket", args=[ticket.ref])


def test_a_foreign_reference_is_nothing_found(outsider: Persona, terminal):
    ticket = make_ticket(terminal, title="只有自己人看得到")
    found = hits(outsider, ticket.ref)
    assert "只有自己人看得到" not in found


def test_terminals_are_found_by_serial_number_sticker_and_reference(desk: Persona, terminal):
    ticket = make_ticket(terminal, title="扫码没反应")
    number = TerminalNumber.objects.get(terminal=terminal).number
    for typed in (
        terminal.serial,
        terminal.serial[-6:].lower(),
        number,
        terminal.sticker_code,
        terminal.ref,
    ):
        found = hits(desk, typed)
        assert "扫码没反应" in found, typed
        assert found.index(ticket.ref) < found.index(terminal.serial, found.index('id="hits"'))


@pytest.mark.parametrize("typed", ["19900005521", "199 0000 5521", "5521"])
def test_a_phone_number_finds_ticket_terminal_and_merchant(typed: str, desk: Persona, terminal):
    make_ticket(terminal, title="打不出小票", contact_phone="19900005521")
    found = hits(desk, typed)
    assert "打不出小票" in found
    assert terminal.serial in found
    assert terminal.store.merchant.name in found
    assert "19900005521" not in found[found.index('id="hits"') :]


def test_three_digits_are_too_few_for_a_phone(desk: Persona, terminal):
    make_ticket(terminal, title="打不出小票", contact_phone="19900005521")
    assert "打不出小票" not in hits(desk, "990")


def test_what_was_typed_is_masked_in_page_and_log(desk: Persona, caplog):
    caplog.set_level(logging.DEBUG)
    found = hits(desk, "4111111111111111")
    assert "4111111111111111" not in found
    assert "411111******1111" in found
    assert "4111111111111111" not in caplog.text


@pytest.mark.parametrize("typed", ["", "   ", "%", "_", "'", "\\", "\x00", "——", "a" * 500, "🙂"])
def test_odd_input_is_answered_calmly(typed: str, desk: Persona, terminal):
    make_ticket(terminal, title="不该被百分号找到")
    assert "不该被百分号找到" not in hits(desk, typed)


def test_field_engineers_find_their_own_jobs_only(field: Persona, terminal):
    mine = make_ticket(terminal, assignee=field.user, title="我的任务单")
    make_ticket(terminal, title="别人的单")
    found = hits(field, "5521")
    assert mine.ref in found
    assert "别人的单" not in found
    assert terminal.store.merchant.number not in found


def test_other_providers_rows_are_never_found(outsider: Persona, terminal):
    make_ticket(terminal, title="外人看不到")
    for typed in (terminal.serial, "5521", terminal.store.merchant.name, terminal.sticker_code):
        found = hits(outsider, typed)
        results = found[found.index('id="hits"') :]
        assert "外人看不到" not in results
        assert terminal.ref not in results


def test_search_asks_as_often_for_many_rows_as_for_few(
    desk: Persona, provider, django_assert_max_num_queries
):
    store = make_store(provider, merchant=make_merchant(provider, name="锦里茶社"))
    make_contact(store)
    for _ in range(12):
        make_ticket(make_terminal(store), opened_at=T0)
    with django_assert_max_num_queries(20):
        hits(desk, "锦里")
    assert Ticket.objects.count() == 12
