"""The auditor finds each kind of fault, and nothing in sound tables."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from tests.builders import T0, actor_of, make_clocks, make_seat, make_ticket
from tickets import actions, subscribers
from tickets.models import Ticket
from tickets.sla import audit as audits
from tickets.sla.audit import audit
from tickets.sla.models import Alert, Clock
from tickets.sla.tick import tick

NOW = T0 + timedelta(hours=3)
GOOD = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "sign_in"}


@pytest.fixture
def ticket(terminal, monkeypatch: pytest.MonkeyPatch) -> Ticket:
    monkeypatch.setattr(audits, "SAMPLE_PERCENT", 100)
    ticket = make_ticket(terminal, status="open", priority="urgent", opened_at=T0)
    make_clocks(ticket)
    return ticket


def settled() -> None:
    tick(NOW)
    subscribers.expand_alerts(NOW)


def rules() -> set[str]:
    return {finding.rule for finding in audit(NOW)}


def test_nothing_is_found_after_a_whole_life(ticket: Ticket):
    actor = actor_of(make_seat(ticket.provider))
    step = timedelta(minutes=20)
    actions.reply(actor, ticket_id=ticket.pk, body="在看", now=T0 + step, then="wait")
    actions.resume(actor, ticket_id=ticket.pk, now=T0 + 2 * step)
    actions.set_priority(actor, ticket_id=ticket.pk, priority="high", reason="", now=T0 + 3 * step)
    settled()
    assert rules() == set()
    actions.resolve(actor, ticket_id=ticket.pk, now=NOW, **GOOD)
    actions.reopen(actor, ticket_id=ticket.pk, now=NOW + step)
    assert rules() == set()


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("alerts_differ_from_step", {"step": 3}),
    ("ledger_differs", {"due_at": NOW + timedelta(hours=9)}),
    ("ledger_differs", {"consumed_seconds": 600.0}),
    ("breach_too_many", {"breached_at": T0}),
    ("late", {"next_fire_at": T0}),
    ("breach_missing", {"due_at": T0 + timedelta(minutes=1)}),
]


@pytest.mark.parametrize(("rule", "change"), FAULTS, ids=[rule for rule, _change in FAULTS])
def test_a_fault_is_found(ticket: Ticket, rule: str, change: dict[str, Any]):
    settled()
    Clock.objects.filter(promise="restore").update(**change)
    assert rule in rules()


def test_an_alert_that_nobody_planned_is_found(ticket: Ticket):
    settled()
    Alert.objects.filter(state="expanded").update(
        state="pending", raised_at=NOW - timedelta(minutes=2)
    )
    assert "alert_without_plan" in rules()


def test_the_command_exits_with_1_where_something_is_wrong(
    ticket: Ticket, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):  # nothing has ticked since the ticket was filed
        call_command("audit_clocks")
    assert "late: 2 rows" in capsys.readouterr().out
    Clock.objects.all().delete()
    call_command("audit_clocks")
    assert capsys.readouterr().out == ""
