"""Notices in a real browser: the bell by itself, reading them, and the same without scripts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from posdoctor.accounts.models import Seat, User
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.notifications.models import Delivery
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_every_page import check, check_language, check_widths
from tests.builders import make_ticket
from tests.notifications.planning import CLOCK_FACTS, FACTS, plan
from tickets.models import Ticket

pytestmark = pytest.mark.browser

TICK = "document.body.dispatchEvent(new CustomEvent('pd:tick', {bubbles: true}))"
COUNT_CHANGES = """() => { window.changes = 0; new MutationObserver((all) => {
  window.changes += all.length; }).observe(document.body,
  {childList: true, subtree: true, characterData: true}); }"""
PLACE = {"store": "老王川菜馆", "actor": "周敏"}


@pytest.fixture
def ticket(shop: Terminal) -> Ticket:
    return make_ticket(shop, status="open")


def newest_person() -> User:
    return Seat.objects.latest("pk").user


def tell(ticket: Ticket, number: int, **fields: Any) -> None:
    """Plans a notice about the ticket for who signed in last."""
    plan(
        ticket.provider, newest_person(), source=f"event:{number}", url=f"/desk/t/{ticket.ref}/",
        now=clock.now(), data={**FACTS, **PLACE}, **fields,
    )  # fmt: skip


def test_the_bell_changes_by_itself_and_an_unchanged_answer_changes_nothing(
    open_browser: Callable[..., Page], sign_in: Callable[..., None], ticket: Ticket
):
    page = open_browser(DESK)
    sign_in(page, Role.DESK)
    page.goto("/desk/notices/")
    page.evaluate(COUNT_CHANGES)
    with page.expect_response("**/notices/bell") as answer:
        page.evaluate(TICK)
    assert answer.value.status == 304
    sizes = answer.value.request.sizes()
    assert sizes["responseHeadersSize"] + sizes["responseBodySize"] < 1024
    page.wait_for_timeout(200)
    assert page.evaluate("window.changes") == 0

    tell(ticket, 1)
    # Polls come 20 s apart; what wants to come sooner waits.
    with page.expect_response("**/notices/bell", timeout=30_000) as answer:
        page.evaluate(TICK)
    assert answer.value.status == 200
    expect(page.locator("#bell-nav")).to_contain_text("1")
    assert page.locator("#bell-top").text_content() == page.locator("#bell-nav").text_content()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_notice_leads_to_its_ticket_and_is_read(
    open_browser: Callable[..., Page], sign_in: Callable[..., None], ticket: Ticket,
    scripts: bool,
):  # fmt: skip
    page = open_browser(PHONE, scripts=scripts)
    sign_in(page, Role.DESK)
    tell(ticket, 1)
    tell(ticket, 2)
    page.goto("/desk/")
    page.locator(".d-top .bell").click()
    page.locator(".notices .new button").first.click()
    page.wait_for_url(f"**/desk/t/{ticket.ref}/")
    # The page itself says that it is shown: notices about it are read too.
    expect(page.locator("#bell-top")).to_have_text("" if scripts else "1 条未读")
    page.goto("/desk/notices/")
    if not scripts:
        page.locator(".in-bar button").click()
    expect(page.locator(".notices .new")).to_have_count(0)
    assert not Delivery.objects.filter(channel="in_app", read_at__isnull=True).exists()


@pytest.mark.parametrize(
    ("language", "viewport", "dark"),
    [("zh", PHONE, False), ("en", PHONE, True), ("zh", DESK, True), ("en", DESK, False)],
)
def test_the_pages_are_accessible_and_fit(
    open_browser: Callable[..., Page], sign_in: Callable[..., None], ticket: Ticket,
    language: str, viewport: ViewportSize, dark: bool,
):  # fmt: skip
    page = open_browser(viewport, {"zh": "zh-CN", "en": "en-US"}[language], dark=dark)
    sign_in(page, Role.SUPERVISOR, language=language)
    for number, url in enumerate(["/desk/notices/", "/ops/deliveries/"]):
        page.goto(url)
        check(page, f"{url} empty")
        for kind in ("ticket.assigned", "ticket.merchant_wrote", "ticket.reopened"):
            tell(ticket, 10 * number + len(kind), kind=kind)
        tell(ticket, 10 * number, kind="clock.level")
        Delivery.objects.filter(kind="clock.level").update(
            data={**CLOCK_FACTS, **PLACE, "level": 100, "owner": ""}
        )
        past = clock.now() - timedelta(minutes=6)
        Delivery.objects.filter(channel="email").update(
            created_at=past, attempts=3, last_error="SMTPRecipientsRefused"
        )
        Delivery.objects.filter(channel="email", kind="clock.level").update(
            state="dead", next_attempt_at=None
        )
        page.goto(url)
        check(page, url)
        check_language(page, url, language)
        if viewport is DESK:
            check_widths(page, url)
            page.set_viewport_size(viewport)
        Delivery.objects.all().delete()
