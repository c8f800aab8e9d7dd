"""Every page in both languages, both themes, phone and desk: axe, overflow, one language.

Acceptance checks 10 (axe), 11 (nothing clipped), 9 (no untranslated text) and 13 (policy): the
`open_browser` fixture fails on any policy violation, script error or foreign host.
"""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

from diagnostics.actions import drafts
from posdoctor.accounts.roles import Role
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.builders import (
    T0,
    actor_of,
    make_log_analysis,
    make_message,
    make_run,
    make_seat,
    make_terminal,
    make_ticket,
    make_unknown_code,
)
from tickets.models import Ticket

pytestmark = pytest.mark.browser

WIDTHS = [320, 390, 768, 1024, 1440]

# Elements whose right edge leaves the viewport without a scrolling box around them.
CLIPPED = """() => {
  const scrolls = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
      const o = getComputedStyle(p).overflowX;
      if (o === 'auto' || o === 'scroll') return true;
      if (o === 'hidden' && getComputedStyle(p).textOverflow === 'ellipsis') return true;
    }
    return false;
  };
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')].filter((e) => {
    if (e.closest('.vh, .skip, [hidden], dialog:not([open]), svg')) return false;
    const r = e.getBoundingClientRect();
    return r.width > 0 && r.height > 0 && (r.right > wide + 1 || r.left < -1) && !scrolls(e);
  }).slice(0, 5).map((e) => e.outerHTML.slice(0, 160));
}"""


def check(page: Page, url: str) -> None:
    """One page as it is shown now: axe and every width."""
    results = Axe().run(page)
    faults = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in results.response["violations"]
    ]
    assert not faults, (url, faults)


def check_widths(page: Page, url: str) -> None:
    """No horizontal scrolling and no clipped element at any width."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (url, width)
        clipped = page.evaluate(CLIPPED)
        assert not clipped, (url, width, clipped)


def check_language(page: Page, url: str, language: str) -> None:
    """`html[lang]` is right, and an English page shows no Chinese but names."""
    assert page.evaluate("document.documentElement.lang") == {"zh": "zh-Hans", "en": "en"}[language]
    if language == "zh":
        return
    # Names of shops and people and their words are data; everything else is ours.
    words: str = page.evaluate(
        """() => [...document.querySelectorAll('main *, nav *')]
          .filter((e) => !e.closest('[lang|=zh], [data-words]'))
          .flatMap((e) => [...e.childNodes])
          .filter((n) => n.nodeType === 3).map((n) => n.textContent).join('\\n')"""
    )
    left = [
        line.strip()
        for line in words.splitlines()
        if re.search(r"[\u4e00-\u9fff]", line)
        and not re.search(
            r"老王川菜馆|王建国|周敏|收银台|成华区|蜀汇支付|中午客人多|刷卡提示|一线支持|请您再试|简体中文",
            line,
        )
    ]
    assert not left, (url, left)


@pytest.fixture
def full_ticket(shop: Terminal) -> Ticket:
    """A ticket with a walk, a conversation and a note."""
    run = make_run(shop, "network_down", state="call")
    for position, (step, answer) in enumerate([("safety", "none")], start=1):
        run.steps.create(
            position=position, step_id=step, answer_id=answer, answered_at=run.started_at
        )
    ticket = make_ticket(shop, run=run, status="open", attention_at=run.started_at)
    make_message(ticket)
    make_message(ticket, kind="reply", body="请您再试一次。", author_name="周敏")
    make_message(ticket, kind="note", body="请您再试", author_name="周敏")
    for _ in range(4):
        make_ticket(make_terminal(shop.store), status="new")
    return ticket


def walk(
    open_browser: Callable[..., Page],
    urls: list[str],
    language: str,
    viewport: ViewportSize,
    *,
    dark: bool,
    enter: Callable[[Page], None] | None = None,
) -> None:
    """Checks each page; widths once per language, in the light theme at the desk's size."""
    page = open_browser(viewport, {"zh": "zh-CN", "en": "en-US"}[language], dark=dark)
    if enter:
        enter(page)
    for url in urls:
        page.set_viewport_size(viewport)
        answer = page.goto(url)
        assert answer is not None
        assert answer.status in {200, 404}, (url, answer.status)
        check(page, url)
        check_language(page, url, language)
        if viewport is DESK and not dark:
            check_widths(page, url)


