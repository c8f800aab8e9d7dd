"""Takes the README's screenshots from a running `bin/up` with the demo estate.

    .venv/bin/python docs/take_screenshots.py http://127.0.0.1:8000 EMAIL PASSWORD CODE

EMAIL and PASSWORD of a supervisor and CODE of a sticker are printed by `bin/up`.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).resolve().parent / "screenshots"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
CHROMIUM = "/usr/bin/chromium"


def page_of(browser: Browser, viewport: dict[str, int], *, dark: bool = False) -> Page:
    """A page in Chinese, at twice the pixels."""
    context = browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if dark else "light",
        device_scale_factor=2 if viewport is PHONE else 1,
    )
    return context.new_page()


def shoot(page: Page, name: str) -> None:
    """Writes one picture."""
    page.screenshot(path=OUT / f"{name}.png")


def phone(browser: Browser, base: str, code: str) -> None:
    """Start and a question, as a merchant sees them."""
    page = page_of(browser, PHONE)
    page.goto(f"{base}/T/{code}")
    shoot(page, "merchant-start")
    page.locator(".tiles button").first.click()
    page.wait_for_url("**/check/**")
    page.locator(".ans button[value=none]").click()
    shoot(page, "merchant-step")


def desk(browser: Browser, base: str, email: str, password: str, *, dark: bool) -> Page:
    """The list of all tickets, signed in."""
    page = page_of(browser, DESK, dark=dark)
    page.goto(f"{base}/account/sign-in/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/**")
    page.goto(f"{base}/desk/q/all/")
    page.wait_for_load_state("networkidle")
    return page


def open_ticket(page: Page, base: str) -> None:
    """Goes on to a ticket of the list."""
    address = page.locator(".row .ti").nth(3).get_attribute("href")
    page.goto(base + (address or ""))
    page.wait_for_load_state("networkidle")


def main() -> None:
    """All pictures."""
    base, email, password, code = sys.argv[1:5]
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        phone(browser, base, code)
        page = desk(browser, base, email, password, dark=True)
        shoot(page, "desk-inbox-dark")
        page = desk(browser, base, email, password, dark=False)
        open_ticket(page, base)
        shoot(page, "desk-ticket")
        page.goto(f"{base}/ops/")
        page.wait_for_load_state("networkidle")
        shoot(page, "operations")
        browser.close()


if __name__ == "__main__":
    main()
