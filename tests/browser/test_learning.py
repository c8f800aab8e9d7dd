"""The desk teaches the diagnosis: a failed and a working fix, and one of the three causes."""

import pytest
from playwright.sync_api import Page, expect

from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.builders import T0, make_run, make_ticket
from tickets.models import Ticket, TriedFix

pytestmark = pytest.mark.browser


@pytest.fixture
def ticket(shop: Terminal) -> Ticket:
    """Worked on, after a walk whose outcome names three causes."""
    run = make_run(shop, "network_down", state="call")
    faults = [f.id for f in run.flow_version.flow.faults if f.id != "other"]
    run.outcome = {"kind": "call", "causes": [[faults[4], 0.5], [faults[2], 0.3], [faults[6], 0.1]]}
    run.save()
    run.steps.create(position=1, step_id="safety", answer_id="none", answered_at=T0)
    return make_ticket(shop, run=run, status="open")


def say(page: Page, place: int, what: str) -> str:
    """One click on the fix at that place; returns its id."""
    form = page.locator("#fixes form").nth(place)
    step = form.locator("[name=step]").input_value()
    form.locator(f"button[value={what}]").click()
    return step


@pytest.mark.parametrize(
    ("viewport", "scripts"),
    [(DESK, True), (PHONE, True), (DESK, False)],
    ids=["desk", "phone", "no script"],
)
def test_fixes_are_logged_by_a_click_and_a_likely_cause_closes(
    open_browser, sign_in, ticket, viewport, scripts
):
    page = open_browser(viewport, scripts=scripts)
    sign_in(page)
    page.goto(f"/desk/t/{ticket.ref}/")
    failed = say(page, 0, "failed")
    pressed = page.locator("#fixes button[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    worked = say(page, 1, "worked")
    expect(pressed).to_have_count(2)
    slip = say(page, 2, "failed")
    expect(pressed).to_have_count(3)
    page.locator("#fixes li").nth(2).locator("button[value=back]").click()
    expect(pressed).to_have_count(2)
    tried = dict(TriedFix.objects.values_list("step_id", "worked"))
    assert tried == {failed: False, worked: True}
    assert slip not in tried

    page.locator("a[data-dialog=do-resolve]").first.click()
    likely = [cause for cause, _weight in ticket.run.outcome["causes"]]
    top = page.locator("#do-resolve .causes .top input")
    expect(top).to_have_count(3)
    assert [radio.get_attribute("value") for radio in top.all()] == likely
    top.nth(1).check()
    page.locator("#do-resolve [name=certainty][value=guess]").check()
    page.locator("#do-resolve [name=fixed_by]").select_option("desk")
    page.locator("#do-resolve [name=proof][value=sign_in]").check()
    page.locator("#do-resolve button[type=submit]").click()
    expect(page.locator(".alert.g")).to_be_visible()
    ticket.refresh_from_db()
    assert (ticket.status, ticket.cause) == ("resolved", likely[1])
    assert ticket.certainty == "guess"
    # What was tried stays on the page; it can no longer be changed.
    expect(page.locator("#fixes li")).to_have_count(2)
    expect(page.locator("#fixes button")).to_have_count(0)
