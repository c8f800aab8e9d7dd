"""Queries per page against a reviewed file, and growth: 30 rows cost what 3 cost.

After a wanted change run `UPDATE_QUERY_COUNTS=1 bin/test tests/architecture/test_query_counts.py`
and review the difference of `tests/query_counts.json`.
"""

import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posdoctor.accounts.models import Provider
from terminals.models import Terminal
from tests.builders import make_message, make_run, make_seat, make_store, make_terminal, make_ticket
from tests.conftest import Persona
from tickets.models import Ticket

BASELINE = Path(__file__).resolve().parent.parent / "query_counts.json"
# Aimed at 12 per full page; a search looks in three kinds of rows, twice each, and the bell of
# every page counts once, as do the clocks of a list and the moment they are read at.
MOST = 19

LISTS = {
    "inbox": ("tickets:inbox", {}, ""),
    "queue all": ("tickets:queue", {"view": "all"}, ""),
    "search": ("tickets:search", {}, "?q=老王川菜馆"),
    "terminals": ("terminals:list", {}, ""),
    "merchants": ("merchants:list", {}, ""),
}


def measure(persona: Persona, url: str) -> int:
    """Queries of one page; the page is asked once before, so that caches are warm."""
    persona.client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert persona.client.get(url).status_code == 200
    return len(queries)


def fill(provider: Provider, owner: Persona, number: int) -> list[Ticket]:
    """`number` shops with a terminal, a walk, a ticket and a conversation each."""
    tickets = []
    for _ in range(number):
        terminal = make_terminal(make_store(provider))
        ticket = make_ticket(
            terminal, run=make_run(terminal, "network_down"), status="open", assignee=owner.user
        )
        make_message(ticket)
        make_message(ticket, kind="reply", author=make_seat(provider).user)
        tickets.append(ticket)
    return tickets


def compare(name: str, count: int) -> None:
    """Equal to the reviewed number, or written down where asked."""
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    if os.environ.get("UPDATE_QUERY_COUNTS") == "1":
        known[name] = count
        BASELINE.write_text(
            json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    assert known.get(name) == count


@pytest.mark.parametrize("name", LISTS)
def test_lists_cost_the_same_with_3_and_with_30_rows(
    name: str, provider: Provider, supervisor: Persona
):
    route, parts, query = LISTS[name]
    url = reverse(route, kwargs=parts) + query
    fill(provider, supervisor, 3)
    few = measure(supervisor, url)
    fill(provider, supervisor, 27)
    many = measure(supervisor, url)
    assert many == few
    assert many <= MOST
    compare(name, many)


def test_ticket_page_costs_the_same_with_a_long_conversation(
    provider: Provider, supervisor: Persona
):
    (ticket,) = fill(provider, supervisor, 1)
    url = reverse("tickets:ticket", kwargs={"ref": ticket.ref})
    for _ in range(3):
        make_message(ticket)
    few = measure(supervisor, url)
    for _ in range(27):
        make_message(ticket, kind="note", author=supervisor.user)
    many = measure(supervisor, url)
    assert many == few
    compare("ticket", many)


def test_record_pages(provider: Provider, supervisor: Persona):
    tickets = fill(provider, supervisor, 3)
    terminal = tickets[0].terminal
    compare(
        "terminal",
        measure(supervisor, reverse("terminals:terminal", kwargs={"ref": terminal.ref})),
    )
    merchant = tickets[0].merchant
    compare(
        "merchant",
        measure(supervisor, reverse("merchants:merchant", kwargs={"ref": merchant.ref})),
    )


def test_sticker_and_step(terminal: Terminal, anonymous: Persona):
    start = reverse("diagnostics:start", kwargs={"code": terminal.sticker_code})
    compare("start", measure(anonymous, start))
    begin = reverse(
        "diagnostics:begin", kwargs={"code": terminal.sticker_code, "symptom": "network_down"}
    )
    step = anonymous.client.post(begin).headers["Location"]
    compare("step", measure(anonymous, step))
