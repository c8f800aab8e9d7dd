"""The supervisors' page: its numbers, its links, its polls."""

import html
import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posdoctor.accounts.models import Provider, Seat
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.reports import queries, today
from terminals.models import Terminal
from tests.architecture.test_query_counts import compare, measure
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
from tickets import actions
from tickets.models import Ticket
from tickets.sla import actions as sla
from tickets.sla.models import Promise
from tickets.sla.tick import tick

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
URL = "/ops/"
HTMX = {"HX-Request": "true"}
REAL = queries.moment_and_version
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


def read(person: Persona, now: datetime, zone: ZoneInfo = SHANGHAI) -> today.Today:
    assert person.seat
    return today.read(actor_of(person.seat), now, zone)[0]


def promised(terminal: Terminal, restore: timedelta, **fields: object) -> Ticket:
    """An unfinished ticket, answered, whose restore clock is due so long after T0."""
    ticket = make_ticket(terminal, **{"status": "open", "opened_at": T0, **fields})
    make_clocks(ticket, restore=int(restore.total_seconds()))
    meet(ticket, Promise.FIRST_RESPONSE, ticket.opened_at + MINUTE)
    return ticket


def meet(ticket: Ticket, promise: Promise, at: datetime) -> None:
    sla.meet(ticket_id=ticket.pk, promise=promise, at=at, reason="test")


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_at_the_due_time_itself_the_promise_is_kept(terminal: Terminal, supervisor: Persona):
    promised(terminal, HOUR)
    exactly = read(supervisor, T0 + HOUR).total
    assert (exactly.open, exactly.breached, exactly.hour) == (1, 0, 1)
    after = read(supervisor, T0 + HOUR + timedelta(microseconds=1)).total
    assert (after.open, after.breached, after.hour) == (1, 1, 0)


def test_within_the_hour_is_at_most_an_hour(terminal: Terminal, supervisor: Persona):
    promised(terminal, 2 * HOUR)
    assert read(supervisor, T0 + HOUR).total.hour == 1
    assert read(supervisor, T0 + HOUR - timedelta(seconds=1)).total.hour == 0


def test_the_earlier_of_two_clocks_decides(terminal: Terminal, supervisor: Persona):
    ticket = make_ticket(terminal, status="new", opened_at=T0)
    make_clocks(ticket, first_response=600, restore=7200)
    assert read(supervisor, T0 + MINUTE).total.hour == 1
    assert read(supervisor, T0 + 11 * MINUTE).total.breached == 1
    meet(ticket, Promise.FIRST_RESPONSE, T0 + 11 * MINUTE)
    later = read(supervisor, T0 + 12 * MINUTE).total
    assert (later.breached, later.hour, later.four_hours) == (0, 0, 1)


def test_a_clock_that_was_stopped_too_late_is_broken_and_one_in_time_is_not(
    terminal: Terminal, supervisor: Persona
):
    assert supervisor.seat
    actor = actor_of(supervisor.seat)
    late, early = promised(terminal, HOUR), promised(terminal, HOUR)
    actions.wait(actor, ticket_id=early.pk, wait_for="merchant", now=T0 + 30 * MINUTE)
    actions.wait(actor, ticket_id=late.pk, wait_for="merchant", now=T0 + 2 * HOUR)
    total = read(supervisor, T0 + 3 * HOUR).total
    assert (total.open, total.breached, total.waiting) == (2, 1, 2)


def test_finished_and_foreign_tickets_are_never_counted(
    terminal: Terminal, supervisor: Persona, other_provider: Provider
):
    done = promised(terminal, HOUR)
    assert supervisor.seat
    actions.resolve(actor_of(supervisor.seat), ticket_id=done.pk, now=T0 + 2 * HOUR, **GOOD)
    foreign = make_terminal(make_store(other_provider, name="海港咖啡"))
    owner = make_seat(other_provider).user
    stranger = promised(foreign, HOUR, assignee=owner, team=make_team(other_provider))
    board = read(supervisor, T0 + 2 * HOUR)
    assert board.total.open == 0
    restore = next(share for share in board.shares if share.promise == "restore")
    assert (restore.now.decided, restore.now.kept) == (1, 0)
    assert [row.created for row in board.days][-1] == 1
    page = text_of(supervisor.client.get(URL))
    assert stranger.ref not in page
    assert owner.name not in page
    assert "海港咖啡" not in page


