"""Two taps at the same moment, on two connections."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from diagnostics.models import DiagnosisRun
from terminals.models import Terminal
from tests.builders import make_contact, make_store, make_terminal
from tickets.models import Message, Ticket, TicketEvent

FORM, CHECK = "/t/A2B3C4D5/report", "/t/A2B3C4D5/report/check"


@pytest.fixture
def standing(transactional_db: None) -> Terminal:
    store = make_store()
    make_contact(store)
    return make_terminal(store, sticker_code="A2B3C4D5")


def at_once(client: Client, deed: Callable[[Client], str], count: int = 4) -> list[str]:
    """`deed` in `count` threads that start together, each a tap in the same browser."""
    barrier = threading.Barrier(count)
    found: list[str] = []

    def tap() -> None:
        twin = Client(headers={"accept-language": "zh-CN"})
        twin.cookies.load({name: morsel.value for name, morsel in client.cookies.items()})
        barrier.wait(timeout=10)
        try:
            found.append(deed(twin))
        finally:
            connection.close()

    threads = [threading.Thread(target=tap) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == count
    return found


def test_parallel_taps_on_send_make_one_ticket(standing: Terminal):
    client = Client(headers={"accept-language": "zh-CN"})
    look = client.post(FORM, {"contact_phone": "13800005521", "impact": "all", "note": "通讯超时"})
    run = client.get(look["Location"]).context["run"]
    places = at_once(client, lambda twin: twin.post(CHECK, {"run": run.ref})["Location"])
    assert len(set(places)) == 1
    assert places[0].startswith("/r/")
    assert Ticket.objects.count() == 1
    assert Message.objects.count() == 1
    assert TicketEvent.objects.count() == 1


def test_parallel_taps_on_a_symptom_begin_one_walk(standing: Terminal):
    client = Client(headers={"accept-language": "zh-CN"})
    begin = "/t/A2B3C4D5/check/network_down"
    client.post(begin)
    DiagnosisRun.objects.all().delete()
    places = at_once(client, lambda twin: twin.post(begin)["Location"])
    assert set(places) == {f"{begin}/1"}
    assert DiagnosisRun.objects.count() == 1


def test_parallel_taps_on_an_answer_count_once(standing: Terminal):
    client = Client(headers={"accept-language": "zh-CN"})
    client.post("/t/A2B3C4D5/check/network_down")
    first = "/t/A2B3C4D5/check/network_down/1"
    form = {"step": "safety", "answer": "none"}
    places = at_once(client, lambda twin: twin.post(first, form)["Location"])
    assert len(set(places)) == 1
    assert DiagnosisRun.objects.get().steps.count() == 1
