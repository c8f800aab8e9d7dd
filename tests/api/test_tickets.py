"""Tickets through the API: the same deeds, rights and states as on the pages."""

import io
from datetime import timedelta
from typing import Any

import pytest

from posdoctor.core import clock
from posdoctor.core.models import IdempotencyKey
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.api.test_entry import refusal
from tests.builders import (
    make_message,
    make_run,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets.models import Attachment, Message, Ticket, TicketEvent

RESOLUTION = {
    "cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in", "note": "重启",
}  # fmt: skip
REPORT = {"contact_phone": "138 0000 5521", "impact": "all", "note": "刷不了卡"}


def named(name: str, content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def test_a_report_by_phone_is_filed_in_one_call(api: Caller, desk: Persona, terminal: Terminal):
    made = api.post("tickets/", {**REPORT, "terminal": terminal.ref, "symptom": "network_down"})
    assert made.status_code == 201
    body = made.json()
    assert body["title"] == "刷不了卡"
    assert body["priority"] == "urgent"
    assert body["source"] == "phone"
    assert body["symptom"] == "network_down"
    assert body["contact"]["phone"] == "138 **** 5521"
    ticket = Ticket.objects.get()
    assert ticket.contact_phone == "13800005521"
    event = TicketEvent.objects.get()
    assert (event.via, event.actor_user_id) == ("api", desk.user.pk)


def test_a_report_without_a_symptom_or_with_a_file(api: Caller, terminal: Terminal):
    file = named("log.txt", "卡号 6222021234567890128".encode())
    made = api.form("tickets/", {**REPORT, "terminal": terminal.ref, "attachments": file})
    assert made.status_code == 201
    assert made.json()["symptom"] == ""
    assert made.json()["attachment_count"] == 1
    with Attachment.objects.get().file.open() as stored:
        assert b"6222021234567890128" not in stored.read()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"terminal": "P-222222"}, "terminal"),
        ({"symptom": "nothing"}, "symptom"),
        ({"contact_phone": "138"}, "contact_phone"),
        ({"impact": "some more"}, "impact"),
        ({"terminals_down": 0}, "terminals_down"),
        ({"terminals_down": 10**30}, "terminals_down"),
        ({"note": "x" * 4001}, "note"),
        ({"language": "fr"}, "language"),
    ],
)
def test_a_wrong_report_files_nothing(
    change: dict[str, Any], field: str, api: Caller, terminal: Terminal
):
    answer = api.post("tickets/", {**REPORT, "terminal": terminal.ref, **change})
    assert list(refusal(answer, 422, "invalid")["fields"]) == [field]
    assert not Ticket.objects.exists()


def test_a_terminal_of_another_provider_does_not_exist(outsider: Persona, terminal: Terminal):
    answer = by_session(outsider).post("tickets/", {**REPORT, "terminal": terminal.ref})
    assert list(refusal(answer, 422, "invalid")["fields"]) == ["terminal"]


def test_the_life_of_a_ticket(
    api: Caller, desk: Persona, field: Persona, merchant: Persona, terminal: Terminal
):
    ref = api.post("tickets/", {**REPORT, "terminal": terminal.ref}).json()["ref"]
    engineer, shop = by_session(field), by_session(merchant)

    def step(caller: Caller, verb: str, body: Any, status: str) -> None:
        answer = caller.post(f"tickets/{ref}/{verb}/", body)
        assert answer.status_code == 200, answer.content
        assert answer.json()["status"] == status

    step(api, "take", {}, "open")
    step(api, "reply", {"body": "请重启", "then": "wait"}, "wait_merchant")
    step(shop, "words", {"body": "还是不行"}, "open")
    at = (clock.now() + timedelta(hours=2)).isoformat()
    step(api, "wait", {"for": "maker", "remind_at": at}, "wait_vendor")
    step(api, "resume", {}, "open")
    step(api, "note", {"body": "派人"}, "open")
    step(api, "dispatch", {"engineer": field.user.ref}, "dispatched")
    step(engineer, "on_site", {}, "on_site")
    step(engineer, "leave", {"reason": "要换机"}, "open")
    step(api, "priority", {"priority": "low", "reason": "有备机"}, "open")
    step(api, "resolve", RESOLUTION, "resolved")
    step(shop, "reopen", {"note": "又坏了"}, "open")
    step(api, "resolve", RESOLUTION, "resolved")
    step(shop, "close", {}, "closed")
    entries = api.get(f"tickets/{ref}/timeline/").json()["results"]
    assert entries[0]["event"] == "ticket.reported"
    said = [entry["message"]["body"] for entry in entries if entry["type"] == "message"]
    assert "请重启" in said
    assert "派人" in said
    data = [key for entry in entries for key in entry["data"]]
    assert not {"user", "team", "message"} & set(data)