def test_shares_count_what_was_decided_in_seven_days_beside_the_seven_before(
    terminal: Terminal, supervisor: Persona
):
    now = T0 + 20 * DAY
    # Days since the clock was decided, and how long it took: 10 minutes are promised.
    for ago, took in [(1, 10), (2, 5), (6, 11), (7, 3), (13, 12), (14, 1)]:
        opened = now - ago * DAY - took * MINUTE
        ticket = make_ticket(terminal, status="open", opened_at=opened)
        make_clocks(ticket, first_response=600)
        meet(ticket, Promise.FIRST_RESPONSE, opened + took * MINUTE)
    first = read(supervisor, now).shares[0]
    assert first.promise == "first_response"
    assert (first.now.kept, first.now.decided, first.now.missed) == (2, 3, 1)
    assert (first.before.kept, first.before.decided) == (1, 2)
    assert first.now.average_seconds == pytest.approx((10 + 5 + 11) * 60 / 3)
    assert first.change == pytest.approx(16.7)
    assert not first.is_met


def test_a_promise_that_is_late_and_open_is_decided_and_a_void_one_is_not(
    terminal: Terminal, supervisor: Persona
):
    assert supervisor.seat
    promised(terminal, HOUR)
    void = promised(terminal, HOUR)
    actions.cancel(actor_of(supervisor.seat), ticket_id=void.pk, reason="重复", now=T0 + MINUTE)
    tick(T0 + 2 * HOUR)
    restore = read(supervisor, T0 + 2 * HOUR).shares[1]
    assert (restore.now.kept, restore.now.decided) == (0, 1)


def test_days_are_those_of_the_providers_zone(terminal: Terminal, supervisor: Persona):
    late = datetime(2026, 11, 19, 17, 0, tzinfo=ZoneInfo("UTC"))  # 01:00 on the 20th in Shanghai
    make_ticket(terminal, opened_at=late)
    in_shanghai = read(supervisor, T0).days
    assert {row.day: row.created for row in in_shanghai if row.created} == {date(2026, 11, 20): 1}
    in_new_york = read(supervisor, T0, ZoneInfo("America/New_York")).days
    assert {row.day: row.created for row in in_new_york if row.created} == {date(2026, 11, 19): 1}
    assert len(in_shanghai) == len(in_new_york) == 14


def test_times_of_the_columns_are_the_providers(terminal: Terminal, supervisor: Persona):
    promised(terminal, HOUR)
    column = next(c for c in read(supervisor, T0).columns if c.blocks)
    assert (column.start, column.end) == ("11:00", "11:15")
    there = read(supervisor, T0, ZoneInfo("America/New_York")).columns
    assert next(c for c in there if c.blocks).start == "22:00"


def busy_desk(provider: Provider, supervisor: Persona) -> tuple[Seat, str]:
    """Tickets in every state that a filter knows, around the database's now."""
    now = clock.now()
    person, team = make_seat(provider), make_team(provider)
    terminal = make_terminal(make_store(provider, name="<b>汤姆</b> & 儿子"))
    for minutes in (-50, 20, 100, 200, 900):
        for owner in (person.user, None):
            ticket = make_ticket(
                terminal, status="open", assignee=owner, team=team if owner else None,
                opened_at=now - HOUR,
            )  # fmt: skip
            make_clocks(ticket, first_response=60, restore=3600 + minutes * 60)
            meet(ticket, Promise.FIRST_RESPONSE, now - (50 if owner else 59.5) * MINUTE)
    waiting = Ticket.objects.filter(assignee=person.user).order_by("pk").last()
    assert waiting
    assert supervisor.seat
    actions.wait(actor_of(supervisor.seat), ticket_id=waiting.pk, wait_for="merchant", now=now)
    stopped = make_ticket(terminal, status="open", opened_at=now - 3 * HOUR)
    make_clocks(stopped, first_response=60, restore=3600)
    meet(stopped, Promise.FIRST_RESPONSE, now - 3 * HOUR)
    actions.wait(actor_of(supervisor.seat), ticket_id=stopped.pk, wait_for="merchant", now=now)
    tick(now)
    return person, team.ref


