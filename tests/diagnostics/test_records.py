"""What records answer when a check begins: that others nearby report the same at once."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.actions import answer, start, step_after
from diagnostics.engine import Ask
from diagnostics.models import DiagnosisRun, FlowVersion
from diagnostics.records import known_answers
from diagnostics.surges import is_surge
from posdoctor.accounts.actor import reporter
from posdoctor.accounts.models import Provider
from terminals.models import Terminal
from tests.builders import (
    actor_of,
    make_minimum,
    make_provider,
    make_run,
    make_store,
    make_terminal,
)

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def here(provider: Provider) -> Terminal:
    """In the area that all stores of these tests are in, on a mobile network."""
    return make_terminal(make_store(provider), connection="cellular", sim_operator="中国移动")


def report(provider: Provider, *, area: str = "成华区", **fields: Any) -> DiagnosisRun:
    """Another shop's check of a lost network, ten minutes ago."""
    machine = {name: fields.pop(name) for name in ("connection", "sim_operator") if name in fields}
    shop = make_store(provider, area=area)
    values = {"started_at": NOW - 10 * MINUTE, **fields}
    return make_run(make_terminal(shop, **machine), values.pop("symptom", "network_down"), **values)


def given_to(terminal: Terminal, symptom: str = "network_down") -> list[list[str]]:
    actor = reporter(provider_id=terminal.provider_id)
    run = start(
        actor, terminal=terminal, symptom=symptom, language="zh-hans", now=NOW, browser_key="a" * 64
    )
    return [line for line in run.given if line[2] == "record"]


def test_three_shops_of_the_area_at_once_are_an_outage(here: Terminal) -> None:
    for _ in range(2):
        report(here.provider)
    assert given_to(make_terminal(make_store(here.provider))) == []
    report(here.provider)
    assert given_to(here) == [["many_down", "yes", "record"]]


def test_so_are_three_on_the_same_mobile_network(here: Terminal) -> None:
    for _ in range(3):
        report(here.provider, area="武侯区", connection="cellular", sim_operator="中国移动")
    assert given_to(here) == [["many_down", "yes", "record"]]
    wired = make_terminal(make_store(here.provider), connection="ethernet", sim_operator="中国移动")
    assert given_to(wired) == []


@pytest.mark.parametrize(
    "other",
    [
        {"area": "武侯区"},
        {"started_at": NOW - 61 * MINUTE},
        {"symptom": "cannot_print"},
        {"state": "solved"},
        {"area": "武侯区", "connection": "cellular", "sim_operator": "中国联通"},
        {"area": "武侯区", "connection": "wifi", "sim_operator": "中国移动"},
    ],
    ids=["elsewhere", "earlier", "other trouble", "solved", "other network", "not on that network"],
)
def test_what_has_nothing_to_do_with_it_does_not_count(here: Terminal, other: dict[str, Any]):
    for _ in range(2):
        report(here.provider)
    for _ in range(4):
        report(here.provider, **other)
    assert given_to(here) == []


def test_other_providers_and_the_shop_itself_do_not_count(here: Terminal) -> None:
    stranger = make_provider()
    for _ in range(4):
        report(stranger)
        make_run(make_terminal(here.store), "network_down", started_at=NOW - 5 * MINUTE)
    report(here.provider)
    report(here.provider)
    assert given_to(here) == []


def test_one_shop_that_tries_often_is_one_shop(here: Terminal) -> None:
    again = report(here.provider).terminal
    for minutes in range(1, 6):
        make_run(again, "network_down", started_at=NOW - minutes * MINUTE)
    assert given_to(here) == []


def test_where_trouble_is_usual_three_are_nothing_new(here: Terminal) -> None:
    for days in range(1, 14):
        for hour in range(8):
            report(here.provider, started_at=NOW - days * DAY - hour * 60 * MINUTE)
    for _ in range(3):
        report(here.provider)
    assert given_to(here) == []  # a third of a report an hour, three times that by day


def test_a_flow_without_that_check_is_not_told(here: Terminal) -> None:
    for _ in range(3):
        report(here.provider, symptom="cannot_print")
    assert given_to(here, "cannot_print") == []


