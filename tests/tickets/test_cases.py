"""What counts as a closed case, one by one."""

from datetime import datetime, timedelta

import pytest

from diagnostics.models import DiagnosisRun
from terminals.models import Terminal
from tests.builders import (
    T0,
    make_minimum,
    make_provider,
    make_run,
    make_store,
    make_terminal,
    make_ticket,
)
from tickets.cases import closed_cases, last_return
from tickets.models import Ticket

HOUR = timedelta(hours=1)
NOW = T0 + timedelta(days=10)


def walk(terminal: Terminal, *answers: tuple[str, str], **fields: object) -> DiagnosisRun:
    ended = {"state": "solved", "finished_at": T0 + HOUR, "attributes": {"model": "a920"}}
    run = make_run(terminal, "network_down", **{**ended, **fields})
    for place, (step, answer) in enumerate(answers, start=1):
        run.steps.create(position=place, step_id=step, answer_id=answer, answered_at=T0)
    return run


def ticket_of(terminal: Terminal, **fields: object) -> Ticket:
    run = walk(terminal, ("safety", "none"), ("restart", "unsolved"), state="call")
    ended = {"status": "closed", "cause": "sim_off", "resolved_at": T0 + 2 * HOUR}
    return make_ticket(terminal, run=run, **{**ended, **fields})


def tried(ticket: Ticket, step: str, *, worked: bool, at: datetime = T0 + HOUR) -> None:
    ticket.tried_fixes.create(
        provider_id=ticket.provider_id, step_id=step, worked=worked, tried_at=at
    )


def cases(terminal: Terminal, now: datetime = NOW):
    return closed_cases(terminal.provider_id, "network_down", now)


def test_a_solved_walk_counts_softly(terminal):
    walk(terminal, ("safety", "none"), ("restart", "solved"))
    (found,) = cases(terminal)
    assert found.case.cause is None
    assert found.case.trace == (("safety", "none"), ("restart", "solved"))
    assert found.case.group == "a920"
    assert found.at == T0 + HOUR
    assert found.counts_from == T0 + HOUR + timedelta(hours=72)


def test_known_answers_are_no_part_of_the_trace(terminal):
    walk(terminal, ("restart", "solved"), given=[["code", "58", "screen"]])
    (found,) = cases(terminal)
    assert found.case.trace == (("restart", "solved"),)


def test_a_walk_counts_after_72_hours_and_fades(terminal):
    walk(terminal)
    assert cases(terminal, T0 + HOUR + timedelta(hours=71)) == []
    (young,) = cases(terminal, T0 + HOUR + timedelta(hours=72))
    (old,) = cases(terminal, T0 + HOUR + timedelta(days=90))
    assert young.case.weight == pytest.approx(2 ** (-3 / 90))
    assert old.case.weight == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("since", "versions", "half_life"),
    [
        (0, {"firmware": "V2"}, 30),
        (-29, {"firmware": "V2"}, 30),
        (-30, {"firmware": "V2"}, 90),
        (1, {"firmware": "V2"}, 90),
        (0, {"app_version": "3.2.14"}, 90),
    ],
    ids=["today", "weeks ago", "a month ago", "tomorrow", "another app only"],
)
def test_after_a_new_firmware_the_models_cases_fade_faster(terminal, since, versions, half_life):
    other = make_terminal(terminal.store)
    for one in (terminal, other):
        attributes = {"model": one.model.slug}
        walk(one, attributes=attributes)
        run = walk(one, ("safety", "none"), state="call", attributes=attributes)
        make_ticket(one, run=run, status="closed", cause="sim_off", resolved_at=T0 + HOUR)
    now = T0 + HOUR + timedelta(days=90)
    make_minimum(terminal, since=now.date() + timedelta(days=since), **versions)
    stranger = make_terminal(make_store(make_provider()), model=other.model)
    make_minimum(stranger, since=now.date(), firmware="V2")
    weights: dict[str, set[float]] = {
        model: set() for model in (terminal.model.slug, other.model.slug)
    }
    for found in cases(terminal, now):
        weights[found.case.group].add(round(found.case.weight, 6))
    assert weights[terminal.model.slug] == {round(2 ** (-90 / half_life), 6)}
    assert weights[other.model.slug] == {0.5}


@pytest.mark.parametrize(("hours", "counts"), [(1, False), (71, False), (74, True)])
def test_a_walk_that_is_followed_by_another_was_not_solved(terminal, hours, counts):
    first = walk(terminal)
    walk(terminal, started_at=T0 + HOUR * (hours + 1), state="running", finished_at=None)
    assert (len(cases(terminal)) == 1) is counts
    assert first.state == "solved"


