"""The desk's script on the living style page: keys, tabs and drafts, toasts, ticks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from posdoctor.accounts.models import User
from tests.browser.conftest import DESK

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_browser: Callable[..., Page], sign_in: Callable[..., None]) -> Page:
    """The style page: it has rows, a composer and dialogs, and no other script's state."""
    page = open_browser(DESK)
    sign_in(page)
    page.goto("/ui/")
    return page


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent"))


def test_j_and_k_walk_the_rows_and_g_goes(page):
    page.keyboard.press("j")
    page.keyboard.press("j")
    below = focused(page)
    page.keyboard.press("k")
    assert focused(page) != below
    assert page.locator(".row.cur").count() == 1
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/desk/terminals/")


def test_letters_typed_in_a_field_do_nothing_else(page):
    page.keyboard.press("n")
    assert page.locator("#composer-note").is_checked()
    page.keyboard.type("jk c r ? / [ ]")
    assert page.locator("#composer-note-text").input_value() == "jk c r ? / [ ]"
    assert page.locator("dialog[open]").count() == 0
    assert page.locator("#composer-note").is_checked()
    assert page.url.endswith("/ui/")


def test_the_list_of_keys_opens_and_closes(page):
    page.keyboard.press("?")
    assert page.locator("#shortcuts").is_visible()
    page.keyboard.press("n")
    assert page.locator("#composer-reply").is_checked()
    page.keyboard.press("Escape")
    assert not page.locator("#shortcuts").is_visible()


def test_search_takes_the_focus_from_anywhere(page):
    page.keyboard.press("/")
    assert focused(page) == "nav-q"
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Control+k")
    assert focused(page) == "nav-q"


def test_single_keys_can_be_switched_off(page):
    User.objects.update(has_shortcuts=False)
    page.reload()
    for key in ("j", "n", "?", "/"):
        page.keyboard.press(key)
    assert page.locator("#composer-reply").is_checked()
    assert page.locator("dialog[open]").count() == 0
    assert focused(page) != "nav-q"
    page.keyboard.press("Control+k")
    assert focused(page) == "nav-q"


def test_keys_of_an_input_method_are_left_alone(page):
    page.evaluate(
        """() => ['j', 'n', '?'].forEach((key) => document.body.dispatchEvent(
          new KeyboardEvent('keydown', {key, keyCode: 229, bubbles: true})))"""
    )
    assert page.locator("#composer-reply").is_checked()
    assert page.locator("dialog[open]").count() == 0


def test_drafts_come_back_in_their_own_tab(page):
    page.keyboard.press("r")
    page.keyboard.type("for the merchant")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("for colleagues")
    page.goto("/desk/me/")
    page.goto("/ui/")
    assert page.locator("#composer-reply-text").input_value() == "for the merchant"
    assert page.locator("#composer-note-text").input_value() == "for colleagues"


def test_words_that_were_not_taken_come_back(page):
    page.keyboard.press("r")
    page.keyboard.type("sent, but not kept")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    # The page still counts as many messages as before: the words did not arrive.
    assert page.locator("#composer-reply-text").input_value() == "sent, but not kept"


def test_a_toast_is_text_and_offers_undo(page):
    page.evaluate(
        """() => document.dispatchEvent(new CustomEvent('pd:toast',
          {detail: {text: '<b>T-7K3Q9M</b>', undo: '/desk/undo'}}))"""
    )
    toast = page.locator(".toast")
    assert "<b>T-7K3Q9M</b>" in toast.inner_text()
    assert toast.locator("form").get_attribute("action") == "/desk/undo"
    assert toast.locator("input[name=csrfmiddlewaretoken]").count() == 1
    page.evaluate(
        """() => document.dispatchEvent(new CustomEvent('pd:toast',
          {detail: {text: 'elsewhere', undo: '//evil.example/'}}))"""
    )
    assert page.locator(".toast form").count() == 1
    toast.first.locator(".close").click()
    assert page.locator(".toast").count() == 1


def test_a_page_that_is_seen_again_ticks_once(page):
    ticks = page.evaluate(
        """() => { let n = 0; document.body.addEventListener('pd:tick', () => { n += 1; });
          document.dispatchEvent(new Event('visibilitychange')); return n; }"""
    )
    assert ticks == 1
