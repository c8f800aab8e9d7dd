"""Clocks as a browser shows them: borders at the right moment, polls that change nothing, grey."""

import io
import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Page, expect

from posdoctor.core import clock
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_every_page import check, check_language, check_widths
from tests.builders import T0, make_clocks, make_store, make_terminal, make_ticket
from tickets.models import Ticket
from tickets.sla import actions as sla

pytestmark = pytest.mark.browser

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DUE = T0 + 3 * HOUR
# Fires what the page does once it is seen again: a tick, and a look at its clocks.
SEEN = "document.dispatchEvent(new Event('visibilitychange'))"
# The same, until the list has been answered and swapped in: a page that gets its answer after the
# wall's clock has moved on would take the server for late by that much.
SEEN_AND_ANSWERED = """() => new Promise((done) => {
  document.addEventListener('htmx:finally:request', function answered(event) {
    if (event.detail.ctx.sourceElement.id !== 'queue') { return; }
    document.removeEventListener('htmx:finally:request', answered);
    done();
  });
  document.dispatchEvent(new Event('visibilitychange'));
})"""
WATCH = """() => { window.changes = []; new MutationObserver((list) => list.forEach((one) => {
  window.changes.push(one.type); })).observe(document.querySelector('#queue'),
  {childList: true, characterData: true, subtree: true}); }"""


class Wall:
    """The clock on the wall, for the server and for the browsers."""

    def __init__(self) -> None:
        self.now = T0
        self.pages: list[Page] = []

    def set(self, moment: datetime) -> None:
        self.now = moment
        for page in self.pages:
            page.clock.set_fixed_time(moment)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    found = Wall()
    monkeypatch.setattr(clock, "now", lambda: found.now)
    return found


def due_at_one(shop: Terminal, **fields: Any) -> Ticket:
    """In progress, to be restored by 13:00; a quarter of its three hours begins at 12:15."""
    ticket = make_ticket(
        make_terminal(make_store(merchant=shop.store.merchant)),
        **{"status": "open", "opened_at": T0, **fields},
    )
    make_clocks(ticket, restore=3 * 3600)
    ticket.clocks.filter(promise="first_response").delete()
    return ticket


def stop(ticket: Ticket, moment: datetime) -> None:
    """Pauses its clock."""
    with transaction.atomic():
        sla.pause(ticket_id=ticket.pk, at=moment, reason="wait")