def links_with_numbers(page: str) -> dict[str, int]:
    """Addresses of the inbox with the number that stands on each."""
    found = re.findall(r'<a [^>]*?href="(/desk/q/[^"]*)"[^>]*>(\d+)</a>', page)
    return {html.unescape(url): int(number) for url, number in found}


def test_each_number_is_the_length_of_the_list_it_links_to(provider: Provider, supervisor: Persona):
    person, team = busy_desk(provider, supervisor)
    page = supervisor.client.get(URL).content.decode()
    links = links_with_numbers(page)
    assert links["/desk/q/all/"] == 11
    assert links["/desk/q/all/?due=breached"] == 3
    assert links["/desk/q/all/?due=hour"] == 2
    assert links[f"/desk/q/all/?due=breached&owner={person.user.ref}"] == 1
    assert links["/desk/q/all/?due=hour&owner=none"] == 1
    assert links[f"/desk/q/waiting/?owner={person.user.ref}"] == 1
    assert links[f"/desk/q/all/?team={team}"] == 5
    for url, number in links.items():
        answer = supervisor.client.get(url)
        assert answer.context["total"] == number, url


def test_every_link_of_the_page_leads_somewhere(provider: Provider, supervisor: Persona):
    busy_desk(provider, supervisor)
    page = supervisor.client.get(URL).content.decode()
    region = page[page.index('id="ops"') :]
    hrefs = {html.unescape(h) for h in re.findall(r'href="(/[^"#]*)"', region)}
    assert any("missed=first_response" in href for href in hrefs)
    for href in hrefs:
        assert supervisor.client.get(href).status_code == 200, href


def test_a_block_says_what_it_is_and_shows_nobodys_as_crossed(
    provider: Provider, supervisor: Persona
):
    person, _team = busy_desk(provider, supervisor)
    page = supervisor.client.get(URL).content.decode()
    assert "<b>汤姆" not in page
    blocks = re.findall(r'<a class="bk ([^"]+)" href="([^"]+)" aria-label="([^"]+)"', page)
    owned = [b for b in blocks if b[0] == "w"]
    nobody = [b for b in blocks if b[0] == "w x"]
    assert len(owned) == len(nobody) == 1
    ticket = Ticket.objects.get(ref=owned[0][1].split("/")[3])
    label = html.unescape(owned[0][2])
    assert label.startswith(f"{ticket.ref}，<b>汤姆</b> & 儿子，")
    assert label.endswith(person.user.name)
    assert html.unescape(nobody[0][2]).endswith("没人负责")
    assert sorted(b[0] for b in blocks) == sorted(
        ["o", "o x", "o x", "w", "w x", "n", "n x", "n", "n x"]
    )


def test_a_crowded_column_links_to_the_rest(terminal: Terminal, supervisor: Persona):
    now = clock.now()
    for _n in range(12):
        ticket = make_ticket(terminal, status="open", opened_at=now - 2 * HOUR)
        make_clocks(ticket, restore=3600)
        meet(ticket, Promise.FIRST_RESPONSE, now - HOUR)
    page = supervisor.client.get(URL).content.decode()
    assert page.count('<a class="bk o x"') == 7
    assert '<a class="more" href="/desk/q/all/?due=breached">+5' in page


