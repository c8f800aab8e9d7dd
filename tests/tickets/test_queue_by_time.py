"""Lists by the time left, live parts, the clocks of a head, and what merchants are promised."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posdoctor.accounts.actor import reporter
from posdoctor.core import clock
from terminals.models import Terminal
from tests.builders import (
    T0,
    actor_of,
    make_clocks,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
)
from tests.conftest import Persona
from tests.tickets.test_track import at, unlocked
from tickets import actions
from tickets.models import Ticket
from tickets.sla import actions as sla
from tickets.sla.models import Alert, ClockState, Promise
from tickets.sla.tick import tick

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LIVE = {"hx-request": "true"}
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """`now(moment)` sets the clock of every page; it stands at T0, Friday 10:00 in Shanghai."""

    def _now(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    _now(T0)
    return _now


@pytest.fixture
def due_in(terminal: Terminal) -> Callable[..., Ticket]:
    """`due_in(timedelta)`: a ticket in progress whose restore clock is due then."""

    def _due_in(left: timedelta, **fields: object) -> Ticket:
        opened = min(T0, T0 + left) - HOUR
        ticket = make_ticket(terminal, opened_at=opened, **{"status": "open", **fields})
        seconds = int((T0 + left - opened).total_seconds())
        make_clocks(ticket, restore=seconds, first_response=seconds)
        sla.meet(
            ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=opened + MINUTE, reason="reply"
        )
        return ticket

    return _due_in


def body(answer) -> str:
    return answer.content.decode()


def queue(persona: Persona, view: str = "all", **query: str):
    return persona.client.get(reverse("tickets:queue", args=[view]), query)


def groups_in(page: str) -> dict[str, list[str]]:
    """References of the rows by the words of their heading."""
    found = {}
    for part in page.split('<h2 class="grp')[1:]:
        title = re.search(r"</svg>(.*?) <span class=\"n\">(\d+)", part)
        assert title
        refs = re.findall(r'class="row[^>]*data-href="/desk/t/(T-\w{6})/', part)
        found[f"{title[1]} {title[2]}"] = refs
    return found


def refs_in(page: str) -> set[str]:
    return set(re.findall(r'class="row[^>]*data-href="/desk/t/(T-\w{6})/', page))


# --- Groups --------------------------------------------------------------------------


def test_the_list_stands_in_groups_by_the_time_left(now, due_in, desk: Persona, terminal):
    # It is 10:00; the day ends in 14 hours.
    over = due_in(-MINUTE)
    long_over = due_in(-3 * HOUR)
    exactly = due_in(timedelta())
    hour = due_in(HOUR)
    urgent = due_in(2 * HOUR, priority="urgent")
    today = due_in(2 * HOUR, priority="low")
    last_today = due_in(14 * HOUR - MINUTE)
    tomorrow = due_in(14 * HOUR)
    paused = due_in(5 * HOUR)
    sla.pause(ticket_id=paused.pk, at=T0, reason="wait")
    without = make_ticket(terminal, status="open")
    page = body(queue(desk))
    assert groups_in(page) == {
        "已超时 2": [long_over.ref, over.ref],
        "1 小时内到期 2": [exactly.ref, hour.ref],
        "今天到期 3": [urgent.ref, today.ref, last_today.ref],
        "以后到期 1": [tomorrow.ref],
        "时钟已暂停 1": [paused.ref],
        "无时限 1": [without.ref],
    }


def test_finished_ones_keep_their_groups_whatever_their_clocks_say(now, due_in, desk: Persona):
    done = due_in(HOUR)
    actions.resolve(actor_of(desk.seat), ticket_id=done.pk, now=T0, note="x", **GOOD)
    page = body(queue(desk, status="resolved"))
    assert groups_in(page) == {"已解决，待确认 1": [done.ref]}
    assert "按时" in page


def test_the_next_due_clock_leads_and_the_first_response_is_owed_during_a_pause(
    now, desk: Persona, terminal
):
    ticket = make_ticket(terminal, opened_at=T0 - HOUR)
    make_clocks(ticket, first_response=90 * 60, restore=8 * 3600)
    sla.pause(ticket_id=ticket.pk, at=T0, reason="wait")
    assert groups_in(body(queue(desk))) == {"1 小时内到期 1": [ticket.ref]}
    sla.meet(ticket_id=ticket.pk, promise=Promise.FIRST_RESPONSE, at=T0, reason="reply")
    assert groups_in(body(queue(desk))) == {"时钟已暂停 1": [ticket.ref]}


def test_the_day_ends_in_the_zone_of_the_provider(now, due_in, desk: Persona, provider):
    due_in(13 * HOUR)  # 23:00 in Shanghai, 10:00 in New York
    assert "今天到期" in body(queue(desk))
    provider.time_zone = "America/New_York"  # where it is 21:00: three hours to midnight
    provider.save()
    assert "以后到期" in body(queue(desk))


def test_counts_are_of_the_whole_group_and_pages_follow_without_gap(now, due_in, desk: Persona):
    for minutes in range(53):
        due_in(2 * HOUR + minutes * MINUTE)
    first = body(queue(desk))
    second = body(queue(desk, start="30"))
    assert {*groups_in(first)} == {*groups_in(second)} == {"今天到期 53"}
    rows = groups_in(first)["今天到期 53"] + groups_in(second)["今天到期 53"]
    assert len(rows) == len({*rows}) == 53


# --- Filters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("breached", {"over"}),
        ("hour", {"now", "hour"}),
        ("four_hours", {"now", "hour", "four"}),
        ("today", {"now", "hour", "four", "evening"}),
        ("soon", {"over", "now", "hour", "four", "evening", "later"}),  # unknown: dropped
    ],
)
def test_filters_by_due_time(due: str, expected: set[str], now, due_in, desk: Persona):
    lefts = {
        "over": -MINUTE, "now": timedelta(), "hour": HOUR, "four": 4 * HOUR,
        "evening": 13 * HOUR, "later": 30 * HOUR,
    }  # fmt: skip
    refs = {name: due_in(left).ref for name, left in lefts.items()}
    page = body(queue(desk, due=due))
    assert refs_in(page) == {refs[name] for name in expected}
    assert ('class="chip on" href="/desk/q/all/"' in page) is (due != "soon")


def test_filters_by_owner_and_team(now, desk: Persona, outsider: Persona, provider, terminal):
    other, team = make_seat(provider), make_team(provider)
    foreign = make_team(outsider.seat.provider)
    mine = make_ticket(terminal, assignee=desk.user, team=team).ref
    theirs = make_ticket(terminal, assignee=other.user).ref
    free = make_ticket(terminal).ref
    assert refs_in(body(queue(desk, owner=desk.user.ref))) == {mine}
    assert refs_in(body(queue(desk, owner="none"))) == {free}
    assert refs_in(body(queue(desk, team=team.ref))) == {mine}
    assert refs_in(body(queue(desk, team="none"))) == {theirs, free}
    named = body(queue(desk, owner=other.user.ref, team="none"))
    assert refs_in(named) == {theirs}
    assert f"负责人：{other.user.name}" in named
    for query in (
        {"owner": outsider.user.ref},
        {"owner": "U-22222222"},
        {"owner": "U-'; --"},
        {"owner": "x"},
        {"team": foreign.ref},
        {"team": "G-"},
    ):
        page = body(queue(desk, **query))
        assert refs_in(page) == {mine, theirs, free}, query
        assert "chip on" not in page, query
    # Other filters of the form keep it.
    assert f'name="owner" value="{other.user.ref}"' in named


def test_broken_promises_are_listed_with_finished_tickets(now, due_in, desk: Persona, terminal):
    kept = due_in(HOUR)
    broken = due_in(-2 * HOUR)
    unnoted = due_in(-MINUTE)  # the tick comes within seconds
    tick(T0 - HOUR)
    for ticket in (kept, broken):
        actions.resolve(actor_of(desk.seat), ticket_id=ticket.pk, now=T0, note="x", **GOOD)
    page = body(queue(desk, missed="restore", status="any"))
    assert refs_in(page) == {broken.ref, unnoted.ref}
    assert "恢复使用超时" in page
    assert "晚了 2 小时" in page
    assert refs_in(body(queue(desk, missed="first_response", status="any"))) == set()
    assert refs_in(body(queue(desk, missed="restore"))) == {unnoted.ref}
    assert refs_in(body(queue(desk, missed="x", status="any"))) == {
        kept.ref, broken.ref, unnoted.ref,
    }  # fmt: skip


def test_neighbours_follow_the_filtered_list(now, due_in, desk: Persona):
    first, second = due_in(10 * MINUTE), due_in(20 * MINUTE)
    due_in(5 * HOUR)
    page = body(desk.client.get(f"/desk/t/{first.ref}/?q=all&due=hour"))
    assert "1 / 2" in page
    assert f"/desk/t/{second.ref}/?q=all&amp;due=hour" in page


# --- Live ----------------------------------------------------------------------------


def version(page: str) -> str:
    tag = re.search(r'data-ptag="(\w+)"', page)
    assert tag
    return tag[1]


def ask(persona: Persona, tag: str, url: str = "/desk/q/all/"):
    return persona.client.get(url, headers={**LIVE, "hx-ptag": tag})


def test_an_unchanged_list_is_answered_without_a_body(now, due_in, desk: Persona):
    due_in(3 * HOUR)
    tag = version(body(queue(desk)))
    now(T0 + 30 * timedelta(seconds=1))
    answer = ask(desk, tag)
    assert (answer.status_code, answer.content) == (304, b"")
    lines = sum(len(f"{name}: {value}") + 2 for name, value in answer.items())
    assert lines < 900


@pytest.mark.parametrize("change", ["reply", "owner", "new", "border", "pause", "day", "language"])
def test_whatever_shows_in_the_list_changes_its_version(
    change: str, now, due_in, desk: Persona, terminal
):
    ticket = due_in(3 * HOUR)
    tag = version(body(queue(desk)))
    actor = actor_of(desk.seat)
    deeds: dict[str, Callable[[], object]] = {
        "reply": lambda: actions.reply(actor, ticket_id=ticket.pk, body="好", now=T0 + MINUTE),
        "owner": lambda: actions.assign(
            actor, ticket_id=ticket.pk, user_id=desk.user.pk, team_id=None, now=T0 + MINUTE
        ),
        "new": lambda: make_ticket(terminal),
        "border": lambda: now(T0 + 2 * HOUR),
        "pause": lambda: sla.pause(ticket_id=ticket.pk, at=T0 + MINUTE, reason="wait"),
        "day": lambda: now(T0 + 14 * HOUR),
        "language": lambda: desk.client.get("/desk/?lang=en"),
    }
    deeds[change]()
    answer = ask(desk, tag)
    assert answer.status_code == 200
    page = body(answer)
    assert "<html" not in page
    assert "hx-swap-oob" not in page  # the pane is what the reader chose
    assert 'class="row cur' not in page
    assert ask(desk, version(page)).status_code == 304


def test_a_poll_asks_little_of_the_database(now, due_in, desk: Persona):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ask(desk, "x").status_code == 200
        return len(queries)

    for _ in range(3):
        due_in(3 * HOUR)
    cost()
    few = cost()
    for _ in range(27):
        due_in(3 * HOUR)
    # Session, person, seat, list, clocks; the moment is patched here.
    assert cost() == few <= 6


def test_the_heads_clocks_are_live_too(now, due_in, desk: Persona, outsider: Persona):
    ticket = due_in(3 * HOUR)
    url = f"/desk/t/{ticket.ref}/?pane=clocks"
    page = body(desk.client.get(f"/desk/t/{ticket.ref}/"))
    part = page[page.index('id="clocks"') : page.index('class="t-more')]
    assert "首次响应" in part
    assert "按时 · 1 分钟" in part
    assert ask(desk, version(part), url).status_code == 304
    now(T0 + 2 * HOUR)
    changed = ask(desk, version(part), url)
    assert changed.status_code == 200
    assert 'class="sla soon"' in body(changed)
    assert outsider.client.get(url, headers=LIVE).status_code == 404


# --- The head and why ----------------------------------------------------------------


def test_why_it_is_due_then_is_told_by_the_ledger(now, desk: Persona, terminal):
    """Normal to urgent, a pause in between; the default hours are nine to nine."""
    actor = actor_of(desk.seat)
    opened = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)  # 19:00
    ticket = make_ticket(terminal, opened_at=opened, status="open", priority="high")
    sla.start(provider_id=ticket.provider_id, ticket_id=ticket.pk, priority="high", at=opened)
    actions.wait(actor, ticket_id=ticket.pk, wait_for="merchant", now=opened + 30 * MINUTE)
    actions.resume(actor, ticket_id=ticket.pk, now=opened + 60 * MINUTE)
    actions.set_priority(
        actor, ticket_id=ticket.pk, priority="urgent", reason="两台", now=opened + 90 * MINUTE
    )
    restore = ticket.clocks.get(promise="restore")
    Alert.objects.create(
        clock=restore, epoch=2, step=1, percent=50, due_at=restore.due_at, state="expanded",
        raised_at=opened + 100 * MINUTE,
    )  # fmt: skip
    now(opened + 110 * MINUTE)
    url = f"/desk/t/{ticket.ref}/?pane=why"
    part = body(desk.client.get(url, headers=LIVE))
    whole = body(desk.client.get(url))
    for page in (part, whole):
        told = page[page.index('id="why"') :]
        told = told[told.index("恢复使用") :]
        lines = re.findall(r'<li class="is-(\w+)">', told)
        assert lines == [
            "started", "ran", "paused", "ran", "priority_changed", "ran", "alert", "closed", "due",
        ]  # fmt: skip
        for words in (
            "等商户，停止计时", "优先级 高 → 紧急", "21:00–次日 09:00 不计时", "已用 50%，已提醒",
            "用满 4 小时服务时间",
        ):  # fmt: skip
            assert words in told
    assert "<html" not in part
    assert 'id="why"' in body(desk.client.get(f"/desk/t/{ticket.ref}/"))


def test_the_slip_says_what_was_promised(now, due_in, desk: Persona):
    ticket = due_in(3 * HOUR)
    page = body(desk.client.get(f"/desk/t/{ticket.ref}/print"))
    assert "承诺 2026-11-20 13:00 前" in page


def test_faces_stand_in_search_and_panels(now, due_in, desk: Persona):
    ticket = due_in(3 * HOUR)
    found = body(desk.client.get("/desk/search", {"q": ticket.terminal.serial}))
    assert "剩 3 小时" in found
    panel = reverse("tickets:of_terminal", args=[ticket.terminal.ref])
    assert "剩 3 小时" in body(desk.client.get(panel))


def test_a_ticket_without_promises_says_so(now, desk: Persona, terminal):
    ticket = make_ticket(terminal)
    page = body(desk.client.get(f"/desk/t/{ticket.ref}/"))
    assert "无时限" in page
    assert 'id="why"' not in page


# --- Merchants -----------------------------------------------------------------------


@pytest.fixture
def owed(terminal: Terminal) -> Ticket:
    """Reported at T0: an answer within 42 minutes, working again within 6.5 hours."""
    ticket = make_ticket(terminal, opened_at=T0)
    make_clocks(ticket, first_response=42 * 60, restore=int(6.5 * 3600))
    return ticket


def words_of(ticket: Ticket, language: str = "zh-hans") -> list[str]:
    """The lines of the panel of the status page."""
    client = unlocked(ticket)
    page = body(client.get(at(ticket) + f"?lang={language}", follow=True))
    return re.findall(r'<p class="by[^"]*">([^<]+)</p>', page.replace("&#x27;", "'"))


def test_a_merchant_reads_by_when_first(now, owed: Ticket, desk: Persona):
    assert words_of(owed) == ["今天 10:42 前给您回话", "今天 16:30 前修好"]
    assert words_of(owed, "en") == [
        "We get back to you by 10:42 today",
        "Working again by 16:30 today",
    ]
    actions.reply(actor_of(desk.seat), ticket_id=owed.pk, body="在看", now=T0 + 6 * MINUTE)
    assert words_of(owed) == ["今天 16:30 前修好"]
    page = body(unlocked(owed).get(at(owed)))
    assert "已回复您" in page


def test_a_broken_promise_is_admitted(now, owed: Ticket):
    now(T0 + 42 * MINUTE)
    assert words_of(owed)[0] == "今天 10:42 前给您回话"  # at the due time itself it is kept
    now(T0 + 43 * MINUTE)
    assert words_of(owed)[0] == "抱歉，没能在今天 10:42 前给您回话，我们还在处理"
    assert words_of(owed, "en")[0].startswith("Sorry, we said we would get back to you by 10:42")
    now(T0 + 24 * HOUR)
    assert "没能在昨天 16:30 前修好" in words_of(owed)[1]


def test_a_pause_is_said_and_no_time_is_promised(now, owed: Ticket, desk: Persona):
    actor = actor_of(desk.seat)
    actions.reply(actor, ticket_id=owed.pk, body="签到了吗", now=T0 + MINUTE, then="wait")
    assert words_of(owed) == ["等您回复后继续计时"]
    assert words_of(owed, "en") == ["The time runs on once you have answered"]


def test_a_late_fix_is_admitted_once(now, owed: Ticket, desk: Persona):
    actor = actor_of(desk.seat)
    actions.take_up(actor, ticket_id=owed.pk, now=T0 + MINUTE)
    actions.resolve(actor, ticket_id=owed.pk, now=T0 + 8 * HOUR, note="x", **GOOD)
    assert words_of(owed) == ["抱歉，比答应的时间晚了"]
    actions.confirm(actor_of_merchant(owed), ticket_id=owed.pk, now=T0 + 9 * HOUR)
    assert words_of(owed) == []


def actor_of_merchant(ticket: Ticket):
    return reporter(provider_id=ticket.provider_id, ticket_id=ticket.pk)


def test_without_a_promise_no_time_is_shown(now, terminal: Terminal):
    ticket = make_ticket(terminal)
    assert words_of(ticket) == []
    make_clocks(ticket, restore=3600)
    ticket.clocks.update(due_at=None, next_fire_at=None, fire_at=[])
    assert words_of(ticket) == []


def test_times_are_those_of_the_store(now, provider):
    store = make_store(provider, time_zone="Asia/Urumqi")
    ticket = make_ticket(make_terminal(store), opened_at=T0)
    make_clocks(ticket, restore=int(6.5 * 3600), first_response=42 * 60)
    assert words_of(ticket)[1] == "今天 14:30 前修好"


def test_open_reports_of_a_shop_say_by_when(now, owed: Ticket, merchant: Persona):
    page = body(merchant.client.get(reverse("tickets:mine")))
    assert "今天 10:42 前给您回话" in page
    sla.cancel(ticket_id=owed.pk, at=T0, reason="cancel")
    assert owed.clocks.filter(state=ClockState.CANCELLED).count() == 2
    assert "给您回话" not in body(merchant.client.get(reverse("tickets:mine")))