@pytest.fixture(params=["Asia/Shanghai", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(
    open_browser: Callable[..., Page], sign_in: Callable[..., None], wall: Wall
) -> Callable[..., Page]:
    """`desk(zone)`: a signed-in colleague whose computer is set to that zone."""

    def _desk(zone: str = "Asia/Shanghai", **looks: Any) -> Page:
        page = open_browser(DESK, zone=zone, **looks)
        sign_in(page)
        wall.pages.append(page)
        return page

    return _desk


def group_of(page: Page, ticket: Ticket) -> str:
    """The words and the count of the heading above a row."""
    return str(
        page.evaluate(
            "(id) => document.getElementById(id).parentElement.previousElementSibling.innerText",
            f"row-{ticket.ref}",
        )
    ).replace("\n", " ")


def test_text_shape_and_group_change_at_each_border(wall, desk, shop: Terminal, zone: str):
    """Acceptance check 19."""
    ticket = due_at_one(shop)
    page = desk(zone)
    wall.set(DUE - 61 * MINUTE)
    page.goto("/desk/q/all/")
    badge = page.locator(f"#row-{ticket.ref} .sla")

    def shows(shape: str, words: str, group: str) -> None:
        expect(badge).to_have_class(f"sla {shape}")
        expect(badge.locator("span").last).to_have_text(words)
        assert group in group_of(page, ticket)

    def comes_to(moment: datetime) -> None:
        """A second before, then the moment itself: the page's own timer must notice."""
        wall.set(moment - SECOND)
        page.evaluate(SEEN_AND_ANSWERED)
        wall.set(moment)

    shows("ok", "剩 61 分", "今天到期 1")
    comes_to(DUE - 60 * MINUTE)
    shows("soon", "剩 60 分", "1 小时内到期 1")
    comes_to(DUE - 15 * MINUTE)
    shows("crit", "剩 15:00", "1 小时内到期 1")
    wall.set(DUE - 9 * MINUTE - 12 * SECOND)
    shows("crit", "剩 09:12", "1 小时内到期 1")
    comes_to(DUE)
    shows("crit", "剩 00:00", "1 小时内到期 1")
    comes_to(DUE + MINUTE)
    shows("over", "超时 1 分", "已超时 1")
    wall.set(DUE + 42 * MINUTE)
    page.evaluate(SEEN)
    shows("over", "超时 42 分", "已超时 1")
    # Told to readers of the page once, when the state changed.
    said = page.locator("#clock-news")
    assert said.get_attribute("role") == "status"
    assert "超时 1 分" in said.inner_text()


def test_the_head_of_a_ticket_changes_at_a_border_too(wall, desk, shop: Terminal):
    ticket = due_at_one(shop)
    page = desk()
    wall.set(DUE - 15 * MINUTE - SECOND)
    page.goto(f"/desk/t/{ticket.ref}/")
    badge = page.locator("#clocks .sla")
    expect(badge).to_have_text("剩 16 分 · 13:00 前")
    wall.set(DUE - 15 * MINUTE)
    expect(badge).to_have_class("sla crit")
    expect(badge).to_have_text("剩 15:00 · 13:00 前")
    expect(page.locator("#clock-news")).to_contain_text("剩 15:00")
    page.locator("#why a").click()
    expect(page.locator("details#why")).to_contain_text("到期：用满 3 小时服务时间")
    expect(page.locator("#reply-form textarea")).to_be_visible()


def test_a_paused_clock_does_not_tick(wall, desk, shop: Terminal):
    ticket = due_at_one(shop, status="wait_merchant")
    stop(ticket, T0 + MINUTE)
    page = desk()
    page.goto("/desk/q/all/")
    badge = page.locator(f"#row-{ticket.ref} .sla")
    expect(badge).to_have_class("sla pause")
    before = badge.inner_html()
    page.evaluate(WATCH)
    wall.set(DUE + HOUR)
    with page.expect_response(lambda r: "/desk/q/all/" in r.url) as answer:
        page.evaluate(SEEN)
    assert answer.value.status == 304
    assert badge.inner_html() == before
    assert badge.get_attribute("data-due") is None
    assert page.evaluate("window.changes") == []


def test_without_a_script_the_badge_is_right_as_of_the_page(wall, desk, shop: Terminal):
    ticket = due_at_one(shop)
    wall.set(DUE - 52 * MINUTE)
    page = desk(scripts=False)
    page.goto("/desk/q/all/")
    expect(page.locator(f"#row-{ticket.ref} .sla")).to_contain_text("剩 52 分")
    page.goto(f"/desk/t/{ticket.ref}/")
    page.locator("#why a").click()
    expect(page.locator("#why")).to_contain_text("开始计时")


def test_a_poll_of_an_unchanged_list_changes_nothing_and_weighs_little(wall, desk, shop: Terminal):
    """Acceptance check 14."""
    for _ in range(3):
        due_at_one(shop)
    page = desk()
    wall.set(T0 + HOUR)
    page.goto("/desk/q/all/")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    weights: dict[str, int] = {}
    statuses: dict[str, int] = {}

    def received(event: dict[str, Any]) -> None:
        if "/desk/q/all/" in event["response"]["url"]:
            statuses[event["requestId"]] = event["response"]["status"]

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] in statuses:
            weights[event["requestId"]] = event["encodedDataLength"]

    network.on("Network.responseReceived", received)
    network.on("Network.loadingFinished", finished)
    page.evaluate(WATCH)
    for _ in range(3):
        with page.expect_response(lambda r: "/desk/q/all/" in r.url):
            page.evaluate("document.body.dispatchEvent(new CustomEvent('pd:tick'))")
        page.wait_for_timeout(150)
    assert len(statuses) >= 3
    assert {*statuses.values()} == {304}
    assert 0 < max(weights.values()) <= 1024
    assert page.evaluate("window.changes") == []


def test_a_hidden_page_asks_nothing(wall, desk, shop: Terminal):
    due_at_one(shop)
    page = desk()
    wall.set(DUE - 60 * MINUTE - SECOND)
    page.goto("/desk/q/all/")
    expect(page.locator("#preview .card")).to_be_visible()  # that it fetched for itself
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate(SEEN)
    wall.set(DUE - 60 * MINUTE)
    page.wait_for_timeout(2500)
    assert [url for url in asked if "/desk/" in url] == []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false})")
    page.evaluate(SEEN)
    expect(page.locator(".row .sla")).to_have_class("sla soon")


def test_a_new_list_leaves_focus_and_mark_on_their_ticket(wall, desk, shop: Terminal):
    first, second = due_at_one(shop), due_at_one(shop, opened_at=T0 + MINUTE)
    page = desk()
    wall.set(T0 + HOUR)
    page.goto("/desk/q/all/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    mine = page.locator(f"#row-{second.ref} .ti")
    expect(mine).to_be_focused()
    more = due_at_one(shop, opened_at=T0 - HOUR)
    stop(first, T0 + HOUR)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('pd:tick'))")
    expect(page.locator(f"#row-{more.ref}")).to_be_visible()
    expect(mine).to_be_focused()
    assert page.locator(".row.cur").get_attribute("id") == f"row-{second.ref}"
    assert page.locator(".row").first.get_attribute("id") == f"row-{more.ref}"


