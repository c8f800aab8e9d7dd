"""Pages by cursor: complete, stable while rows come and go, and cheap."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posdoctor.accounts.models import Provider
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session
from tests.api.test_entry import refusal
from tests.builders import (
    T0,
    make_contact,
    make_message,
    make_run,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets.models import Ticket


def follow(caller: Caller, address: str) -> list[list[dict[str, Any]]]:
    """All pages from `address` on, by `next`."""
    pages = []
    while address:
        body = caller.client.get(address).json()
        pages.append(body["results"])
        address = body["next"]
    return pages


def test_all_rows_once_in_order_forwards_and_backwards(api: Caller, terminal: Terminal):
    for number in range(7):  # three of one moment: the reference breaks the tie
        make_ticket(terminal, opened_at=T0 + timedelta(minutes=number // 3))
    pages = follow(api, "/api/v1/tickets/?page_size=3")
    refs = [row["ref"] for page in pages for row in page]
    wanted = Ticket.objects.order_by("-opened_at", "-ref").values_list("ref", flat=True)
    assert refs == list(wanted)
    assert [len(page) for page in pages] == [3, 3, 1]
    first = api.get("tickets/?page_size=3").json()
    assert first["previous"] is None
    second = api.client.get(first["next"]).json()
    assert api.client.get(second["previous"]).json()["results"] == first["results"]


def test_rows_that_come_meanwhile_move_nothing(api: Caller, terminal: Terminal):
    old = [make_ticket(terminal, opened_at=T0 + timedelta(minutes=n)).ref for n in range(4)]
    first = api.get("tickets/?page_size=2").json()
    for _ in range(3):
        make_ticket(terminal, opened_at=T0 + timedelta(hours=1))
    second = api.client.get(first["next"]).json()
    seen = [row["ref"] for row in first["results"] + second["results"]]
    assert seen == old[::-1]


def test_cursor_holds_no_database_id_and_keeps_the_filters(api: Caller, terminal: Terminal):
    for _ in range(3):
        make_ticket(terminal, status="open")
    link = api.get("tickets/?page_size=1&status=open&status=new").json()["next"]
    assert "status=open" in link
    assert "status=new" in link
    cursor = link.split("cursor=")[1].split("&")[0]
    way, at, ref = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    assert way == "n"
    assert set(at) == {"at"}
    assert ref.startswith("T-")


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "é", "bm8", _cursor([]), _cursor({}), _cursor("n"), _cursor([["n"], 1, 2]),
        _cursor(["n"]), _cursor(["n", [], "T-222222"]), _cursor(["n", {"at": "2026"}, "T"]),
        _cursor(["n", {"at": "9999-99-99T00:00:00Z"}, "T"]), _cursor(["n", 1, "T"]),
        _cursor(["n", {"at": "2026-01-01T00:00:00Z"}, "a\0b"]),
        _cursor(["n", {"at": "2026-01-01T00:00:00Z"}, "\ud800"]),
        _cursor(["n", {"at": 5, "b": 1}, None]), _cursor(["n", True, "x"]),
    ],
)  # fmt: skip
def test_a_made_up_cursor_is_refused(cursor: str, api: Caller):
    for path in ("tickets/", "terminals/"):
        refusal(api.get(path, {"cursor": cursor}), 422, "invalid")


@pytest.mark.parametrize("size", ["0", "-1", "201", "x", "1e9", "٣٣٣"])
def test_page_size_is_bounded(size: str, api: Caller):
    body = refusal(api.get("tickets/", {"page_size": size}), 422, "invalid")
    assert list(body["fields"]) == ["page_size"]


def test_names_of_any_script_page_well(api: Caller, provider: Provider):
    for name in ("老王\u3000总店", "Ünï", "😀", "a'b", "zz"):
        make_store(provider, name=name)
    found = [row["name"] for page in follow(api, "/api/v1/stores/?page_size=2") for row in page]
    assert sorted(found) == sorted(["老王\u3000总店", "Ünï", "😀", "a'b", "zz"])


def test_mixed_pages_show_everything_once(api: Caller, terminal: Terminal):
    for number in range(5):
        make_ticket(terminal, opened_at=T0)
        make_run(terminal, started_at=T0)
        make_ticket(terminal, opened_at=T0 - timedelta(days=number))
    whole = api.get(f"terminals/{terminal.ref}/history/?page_size=200").json()["results"]
    parts = follow(api, f"/api/v1/terminals/{terminal.ref}/history/?page_size=4")
    assert [row for page in parts for row in page] == whole
    assert len(whole) == 15
    assert [row["at"] for row in whole] == sorted((row["at"] for row in whole), reverse=True)


def test_filters_of_tickets(api: Caller, desk: Persona, terminal: Terminal):
    team = make_team(terminal.provider)
    mine = make_ticket(terminal, status="open", assignee=desk.user, priority="urgent")
    other = make_ticket(make_terminal(make_store(terminal.provider)), status="new", team=team)

    def refs(query: str) -> set[str]:
        return {row["ref"] for row in api.get(f"tickets/?{query}").json()["results"]}

    assert refs("") == {mine.ref, other.ref}
    assert refs("status=open") == {mine.ref}
    assert refs("status=open&status=new") == {mine.ref, other.ref}
    assert refs("assignee=me") == refs(f"assignee={desk.user.ref}") == {mine.ref}
    assert refs("assignee=none") == {other.ref}
    assert refs(f"team={team.ref.lower()}") == {other.ref}
    assert refs("priority=urgent") == {mine.ref}
    assert refs(f"terminal={terminal.ref}") == {mine.ref}
    assert refs(f"merchant={other.merchant.ref}") == {other.ref}
    assert refs(f"q={terminal.serial}") == {mine.ref}
    assert refs(f"model={terminal.model.slug}") == {mine.ref}
    assert refs("terminal=P-222222") == set()


def test_filters_of_records(api: Caller, provider: Provider, terminal: Terminal):
    other = make_terminal(make_store(provider, area="武侯区"), state="in_repair")

    def refs(path: str) -> set[str]:
        return {row["ref"] for row in api.get(path).json()["results"]}

    for query in (
        "q=723318", f"q={terminal.sticker_code}", f"model={terminal.model.slug}", "state=active",
        "area=成华区", f"store={terminal.store.ref.lower()}",
        f"merchant={terminal.store.merchant.ref}",
    ):  # fmt: skip
        assert refs(f"terminals/?{query}") == {terminal.ref}, query
    assert refs("merchants/?area=武侯区") == {other.store.merchant.ref}
    assert refs(f"merchants/?q={other.store.merchant.name}") == {other.store.merchant.ref}
    assert refs("stores/?q=武侯区") == refs(f"stores/?q={other.store.ref}") == {other.store.ref}
    assert refs(f"stores/?merchant={other.store.merchant.ref}") == {other.store.ref}


LISTS = ["tickets/", "terminals/", "merchants/", "stores/", "people/", "teams/"]


@pytest.mark.parametrize("path", [*LISTS, "timeline", "history", "contacts"])
def test_lists_cost_the_same_with_3_and_with_30_rows(
    path: str, provider: Provider, supervisor: Persona, terminal: Terminal
):
    caller = by_session(supervisor)
    ticket = make_ticket(terminal, status="open")
    path = {
        "timeline": f"tickets/{ticket.ref}/timeline/",
        "history": f"terminals/{terminal.ref}/history/",
        "contacts": f"merchants/{terminal.store.merchant.ref}/contacts/",
    }.get(path, path)

    def cost() -> int:
        caller.get(path)
        with CaptureQueriesContext(connection) as queries:
            assert caller.get(path).status_code == 200
        return len(queries)

    def fill(number: int) -> None:
        for _ in range(number):
            other = make_terminal(make_store(provider))
            make_ticket(
                other, status="open", run=make_run(other, "network_down"), team=make_team(provider),
                previous=ticket, assignee=make_seat(provider).user,
            )  # fmt: skip
            make_ticket(terminal, run=make_run(terminal, "network_down"))
            make_message(ticket)
            make_contact(terminal.store)

    fill(3)
    few = cost()
    fill(27)
    assert cost() == few
    assert few <= 16
