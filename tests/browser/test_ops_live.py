"""The supervisors' board in a real browser: quiet polls, an open table, a server that is away."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, expect

from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import Terminal
from tests.browser.conftest import DESK
from tests.builders import make_clocks, make_ticket

pytestmark = pytest.mark.browser

TICK = "document.body.dispatchEvent(new CustomEvent('pd:tick', {bubbles: true}))"
# Children and texts that changed; htmx's own mark on the region's class is allowed.
WATCH = """() => {
  window.changed = 0;
  new MutationObserver((list) => { window.changed += list.length; }).observe(
    document.querySelector('#ops'), {childList: true, characterData: true, subtree: true});
}"""


@pytest.fixture
def board(open_browser: Callable[..., Page], shop: Terminal, sign_in: Callable[..., None]) -> Page:
    """The board with one ticket that is due within the hour."""
    make_clocks(make_ticket(shop, status="open", opened_at=clock.now()), first_response=1800)
    page = open_browser(DESK)
    sign_in(page, Role.SUPERVISOR)
    page.goto("/ops/")
    page.wait_for_selector("#ops[data-htmx-powered]")
    return page


def poll(page: Page) -> Response:
    with page.expect_response("**/ops/") as answer:
        page.evaluate(TICK)
    return answer.value


def test_a_quiet_poll_changes_nothing_and_news_come_in(board: Page, shop: Terminal):
    quiet = None
    for _attempt in range(5):  # the next minute is news too: a poll may just meet it
        board.evaluate(WATCH)
        quiet = poll(board)
        if quiet.status == 304:
            break
        board.wait_for_timeout(500)
    assert quiet
    assert quiet.status == 304
    assert quiet.request.sizes()["responseBodySize"] == 0
    assert quiet.request.sizes()["responseHeadersSize"] < 1024
    board.wait_for_timeout(200)
    assert board.evaluate("window.changed") == 0
    make_clocks(make_ticket(shop, status="open", opened_at=clock.now()))
    summary = board.locator("details.data summary").first
    summary.click()
    board.evaluate("document.querySelector('#ops').dataset.ptag = 'of-yesterday'")
    assert poll(board).status == 200
    expect(board.locator(".kpi .v a").first).to_have_text("2")
    assert board.evaluate("document.querySelector('details.data').open")


def test_without_a_connection_the_last_numbers_stay_and_say_of_when(board: Page):
    assert board.locator(".live").is_visible()
    assert not board.locator(".stale").is_visible()
    board.context.set_offline(True)
    board.locator(".stale").wait_for()
    assert "数据停在" in board.locator(".stale").inner_text()
    assert not board.locator(".live").is_visible()
    assert board.locator(".kpi .v a").first.inner_text() == "1"
    board.context.set_offline(False)
    with board.expect_response("**/ops/"):
        board.evaluate(TICK)
    board.locator(".stale").wait_for(state="hidden")
    assert board.locator(".live").is_visible()


def test_without_a_script_the_page_is_complete(
    open_browser: Callable[..., Page], board: Page, shop: Terminal
):
    plain = open_browser(DESK, scripts=False)
    plain.context.add_cookies(board.context.cookies())
    plain.goto("/ops/")
    assert plain.locator(".kpi").count() == 5
    assert plain.locator(".ahead .bk").count() == 1
    assert not plain.locator(".live").is_visible()
    plain.get_by_text("刷新").click()
    plain.wait_for_url("**/ops/")
