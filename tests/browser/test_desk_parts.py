"""Parts of the desk's pages that come by themselves or when asked for, and do without a script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_every_page import check, check_language
from tests.builders import T0, make_message, make_terminal, make_ticket
from tickets.models import Ticket

pytestmark = pytest.mark.browser


@pytest.fixture
def tickets(shop: Terminal) -> list[Ticket]:
    """Two in progress, the older one first, each with words of its own."""
    found = []
    for words in ("请您再试一次", "请您再试两次"):
        ticket = make_ticket(make_terminal(shop.store), status="open", priority="high")
        make_message(ticket, body=words)
        found.append(ticket)
    Ticket.objects.filter(pk=found[0].pk).update(opened_at=T0)
    return found


def panes(page: Page) -> list[str]:
    """Addresses of the panes that are fetched from now on."""
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "pane=preview" in r.url else None)
    return asked


def test_the_pane_fills_itself_and_follows_the_mark(open_browser, sign_in, tickets):
    page = open_browser(DESK)
    sign_in(page)
    asked = panes(page)
    page.goto("/desk/q/all/?priority=high")
    pane = page.locator("#preview")
    expect(pane).to_contain_text("请您再试一次")
    assert len(asked) == 1
    link = pane.locator(".ft a")
    assert link.get_attribute("href") == f"/desk/t/{tickets[0].ref}/?q=all&priority=high"
    page.keyboard.press("j")
    expect(pane).to_contain_text("请您再试两次")
    page.locator("#f-priority").select_option("")
    expect(pane).to_contain_text("请您再试一次")
    check(page, "/desk/q/all/ after a filter")


def close(page: Page) -> None:
    """Escape, until the keys are the page's again."""
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("dialog :focus")).to_have_count(0)


def test_a_phone_fetches_no_pane(open_browser, sign_in, tickets):
    page = open_browser(PHONE)
    sign_in(page)
    asked = panes(page)
    page.goto("/desk/q/all/")
    expect(page.locator(".row")).to_have_count(2)
    page.wait_for_timeout(300)
    assert asked == []


def test_without_a_script_the_pane_names_the_ticket_and_opens_it(open_browser, sign_in, tickets):
    page = open_browser(DESK, scripts=False)
    sign_in(page)
    page.goto("/desk/q/all/")
    pane = page.locator("#preview")
    expect(pane).to_contain_text(tickets[0].ref)
    pane.locator(".ft a").click()
    expect(page.locator("#ticket")).to_contain_text("请您再试一次")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_key_opens_a_dialog_that_keeps_what_was_typed(
    language: str, open_browser: Callable[..., Page], sign_in, tickets
):
    page = open_browser(DESK, {"zh": "zh-CN", "en": "en-US"}[language])
    sign_in(page, language=language)
    page.goto(f"/desk/t/{tickets[0].ref}/?q=all")
    page.keyboard.press("p")
    dialog = page.locator("#do-priority")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("(e) => e.matches(':modal')")
    check(page, "a dialog that was fetched")
    check_language(page, "a dialog that was fetched", language)
    dialog.locator("textarea").fill("急")
    close(page)
    page.keyboard.press("a")
    expect(page.locator("#do-assign")).to_be_visible()
    close(page)
    page.keyboard.press("p")
    expect(dialog.locator("textarea")).to_have_value("急")
    assert page.locator("dialog.deed").count() == 2
    dialog.locator("[name=priority][value=urgent]").check(force=True)
    dialog.locator("button.pri").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("p")
    expect(page.locator("#do-priority [name=priority][value=urgent]")).to_be_checked()


def test_without_a_script_a_dialog_is_a_page(open_browser, sign_in, tickets):
    page = open_browser(DESK, scripts=False)
    sign_in(page)
    page.goto(f"/desk/t/{tickets[0].ref}/?q=all")
    page.locator("a[data-dialog=do-assign]").click()
    dialog = page.locator("#do-assign")
    expect(dialog).to_be_visible()
    dialog.locator("[name=person]").select_option(index=1)
    dialog.locator("button.pri").click()
    page.wait_for_url(f"**/desk/t/{tickets[0].ref}/?q=all")
    tickets[0].refresh_from_db()
    assert tickets[0].assignee is not None


@pytest.mark.parametrize("scripts", [True, False])
def test_the_menu_of_a_phone_opens_and_closes(
    shop: Terminal, open_browser, sign_in, *, scripts: bool
):
    page = open_browser(PHONE, scripts=scripts)
    sign_in(page)
    page.goto("/desk/")
    menu, button = page.locator("nav.d-nav"), page.get_by_role("button", name="菜单")
    expect(menu).to_be_hidden()
    button.click()
    expect(menu).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    button.click()
    menu.get_by_role("link", name="全部工单").click()
    page.wait_for_url("**/desk/q/all/")
    expect(menu).to_be_hidden()
