"""The whole job in a real browser: sticker, answers, report, desk, confirmation, closed.

Once in each language, at phone and desk size, and once without JavaScript on the merchant's side;
and the path where a safety answer takes the machine out of use.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from diagnostics.models import DiagnosisRun
from posdoctor.accounts.roles import Role
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tickets.models import Ticket

pytestmark = pytest.mark.browser

LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
WORDS = {
    "zh": {
        "note": "刷卡一直转圈，然后说通讯超时。",
        "reply": "请连店里的 Wi-Fi 再签到一次。",
        "inner": "同片区有三台掉线。",
    },
    "en": {
        "note": "It spins and then says timeout.",
        "reply": "Join your Wi-Fi and sign in again.",
        "inner": "Three more are down nearby.",
    },
}


def answer(page: Page, choice: str) -> None:
    """Taps one answer and waits for the next page."""
    page.locator(f".ans button[value={choice}]").click()
    page.wait_for_load_state()


def begin(page: Page, terminal: Terminal, symptom: str = "network_down") -> None:
    """Opens the printed address and taps the symptom."""
    page.goto(f"/T/{terminal.sticker_code}")
    page.locator(f".tiles button[formaction$='/check/{symptom}']").click()
    page.wait_for_url(f"**/check/{symptom}/1")


def walk_three(page: Page) -> None:
    """Safety and two questions, none of which ends the walk."""
    answer(page, "none")
    for number in (2, 3):
        assert page.url.endswith(f"/{number}")
        page.locator(".ans button").last.click()  # not sure
        page.wait_for_url(re.compile(rf"/{number + 1}$|/unsolved$"))


def file_report(page: Page, language: str, impact: str = "all") -> str:
    """From the help bar to the filed report; returns the status link's path."""
    page.locator("a[href*='/report']").last.click()
    page.locator("[name=contact_phone]").fill("199 0000 5521")
    page.locator("[name=contact_name]").fill("王建国")
    page.locator("[name=note]").fill(WORDS[language]["note"])
    page.locator(f"button[name=impact][value={impact}]").click()
    page.wait_for_url("**/report/check**")
    page.locator("main form button").last.click()
    page.wait_for_url("**/r/*")
    return re.sub(r"^https?://[^/]+", "", page.url)