@pytest.mark.parametrize(
    ("own", "least", "since", "answers"),
    [
        ({"app_version": "3.2.9"}, {"app_version": "3.2.14"}, 0, ["yes"]),
        ({"app_version": "3.2.14"}, {"app_version": "3.2.14"}, 0, ["no"]),
        ({"app_version": ""}, {"app_version": "3.2.14"}, 0, []),
        ({"app_version": "3.2.14"}, {"app_version": "3.2.14", "firmware": "V1.0.9"}, 0, []),
        ({"firmware": "V1.0.8"}, {"app_version": "3.2.14", "firmware": "V1.0.9"}, 0, ["yes"]),
        ({"app_version": "3.2.9"}, {"app_version": "3.2.14"}, 1, []),
    ],
    ids=["behind", "as asked for", "unknown", "half known", "firmware behind", "from tomorrow"],
)
def test_versions_on_record_answer_whether_they_are_too_old(
    provider: Provider, own: dict[str, str], least: dict[str, str], since: int, answers: list[str]
) -> None:
    terminal = make_terminal(make_store(provider), **own)
    make_minimum(terminal, since=NOW.date() + since * DAY, **least)
    make_minimum(make_terminal(make_store(make_provider()), model=terminal.model), firmware="9")
    given = [["app_below_min", answer, "record"] for answer in answers]
    assert given_to(terminal, "app_firmware") == given
    assert given_to(terminal, "cannot_print") == []


def test_without_a_minimum_nothing_is_said_of_versions(here: Terminal) -> None:
    assert given_to(here, "app_firmware") == []


def test_the_minimum_costs_one_query_and_only_where_it_is_asked_for(here: Terminal) -> None:
    make_minimum(here, firmware="V1.0.9")
    for symptom, queries in (("app_firmware", 1), ("cannot_print", 0)):
        flow = FlowVersion.objects.published().get(symptom=symptom).flow
        terminal = Terminal.objects.select_related("store").get(pk=here.pk)
        with CaptureQueriesContext(connection) as read:
            known_answers(terminal, flow, now=NOW)
        versions = [query for query in read if "terminals_minimumversion" in query["sql"]]
        others = [query for query in read if query not in versions]
        assert len(versions) == queries
        assert not [query for query in others if "accounts_provider" in query["sql"]]


def test_what_is_known_of_versions_is_not_asked_and_is_evidence(
    provider: Provider, desk: Any
) -> None:
    terminal = make_terminal(make_store(provider), app_version="3.2.9")
    make_minimum(terminal, app_version="3.2.14")
    desk.client.post(f"/desk/new/{terminal.ref}/", {"symptom": "app_firmware"})
    run = DiagnosisRun.objects.get(terminal=terminal)
    asked = []
    while run.state == "running":
        step = step_after(run, run.answers())
        assert isinstance(step, Ask)
        asked.append(step.step.id)
        last = step.step.choices[-1].id
        answer(actor_of(desk.seat), run_id=run.pk, step_id=step.step.id, answer_id=last, now=NOW)
        run.refresh_from_db()
    assert asked
    assert "app_below_min" not in asked
    page = desk.client.get(f"/desk/d/{run.ref}/").text
    assert "版本过低" in page
    assert "来自本系统的记录" in page


def test_the_trace_names_the_records(here: Terminal, client: Client, desk: Any) -> None:
    for _ in range(3):
        report(here.provider)
    given_to(here)
    run = DiagnosisRun.objects.get(terminal=here)
    page = desk.client.get(f"/desk/d/{run.ref}/").text
    assert "来自本系统的记录" in page


def test_the_border_is_poissons() -> None:
    # One an hour over whole days is three by day: P(N >= 10) = 0.0011, P(N >= 11) = 0.0003.
    assert not is_surge(10, 1.0)
    assert is_surge(11, 1.0)


@given(st.integers(0, 60), st.floats(0, 10))
def test_more_shops_never_end_a_surge_and_more_usual_trouble_never_makes_one(
    shops: int, usual: float
) -> None:
    mean = usual * 3
    below = math.fsum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(shops))
    tail = 1 - below
    if abs(tail - 0.001) > 1e-9:
        assert is_surge(shops, usual) == (shops >= 3 and tail < 0.001)
    if is_surge(shops, usual):
        assert is_surge(shops + 1, usual)
        assert is_surge(shops, usual / 2)