def test_the_tables_say_what_the_drawings_show(provider: Provider, supervisor: Persona):
    busy_desk(provider, supervisor)
    make_ticket(
        make_terminal(make_store(provider)), status="resolved", opened_at=clock.now() - 3 * DAY,
        resolved_at=clock.now() - 2 * DAY,
    )  # fmt: skip
    page = supervisor.client.get(URL).content.decode()
    ahead = page[page.index('class="ahead"') :]
    table = re.search(r"<tbody>(.*?)</tbody>", ahead, re.DOTALL)
    assert table
    rows = [
        [int(n) for n in re.findall(r'class="num">(\d+)<', row)]
        for row in re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL)
    ]
    drawn = [
        (len(re.findall('class="bk', li)), len(re.findall('class="bk [own] x"', li)))
        for li in re.findall(r"<li class=.*?</li>", ahead, re.DOTALL)
    ]
    assert [tuple(row) for row in rows] == drawn
    assert sum(row[0] for row in rows) == 9
    chart = page[page.index('class="chart"') :]
    table = re.search(r"<tbody>(.*?)</tbody>", chart, re.DOTALL)
    assert table
    numbers = [int(n) for n in re.findall(r'class="num">(\d+)<', table[1])]
    heights = [float(h) for h in re.findall(r'<rect class="s[12]"[^>]* height="([\d.]+)"', chart)]
    assert len(numbers) == len(heights) == 28
    assert sum(numbers) == 13
    scale = max(heights) / max(numbers)
    assert heights == pytest.approx([n * scale for n in numbers], abs=0.06)


def test_nothing_yet_says_what_will_come(supervisor: Persona):
    page = text_of(supervisor.client.get(URL))
    assert "还没有可统计的工单" in page
    assert 'class="kpis"' not in page


def test_without_a_decided_promise_there_is_no_share(terminal: Terminal, supervisor: Persona):
    make_ticket(terminal, status="open", opened_at=clock.now())
    page = text_of(supervisor.client.get(URL))
    assert page.count("没有数据") == 2
    assert "0%" not in page
    assert "missed=" not in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ["今日运营", "未结工单", "首次响应按时", "数据表"]),
        ("en", ["Open tickets", "Table"]),
    ],
)
def test_both_languages(provider: Provider, supervisor: Persona, language: str, words: list[str]):
    busy_desk(provider, supervisor)
    page = text_of(supervisor.client.get(f"{URL}?lang={language}"))
    for word in words:
        assert word in page
    if language == "en":
        ours = re.sub(r"<[^>]*>", " ", page[page.index('id="ops"') :])
        left = re.findall(r"[\u4e00-\u9fff]+", ours)
        assert set("".join(left)) <= set("周敏一线支持汤姆儿子"), left


def poll(client: Client, tag: str = "", **headers: str) -> Any:
    return client.get(URL, headers=HTMX | ({"HX-PTag": tag} if tag else {}) | headers)