@pytest.mark.parametrize(
    ("status", "verb", "body"),
    [
        ("closed", "reply", {"body": "x"}),
        ("new", "wait", {"for": "maker"}),
        ("open", "resume", {}),
        ("open", "take", {}),
        ("new", "on_site", {}),
        ("new", "leave", {"reason": "x"}),
        ("new", "resolve", RESOLUTION),
        ("open", "reopen", {}),
        ("dispatched", "cancel", {"reason": "x"}),
        ("resolved", "priority", {"priority": "low", "reason": "x"}),
        ("closed", "assign", {"user": None}),
    ],
)
def test_an_illegal_move_is_409_with_the_present_state(
    status: str, verb: str, body: Any, api: Caller, terminal: Terminal
):
    ticket = make_ticket(terminal, status=status)
    answer = refusal(api.post(f"tickets/{ticket.ref}/{verb}/", body), 409, "illegal_move")
    assert answer["current"] == status
    assert Ticket.objects.get().status == status


def test_right_comes_before_state_and_input(merchant: Persona, desk: Persona, terminal: Terminal):
    ticket = make_ticket(terminal, status="closed")
    refusal(by_session(merchant).post(f"tickets/{ticket.ref}/assign/", {}), 403, "not_allowed")
    refusal(by_session(desk).post(f"tickets/{ticket.ref}/close/", {}), 403, "not_allowed")


def test_assign_changes_what_is_named_and_nothing_else(
    api: Caller, desk: Persona, outsider: Persona, terminal: Terminal
):
    team = make_team(terminal.provider)
    ticket = make_ticket(terminal, status="open")
    path = f"tickets/{ticket.ref}/assign/"
    assert api.post(path, {"user": desk.user.ref}).json()["assignee"]["ref"] == desk.user.ref
    both = api.post(path, {"team": team.ref}).json()
    assert (both["assignee"]["ref"], both["team"]["ref"]) == (desk.user.ref, team.ref)
    assert api.post(path, {"user": None}).json()["assignee"] is None
    for body, field in (
        ({"user": outsider.user.ref}, "user"), ({"team": "G-222222"}, "team"), ({}, "user"),
    ):  # fmt: skip
        assert list(refusal(api.post(path, body), 422, "invalid")["fields"]) == [field]


def test_patch_does_what_the_verbs_do(api: Caller, desk: Persona, terminal: Terminal):
    ticket = make_ticket(terminal, status="new")
    body = {"assignee": desk.user.ref, "priority": "high", "reason": "两台"}
    changed = api.patch(f"tickets/{ticket.ref}/", body).json()
    assert (changed["status"], changed["priority"]) == ("open", "high")
    assert changed["assignee"]["name"] == desk.user.name
    no_reason = api.patch(f"tickets/{ticket.ref}/", {"priority": "low"})
    assert list(refusal(no_reason, 422, "invalid")["fields"]) == ["reason"]
    ended = make_ticket(terminal, status="resolved")
    # The second half is refused: nothing of the first one is left.
    refusal(api.patch(f"tickets/{ended.ref}/", body), 409, "illegal_move")
    ended.refresh_from_db()
    assert ended.assignee is None


def test_resolve_takes_causes_of_the_symptom_only(api: Caller, terminal: Terminal):
    run = make_run(terminal, "network_down", state="call")
    ticket = make_ticket(terminal, status="open", run=run)
    path = f"tickets/{ticket.ref}/resolve/"
    wrong = refusal(api.post(path, {**RESOLUTION, "cause": "no_such"}), 422, "invalid")
    assert list(wrong["fields"]) == ["cause"]
    bare = refusal(api.post(path, {**RESOLUTION, "note": " "}), 422, "invalid")
    assert list(bare["fields"]) == ["note"]
    cause = run.flow_version.flow.faults[0].id
    done = api.post(path, {**RESOLUTION, "cause": cause}).json()
    assert done["resolution"]["cause"] == cause


def test_reminder_lies_in_the_future(api: Caller, terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    for at in ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "x"):
        answer = api.post(f"tickets/{ticket.ref}/wait/", {"for": "maker", "remind_at": at})
        assert list(refusal(answer, 422, "invalid")["fields"]) == ["remind_at"]
    answer = api.post(f"tickets/{ticket.ref}/wait/", {})
    assert list(refusal(answer, 422, "invalid")["fields"]) == ["for"]


def test_merge_answers_with_the_ticket_that_stays(api: Caller, terminal: Terminal):
    double, kept = make_ticket(terminal, status="open"), make_ticket(terminal, status="open")
    path = f"tickets/{double.ref}/merge/"
    for into in (double.ref, "T-222222"):
        assert list(refusal(api.post(path, {"into": into}), 422, "invalid")["fields"]) == ["into"]
    assert api.post(path, {"into": kept.ref.lower()}).json()["ref"] == kept.ref
    assert api.get(f"tickets/{double.ref}/").json()["merged_into"] == kept.ref


def test_reopening_after_a_month_answers_with_the_new_ticket(api: Caller, terminal: Terminal):
    old = make_ticket(terminal, status="closed", resolved_at=clock.now() - timedelta(days=31))
    fresh = api.post(f"tickets/{old.ref}/reopen/", {"note": "又坏"}).json()
    assert fresh["ref"] != old.ref
    assert fresh["previous"] == old.ref


