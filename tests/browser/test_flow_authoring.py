"""An author's whole way in a real browser, with a worker beside it, to a merchant's next walk."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from diagnostics.actions import comparing
from diagnostics.models import DiagnosisRun, FlowDraft, FlowVersion
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE

pytestmark = pytest.mark.browser

STEP = "other_adapter"
OLD = "换个插座和原装充电器试试"
NEW = "换个插座，再换原装充电器"
FLOW = "/settings/flows/no_power/"


@contextmanager
def worker() -> Iterator[None]:
    """What Celery does when it is woken, on a connection of its own."""
    over = threading.Event()

    def run() -> None:
        try:
            while not over.wait(0.3):
                comparing.compare_wanted(clock.now())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=60)


def walk_until(page: Page, wanted: str) -> list[str]:
    """A merchant's walk of the symptom; the questions that were asked up to `wanted`."""
    page.goto("/T/A2B3C4D5")
    page.locator("[action$='/check/no_power'] button, [formaction$='/check/no_power']").click()
    asked: list[str] = []
    while len(asked) < 10:
        question = page.locator("h1").inner_text()
        asked.append(question)
        if question == wanted or not page.locator("form.ans").count():
            return asked
        kind = page.locator("form.ans.fix").count()
        answer = "unsolved" if kind else "none" if len(asked) == 1 else "unsure"
        page.locator(f"form.ans button[value={answer}]").click()
        page.wait_for_load_state()
    return asked


def edit_through_a_problem(page: Page) -> None:
    """Too long a text is saved, told in words and led to; then it is put right."""
    page.locator(f"main a[href='{FLOW}step/{STEP}/']").click()
    page.locator("#id_text_zh").fill("换个插座，再换原装充电器，" * 4)
    page.locator("#id_cure_pw_adapter").select_option("nearly_always")
    page.locator("main .form-actions button.pri").click()
    expect(page.locator("#problems li")).to_have_count(1)
    expect(page.get_by_role("button", name="Publish to merchants")).to_be_disabled()
    page.locator("#problems a").click()
    page.wait_for_url(f"**/step/{STEP}/#id_text_zh")
    page.locator("#id_text_zh").fill(NEW)
    page.locator("main .form-actions button.pri").click()
    expect(page.locator("#problems")).to_have_count(0)


def preview(page: Page) -> None:
    """The merchant's own page over the draft; nothing is stored."""
    page.get_by_role("link", name="Preview", exact=True).click()
    page.locator("form.ans button[value=none]").click()
    expect(page.locator("h1")).not_to_have_text("First a quick look: is any of these true?")
    assert DiagnosisRun.objects.count() == 1
    page.goto(FLOW)


def compare(page: Page, *, scripts: bool) -> None:
    """The difference at once, minutes when the worker has them."""
    with worker():
        page.get_by_role("link", name="Compare", exact=True).click()
        expect(page.locator(".fl-change ins").filter(has_text=NEW)).to_have_count(1)
        page.get_by_role("button", name="Work out minutes and first steps").click()
        if not scripts:
            while FlowDraft.objects.get().comparison_asked_at is not None:
                page.wait_for_timeout(500)
            page.goto(f"{FLOW}compare")
        expect(page.locator(".fl-classes article")).to_have_count(3, timeout=90_000)
    page.goto(FLOW)


@pytest.mark.parametrize("scripts", [True, False])
def test_an_author_changes_checks_compares_and_publishes(
    open_browser: Callable[..., Page],
    shop: Terminal,
    sign_in: Callable[..., None],
    settings: Any,
    *,
    scripts: bool,
) -> None:
    settings.DIAGNOSIS_HELD_BACK = 0
    before = open_browser(PHONE)
    assert OLD in walk_until(before, OLD)
    under_way = DiagnosisRun.objects.get()

    page = open_browser(DESK, "en-US", scripts=scripts)
    sign_in(page, Role.SUPERVISOR, language="en")
    page.goto("/settings/flows/")
    page.locator(f"main a[href='{FLOW}']").click()
    page.get_by_role("button", name="Begin a draft").click()
    edit_through_a_problem(page)
    preview(page)
    compare(page, scripts=scripts)
    page.locator("#id_note").fill("Say what to change first")
    page.get_by_role("button", name="Publish to merchants").click()
    expect(page.get_by_role("button", name="Begin a draft")).to_be_visible()

    version = FlowVersion.objects.get(provider=shop.provider)
    assert (version.version, version.note) == (1, "Say what to change first")
    after = open_browser(PHONE)
    assert NEW in walk_until(after, NEW)
    # The walk that was under way still asks in the words that it began with.
    before.reload()
    expect(before.locator("h1")).to_have_text(OLD)
    under_way.refresh_from_db()
    assert under_way.flow_version != version


def test_an_author_chooses_an_icon_by_its_name_and_says_who_takes_over(
    open_browser: Callable[..., Page], shop: Terminal, sign_in: Callable[..., None]
) -> None:
    page = open_browser(DESK, "en-US")
    sign_in(page, Role.SUPERVISOR, language="en")
    page.goto(FLOW)
    page.get_by_role("button", name="Begin a draft").click()
    page.goto(f"{FLOW}step/{STEP}/")
    picker = page.locator("#id_icon")
    picker.locator("summary").press("Enter")
    chosen = picker.get_by_role("radio", checked=True)
    chosen.focus()
    chosen.press("ArrowRight")
    name = picker.locator("label", has=page.locator(":checked")).inner_text()
    picker.get_by_role("radio", name="Battery low", exact=True).check()
    assert name not in {"", "Battery low"}
    page.locator("main .form-actions button.pri").click()
    expect(page.locator("#saves")).to_contain_text("2")
    page.goto(f"{FLOW}step/{STEP}/")
    expect(page.locator("#id_icon summary")).to_contain_text("Battery low")

    page.goto(FLOW)
    page.get_by_role("link", name="Ways to hand over").click()
    page.get_by_role("link", name="Replace the terminal").click()
    page.locator("#id_minutes").fill("80")
    page.locator("main .form-actions button.pri").click()
    page.locator(".errsum a").click()
    expect(page.locator("#id_otherwise")).to_be_focused()
    page.locator("#id_otherwise").fill("95")
    page.locator("main .form-actions button.pri").click()
    expect(page.locator("#exit-replacement")).to_contain_text("80 min")
    page.get_by_role("button", name="Take out: Replace the terminal").click()
    expect(page.locator("#exit-replacement")).to_have_count(0)
    page.get_by_role("button", name="Undo the last save").click()
    expect(page.locator("#exit-replacement")).to_contain_text("80 min")
