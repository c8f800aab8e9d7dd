"""Fixes that staff try: logged by one click, taken back, seen by the right people, and the
cause at close.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from posdoctor.accounts.actor import NOBODY
from posdoctor.core.errors import IllegalMoveError
from terminals.models import Terminal
from tests.builders import T0, actor_of, make_run, make_store, make_terminal, make_ticket
from tests.conftest import Persona
from tickets import actions
from tickets.events import EventKind
from tickets.models import Ticket, TriedFix

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ticket(terminal: Terminal) -> Ticket:
    """Worked on, after a walk of "no network" whose outcome names three causes."""
    run = make_run(terminal, "network_down", state="call")
    faults = [f.id for f in run.flow_version.flow.faults if f.id != "other"]
    run.outcome = {"kind": "call", "causes": [[faults[4], 0.5], [faults[2], 0.3], [faults[6], 0.1]]}
    run.save()
    run.steps.create(position=1, step_id="safety", answer_id="none", answered_at=T0)
    return make_ticket(terminal, run=run, status="open")


def fix_of(ticket: Ticket, place: int = 0) -> str:
    fixes = [step for step in ticket.run.flow_version.flow.steps if step.kind == "fix"]
    return fixes[place].id


def log(person: Persona, ticket: Ticket, *, worked: bool, at=T0, step: str = "") -> TriedFix:
    return actions.log_fix(
        actor_of(person.seat), ticket_id=ticket.pk, step_id=step or fix_of(ticket),
        worked=worked, now=at,
    )  # fmt: skip


def test_the_last_say_on_a_fix_counts_and_a_repeated_tap_is_one(ticket, desk):
    log(desk, ticket, worked=False)
    log(desk, ticket, worked=False, at=T0 + MINUTE)
    assert TriedFix.objects.get().tried_at == T0
    log(desk, ticket, worked=True, at=T0 + 2 * MINUTE)
    row = TriedFix.objects.get()
    assert (row.worked, row.tried_at, row.tried_by_id) == (True, T0 + 2 * MINUTE, desk.user.pk)
    events = ticket.events.filter(kind=EventKind.FIX_TRIED).order_by("pk")
    assert [event.data["worked"] for event in events] == [False, True]


def test_what_worked_before_a_reopening_can_be_said_anew(ticket, desk):
    log(desk, ticket, worked=True)
    actor = actor_of(desk.seat)
    ways = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "told"}
    actions.resolve(actor, ticket_id=ticket.pk, now=T0 + MINUTE, note="x", **ways)
    actions.reopen(actor, ticket_id=ticket.pk, now=T0 + 2 * MINUTE)
    log(desk, ticket, worked=True, at=T0 + 3 * MINUTE)
    assert TriedFix.objects.get().tried_at == T0 + 3 * MINUTE


@pytest.mark.parametrize("status", ["resolved", "closed", "cancelled", "merged"])
def test_an_ended_ticket_takes_no_more_entries(terminal, desk, status):
    ended = make_ticket(terminal, run=make_run(terminal, "network_down"), status=status)
    with pytest.raises(IllegalMoveError):
        log(desk, ended, worked=True)


def test_a_question_an_unknown_step_and_a_direct_report_are_refused(ticket, terminal, desk):
    for step in ("safety", "nonsense", ""):
        with pytest.raises(actions.UnknownFixError):
            actions.log_fix(
                actor_of(desk.seat), ticket_id=ticket.pk, step_id=step, worked=True, now=T0
            )
    direct = make_ticket(terminal, run=make_run(terminal), status="open")
    with pytest.raises(actions.UnknownFixError):
        log(desk, direct, worked=True, step=fix_of(ticket))
    assert not TriedFix.objects.exists()


def test_a_merchant_may_not_log_and_does_not_see(ticket, merchant, desk):
    log(desk, ticket, worked=True)
    actor = actor_of(desk.seat)
    for stranger in (NOBODY, type(actor)(role=None, provider_id=ticket.provider_id)):
        assert not TriedFix.objects.visible_to(stranger).exists()
    url = reverse("api:ticket_fixes", args=[ticket.ref])
    assert merchant.client.get(url).json()["results"] == []
    answer = merchant.client.post(
        url, {"step": fix_of(ticket), "worked": True}, content_type="application/json"
    )
    assert answer.status_code == 403


def test_another_tenant_does_not_find_the_ticket(ticket, outsider):
    with pytest.raises(Ticket.DoesNotExist):
        log(outsider, ticket, worked=True)
    assert not TriedFix.objects.visible_to(actor_of(outsider.seat)).exists()


def test_the_engineer_logs_only_on_own_jobs(ticket, field):
    with pytest.raises(Ticket.DoesNotExist):
        log(field, ticket, worked=True)
    Ticket.objects.filter(pk=ticket.pk).update(assignee=field.user)
    assert log(field, ticket, worked=True).worked


def test_one_takes_back_only_ones_own_and_only_for_a_while(ticket, desk, supervisor):
    def back(person: Persona, at) -> None:
        actions.take_back_fix(
            actor_of(person.seat), ticket_id=ticket.pk, step_id=fix_of(ticket), now=at
        )

    log(desk, ticket, worked=True)
    with pytest.raises(IllegalMoveError):
        back(supervisor, T0 + MINUTE)
    with pytest.raises(IllegalMoveError):
        back(desk, T0 + actions.fixes.TAKE_BACK_WITHIN + MINUTE)
    back(desk, T0 + MINUTE)
    back(desk, T0 + MINUTE)  # a second tap
    assert not TriedFix.objects.exists()
    assert ticket.events.filter(kind=EventKind.FIX_TAKEN_BACK).count() == 1


# --- Pages ---------------------------------------------------------------------------


def test_the_page_logs_by_a_plain_form_and_shows_it_in_the_time_line(ticket, desk):
    page = desk.client.get(reverse("tickets:ticket", args=[ticket.ref])).content.decode()
    shown = re.findall(r'name="step" value="(\w+)"', page)
    assert len(shown) > 4
    url = reverse("tickets:fix", args=[ticket.ref])
    answer = desk.client.post(url, {"step": shown[0], "said": "failed"}, follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert TriedFix.objects.get().worked is False
    text = ticket.run.flow_version.flow.step(shown[0]).text.zh
    assert page.count(text) >= 2
    assert 'name="said" value="back"' in page
    desk.client.post(url, {"step": shown[0], "said": "back"})
    assert not TriedFix.objects.exists()


def test_a_click_on_a_page_that_is_out_of_date_gets_the_ticket_as_it_is(ticket, desk):
    Ticket.objects.filter(pk=ticket.pk).update(status="cancelled", closed_at=T0)
    url = reverse("tickets:fix", args=[ticket.ref])
    assert desk.client.post(url, {"step": fix_of(ticket), "said": "worked"}).status_code == 409
    assert desk.client.post(url, {"step": "x", "said": "evil"}).status_code == 409
    page = desk.client.get(reverse("tickets:ticket", args=[ticket.ref])).content.decode()
    assert 'name="said"' not in page


def test_fixes_that_this_machine_cannot_have_are_not_offered(ticket, desk):
    page = desk.client.get(reverse("tickets:ticket", args=[ticket.ref])).content.decode()
    offered = set(re.findall(r'name="step" value="(\w+)"', page))
    fixes = [step for step in ticket.run.flow_version.flow.steps if step.kind == "fix"]
    assert offered == {fix.id for fix in fixes}
    run = ticket.run
    run.attributes = {"features": {"wifi": False}, "verified": {"wifi": True}}
    run.save()
    wired = desk.client.get(reverse("tickets:ticket", args=[ticket.ref])).content.decode()
    left = set(re.findall(r'name="step" value="(\w+)"', wired))
    without = {fix.id for fix in fixes if fix.requires.get("wifi") == (True,)}
    assert without
    assert left == offered - without


def test_the_api_logs_takes_back_and_refuses(ticket, desk):
    url = reverse("api:ticket_fixes", args=[ticket.ref])

    def post(**body: object) -> Any:
        return desk.client.post(url, body, content_type="application/json")

    step = fix_of(ticket, 1)
    answer = post(step=step, worked=False)
    assert answer.status_code == 200
    assert [(r["step"], r["worked"]) for r in answer.json()["results"]] == [(step, False)]
    assert desk.client.get(url).json() == answer.json()
    line = desk.client.get(reverse("api:ticket_timeline", args=[ticket.ref])).json()["results"]
    assert {"step": step, "worked": False} in [entry["data"] for entry in line]
    assert post(step=step, worked=None).json()["results"] == []
    refused = post(step="nonsense", worked=True)
    assert refused.status_code == 422
    assert "step" in refused.json()["fields"]
    assert post(step=step).status_code == 422


# --- Cause at close ------------------------------------------------------------------


def address(ticket: Ticket) -> str:
    return reverse("tickets:ticket", args=[ticket.ref])


def dialog(person: Persona, ticket: Ticket) -> str:
    """The page with the dialog of the resolution, as a browser without a script gets it."""
    url = reverse("tickets:ticket", args=[ticket.ref]) + "?deed=resolve"
    return person.client.get(url).content.decode()


def causes_in(page: str) -> list[str]:
    return re.findall(r'name="cause" value="(\w+)"', page)


def test_the_three_likeliest_causes_stand_first_and_apart(ticket, desk):
    page = desk.client.get(f"{address(ticket)}?deed=resolve").content.decode()
    likely = [cause for cause, _weight in ticket.run.outcome["causes"]]
    assert causes_in(page)[:3] == likely
    assert page.count('<div class="top">') == 3
    every = [fault.id for fault in ticket.run.flow_version.flow.faults]
    assert sorted(causes_in(page)) == sorted(every)
    # The error summary leads to the first of them.
    assert 'id="id_resolve_cause_0"' in page


def test_without_a_finished_walk_the_answers_so_far_decide(terminal, desk):
    run = make_run(terminal, "network_down")
    flow = run.flow_version.flow
    fault = next(f for f in flow.faults if f.id != "other")
    check = next(s for s in flow.steps if s.kind == "check" and fault.id in s.given)
    answer = check.telling[check.row(fault.id).index(max(check.row(fault.id)))].id
    run.steps.create(position=1, step_id=check.id, answer_id=answer, answered_at=T0)
    ticket = make_ticket(terminal, run=run, status="open")
    page = desk.client.get(f"{address(ticket)}?deed=resolve").content.decode()
    assert page.count('<div class="top">') == 3
    untouched = make_ticket(
        make_terminal(make_store(terminal.provider)), status="open",
    )  # fmt: skip
    page = desk.client.get(f"{address(untouched)}?deed=resolve").content.decode()
    assert '<div class="top">' not in page
    assert causes_in(page) == ["other"]


def test_one_of_the_three_closes_the_ticket(ticket, desk):
    cause = ticket.run.outcome["causes"][1][0]
    desk.client.post(
        reverse("tickets:resolve", args=[ticket.ref]),
        {"cause": cause, "certainty": "guess", "fixed_by": "desk", "proof": "sign_in"},
    )
    ticket.refresh_from_db()
    assert (ticket.status, ticket.cause, ticket.certainty) == ("resolved", cause, "guess")