def test_engineer_who_hands_a_job_on_sees_it_no_more(
    field: Persona, provider: Any, terminal: Terminal
):
    other = make_seat(provider, "field")
    ticket = make_ticket(terminal, status="open", assignee=field.user)
    caller = by_session(field)
    gone = caller.post(f"tickets/{ticket.ref}/dispatch/", {"engineer": other.user.ref})
    assert (gone.status_code, gone.content) == (204, b"")
    assert caller.get(f"tickets/{ticket.ref}/").status_code == 404


# --- Files ---------------------------------------------------------------------------


def test_files_go_up_with_words_and_come_down_again(api: Caller, terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    body = {"body": "日志", "attachments": [named("a.txt", b"one"), named("b.txt", b"two")]}
    assert api.form(f"tickets/{ticket.ref}/note/", body).status_code == 200
    files = api.get(f"tickets/{ticket.ref}/attachments/").json()["results"]
    assert sorted(file["name"] for file in files) == ["a.txt", "b.txt"]
    loaded = api.client.get(files[0]["url"])
    assert loaded.content in {b"one", b"two"}
    assert "attachment" in loaded.headers["Content-Disposition"]
    assert loaded.headers["X-Content-Type-Options"] == "nosniff"


def test_bad_files_are_named_and_nothing_is_kept(api: Caller, terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    path = f"tickets/{ticket.ref}/note/"
    for file in (named("x.exe", b"MZ" + b"\0" * 64), named("x.png", b"\x89PNG\r\n\x1a\nbroken")):
        answer = api.form(path, {"body": "x", "attachments": file})
        assert list(refusal(answer, 422, "invalid")["fields"]) == ["attachments"]
    many = {"body": "x", "attachments": [named("a.txt", b"x") for _ in range(6)]}
    assert list(refusal(api.form(path, many), 422, "invalid")["fields"]) == ["attachments"]
    assert not Message.objects.exists()
    assert not Attachment.objects.exists()


def test_a_message_needs_words_or_files(api: Caller, terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    answer = api.post(f"tickets/{ticket.ref}/reply/", {"body": "  "})
    assert list(refusal(answer, 422, "invalid")["fields"]) == ["body"]


# --- What a merchant sees ------------------------------------------------------------


def test_merchant_sees_no_notes_reminders_or_resolution(
    desk: Persona, merchant: Persona, terminal: Terminal
):
    ticket = make_ticket(
        terminal, status="resolved", resolution_note="内部", attention_at=clock.now()
    )
    make_message(ticket, kind="note", body="内部备注")
    note = Attachment.objects.create(
        provider=ticket.provider, ticket=ticket, message=ticket.messages.get(), name="n.txt",
        content_type="text/plain", extension=".txt", size=1, sha256="0" * 64,
        created_at=ticket.opened_at,
    )  # fmt: skip
    shop = by_session(merchant)
    seen = shop.get(f"tickets/{ticket.ref}/")
    assert seen.json()["resolution"] is None
    assert seen.json()["attention_at"] is None
    assert "内部" not in seen.content.decode()
    assert shop.get(f"tickets/{ticket.ref}/timeline/").json()["results"] == []
    assert shop.get(f"tickets/{ticket.ref}/attachments/").json()["results"] == []
    assert shop.get(f"tickets/{ticket.ref}/attachments/{note.key}/").status_code == 404
    history = shop.get(f"terminals/{terminal.ref}/history/").json()["results"]
    assert {row["type"] for row in history} == {"ticket"}
    assert by_session(desk).get(f"tickets/{ticket.ref}/").json()["resolution"]["note"] == "内部"


def test_the_number_is_shown_by_reveal_alone_and_that_is_recorded(
    desk: Persona, terminal: Terminal
):
    ticket = make_ticket(terminal, status="open")
    caller = by_token(issue(desk))
    for path in (f"tickets/{ticket.ref}/", "tickets/", f"tickets/{ticket.ref}/timeline/"):
        assert "19900005521" not in caller.get(path).content.decode()
    shown = caller.post(f"tickets/{ticket.ref}/reveal/", **{"Idempotency-Key": "k"})
    assert shown.json() == {"phone": "19900005521"}
    assert shown.headers["Cache-Control"] == "no-store"
    assert TicketEvent.objects.get().kind == "ticket.contact_revealed"
    assert not IdempotencyKey.objects.exists()


def test_tickets_of_others_are_hidden(
    outsider: Persona, other_merchant: Persona, field: Persona, terminal: Terminal
):
    make_terminal(make_store(terminal.provider))
    ticket = make_ticket(terminal)
    for persona in (outsider, other_merchant, field):
        caller = by_session(persona)
        assert caller.get("tickets/").json()["results"] == []
        refusal(caller.get(f"tickets/{ticket.ref}/"), 404, "not_found")
        refusal(caller.post(f"tickets/{ticket.ref}/note/", {"body": "x"}), 404, "not_found")
