"""The whole promise in real browsers, with sweeps, mails and clocks that really run.

Report, running clock, reply, 75 % and 100 % of a restore clock of seconds, one alert of each to
each right person in the product and by mail, the supervisor's count, fixed, confirmed, closed.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as live
from django.db import connection
from django.utils.module_loading import import_string
from playwright.sync_api import Page, expect

from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.notifications.actions import deliver_due
from posdoctor.notifications.channels.email import message_id
from posdoctor.notifications.models import Delivery
from terminals.models import Terminal
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_journey import begin, choose, file_report, walk_three
from tests.notifications.conftest import MoodyCatcher, smtp
from tickets.models import Ticket
from tickets.sla.audit import audit
from tickets.sla.defaults import default_policy
from tickets.sla.models import Alert, CalendarHours

__all__ = ["smtp"]  # a fixture
pytestmark = pytest.mark.browser

BUDGET_SECONDS = 40
LONG_ENOUGH = BUDGET_SECONDS * 1000 + 20_000


@contextmanager
def time_goes_on() -> Iterator[None]:
    """What the ticker process does, twice a second, on a connection of its own."""
    sweeps = [import_string(path) for path in live.TICKER_SWEEPS]
    over = threading.Event()

    def run() -> None:
        try:
            while not over.wait(0.5):
                for sweep in sweeps:
                    sweep(now=clock.now())
                deliver_due()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=20)


@pytest.fixture
def promised(shop: Terminal) -> None:
    """Round the clock; an urgent ticket is restored within seconds."""
    policy = default_policy(shop.provider_id)
    CalendarHours.objects.update(start_minute=0, end_minute=1440)
    policy.targets.filter(promise="restore", priority="urgent").update(
        budget_seconds=BUDGET_SECONDS, levels=[75, 100]
    )


def mails_of_clocks(catcher: MoodyCatcher) -> list[str]:
    """Recipients of what arrived about clocks, one per mail."""
    rows = Delivery.objects.filter(kind="clock.level", channel="email")
    known = {message_id(row) for row in rows.select_related("provider")}
    arrived = [kept.message for kept in catcher.mails.newest(100)]
    return sorted(str(mail["To"]) for mail in arrived if str(mail["Message-ID"]) in known)


def test_a_promise_from_the_report_to_the_breach_and_the_end(  # noqa: PLR0915 - one journey
    open_browser: Callable[..., Page],
    shop: Terminal,
    promised: None,
    sign_in: Callable[..., None],
    smtp: MoodyCatcher,
) -> None:
    merchant, desk, lead = open_browser(PHONE), open_browser(DESK), open_browser(DESK)
    sign_in(desk, Role.DESK)
    sign_in(lead, Role.SUPERVISOR)
    with time_goes_on():
        begin(merchant, shop)
        walk_three(merchant)
        track = file_report(merchant, "zh")
        ticket = Ticket.objects.get()

        desk.goto("/desk/q/unassigned/")
        badge = desk.locator(f"#row-{ticket.ref} .sla")
        expect(badge).to_have_class(re.compile(r"\bcrit\b"))
        before = badge.inner_text()
        expect(badge).not_to_have_text(before)  # it runs

        desk.goto(f"/desk/t/{ticket.ref}/")
        desk.locator("form[action$='/take'] button").first.click()
        expect(desk.locator("#clock-first_response .sla")).not_to_have_class(re.compile(r"\bmet\b"))
        desk.locator("#reply-form textarea").fill("请连店里的 Wi-Fi 再签到一次。")
        desk.locator("#reply-form button[value=keep]").click()
        expect(desk.locator(".msg.me").first).to_be_visible()
        expect(desk.locator("#clock-first_response .sla")).to_have_class(re.compile(r"\bmet\b"))
        merchant.goto(track)
        expect(merchant.locator("main")).to_contain_text("再签到一次")

        # The owner hears at 75 %, and with the supervisor at 100 %.
        expect(desk.locator("#clock-restore .sla")).to_have_class(
            re.compile(r"\bover\b"), timeout=LONG_ENOUGH
        )
        _until(lambda: len(mails_of_clocks(smtp)) == 3)
        owner, supervisor = ticket_people(ticket)
        assert mails_of_clocks(smtp) == sorted([owner.email, owner.email, supervisor.email])
        levels = Alert.objects.filter(clock__ticket=ticket, clock__promise="restore")
        assert list(levels.order_by("step").values_list("percent", "state")) == [
            (75, "expanded"), (100, "expanded"),
        ]  # fmt: skip
        seen = Delivery.objects.filter(kind="clock.level", channel="in_app")
        assert sorted(seen.values_list("recipient__email", "data__level")) == sorted(
            [(owner.email, 75), (owner.email, 100), (supervisor.email, 100)]
        )
        lead.goto("/desk/notices/")
        expect(lead.locator("main")).to_contain_text(ticket.ref)

        lead.goto("/ops/")
        breached = lead.locator(".kpi a[href$='due=breached']")
        expect(breached).to_have_text("1")
        breached.click()
        expect(lead.locator(f"#row-{ticket.ref} .sla")).to_have_class(re.compile(r"\bover\b"))

        desk.locator("a[data-dialog=do-resolve], a[href='#do-resolve']").first.click()
        desk.locator("#do-resolve [name=cause]").first.check(force=True)
        choose(desk, "do-resolve", certainty="sure", fixed_by="merchant", proof="sign_in")
        desk.locator("#do-resolve button.pri").click()
        expect(desk.locator("#clock-restore .sla")).to_have_class(re.compile(r"\bmiss\b"))
        lead.goto("/ops/")
        expect(lead.locator(".kpi a[href$='due=breached']")).to_have_text("0")

        merchant.goto(track)
        merchant.locator("button[formaction$='/confirm']").click()
        merchant.wait_for_load_state()
    ticket.refresh_from_db()
    assert ticket.status == "closed"
    assert len(mails_of_clocks(smtp)) == 3
    assert audit(clock.now()) == []


def ticket_people(ticket: Ticket) -> Any:
    """The owner and the supervisor."""
    ticket.refresh_from_db()
    seats = ticket.provider.seats.select_related("user")
    return ticket.assignee, seats.get(role=Role.SUPERVISOR).user


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for what another thread does."""
    waiting = threading.Event()
    for _try in range(int(seconds * 5)):
        if condition():
            return
        waiting.wait(0.2)
    assert condition()
