"""Pages of the desk: inbox, ticket, forms with and without a script, reports by phone."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from diagnostics import actions as checks
from diagnostics.engine import Ask
from diagnostics.models import DiagnosisRun, FlowVersion
from posdoctor.core import clock
from terminals.models import Terminal
from tests.builders import (
    T0,
    make_contact,
    make_message,
    make_run,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tickets.models import Ticket

HTMX = {"hx-request": "true"}


def body(answer) -> str:
    return answer.content.decode()


def address(name: str, ticket: Ticket, query: str = "") -> str:
    return reverse(f"tickets:{name}", args=[ticket.ref]) + query


def queue(persona: Persona, view: str = "all", **query: str):
    return persona.client.get(reverse("tickets:queue", args=[view]), query)


def refs_in(page: str) -> list[str]:
    """References of the rows, in order."""
    return re.findall(r'class="row[^>]*data-href="/desk/t/(T-\w{6})/', page)


def pane_of(page: str) -> str:
    """The pane beside the list."""
    return page[page.index('<aside class="pv"') :].partition("</aside>")[0]


# --- Inbox ---------------------------------------------------------------------------


def test_rows_without_a_promise_stand_by_priority_then_age(desk: Persona, terminal):
    def ticket(minutes: int, **fields: object) -> str:
        at = T0 + timedelta(minutes=minutes)
        return make_ticket(terminal, assignee=desk.user, opened_at=at, **fields).ref

    waiting = ticket(0, status="wait_vendor")
    young = ticket(5, status="open")
    urgent = ticket(9, status="open", priority="urgent")
    old = ticket(1, status="on_site")
    fresh = ticket(7, status="new", attention_at=T0)
    answered = ticket(8, status="open", attention_at=T0)
    ticket(2, status="resolved")
    page = body(desk.client.get(reverse("tickets:inbox")))
    assert refs_in(page) == [urgent, waiting, old, young, fresh, answered]
    assert [int(n) for n in re.findall(r'class="n">(\d+)</span></h2>', page)] == [6]
    assert page.count("row unread") == 2


def test_each_view_holds_its_tickets(desk: Persona, field: Persona, terminal):
    mine = make_ticket(terminal, status="open", assignee=desk.user)
    free = make_ticket(terminal)
    waiting = make_ticket(terminal, status="wait_merchant", assignee=field.user)
    bell = make_ticket(terminal, status="open", assignee=field.user, attention_at=T0)
    done = make_ticket(terminal, status="closed")
    everything = {mine.ref, free.ref, waiting.ref, bell.ref}
    expected = {
        "mine": {mine.ref},
        "unassigned": {free.ref},
        "waiting": {waiting.ref},
        "attention": {bell.ref},
        "all": everything,
        "resolved": {done.ref},
    }
    for view, refs in expected.items():
        assert set(refs_in(body(queue(desk, view)))) == refs, view
    assert set(refs_in(body(queue(desk, "all", status="any")))) == {*everything, done.ref}
    assert queue(desk, "nonsense").status_code == 404


@pytest.mark.parametrize("name", ["symptom", "model", "area", "priority", "status", "q"])
def test_a_filter_narrows_and_shows_as_a_chip_that_takes_it_off(name: str, desk: Persona, provider):
    store = make_store(provider, area="高新区")
    wanted = make_ticket(make_terminal(store), symptom="printing", priority="urgent", status="open")
    make_ticket(make_terminal(make_store(provider, area="武侯区")))
    value = {
        "symptom": "printing",
        "model": wanted.terminal.model.slug,
        "area": "高新区",
        "priority": "urgent",
        "status": "open",
        "q": wanted.terminal.serial,
    }[name]
    page = body(queue(desk, "all", **{name: value}))
    assert refs_in(page) == [wanted.ref]
    assert 'class="chip on" href="/desk/q/all/"' in page


@pytest.mark.parametrize(
    "query",
    [
        "start=-1",
        "start=x",
        "start=99999999999",
        "sort=evil",
        "priority=evil",
        "status=evil",
        "symptom=%00",
        "area=%27",
        "page=1",
    ],
)
def test_an_odd_address_is_answered_calmly(query: str, desk: Persona, terminal):
    make_ticket(terminal)
    assert desk.client.get(reverse("tickets:queue", args=["all"]) + f"?{query}").status_code == 200


def test_pages_follow_each_other_without_gap_or_repeat(desk: Persona, terminal):
    for minutes in range(55):
        make_ticket(terminal, opened_at=T0 + timedelta(minutes=minutes))
    first = body(queue(desk, "all", sort="newest"))
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = body(desk.client.get(following[1].replace("&amp;", "&")))
    seen = refs_in(first) + refs_in(second)
    assert len(refs_in(first)) == 30
    assert len(seen) == len(set(seen)) == 55
    assert 'rel="prev"' in second
    assert 'rel="next"' not in second


def test_an_empty_queue_says_what_comes_next(desk: Persona, terminal):
    make_ticket(terminal)
    page = body(desk.client.get(reverse("tickets:inbox")))
    assert reverse("tickets:queue", args=["unassigned"]) in page[page.index('class="empty"') :]
    narrowed = body(queue(desk, "all", priority="low"))
    assert 'class="empty"' in narrowed


def test_htmx_gets_the_list_and_the_pane_but_no_frame(desk: Persona, terminal):
    ticket = make_ticket(terminal)
    answer = desk.client.get(reverse("tickets:queue", args=["all"]), headers=HTMX)
    assert "<html" not in body(answer)
    assert refs_in(body(answer)) == [ticket.ref]
    assert 'hx-swap-oob="outerHTML"' in body(answer)
    assert "HX-Request" in answer["Vary"]
    pane = desk.client.get(address("ticket", ticket, "?q=all&pane=preview"), headers=HTMX)
    assert ticket.ref in body(pane)
    assert 'id="ticket"' not in body(pane)
    assert f'href="{address("ticket", ticket, "?q=all")}"' in body(pane)


def test_the_pane_names_the_first_ticket_and_fetches_the_rest_itself(desk: Persona, terminal):
    stranger = make_ticket(make_terminal(make_store()))
    assert "hx-get" not in pane_of(body(queue(desk)))
    later = make_ticket(terminal, opened_at=T0 + timedelta(minutes=1))
    first = make_ticket(terminal, opened_at=T0, title="卡在 <连接中>")
    pane = pane_of(body(queue(desk, priority="normal")))
    assert first.ref in pane
    assert "卡在 &lt;连接中&gt;" in pane
    assert later.ref not in pane
    assert f'href="{address("ticket", first, "?q=all&amp;priority=normal")}"' in pane
    fetched = re.search(r'hx-get="([^"]+)"', pane)
    assert fetched
    url = fetched[1].replace("&amp;", "&")
    assert url == address("ticket", first, "?q=all&priority=normal&pane=preview")
    assert first.ref in body(desk.client.get(url, headers=HTMX))
    foreign = address("ticket", stranger, "?q=all&pane=preview")
    assert desk.client.get(foreign, headers=HTMX).status_code == 404


@pytest.mark.parametrize("view", ["mine", "all", "resolved"])
def test_thirty_rows_cost_as_many_queries_as_three(view: str, desk: Persona, terminal):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert queue(desk, view).status_code == 200
        return len(queries)

    def more(n: int) -> None:
        for _ in range(n):
            run = make_run(terminal, "network_down")
            run.steps.create(position=1, step_id="safety", answer_id="none", answered_at=T0)
            status = "closed" if view == "resolved" else "open"
            make_message(
                make_ticket(
                    make_terminal(terminal.store), run=run, status=status, assignee=desk.user
                )
            )

    more(3)
    count()  # reads the flow's document, once a process
    few = count()
    more(27)
    assert count() == few <= 14


# --- Ticket --------------------------------------------------------------------------


def test_evidence_stands_before_the_conversation_with_bad_answers_marked(desk: Persona, terminal):
    run = make_run(terminal, "network_down", browser_key="k" * 64)
    ticket = make_ticket(terminal, run=run, status="open")
    make_message(ticket, body="能快点吗")
    actor_run = DiagnosisRun.objects.get(pk=run.pk)
    asked = checks.step_after(actor_run, [])
    assert isinstance(asked, Ask)
    bad = next(option for option in asked.step.answers if option.bad)
    run.steps.create(position=1, step_id=asked.step.id, answer_id=bad.id, answered_at=T0)
    fault = run.flow_version.flow.faults[0]
    run.outcome = {"kind": "call", "causes": [[fault.id, 0.72]], "advice": None}
    run.state = "call"
    run.save()
    page = body(desk.client.get(address("ticket", ticket)))
    assert page.index(asked.step.text.zh) < page.index("能快点吗")
    assert re.search(rf'<li class="f">.*?{re.escape(bad.text.zh)}', page, re.DOTALL)
    assert fault.text.zh in page
    assert f"{fault.text.zh} 72 %" in page
    trace = desk.client.get(reverse("diagnostics:trace", args=[run.ref])).text
    assert asked.step.text.zh in trace
    assert "先看安全" in trace
    assert "剩下的步骤" not in trace


def test_reply_and_note_look_and_read_differently(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    make_message(ticket, "note", body="欠费")
    page = body(desk.client.get(address("ticket", ticket)))
    note = page[page.index('class="msg note"') :]
    assert note.index("欠费") > note.index("商户看不到")
    assert page.index(address("reply", ticket)) != page.index(address("note", ticket))
    for words in ("发送给商户", "发送，等商户确认", "保存内部备注"):
        assert words in page


def test_place_in_the_queue_with_neighbours(desk: Persona, terminal):
    refs = [
        make_ticket(
            terminal, assignee=desk.user, status="open", opened_at=T0 + timedelta(minutes=n)
        ).ref
        for n in range(3)
    ]
    page = body(desk.client.get(f"/desk/t/{refs[1]}/?q=mine&priority=normal"))
    assert "2 / 3" in page
    assert f'/desk/t/{refs[0]}/?q=mine&amp;priority=normal" data-nav="previous"' in page
    assert f'/desk/t/{refs[2]}/?q=mine&amp;priority=normal" data-nav="next"' in page
    assert "/ 3" not in body(desk.client.get(f"/desk/t/{refs[1]}/"))


def test_the_time_line_tells_each_event_in_words(desk: Persona, field: Persona, provider, terminal):
    ticket, kept = make_ticket(terminal), make_ticket(terminal, status="open")
    team = make_team(provider, name="二线支持")

    def post(name: str, **form: str) -> None:
        assert desk.client.post(address(name, ticket), form).status_code == 303, name

    post("assign", person=desk.user.ref, team=team.ref)
    post("priority", priority="urgent", reason="只有一台")
    post("wait", wait_for="acquirer", remind="tomorrow")
    post("resume")
    post("dispatch", engineer=field.user.ref)
    post("arrive")
    post("leave", reason="没人开门")
    post("merge", into=kept.ref)
    page = body(desk.client.get(address("ticket", ticket)))
    for words in (team.name, field.user.name, "“只有一台”", "“没人开门”", kept.ref, "09:00"):
        assert words in page


def test_an_emptied_form_comes_back_with_what_was_typed(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    form = {"cause": "other", "certainty": "sure", "proof": "told"}
    page = desk.client.post(address("resolve", ticket), form)
    assert page.status_code == 422
    assert re.search(r'<dialog class="deed" id="do-resolve"[^>]* open>', body(page))
    assert body(page).count(" open>") == 1
    assert re.search(r'name="proof" value="told"[^>]*checked', body(page))
    part = desk.client.post(address("resolve", ticket), form, headers=HTMX)
    assert part.status_code == 422
    assert "<html" not in body(part)
    assert 'id="do-resolve-form"' in body(part)
    assert 'class="errsum"' in body(part)
    ticket.refresh_from_db()
    assert ticket.status == "open"


def test_a_dialog_is_fetched_alone_or_stands_in_the_page_that_names_it(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open", assignee=desk.user)
    plain = body(desk.client.get(address("ticket", ticket, "?q=mine&priority=normal")))
    assert "<dialog class" not in plain
    link = f"{address('ticket', ticket)}?deed=wait&amp;q=mine&amp;priority=normal#do-wait"
    assert f'href="{link}" data-dialog="do-wait"' in plain
    url = link.replace("&amp;", "&").partition("#")[0]
    page = body(desk.client.get(url))
    part = body(desk.client.get(f"{url}&pane=deed", headers=HTMX))
    send = f'action="{address("wait", ticket)}?q=mine&amp;priority=normal"'
    for found in (page, part):
        assert re.findall(r'<dialog class="deed" id="([\w-]+)"', found) == ["do-wait"]
        assert send in found
    assert "<html" not in part


@pytest.mark.parametrize("deed", ["", "nonsense", "take"])
def test_there_is_no_dialog_for_a_deed_without_fields(deed: str, desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    part = desk.client.get(address("ticket", ticket, f"?pane=deed&deed={deed}"), headers=HTMX)
    assert part.status_code == 404
    assert "<dialog class" not in body(desk.client.get(address("ticket", ticket, f"?deed={deed}")))


def test_a_dialog_of_another_role_does_not_exist(field: Persona, terminal):
    ticket = make_ticket(terminal, status="dispatched", assignee=field.user)
    for deed, status in (("leave", 200), ("merge", 404)):
        url = address("ticket", ticket, f"?pane=deed&deed={deed}")
        assert field.client.get(url, headers=HTMX).status_code == status, deed


def test_another_cause_needs_a_note(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    form = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "told"}
    assert desk.client.post(address("resolve", ticket), form).status_code == 422
    assert (
        desk.client.post(address("resolve", ticket), {**form, "note": "路由器"}).status_code == 303
    )


def test_the_walks_likeliest_causes_are_offered_first(desk: Persona, terminal):
    flow = FlowVersion.objects.published().get(symptom="network_down").flow
    unlikely = [fault.id for fault in sorted(flow.faults, key=lambda fault: fault.weight)][:3]
    run = make_run(terminal, "network_down", outcome={"causes": [[f, 0.1] for f in unlikely]})
    ticket = make_ticket(terminal, run=run, status="open")
    page = body(desk.client.get(address("ticket", ticket, "?deed=resolve")))
    offered = re.findall(r'name="cause" value="(\w+)"', page)
    assert [f for f in offered if f != "other"][: len([f for f in unlikely if f != "other"])] == [
        f for f in unlikely if f != "other"
    ]
    assert offered[-1] == "other"
    assert set(offered) == {fault.id for fault in flow.faults} | {"other"}
    assert not re.search(r'name="cause"[^>]*checked', page)


def test_a_deed_by_htmx_answers_with_the_ticket_and_a_toast(desk: Persona, terminal):
    ticket = make_ticket(terminal)
    answer = desk.client.post(address("take", ticket), {}, headers=HTMX)
    assert answer.status_code == 200
    assert answer["HX-Retarget"] == "#ticket"
    assert "pd:toast" in json.loads(answer["HX-Trigger"])
    assert 'id="ticket"' in body(answer)
    assert 'hx-swap-oob="outerHTML"' in body(answer)
    assert "<html" not in body(answer)
    stale = desk.client.post(address("take", ticket), {}, headers=HTMX)
    assert stale.status_code == 409
    assert json.loads(stale["HX-Trigger"])["pd:toast"]["level"] == "error"
    assert 'id="ticket"' in body(stale)


def test_a_stale_move_shows_the_ticket_as_it_is_now(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="closed")
    answer = desk.client.post(address("wait", ticket), {"wait_for": "maker"})
    assert answer.status_code == 409
    assert 'role="alert"' in body(answer)
    assert ticket.ref in body(answer)


def test_a_reply_by_htmx_empties_the_composer_and_an_empty_one_is_refused(desk, terminal):
    ticket = make_ticket(terminal, status="open")
    sent = desk.client.post(
        address("reply", ticket), {"text": "请签到", "then": "wait"}, headers=HTMX
    )
    assert {"pd:sent", "pd:toast"} <= set(json.loads(sent["HX-Trigger"]))
    empty = desk.client.post(address("reply", ticket), {"text": " "}, headers=HTMX)
    assert empty.status_code == 422
    assert 'id="reply-form"' in body(empty)
    whole = desk.client.post(address("note", ticket), {"text": ""})
    assert whole.status_code == 422
    assert re.search(r'id="composer-note"[^>]*checked', body(whole))
    assert ticket.messages.count() == 1


def test_files_are_cleaned_and_refused_ones_keep_the_words(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    log = SimpleUploadedFile("交易.log", "卡号 4111111111111111".encode())
    program = SimpleUploadedFile("x.exe", b"MZ\x90\x00" + bytes(200))
    bad = desk.client.post(
        address("note", ticket), {"text": "看日志", "attachments": [log, program]}
    )
    assert bad.status_code == 422
    assert "看日志" in body(bad)
    assert not ticket.attachments.exists()
    log.seek(0)
    good = desk.client.post(address("note", ticket), {"text": "看日志", "attachments": [log]})
    assert good.status_code == 303
    kept = ticket.attachments.get()
    with kept.file.open() as stored:
        assert b"4111111111111111" not in stored.read()
    assert kept.message.kind == "note"


def test_the_phone_is_masked_until_asked_for_and_asking_is_recorded(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open", contact_phone="19900005521")
    assert "19900005521" not in body(desk.client.get(address("ticket", ticket)))
    assert "19900005521" not in body(desk.client.get(address("print", ticket)))
    assert desk.client.get(address("reveal", ticket)).status_code == 405
    shown = desk.client.post(address("reveal", ticket))
    assert "tel:19900005521" in body(shown)
    assert "no-store" in shown["Cache-Control"]
    part = desk.client.post(address("reveal", ticket), headers=HTMX)
    assert "tel:19900005521" in body(part)
    assert "<html" not in body(part)
    kinds = list(ticket.events.values_list("kind", flat=True))
    assert kinds == ["ticket.contact_revealed"] * 2


def test_a_merchants_words_are_never_markup(desk: Persona, terminal):
    evil = "<script>alert(1)</script>"
    ticket = make_ticket(
        terminal, title=evil, last_words=evil, contact_name=evil, assignee=desk.user
    )
    make_message(ticket, body=evil, author_name=evil)
    for url in (reverse("tickets:inbox"), address("ticket", ticket), address("print", ticket)):
        page = body(desk.client.get(url))
        assert evil not in page
        assert "&lt;script&gt;" in page


def test_a_stopped_terminal_is_said_in_page_and_pane(desk: Persona, terminal):
    terminal.state, terminal.stopped_at = "stopped", T0
    terminal.save()
    ticket = make_ticket(terminal, is_security=True, priority="urgent")
    page = body(desk.client.get(address("ticket", ticket)))
    pane = body(desk.client.get(address("ticket", ticket, "?pane=preview"), headers=HTMX))
    assert 'class="alert r"' in page
    assert 'class="alert r"' in pane


def test_the_ticket_page_stays_cheap(desk: Persona, terminal, django_assert_max_num_queries):
    run = make_run(terminal, "network_down")
    ticket = make_ticket(terminal, run=run, status="open", assignee=desk.user)
    for _ in range(20):
        make_message(ticket)
        make_ticket(terminal)
    desk.client.get(address("ticket", ticket))
    with django_assert_max_num_queries(15):
        desk.client.get(address("ticket", ticket, "?q=all"))


def test_the_slip_holds_what_an_engineer_signs(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    page = body(desk.client.get(address("print", ticket)))
    assert page.count("slip-sign") == 1
    for words in (ticket.ref, terminal.serial, ticket.store.name, ticket.title):
        assert words in page


def test_reopening_after_a_month_leads_to_the_new_ticket(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="closed", resolved_at=clock.now() - timedelta(days=40))
    answer = desk.client.post(address("reopen", ticket), {"words": "又坏了"})
    fresh = Ticket.objects.get(previous=ticket)
    assert answer["Location"] == address("ticket", fresh)
    assert ticket.ref in body(desk.client.get(address("ticket", fresh)))


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"wait_for": "maker", "remind": "4h"}, 303),
        ({"wait_for": "maker"}, 303),
        ({"wait_for": "maker", "remind": "at", "remind_at": "2099-01-02T09:30"}, 303),
        ({"wait_for": "maker", "remind": "at", "remind_at": ""}, 422),
        ({"wait_for": "maker", "remind": "at", "remind_at": "2020-01-02T09:30"}, 422),
        ({"wait_for": "maker", "remind": "at", "remind_at": "morgen"}, 422),
        ({"wait_for": "nobody"}, 422),
        ({}, 422),
    ],
)
def test_a_reminder_lies_in_the_future(form: dict, status: int, desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    assert desk.client.post(address("wait", ticket), form).status_code == status


def test_a_typed_reminder_is_in_the_providers_zone(desk: Persona, terminal):
    ticket = make_ticket(terminal, status="open")
    form = {"wait_for": "maker", "remind": "at", "remind_at": "2099-01-02T09:30"}
    desk.client.post(address("wait", ticket), form)
    ticket.refresh_from_db()
    assert ticket.remind_at.isoformat() == "2099-01-02T01:30:00+00:00"


def test_panels_show_the_tickets_of_a_terminal_and_a_merchant(desk: Persona, terminal):
    here = make_ticket(terminal)
    beside = make_ticket(make_terminal(terminal.store))
    of_terminal = body(desk.client.get(reverse("tickets:of_terminal", args=[terminal.ref])))
    of_merchant = body(desk.client.get(reverse("tickets:of_merchant", args=[here.merchant.ref])))
    assert here.ref in of_terminal
    assert beside.ref not in of_terminal
    assert {here.ref, beside.ref} <= set(re.findall(r"T-\w{6}", of_merchant))
    assert "<html" not in of_terminal


# --- By phone ------------------------------------------------------------------------


@pytest.fixture
def walk(desk: Persona, terminal) -> Callable[[str], str]:
    """Begins a report on the phone; gives the address that comes next."""

    def begin(symptom: str) -> str:
        url = reverse("tickets:new_start", args=[terminal.ref])
        answer = desk.client.post(url, {"symptom": symptom})
        assert answer.status_code == 303
        return answer["Location"]

    return begin


def test_the_caller_is_led_from_terminal_to_ticket(desk: Persona, terminal, walk):
    found = body(desk.client.get(reverse("tickets:new"), {"q": "5521"}))
    assert reverse("tickets:new_start", args=[terminal.ref]) in found
    url = walk("network_down")
    run = DiagnosisRun.objects.get()
    assert (run.browser_key, run.via, run.user_id) == ("", "web", desk.user.pk)
    for number in (1, 2, 3):
        asked = checks.step_after(run, run.answers())
        assert isinstance(asked, Ask)
        page = body(desk.client.get(url))
        assert asked.step.text.zh in page
        calm = [option for option in asked.step.answers if not (option.stop or option.call)]
        desk.client.post(url, {"step": asked.step.id, "answer": calm[-1].id})
        run = DiagnosisRun.objects.get()
        assert run.steps.count() == number
    earlier = body(desk.client.get(url, {"n": "1"}))
    assert 'aria-pressed="true"' in earlier
    report = reverse("tickets:new_report", args=[run.ref])
    answer = desk.client.post(report, {"contact": "1", "impact": "all", "note": "早上就不行"})
    ticket = Ticket.objects.get()
    assert answer["Location"] == address("ticket", ticket)
    assert (ticket.source, ticket.contact_phone) == ("phone", "19900005521")
    assert (ticket.run_id, ticket.symptom) == (run.pk, "network_down")
    assert (
        desk.client.post(report, {"contact": "1", "impact": "all"})["Location"]
        == answer["Location"]
    )
    assert Ticket.objects.count() == 1


def test_another_answer_to_an_earlier_step_drops_what_came_after(desk: Persona, walk):
    url = walk("network_down")
    run = DiagnosisRun.objects.get()
    for _ in range(2):
        asked = checks.step_after(run, run.answers())
        assert isinstance(asked, Ask)
        desk.client.post(
            url,
            {
                "step": asked.step.id,
                "answer": "none" if asked.step.id == "safety" else asked.step.answers[0].id,
            },
        )
        run = DiagnosisRun.objects.get()
    desk.client.post(url, {"step": "safety", "answer": "unsure"})
    run = DiagnosisRun.objects.get()
    assert [a.answer_id for a in run.answers()] == ["unsure"]
    desk.client.post(url, {"step": "safety", "answer": "nonsense"})
    desk.client.post(url, {"step": "nonsense", "answer": "yes"})
    assert [a.answer_id for a in DiagnosisRun.objects.get().answers()] == ["unsure"]


def test_a_danger_sign_on_the_phone_stops_the_terminal(desk: Persona, terminal, walk):
    url = walk("network_down")
    desk.client.post(url, {"step": "safety", "answer": "battery_swollen"})
    terminal.refresh_from_db()
    assert terminal.state == "stopped"
    page = desk.client.get(url)
    assert page.status_code == 200
    assert 'class="alert r"' in body(page)


def test_straight_to_the_report_with_another_callers_number(desk: Persona, walk):
    url = walk("direct")
    form = {
        "contact": "new",
        "contact_name": "何姐",
        "contact_phone": "138 0000 5521",
        "impact": "some",
    }
    assert desk.client.post(url, form).status_code == 303
    ticket = Ticket.objects.get()
    assert (ticket.contact_name, ticket.contact_phone) == ("何姐", "13800005521")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"impact": "all"},
        {"contact": "1"},
        {"contact": "new", "impact": "all", "contact_phone": "138"},
    ],
)
def test_an_incomplete_phone_report_is_asked_again(form: dict, desk: Persona, walk):
    answer = desk.client.post(walk("direct"), form)
    assert answer.status_code == 422
    assert 'class="errsum"' in body(answer)
    assert not Ticket.objects.exists()


def test_contacts_are_offered_masked(desk: Persona, terminal, walk):
    make_contact(terminal.store, name="何姐", phone="19900007788", is_primary=False)
    page = body(desk.client.get(walk("direct")))
    assert "何姐" in page
    assert "19900007788" not in page


def test_only_terminals_that_a_shop_uses_can_be_reported(desk: Persona, terminal):
    terminal.state = "retired"
    terminal.save()
    url = reverse("tickets:new_start", args=[terminal.ref])
    assert desk.client.get(url).status_code == 404
    assert url not in body(desk.client.get(reverse("tickets:new"), {"q": terminal.serial}))


def test_no_choice_and_an_unknown_symptom_are_asked_again(desk: Persona, terminal):
    url = reverse("tickets:new_start", args=[terminal.ref])
    for form in ({}, {"symptom": "nonsense"}):
        assert desk.client.post(url, form).status_code == 422
    assert not DiagnosisRun.objects.exists()


def test_a_report_by_phone_speaks_the_shops_language(desk: Persona, terminal, walk):
    terminal.store.contacts.update(language="en")
    walk("direct")
    assert DiagnosisRun.objects.get().language == "en"


def test_a_stopped_terminal_says_why_in_words_and_never_an_id(terminal, desk):
    run = make_run(
        terminal, "no_power", state="stop_use",
        outcome={"kind": "stop_use", "causes": [], "advice": "safety.battery_swollen"},
    )  # fmt: skip
    run.steps.create(
        position=1, step_id="safety", answer_id="battery_swollen", answered_at=run.started_at
    )
    ticket = make_ticket(terminal, run=run, is_security=True)
    Terminal.objects.filter(pk=terminal.pk).update(state="stopped", stopped_at=run.started_at)
    page = desk.client.get(reverse("tickets:ticket", kwargs={"ref": ticket.ref})).content.decode()
    assert run.advice in page
    assert "safety.battery_swollen" not in page