LOOKS = [
    pytest.param("zh", PHONE, False, id="zh-phone-light"),
    pytest.param("en", PHONE, True, id="en-phone-dark"),
    pytest.param("zh", DESK, True, id="zh-desk-dark"),
    pytest.param("en", DESK, False, id="en-desk-light"),
]


@pytest.mark.parametrize(("language", "viewport", "dark"), LOOKS)
def test_public_pages(open_browser, full_ticket, shop, language, viewport, dark):
    code = shop.sticker_code

    def begin(page: Page) -> None:
        page.goto(f"/T/{code}")
        page.locator(".tiles button").first.click()
        page.wait_for_url("**/check/**")

    urls = [
        "/", "/find", "/help", "/privacy", f"/T/{code}", f"/t/{code}/more", f"/t/{code}/report",
        f"/t/{code}/check/network_down/1", f"/r/{full_ticket.track_token}", "/t/AAAAAAAA",
        "/nothing-here", "/account/sign-in/", "/account/reset/",
        "/codes/", "/codes/?q=58", f"/t/{code}/code", f"/t/{code}/code?q=77",
        "/guides/", "/guides/network_down/", "/guides/sign_in/", f"/t/{code}/guides/",
        f"/t/{code}/guides/cannot_print/",
        f"/t/{code}/code?q=%E9%98%B2%E6%8B%86", f"/t/{code}/code?q=zzzz",
    ]  # fmt: skip
    walk(open_browser, urls, language, viewport, dark=dark, enter=begin)


@pytest.mark.parametrize(("language", "viewport", "dark"), LOOKS)
def test_desk_pages(open_browser, full_ticket, shop, sign_in, language, viewport, dark):
    person = make_seat(shop.provider, Role.FIELD).user
    waiting = make_unknown_code(shop.provider)
    log = make_log_analysis(shop)
    lead = actor_of(make_seat(shop.provider, Role.SUPERVISOR))
    drafts.start(lead, symptom="no_power", now=T0)
    urls = [
        "/desk/", "/desk/q/all/", "/desk/q/unassigned/", f"/desk/t/{full_ticket.ref}/",
        f"/desk/t/{full_ticket.ref}/print", "/desk/new", f"/desk/new/{shop.ref}/",
        "/desk/search?q=3318", "/desk/search?q=zzzz", "/desk/terminals/",
        f"/desk/terminals/{shop.ref}/", "/desk/terminals/new", f"/desk/terminals/{shop.ref}/edit",
        "/desk/merchants/", "/desk/merchants/new",
        f"/desk/merchants/{full_ticket.merchant.ref}/stores/new",
        f"/desk/merchants/{full_ticket.merchant.ref}/", "/desk/me/", "/settings/users/",
        "/settings/users/new", f"/settings/users/{person.ref}/", "/settings/teams/", "/ui/",
        "/ops/", "/ops/deliveries/", "/desk/notices/", "/settings/sla/", "/settings/hours/",
        "/settings/hours/new", "/desk/codes/", "/desk/codes/?q=58", "/desk/codes/new",
        f"/desk/codes/new?for={waiting.ref}",
        f"/desk/logs/?terminal={shop.ref}", f"/desk/logs/{log.ref}/",
        f"/desk/d/{full_ticket.run.ref}/",
        "/settings/learning/", "/settings/learning/gain", "/settings/learning/no_power/",
        "/settings/flows/", "/settings/flows/import", "/settings/flows/no_power/",
        "/settings/flows/no_power/texts", "/settings/flows/no_power/step/safety/",
        "/settings/flows/no_power/step/restart/", "/settings/flows/no_power/steps/new",
        "/settings/flows/no_power/causes/new", "/settings/flows/no_power/cause/other/",
        "/settings/flows/no_power/exits/", "/settings/flows/no_power/exits/new",
        "/settings/flows/no_power/exit/replacement/", "/settings/flows/declines/exits/",
        "/settings/flows/no_power/compare", "/settings/flows/no_power/versions",
        "/settings/flows/no_power/preview", "/settings/flows/declines/",
        "/settings/versions/", f"/settings/versions/{shop.model.slug}/",
    ]  # fmt: skip
    walk(
        open_browser,
        urls,
        language,
        viewport,
        dark=dark,
        enter=lambda page: sign_in(page, Role.ADMINISTRATOR, language=language),
    )