def test_a_poll_is_answered_304_until_something_happens(
    terminal: Terminal, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
):
    still(monkeypatch)
    ticket = make_ticket(terminal, status="open", opened_at=clock.now())
    first = poll(supervisor.client)
    assert first.status_code == 200
    assert first.content.decode().lstrip().startswith("<div class=")
    tag = first.headers["HX-PTag"]
    assert f'data-ptag="{tag}"' in first.content.decode()
    again = poll(supervisor.client, tag)
    assert again.status_code == 304
    assert again.content == b""
    assert sum(len(k) + len(v) + 4 for k, v in again.items()) < 1024
    assert poll(supervisor.client, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert supervisor.seat
    actions.note(actor_of(supervisor.seat), ticket_id=ticket.pk, body="已联系银行", now=clock.now())
    fresh = poll(supervisor.client, tag)
    assert fresh.status_code == 200
    assert fresh.headers["HX-PTag"] != tag


def still(monkeypatch: pytest.MonkeyPatch, minutes: int = 0) -> None:
    """Holds the minute of the version still, or moves it."""

    def held(user_id: int) -> tuple[datetime, tuple[object, ...]]:
        now, version = REAL(user_id)
        return now, (minutes, *version[1:])

    monkeypatch.setattr(queries, "moment_and_version", held)


def test_a_level_that_the_tick_reached_and_the_next_minute_are_news(
    terminal: Terminal, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
):
    still(monkeypatch)
    promised(terminal, HOUR)
    tag = poll(supervisor.client).headers["HX-PTag"]
    tick(T0 + 2 * HOUR)
    ticked = poll(supervisor.client, tag)
    assert ticked.status_code == 200
    still(monkeypatch, minutes=1)
    assert poll(supervisor.client, ticked.headers["HX-PTag"]).status_code == 200


def test_the_version_moves_with_the_minute(supervisor: Persona):
    assert supervisor.user
    now, version = queries.moment_and_version(supervisor.user.pk)
    assert version[0] == int(now.timestamp()) // 60


def test_a_tag_is_worth_nothing_to_others_nor_after_the_seat_is_gone(
    terminal: Terminal, supervisor: Persona, administrator: Persona, desk: Persona,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    still(monkeypatch)
    make_ticket(terminal, status="open", opened_at=clock.now())
    tag = poll(supervisor.client).headers["HX-PTag"]
    assert poll(administrator.client, tag).status_code == 200
    assert poll(desk.client, tag).status_code == 403
    Seat.objects.filter(pk=supervisor.seat.pk).update(role=Role.DESK)
    assert poll(supervisor.client, tag).status_code == 403
    Seat.objects.filter(pk=supervisor.seat.pk).update(is_active=False)
    assert poll(supervisor.client, tag).status_code == 404


def test_the_language_is_part_of_the_tag(
    terminal: Terminal, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
):
    still(monkeypatch)
    tag = poll(supervisor.client).headers["HX-PTag"]
    supervisor.client.get(f"{URL}?lang=en")
    assert poll(supervisor.client, tag).status_code == 200


def test_a_page_is_never_304_and_its_region_is_the_fragment(
    provider: Provider, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
):
    still(monkeypatch)
    busy_desk(provider, supervisor)
    fragment = poll(supervisor.client)
    page = supervisor.client.get(
        URL, headers={"If-None-Match": fragment.headers["ETag"], "HX-PTag": "x"}
    )
    assert page.status_code == 200
    assert "ETag" not in page.headers
    assert fragment.content.decode().strip() in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]


def test_only_leads_have_the_link(supervisor: Persona, desk: Persona):
    link = f'href="{reverse("reports:ops")}"'
    assert link in supervisor.client.get("/desk/").content.decode()
    assert link not in desk.client.get("/desk/").content.decode()


def test_people_are_listed_by_need_and_the_free_ones_named(provider: Provider, supervisor: Persona):
    calm, late, free = (make_seat(provider) for _ in range(3))
    gone = make_seat(provider, is_active=False)
    terminal = make_terminal(make_store(provider))
    promised(terminal, 9 * HOUR, assignee=calm.user)
    promised(terminal, 9 * HOUR, assignee=calm.user)
    promised(terminal, HOUR, assignee=late.user)
    promised(terminal, 9 * HOUR, assignee=gone.user)
    board = read(supervisor, T0 + 2 * HOUR)
    assert [load.key for load in board.people] == [late.user.ref, calm.user.ref, gone.user.ref]
    assert free.user.ref in {load.key for load in board.idle}
    assert board.unowned.tally.open == 0


def test_queries_per_page_and_per_poll(
    provider: Provider, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
):
    still(monkeypatch)
    busy_desk(provider, supervisor)
    few = measure(supervisor, URL)
    for _ in range(3):
        busy_desk(provider, supervisor)
    many = measure(supervisor, URL)
    assert few == many
    assert many <= 12
    compare("ops", many)
    tag = poll(supervisor.client).headers["HX-PTag"]
    with CaptureQueriesContext(connection) as asked:
        assert poll(supervisor.client, tag).status_code == 304
    assert len(asked) <= 3
    compare("ops poll", len(asked))
