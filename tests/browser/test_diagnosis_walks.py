"""Walks of merchants as they happen: codes, no network, dangers, a closed phone, no idea at all."""

import re
from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Page, expect

from diagnostics.actions import trees
from diagnostics.models import CompiledTree, DiagnosisRun
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_journey import answer, begin

pytestmark = pytest.mark.browser

# What finds nothing and solves nothing, in the order in which it is looked for.
NOTHING = ("none", "no", "unsolved")
NO_ANSWERS: Mapping[str, str] = {}


def choices(page: Page) -> list[str]:
    """The answers that stand on the page."""
    buttons = page.locator(".ans button[name=answer]").all()
    return [str(button.get_attribute("value")) for button in buttons]


def step_of(page: Page) -> str:
    """The step that is asked."""
    return page.locator("form.ans input[name=step]").input_value()


def walk(
    page: Page, said: Mapping[str, str] = NO_ANSWERS, usual: tuple[str, ...] = NOTHING
) -> list[str]:
    """Answers until the walk ends; returns the steps that were asked."""
    asked: list[str] = []
    while page.locator("form.ans").count():
        step, offered = step_of(page), choices(page)
        asked.append(step)
        assert len(asked) < 16
        wanted = said.get(step) or next((name for name in usual if name in offered), offered[-1])
        answer(page, wanted)
    return asked


@pytest.fixture
def phone(open_browser: Callable[..., Page]) -> Page:
    return open_browser(PHONE, "zh-CN")


def test_code_77_is_asked_for_first_and_leads_to_signing_in_again(
    phone: Page, shop: Terminal
) -> None:
    begin(phone, shop, "cannot_sign_in")
    asked = walk(phone, {"screen_message": "code_batch", "settle_then_sign_in": "solved"})
    assert asked[1] == "screen_message"
    assert asked[-1] == "settle_then_sign_in"
    expect(phone).to_have_url(re.compile("/fixed"))


def test_a_code_that_was_typed_is_not_asked_for(phone: Page, shop: Terminal) -> None:
    phone.goto(f"/t/{shop.sticker_code}/code")
    phone.locator("main input[type=text], main textarea").first.fill("77")
    phone.locator("main form button[type=submit]").first.click()
    phone.locator("form[action*='/check/'] button, button[formaction*='/check/']").first.click()
    phone.wait_for_url("**/check/cannot_sign_in/1")
    assert "screen_message" not in walk(phone)
    run = DiagnosisRun.objects.get()
    assert ["screen_message", "screen"] in [[step, whence] for step, _answer, whence in run.given]


def test_no_network_is_led_by_a_compiled_tree_and_says_how_long_it_takes(
    phone: Page, shop: Terminal
) -> None:
    begin(phone, shop)
    assert phone.locator(".m-prog").inner_text() == "第 1 步"
    assert trees.compile_wanted(clock.now()) == 1
    assert CompiledTree.objects.get().table
    phone.reload()
    expect(phone.locator(".m-prog")).to_contain_text("分钟")
    phone.locator("details.why summary").click()
    expect(phone.locator("details.why")).to_contain_text("先看安全")
    asked = walk(phone, {"switch_network": "solved"})
    assert asked[1] == "switch_network"
    expect(phone).to_have_url(re.compile("/fixed"))


@pytest.mark.parametrize("sign", ["battery_swollen", "tamper_text"])
def test_a_danger_takes_the_machine_out_of_use_until_a_lead_releases_it(
    open_browser: Callable[..., Page],
    sign_in: Callable[..., None],
    shop: Terminal,
    sign: str,
) -> None:
    merchant = open_browser(PHONE, "zh-CN")
    begin(merchant, shop)
    answer(merchant, sign)
    expect(merchant).to_have_url(re.compile("/stopped"))
    shop.refresh_from_db()
    assert shop.state == "stopped"
    # Nobody goes on with it, in this browser or another.
    passer_by = open_browser(PHONE, "en-US")
    passer_by.goto(f"/T/{shop.sticker_code}")
    assert passer_by.locator(".tiles").count() == 0
    desk = open_browser(DESK, "zh-CN")
    sign_in(desk, Role.DESK)
    desk.goto(f"/desk/terminals/{shop.ref}/")
    assert desk.locator("a[href$='/release'], form[action$='/release']").count() == 0
    lead = open_browser(DESK, "zh-CN")
    sign_in(lead, Role.SUPERVISOR)
    lead.goto(f"/desk/terminals/{shop.ref}/release")
    lead.locator("[name=reason]").fill("换了一台，旧机已封存")
    lead.locator("main form button[type=submit]").last.click()
    lead.wait_for_url(f"**/desk/terminals/{shop.ref}/**")
    shop.refresh_from_db()
    assert shop.state == "active"


def test_a_walk_goes_on_after_the_phone_was_closed(phone: Page, shop: Terminal) -> None:
    begin(phone, shop)
    answer(phone, "none")
    left_at = phone.url
    step = step_of(phone)
    again = phone.context.new_page()
    phone.close()
    again.goto(f"/T/{shop.sticker_code}")
    again.locator("a[href*='/check/']").first.click()
    again.wait_for_load_state()
    assert again.url == left_at
    assert step_of(again) == step


def test_back_and_another_answer_drop_what_came_after(phone: Page, shop: Terminal) -> None:
    begin(phone, shop, "cannot_print")
    answer(phone, "none")
    first = step_of(phone)
    answer(phone, next(name for name in NOTHING if name in choices(phone)))
    phone.locator(".m-top a").first.click()
    phone.wait_for_load_state()
    assert step_of(phone) == first
    expect(phone.locator("main [role=status]")).to_be_visible()
    other = next(name for name in choices(phone) if name not in NOTHING and name != "solved")
    answer(phone, other)
    run = DiagnosisRun.objects.get()
    assert [(s.step_id, s.answer_id) for s in run.ordered_steps()] == [
        ("safety", "none"),
        (first, other),
    ]


@pytest.mark.parametrize("scripts", [True, False])
def test_not_sure_throughout_hands_over_kindly(
    open_browser: Callable[..., Page], shop: Terminal, scripts: bool
) -> None:
    page = open_browser(PHONE, "zh-CN", scripts=scripts)
    begin(page, shop, "network_down")
    asked = walk(page, usual=("unsure", "unable"))
    assert len(asked) <= 12
    expect(page).to_have_url(re.compile("/unsolved"))
    expect(page.locator("a[href*='/report']").first).to_be_visible()
    assert DiagnosisRun.objects.get().state == "call"


@pytest.mark.parametrize("symptom", ["cannot_sign_in", "cannot_print", "no_power"])
def test_two_answers_are_in_sight_inside_a_chat_app(
    open_browser: Callable[..., Page], shop: Terminal, symptom: str
) -> None:
    page = open_browser({"width": 390, "height": 664}, "zh-CN")
    begin(page, shop, symptom)
    while page.locator("form.ans").count():
        bar = page.locator(".m-help").bounding_box()
        second = page.locator(".ans button").nth(1).bounding_box()
        assert bar is not None
        assert second is not None
        assert second["y"] + second["height"] <= bar["y"], step_of(page)
        offered = choices(page)
        answer(page, next(name for name in NOTHING if name in offered))
