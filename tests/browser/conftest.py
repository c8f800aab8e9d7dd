"""Browsers for the walks: a phone and a desk, loopback only, complaining about every fault."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from posdoctor.accounts.roles import Role
from terminals.models import Terminal
from tests.builders import (
    PASSWORD,
    make_contact,
    make_provider,
    make_seat,
    make_store,
    make_terminal,
    make_user,
)

# Playwright runs an event loop in this thread; the ORM is used from the test around it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}


class Watch:
    """What the pages of a context did wrong: policy violations, script errors, foreign hosts."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def attach(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.faults.append(f"console: {message.text}")

    def foreign(self, route: Any) -> None:
        """A request that leaves the machine: noted and refused."""
        self.faults.append(f"foreign host: {route.request.url}")
        route.abort()

    def _response(self, response: Any) -> None:
        if response.status >= 500:
            self.faults.append(f"{response.status} {response.url}")


@pytest.fixture
def open_browser(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """`open_browser(viewport=, language=, scripts=, dark=, zone=)`: a page of its own browser."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def _open(
        viewport: ViewportSize = PHONE,
        language: str = "zh-CN",
        *,
        scripts: bool = True,
        dark: bool = False,
        zone: str = "Asia/Shanghai",
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport=viewport,
            locale=language,
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            timezone_id=zone,
        )
        context.set_default_timeout(8000)
        context.route(
            lambda url: not url.startswith((live_server.url, "data:")),
            watch.foreign,
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        return page

    yield _open
    for context in contexts:
        context.close()
    assert watch.faults == []


@pytest.fixture
def shop(transactional_db: None) -> Terminal:
    """A terminal with sticker A2B3C4D5 at a shop whose contact is 199 0000 5521."""
    provider = make_provider(slug="shuhui", name="蜀汇支付", name_en="Shuhui Pay")
    store = make_store(provider, name="老王川菜馆（建设路店）")
    make_contact(store)
    return make_terminal(store, serial="0821A00723318", sticker_code="A2B3C4D5")


@pytest.fixture
def sign_in(shop: Terminal) -> Callable[..., None]:
    """`sign_in(page, role)`: a colleague of the shop's provider, through the real form."""

    def _sign_in(page: Page, role: Role = Role.DESK, *, language: str = "zh") -> None:
        user = make_user(language={"zh": "zh-hans", "en": "en"}[language])
        seat = make_seat(shop.provider, role, user=user)
        page.goto("/account/sign-in/")
        page.locator("input[name=login]").fill(seat.user.email)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main button[type=submit], form button[type=submit]").first.click()
        page.wait_for_url("**/desk/**")

    return _sign_in