def test_the_row_under_the_pointer_stays_where_it_is(wall, desk, shop: Terminal):
    tickets = [due_at_one(shop, opened_at=T0 + n * MINUTE) for n in range(4)]
    page = desk()
    wall.set(T0 + HOUR)
    page.goto("/desk/q/all/")
    row = page.locator(f"#row-{tickets[3].ref}")
    row.hover()
    before = row.bounding_box()
    new = due_at_one(shop, opened_at=T0 - HOUR)
    stop(tickets[3], T0 + HOUR)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('pd:tick'))")
    pill = page.locator(".newpill")
    expect(pill).to_have_text("有 1 张新工单，点击显示")
    assert row.bounding_box() == before
    expect(row.locator(".sla")).to_have_class("sla pause")  # its face changes at once
    expect(page.locator("#clock-news")).to_have_text("有 1 张新工单，点击显示")
    pill.click()
    expect(page.locator(f"#row-{new.ref}")).to_be_visible()
    expect(pill).to_have_count(0)
    # Away from the list everything that waits is shown.
    row.hover()
    last = due_at_one(shop, opened_at=T0 - HOUR)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('pd:tick'))")
    expect(pill).to_be_visible()
    page.mouse.move(600, 20)
    expect(page.locator(f"#row-{last.ref}")).to_be_visible()


def test_every_state_is_told_without_colour(desk, shop: Terminal):
    """Acceptance check 20: icon and shape class are pairwise different, in grey too."""
    page = desk()
    page.goto("/ui/")
    faces = page.locator("#ui-faces .sla")
    assert faces.count() == 8
    looks = [
        (
            faces.nth(n).get_attribute("class"),
            re.sub(r'stroke-dasharray="[^"]*"', "", faces.nth(n).locator("svg").inner_html()),
            Image.open(io.BytesIO(faces.nth(n).screenshot())).convert("L").crop((0, 0, 30, 24)),
        )
        for n in range(7)
    ]
    for (shape, icon, grey), (shape2, icon2, grey2) in itertools.combinations(looks, 2):
        assert shape != shape2
        assert icon != icon2
        assert ImageStat.Stat(ImageChops.difference(grey, grey2)).mean[0] > 4, (shape, shape2)


@pytest.mark.parametrize(("language", "dark"), [("zh", False), ("en", True)])
def test_faces_can_be_read_and_fit(
    wall, shop: Terminal, open_browser, sign_in, language: str, *, dark: bool
):
    """Acceptance checks 9 to 11 where clocks show: list, head with its explanation, status page."""
    wall.set(DUE - 52 * MINUTE)
    lefts = [-HOUR, 10 * MINUTE, 52 * MINUTE, 2 * HOUR, 30 * HOUR, 90 * HOUR]
    tickets = [due_at_one(shop, opened_at=wall.now - 3 * HOUR + left) for left in lefts]
    stopped = due_at_one(shop, status="wait_merchant")
    stop(stopped, T0 + MINUTE)
    make_ticket(shop)
    page = open_browser(DESK, {"zh": "zh-CN", "en": "en-US"}[language], dark=dark)
    wall.pages.append(page)
    wall.set(wall.now)
    sign_in(page, language=language)
    urls = [
        "/desk/q/all/?due=today&owner=none", "/desk/q/all/", f"/desk/t/{tickets[0].ref}/?pane=why",
        f"/desk/t/{stopped.ref}/", f"/desk/t/{tickets[2].ref}/print",
    ]  # fmt: skip
    for url in urls:
        page.set_viewport_size(DESK)
        page.goto(url)
        check(page, url)
        check_language(page, url, language)
        check_widths(page, url)
    page.goto(f"/desk/t/{stopped.ref}/")
    page.set_viewport_size({"width": 320, "height": 700})
    page.locator(".t-bar .menu summary").click()
    check_widths(page, "the open menu")
    for ticket in (tickets[0], tickets[2]):
        page.set_viewport_size(PHONE)
        page.goto(f"/r/{ticket.track_token}")
        page.locator("input[name=digits]").fill("5521")
        page.locator("main button").first.click()
        expect(page.locator(".by").first).to_be_visible()
        check(page, page.url)
        check_language(page, page.url, language)
        check_widths(page, page.url)
