"""Merchants, stores, contacts, terminals, people and providers through the API."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from merchants.models import Contact, Merchant
from posdoctor.accounts.models import AccountEvent, ApiToken, Provider
from posdoctor.core import clock
from terminals import actions as terminal_actions
from terminals.models import Terminal, TerminalEvent
from tests.api.conftest import Caller, by_session, by_token
from tests.api.test_entry import refusal
from tests.builders import actor_of, make_model, make_seat, make_team
from tests.conftest import Persona

MERCHANT = {
    "number": "821651000012345",
    "name": "新店",
    "store": {"name": "总店", "area": "锦江区", "opening_hours": {"fri": [["17:00", "26:00"]]}},
    "contact": {"name": "李四", "phone": "13900001111"},
}


def test_merchant_with_its_first_store_and_contact(api: Caller, desk: Persona):
    made = api.post("merchants/", MERCHANT)
    assert made.status_code == 201
    ref = made.json()["ref"]
    (store,) = api.get(f"stores/?merchant={ref}").json()["results"]
    assert store["opening_hours"]["fri"] == [["17:00", "26:00"]]
    assert store["opening_hours"]["mon"] == []
    (contact,) = api.get(f"merchants/{ref}/contacts/").json()["results"]
    assert (contact["phone"], contact["is_primary"]) == ("139 **** 1111", True)
    assert Merchant.objects.get().provider == desk.seat.provider


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": "12"}, "number"),
        ({"name": ""}, "name"),
        ({"store": {}}, "store.name"),
        ({"store": {"name": "x", "time_zone": "Mars/One"}}, "store.time_zone"),
        (
            {"store": {"name": "x", "opening_hours": {"mon": [["10:00", "09:00"]]}}},
            "store.opening_hours.mon",
        ),
        ({"store": {"name": "x", "opening_hours": {"day": []}}}, "store.opening_hours.day"),
        ({"contact": {"name": "x", "phone": "1"}}, "contact.phone"),
    ],
)
def test_a_wrong_merchant_is_refused_where_it_is_wrong(
    change: dict[str, Any], field: str, api: Caller
):
    answer = api.post("merchants/", {**MERCHANT, **change})
    assert list(refusal(answer, 422, "invalid")["fields"]) == [field]
    assert not Merchant.objects.exists()


def test_a_number_is_taken_once(api: Caller):
    api.post("merchants/", MERCHANT)
    answer = refusal(api.post("merchants/", MERCHANT), 422, "invalid")
    assert list(answer["fields"]) == ["number"]


def test_records_are_changed_field_by_field(api: Caller, terminal: Terminal):
    store, merchant = terminal.store, terminal.store.merchant
    assert api.patch(f"merchants/{merchant.ref}/", {"name": "新名"}).json()["name"] == "新名"
    hours = {"opening_hours": {"sun": [["09:00", "12:00"], ["13:00", "18:00"]]}}
    changed = api.patch(f"stores/{store.ref}/", hours).json()
    assert changed["opening_hours"]["sun"] == hours["opening_hours"]["sun"]
    assert changed["area"] == store.area
    contact = store.contacts.get()
    renamed = api.patch(f"contacts/{contact.ref}/", {"name": "王总", "store": None}).json()
    assert (renamed["name"], renamed["store"]) == ("王总", None)
    contact.refresh_from_db()
    assert contact.phone == "19900005521"
    assert api.delete(f"contacts/{contact.ref}/").status_code == 204
    assert not Contact.objects.exists()


def test_a_store_of_another_merchant_is_no_store_of_this_contact(api: Caller, terminal: Terminal):
    ref = api.post("merchants/", MERCHANT).json()["ref"]
    other = terminal.store.ref
    body = {"name": "x", "phone": "13900001111", "store": other}
    answer = refusal(api.post(f"merchants/{ref}/contacts/", body), 422, "invalid")
    assert list(answer["fields"]) == ["store"]


def test_revealing_a_contact_is_recorded(api: Caller, terminal: Terminal):
    ref = terminal.store.contacts.get().ref
    assert api.post(f"contacts/{ref}/reveal/").json() == {"phone": "19900005521"}
    event = AccountEvent.objects.get()
    assert event.kind == AccountEvent.Kind.CONTACT_REVEALED


# --- Terminals -----------------------------------------------------------------------


def test_the_life_of_a_terminal(api: Caller, supervisor: Persona, terminal: Terminal):
    lead = by_session(supervisor)
    body = {"serial": "new-77 001", "model": terminal.model.slug, "state": "in_stock"}
    made = api.post("terminals/", {**body, "numbers": {"card": "abcd1234"}}).json()
    assert (made["serial"], made["numbers"]["card"]) == ("NEW-77001", "ABCD1234")
    path = f"terminals/{made['ref']}"
    assert list(
        refusal(api.post("terminals/", {**body, "state": "active"}), 422, "invalid")["fields"]
    ) == ["store"]
    assert list(refusal(api.post("terminals/", body), 422, "invalid")["fields"]) == ["serial"]
    placed = api.patch(f"{path}/", {"store": terminal.store.ref, "warranty_until": "2028-01-01"})
    assert placed.json()["store"]["ref"] == terminal.store.ref
    moved = api.post(f"{path}/move/", {"state": "active", "note": "装机"}).json()
    assert moved["state"] == "active"
    assert api.post(f"{path}/stop/", {"reason": "鼓包"}).json()["state"] == "stopped"
    refusal(api.post(f"{path}/release/", {"reason": "好了"}), 403, "not_allowed")
    assert lead.post(f"{path}/release/", {"reason": "好了"}).json()["state"] == "active"
    body = refusal(lead.post(f"{path}/release/", {"reason": "好了"}), 409, "illegal_move")
    assert body["current"] == "active"
    new = api.post(f"{path}/sticker/").json()["sticker_code"]
    assert new != made["sticker_code"]
    events = [e["event"] for e in api.get(f"{path}/history/").json()["results"]]
    assert events == [
        "sticker_replaced", "released", "stopped", "moved", "edited", "added",
    ]  # fmt: skip


def test_a_model_or_store_that_is_none(api: Caller, outsider: Persona, terminal: Terminal):
    theirs = terminal_actions.add(
        actor_of(outsider.seat), now=clock.now(), numbers={},
        values={"serial": "X-12345", "model": make_model(), "store": None, "state": "in_stock"},
    )  # fmt: skip
    for change, field in (
        ({"model": "none"}, "model"), ({"store": "S-222222"}, "store"), ({"store": "老"}, "store"),
        ({"numbers": {"qr": "1"}}, "numbers.qr"), ({"sim_iccid": "1"}, "sim_iccid"),
        ({"installed_on": "yesterday"}, "installed_on"), ({"serial": "?"}, "serial"),
    ):  # fmt: skip
        answer = refusal(api.patch(f"terminals/{terminal.ref}/", change), 422, "invalid")
        assert list(answer["fields"]) == [field]
    refusal(api.get(f"terminals/{theirs.ref}/"), 404, "not_found")


def test_history_names_no_database_id(api: Caller, terminal: Terminal):
    api.patch(f"terminals/{terminal.ref}/", {"counter": "3", "store": terminal.store.ref})
    (entry,) = api.get(f"terminals/{terminal.ref}/history/").json()["results"]
    assert entry["data"] == {"changes": {"counter": ["收银台 1", "3"]}}
    assert TerminalEvent.objects.get().actor_name == entry["who"]


# --- People --------------------------------------------------------------------------


def test_people_are_managed_by_administrators(administrator: Persona, desk: Persona):
    caller = by_session(administrator)
    team = make_team(desk.seat.provider)
    body = {"email": "New@Example.cn", "name": "新人", "role": "desk", "teams": [team.ref]}
    made = caller.post("people/", body)
    assert made.status_code == 201
    assert made.json()["email"] == "new@example.cn"
    path = f"people/{made.json()['ref']}/"
    assert caller.patch(path, {"role": "field"}).json()["role"] == "field"
    assert caller.get(path).json()["teams"] == [{"ref": team.ref, "name": team.name}]
    assert caller.post(f"{path}deactivate/").json()["is_active"] is False
    assert caller.post(f"{path}activate/").json()["is_active"] is True
    assert caller.post(f"{path}invite/").status_code == 200
    again = refusal(caller.post("people/", body), 422, "invalid")
    assert list(again["fields"]) == ["email"]
    own = refusal(caller.post(f"people/{administrator.user.ref}/deactivate/"), 422, "invalid")
    assert list(own["fields"]) == ["role"]
    wrong = refusal(caller.patch(path, {"teams": ["G-222222"]}), 422, "invalid")
    assert list(wrong["fields"]) == ["teams"]


def test_the_desk_reads_people_without_addresses(api: Caller, field: Persona):
    rows = api.get("people/?role=field").json()["results"]
    assert [(row["ref"], row["email"]) for row in rows] == [(field.user.ref, None)]


def test_the_operator_creates_providers(operator: Persona):
    caller = by_session(operator)
    body = {
        "slug": "newpay", "name": "新付", "hotline": "400", "administrator_name": "管",
        "administrator_email": "admin@newpay.example",
    }  # fmt: skip
    assert caller.post("providers/", body).json()["seat_count"] == 1
    assert Provider.objects.get(slug="newpay").seats.get().role == "administrator"
    taken = refusal(caller.post("providers/", body), 422, "invalid")
    assert list(taken["fields"]) == ["slug"]
    assert caller.get("merchants/").json()["results"] == []


# --- The command ---------------------------------------------------------------------


def issued(*arguments: str) -> str:
    out = StringIO()
    call_command("issue_token", *arguments, stdout=out)
    return out.getvalue()


def test_issue_token_prints_the_token_and_nothing_else(desk: Persona):
    printed = issued(desk.user.email.upper(), "--scope", "read", "--area", "tickets", "--days", "1")
    assert printed == printed.strip() + "\n"
    me = by_token(printed.strip()).get("me/").json()
    assert me["token"]["areas"] == ["tickets"]
    assert me["token"]["can_write"] is False
    assert ApiToken.objects.get().name == "issue_token"


def test_issue_token_asks_which_provider(desk: Persona, outsider: Persona):
    make_seat(outsider.seat.provider, user=desk.user)
    with pytest.raises(CommandError, match="shuhui, harbour"):
        issued(desk.user.email)
    secret = issued(desk.user.email, "--provider", "harbour").strip()
    assert by_token(secret).get("me/").json()["provider"]["slug"] == "harbour"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments", [["nobody@example.cn"], ["desk@example.cn", "--days", "0"]], ids=str
)
def test_issue_token_refuses_in_one_line(arguments: list[str]):
    with pytest.raises(CommandError):
        issued(*arguments)
    assert not ApiToken.objects.exists()
