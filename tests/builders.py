"""Plain builders of rows: `make_ticket(**overrides)`. What is not said is ordinary."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from diagnostics.log_reader import read as read_log
from diagnostics.models import DiagnosisRun, FlowVersion, LogAnalysis, OwnCode, UnknownCode
from merchants.models import Contact, Membership, Merchant, Store
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Provider, Seat, Team, User
from posdoctor.accounts.roles import Role
from terminals.models import MinimumVersion, Terminal, TerminalModel, TerminalNumber
from tickets.models import Message, Ticket
from tickets.sla import actions as sla
from tickets.sla.defaults import default_policy
from tickets.sla.models import CalendarHours, Clock

PASSWORD = "korrekt-pferd-batterie"
T0 = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # Friday 10:00 in Shanghai
_serial = itertools.count(1)


def make_provider(**fields: Any) -> Provider:
    n = next(_serial)
    return Provider.objects.create(
        **{"slug": f"p{n}", "name": f"蜀汇支付{n}", "hotline": "400-000-0101", **fields}
    )


def make_user(email: str = "", **fields: Any) -> User:
    n = next(_serial)
    return User.objects.create_user(
        email or f"user{n}@posdoctor.example", PASSWORD, **{"name": f"周敏{n}", **fields}
    )


def make_seat(provider: Provider, role: str = Role.DESK, **fields: Any) -> Seat:
    user = fields.pop("user", None) or make_user()
    return Seat.objects.create(provider=provider, user=user, role=role, **fields)


def make_team(provider: Provider, **fields: Any) -> Team:
    n = next(_serial)
    return Team.objects.create(provider=provider, **{"name": f"一线支持{n}", **fields})


def actor_of(seat: Seat) -> Actor:
    """The actor that the middleware builds for this seat."""
    return Actor(
        role=Role(seat.role),
        provider_id=seat.provider_id,
        user_id=seat.user_id,
        name=seat.user.name,
    )


def make_merchant(provider: Provider, **fields: Any) -> Merchant:
    n = next(_serial)
    return Merchant.objects.create(
        provider=provider, **{"number": f"8216510{n:08d}", "name": f"老王川菜馆{n}", **fields}
    )


def make_store(provider: Provider | None = None, **fields: Any) -> Store:
    n = next(_serial)
    merchant = fields.pop("merchant", None) or make_merchant(provider or make_provider())
    return Store.objects.create(
        provider=merchant.provider,
        merchant=merchant,
        **{"name": f"老王川菜馆（建设路店{n}）", "area": "成华区", **fields},
    )


def make_contact(store: Store, **fields: Any) -> Contact:
    return Contact.objects.create(
        provider=store.provider,
        merchant=store.merchant,
        store=store,
        **{"name": "王建国", "phone": "19900005521", "is_primary": True, **fields},
    )


def make_membership(store: Store, user: User | None = None) -> Membership:
    return Membership.objects.create(user=user or make_user(), merchant=store.merchant)


def make_model(**fields: Any) -> TerminalModel:
    n = next(_serial)
    defaults: dict[str, Any] = {
        "slug": f"pax_a920_{n}",
        "vendor": "PAX",
        "vendor_zh": "百富",
        "name": "A920",
        "form": "portable_android",
        "connections": ["wifi", "cellular"],
        "features": {"battery": True, "printer": True},
        "verified": {"printer": True, "battery": True},
    }
    return TerminalModel.objects.create(**{**defaults, **fields})


def make_terminal(store: Store | None = None, **fields: Any) -> Terminal:
    n = next(_serial)
    store = store or make_store()
    defaults: dict[str, Any] = {
        "serial": f"0821A{n:07d}",
        "model": fields.pop("model", None) or make_model(),
        "connection": "wifi",
        "counter": "收银台 1",
        "state": "active",
    }
    terminal = Terminal.objects.create(
        provider=store.provider, store=store, **{**defaults, **fields}
    )
    TerminalNumber.objects.create(terminal=terminal, kind="card", number=f"1{n:07d}")
    return terminal


def make_minimum(terminal: Terminal, **fields: Any) -> MinimumVersion:
    """What its provider expects of terminals of this model, for long."""
    defaults: dict[str, Any] = {"since": T0.date() - timedelta(days=100), "changed_at": T0}
    return MinimumVersion.objects.create(
        provider=terminal.provider, model=terminal.model, **{**defaults, **fields}
    )


def make_run(terminal: Terminal, symptom: str | None = None, **fields: Any) -> DiagnosisRun:
    version = FlowVersion.objects.published().get(symptom=symptom) if symptom else None
    defaults: dict[str, Any] = {"state": "running" if version else "direct", "started_at": T0}
    return DiagnosisRun.objects.create(
        provider=terminal.provider,
        terminal=terminal,
        flow_version=version,
        **{**defaults, **fields},
    )


def make_ticket(terminal: Terminal | None = None, **fields: Any) -> Ticket:
    terminal = terminal or make_terminal()
    store = terminal.store
    assert store is not None
    defaults: dict[str, Any] = {
        "title": "刷卡提示“通讯超时”，两台都收不了款",
        "source": "sticker",
        "symptom": "network_down",
        "priority": "normal",
        "impact": "some",
        "contact_name": "王建国",
        "contact_phone": "19900005521",
        "opened_at": T0,
        "last_activity_at": T0,
    }
    values = {**defaults, **fields}
    if values.get("status") in {"resolved", "closed"}:
        ended = {"resolved_at": T0, "cause": "other", "certainty": "sure"}
        values = {**ended, "fixed_by": "desk", "proof": "sign_in", **values}
    if values.get("status") in {"wait_merchant", "wait_vendor"}:
        values.setdefault(
            "wait_for", "merchant" if values["status"] == "wait_merchant" else "maker"
        )
    return Ticket.objects.create(
        provider=terminal.provider,
        merchant=store.merchant,
        store=store,
        terminal=terminal,
        **values,
    )


def make_message(ticket: Ticket, kind: str = "merchant", **fields: Any) -> Message:
    return Message.objects.create(
        provider=ticket.provider,
        ticket=ticket,
        kind=kind,
        **{"body": "中午客人多，两台都这样。", "created_at": T0, **fields},
    )


def make_clocks(ticket: Ticket, **seconds: int) -> dict[str, Clock]:
    """The ticket's clocks, started when it was opened; round the clock, budgets as given.

    `make_clocks(ticket, restore=60)` promises to restore within a minute.
    """
    policy = default_policy(ticket.provider_id)
    CalendarHours.objects.filter(calendar__provider=ticket.provider).update(
        start_minute=0, end_minute=1440
    )
    for promise, budget in seconds.items():
        policy.targets.filter(promise=promise).update(budget_seconds=budget)
    sla.start(
        provider_id=ticket.provider_id,
        ticket_id=ticket.pk,
        priority=ticket.priority,
        at=ticket.opened_at,
    )
    return {clock.promise: clock for clock in ticket.clocks.all()}


def make_log_analysis(terminal: Terminal, **fields: Any) -> LogAnalysis:
    """A log of the terminal with a code, words, a wrong gateway and repeated lines."""
    lines = [
        "IP: 192.168.1.5",
        "Mask: 255.255.255.0",
        "Gateway: 192.168.2.1",
        "签到失败 应答码: 77",
    ]
    lines += ["connect to host 10.2.3.4 timed out, rssi=-84"] * 6 + [
        "主密钥不存在, app version: 1.2.3"
    ]
    log = "\n".join(f"2026-11-20 10:{n:02}:00 {line}" for n, line in enumerate(lines))
    values = {"source": "paste", "findings": read_log(log).to_dict(), "made_at": T0}
    return LogAnalysis.objects.create(
        provider=terminal.provider, terminal=terminal, **values | fields
    )


def make_own_code(provider: Provider, **fields: Any) -> OwnCode:
    """What E7 means with this provider."""
    values = {
        "code": "E7", "meaning_zh": "门店未开通", "meaning_en": "Shop not opened",
        "merchant_zh": "请联系我们开通。", "merchant_en": "Contact us to open it.",
        "key": f"{next(_serial):064d}", "changed_at": T0,
    }  # fmt: skip
    return OwnCode.objects.create(provider=provider, **values | fields)


def make_unknown_code(provider: Provider, **fields: Any) -> UnknownCode:
    """E77X, looked up in vain twice."""
    values = {
        "code": "E77X", "times": 2, "key": f"{next(_serial):064d}",
        "first_seen_at": T0, "last_seen_at": T0,
    }  # fmt: skip
    return UnknownCode.objects.create(provider=provider, **values | fields)