def test_another_symptom_or_terminal_does_not_matter(terminal):
    walk(terminal)
    make_run(terminal, "cannot_print", started_at=T0 + 2 * HOUR)
    walk(make_terminal(terminal.store), started_at=T0 + 2 * HOUR, state="running")
    assert len(cases(terminal)) == 1


@pytest.mark.parametrize(("hours", "counts"), [(1, False), (71, False), (74, True)])
def test_a_walk_that_is_followed_by_a_report_was_not_solved(terminal, hours, counts):
    walk(terminal)
    make_ticket(terminal, opened_at=T0 + HOUR * (hours + 1), symptom="cannot_print")
    assert (len(cases(terminal)) == 1) is counts


@pytest.mark.parametrize("state", ["running", "call", "stop_use"])
def test_a_walk_without_an_ending_of_its_own_teaches_nothing(terminal, state):
    walk(terminal, state=state)
    assert cases(terminal) == []


@pytest.mark.parametrize(("certainty", "weight"), [("sure", 1.0), ("guess", 0.5)])
def test_a_closed_ticket_counts_with_its_cause_and_fixes(terminal, certainty, weight):
    ticket = ticket_of(terminal, certainty=certainty)
    tried(ticket, "swap_sim", worked=False)
    tried(ticket, "enable_sim", worked=True, at=T0 + 2 * HOUR)
    (found,) = cases(terminal)
    assert found.case.cause == "sim_off"
    assert found.case.certainty == weight
    assert found.case.fixes == (("swap_sim", False), ("enable_sim", True))
    assert found.at == T0 + 2 * HOUR


def test_the_same_failure_of_merchant_and_desk_is_one(terminal):
    ticket = ticket_of(terminal)
    tried(ticket, "restart", worked=False)
    (found,) = cases(terminal)
    assert found.case.trace == (("safety", "none"),)
    assert found.case.fixes == (("restart", False),)


def test_a_fix_that_was_called_good_and_then_reported_failed(terminal):
    run = walk(terminal, ("restart", "solved"))
    make_ticket(terminal, run=run, status="closed", cause="sim_off", resolved_at=T0 + 2 * HOUR)
    (found,) = cases(terminal)
    assert found.case.trace == (("restart", "unsolved"),)


@pytest.mark.parametrize("status", ["new", "open", "wait_merchant", "cancelled", "merged"])
def test_a_ticket_that_is_not_resolved_teaches_nothing(terminal, status):
    ticket_of(terminal, status=status, resolved_at=None, cause="")
    assert cases(terminal) == []


def test_a_ticket_counts_72_hours_after_it_was_resolved(terminal):
    ticket_of(terminal)
    assert cases(terminal, T0 + timedelta(hours=73)) == []
    assert len(cases(terminal, T0 + timedelta(hours=74))) == 1


def test_after_a_quick_return_the_fix_of_before_failed(terminal):
    ticket = ticket_of(terminal, reopened_count=1, resolved_at=T0 + 30 * HOUR)
    for kind, hours in (("resolved", 2), ("reopened", 10), ("resolved", 30)):
        ticket.events.create(
            provider_id=ticket.provider_id, kind=f"ticket.{kind}", occurred_at=T0 + hours * HOUR
        )
    tried(ticket, "restart_router", worked=True)
    tried(ticket, "swap_sim", worked=True, at=T0 + 29 * HOUR)
    (found,) = cases(terminal)
    assert found.case.fixes == (("restart_router", False), ("swap_sim", True))
    # Open again: neither cause nor fix counts until it is closed.
    Ticket.objects.filter(pk=ticket.pk).update(status="open", resolved_at=None)
    assert cases(terminal) == []


def test_only_a_return_within_72_hours_undoes_what_was_solved():
    def events(*hours: int) -> list[tuple[str, datetime]]:
        kinds = ["ticket.resolved", "ticket.reopened"]
        return [(kinds[i % 2], T0 + h * HOUR) for i, h in enumerate(hours)]

    assert last_return(events(1, 73)) == T0 + 73 * HOUR
    assert last_return(events(1, 74)) is None
    assert last_return(events(1, 2, 3, 100)) == T0 + 2 * HOUR
    assert last_return([]) is None


def test_walks_of_another_tenant_are_nobodys_here(terminal, other_provider):
    walk(make_terminal(make_store(other_provider)))
    ticket_of(make_terminal(make_store(other_provider)))
    assert cases(terminal) == []


def test_walks_of_earlier_versions_count(terminal):
    run = walk(terminal, ("restart", "solved"))
    version = run.flow_version
    version.pk, version.version, version.is_current = None, 99, False
    version.save(force_insert=True)
    DiagnosisRun.objects.filter(pk=run.pk).update(flow_version=version)
    assert len(cases(terminal)) == 1
    assert closed_cases(terminal.provider_id, "cannot_print", NOW) == []