def choose(page: Page, dialog: str, **values: str) -> None:
    """Fills the fields of an open dialog: radios by value, the rest as text or option."""
    for name, value in values.items():
        field = page.locator(f"#{dialog} [name={name}]")
        if field.first.get_attribute("type") == "radio":
            page.locator(f"#{dialog} [name={name}][value={value}]").check(force=True)
        elif field.first.evaluate("e => e.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


@pytest.mark.parametrize(
    ("language", "merchant_scripts", "desk_size"),
    [
        pytest.param("zh", True, DESK, id="zh"),
        pytest.param("en", True, PHONE, id="en-desk-on-a-phone"),
        pytest.param("zh", False, DESK, id="zh-merchant-without-scripts"),
    ],
)
def test_from_the_sticker_to_closed(  # noqa: PLR0915 - one journey reads best in one piece
    open_browser: Callable[..., Page],
    shop: Terminal,
    sign_in: Callable[..., None],
    language: str,
    merchant_scripts: bool,
    desk_size: Any,
):
    words = WORDS[language]
    merchant = open_browser(PHONE, LANGUAGES[language], scripts=merchant_scripts)
    begin(merchant, shop)
    walk_three(merchant)
    track = file_report(merchant, language)
    ticket = Ticket.objects.get()
    expect(merchant.locator("main")).to_contain_text(ticket.ref)
    assert ticket.run is not None
    assert ticket.run.ordered_steps()[0].answer_id == "none"
    assert ticket.run.steps.count() >= 3
    assert ticket.priority == "urgent"  # the shop's only machine is down

    desk = open_browser(desk_size, LANGUAGES[language])
    sign_in(desk, Role.DESK, language=language)
    desk.goto("/desk/q/unassigned/")
    expect(desk.locator("main")).to_contain_text(words["note"][:12])
    desk.goto(f"/desk/t/{ticket.ref}/")
    evidence = desk.locator("article.ev li")
    assert evidence.count() >= 3

    note_tab = desk.locator("label[for=composer-note]")
    note_tab.click()
    note_button = desk.locator("#note-form button:not([type=button])").last
    reply_words = desk.locator("#reply-form button[name=then]").all_inner_texts()
    assert note_button.inner_text() not in reply_words
    desk.locator("#note-form textarea").fill(words["inner"])
    note_button.click()
    expect(desk.locator(".msg.note")).to_contain_text(words["inner"])
    expect(desk.locator(".toast")).to_be_visible()
    desk.locator("#composer-reply").press("Space")  # by key: the list scrolls under a tap
    desk.locator("#reply-form textarea").fill(words["reply"])
    desk.locator("#reply-form button[value=keep]").click()
    expect(desk.locator(".msg.me").first).to_contain_text(words["reply"])

    merchant.goto(track)
    expect(merchant.locator("main")).to_contain_text(words["reply"])
    assert words["inner"] not in merchant.content()

    desk.locator("a[data-dialog=do-resolve], a[href='#do-resolve']").first.click()
    desk.locator("#do-resolve [name=cause]").first.check(force=True)
    choose(desk, "do-resolve", certainty="sure", fixed_by="merchant", proof="sign_in")
    desk.locator("#do-resolve button.pri").click()
    expect(desk.locator("dialog[open]")).to_have_count(0)
    ticket.refresh_from_db()
    assert ticket.status == "resolved"

    merchant.goto(track)
    merchant.locator("button[formaction$='/confirm']").click()
    merchant.wait_for_load_state()
    ticket.refresh_from_db()
    assert ticket.status == "closed"
    desk.goto(f"/desk/t/{ticket.ref}/")
    expect(desk.locator("main")).to_contain_text({"zh": "已关闭", "en": "Closed"}[language])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_safety_answer_stops_the_machine_until_a_lead_releases_it(
    open_browser: Callable[..., Page],
    shop: Terminal,
    sign_in: Callable[..., None],
    language: str,
):
    merchant = open_browser(PHONE, LANGUAGES[language], scripts=False)
    begin(merchant, shop, "no_power")
    answer(merchant, "battery_swollen")
    merchant.wait_for_url("**/stopped*")
    shop.refresh_from_db()
    assert shop.state == "stopped"
    file_report(merchant, language)
    ticket = Ticket.objects.get()
    assert ticket.is_security
    assert ticket.priority == "urgent"
    merchant.goto(f"/T/{shop.sticker_code}")
    assert merchant.locator(".tiles button").count() == 0

    lead = open_browser(DESK, LANGUAGES[language])
    sign_in(lead, Role.SUPERVISOR, language=language)
    lead.goto(f"/desk/terminals/{shop.ref}/")
    lead.locator("a[href*=release]").first.click()
    lead.locator("main textarea").fill("OK")
    lead.locator("main form button.pri").click()
    lead.wait_for_load_state("networkidle")
    shop.refresh_from_db()
    assert shop.state == "active"


def test_language_switch_in_the_middle_keeps_step_and_answers(
    open_browser: Callable[..., Page], shop: Terminal
):
    page = open_browser(PHONE, "zh-CN", scripts=False)
    begin(page, shop)
    answer(page, "none")
    before = page.locator("h1").inner_text()
    page.locator("a.lang").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert "/network_down/2" in page.url
    assert page.locator("h1").inner_text() != before
    assert DiagnosisRun.objects.get().steps.count() == 1
    page.locator(".ans button").last.click()
    page.wait_for_url("**/network_down/3*")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_back_shows_the_earlier_answer_and_a_change_recomputes(
    open_browser: Callable[..., Page], shop: Terminal
):
    page = open_browser(PHONE, "zh-CN", scripts=False)
    begin(page, shop)
    walk_three(page)
    page.goto(f"/t/{shop.sticker_code}/check/network_down/2")
    chosen = page.locator(".ans button.sel")
    expect(chosen).to_have_count(1)
    other = page.locator(".ans button:not(.sel)").first
    value = other.get_attribute("value")
    other.click()
    page.wait_for_load_state()
    run = DiagnosisRun.objects.get()
    steps = run.ordered_steps()
    assert len(steps) == 2
    assert steps[1].answer_id == value
    page.go_back()
    assert page.locator("main h1").inner_text()


def test_question_and_two_answers_stand_above_the_help_bar_in_a_small_view(
    open_browser: Callable[..., Page], shop: Terminal
):
    page = open_browser({"width": 390, "height": 664}, "zh-CN")
    begin(page, shop)
    for _ in range(3):
        bar = page.locator(".m-help").bounding_box()
        assert bar is not None
        for element in (page.locator("main h1"), page.locator(".ans button").nth(1)):
            box = element.bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= bar["y"]
        page.locator(
            ".ans button[value=none], .ans button[value=unsure], .ans button[value=unsolved]"
        ).first.click()
        page.wait_for_load_state()


def test_known_phone_files_a_report_with_three_taps(
    open_browser: Callable[..., Page], shop: Terminal
):
    page = open_browser(PHONE, "zh-CN", scripts=False)
    page.goto(f"/T/{shop.sticker_code}")
    file_report(page, "zh", "some")
    page.goto(f"/T/{shop.sticker_code}")
    page.locator(".m-help a[href*='/report']").click()  # 1
    page.locator("button[name=impact][value=some]").click()  # 2
    page.locator("main form button").last.click()  # 3
    page.wait_for_url("**/r/*")
    assert Ticket.objects.count() == 2
