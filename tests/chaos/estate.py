"""Tickets whose clocks are about to fire, in a database that is not the test run's.

Called inside `manage.py shell`. What is to be expected is said by how the rows are made; the code
that is tested is not asked.
"""

import json
import random
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Model

from posdoctor.accounts.models import Provider, Seat, Team, User
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import TerminalModel
from tests.builders import (
    make_model,
    make_provider,
    make_seat,
    make_store,
    make_team,
    make_terminal,
    make_ticket,
    make_user,
)
from tickets.models import Ticket, ticket_ref, track_token
from tickets.sla import actions as sla
from tickets.sla.defaults import default_policy
from tickets.sla.models import CalendarHours, Clock, Promise

_Row = TypeVar("_Row", bound=Model)

BUDGET_SECONDS = 40
# Whole percents, and when they are reached after the start.
LEVELS = {75: timedelta(seconds=30), 100: timedelta(seconds=40)}


@dataclass(frozen=True)
class People:
    """Who is who. The first word of an address tells the receiver how to behave."""

    desk: list[User]
    team: Team
    members: list[User]
    leads: list[User]
    gone: User


@dataclass(frozen=True)
class Watched:
    """A clock, the seconds after the beginning at which its levels are reached, and who is to
    hear of them before the end."""

    clock: int
    reached: list[float]
    owners: list[int]


def fill(tickets: int, window_seconds: float) -> None:
    """Makes tickets whose levels are reached one after the other within a window that begins in a
    day; prints the clocks, the leads and everybody's address (null: wants no mail).

    Whoever calls it moves the window to the moment when everything is ready.
    """
    provider = _provider()
    people = _people(provider)
    _stranger(Role.DESK)
    _stranger(Role.SUPERVISOR)
    _promise(provider)
    begins = clock.now() + timedelta(days=1)
    first, last = min(LEVELS.values()), max(LEVELS.values())
    spread = timedelta(seconds=window_seconds) - (last - first)
    offsets = [spread * n / tickets for n in range(tickets)]
    with transaction.atomic():
        clocks = _clocks(provider, people, begins - first, offsets)
    watched = [
        Watched(
            clock=row.pk,
            reached=[(offset + after - first).total_seconds() for after in LEVELS.values()],
            owners=[user.pk for user in _answers_for(n, people)[2]],
        )
        for n, (row, offset) in enumerate(zip(clocks, offsets, strict=True))
    ]
    everyone = [*people.desk, *people.members, *people.leads]
    print(  # noqa: T201 - the answer
        json.dumps(
            {
                "provider": provider.pk,
                "begins": begins.isoformat(),
                "watched": [asdict(row) for row in watched],
                "leads": [user.pk for user in people.leads],
                "addresses": {
                    user.pk: user.email if user.has_alert_mails else None for user in everyone
                },
            }
        )
    )


def _clocks(
    provider: Provider, people: People, opened: datetime, offsets: list[timedelta]
) -> list[Clock]:
    """A ticket with a running clock for each offset. The first is started as the product does it,
    the others are copies of its rows at other times."""
    model = TerminalModel.objects.first() or make_model()
    terminal = make_terminal(make_store(provider), model=model)
    first = make_ticket(terminal, status="open", opened_at=opened, assignee=people.desk[0])
    sla.start(provider_id=provider.pk, ticket_id=first.pk, priority=first.priority, at=opened)
    like = first.clocks.get()
    assert like.due_at
    assert like.next_fire_at
    tickets = [
        _copy(first, ref=ticket_ref(), track_token=track_token(), assignee_id=owner and owner.pk,
              team_id=team and team.pk, opened_at=opened + offset)
        for n, offset in enumerate(offsets)
        for owner, team, _owners in [_answers_for(n, people)]
    ]  # fmt: skip
    rows = [
        _copy(like, ticket_id=ticket.pk, started_at=opened + offset, resumed_at=opened + offset,
              due_at=like.due_at + offset, next_fire_at=like.next_fire_at + offset,
              fire_at=[moment + offset for moment in like.fire_at])
        for ticket, offset in zip(Ticket.objects.bulk_create(tickets), offsets, strict=True)
    ]  # fmt: skip
    first.delete()
    return Clock.objects.bulk_create(rows)


def _copy(row: _Row, **fields: object) -> _Row:
    columns = [field for field in row._meta.concrete_fields if not field.primary_key]
    values = {field.attname: getattr(row, field.attname) for field in columns}
    return type(row)(**{**values, **fields})


def meet(provider_id: int, tickets: int, seed: int) -> None:
    """Fulfils some promises that are about to reach a level; prints the clocks and when (ISO)."""
    running = Clock.objects.filter(provider_id=provider_id, next_fire_at__isnull=False)
    ids = list(running.order_by("next_fire_at").values_list("ticket_id", flat=True)[:150])
    met: dict[int, str] = {}
    for ticket_id in random.Random(seed).sample(ids, min(tickets, len(ids))):
        with transaction.atomic():
            Ticket.objects.select_for_update().get(pk=ticket_id)
            at = clock.now()
            sla.meet(ticket_id=ticket_id, promise=Promise.RESTORE, at=at, reason="ticket.resolved")
        met[Clock.objects.get(ticket_id=ticket_id).pk] = at.isoformat()
    print(json.dumps(met))  # noqa: T201 - the answer


def _answers_for(n: int, people: People) -> tuple[User | None, Team | None, list[User]]:
    """Of the nth ticket: the owner it names, its team, and who answers for it then."""
    kind = n % 20
    if kind == 0:
        return None, None, people.desk
    if kind in {1, 2}:
        return None, people.team, people.members
    if kind == 3:
        return people.gone, people.team, people.members
    owner = people.desk[n % len(people.desk)]
    return owner, None, [owner]


def _provider() -> Provider:
    """Builders count from one in each process; this database outlives several."""
    return make_provider(slug=f"p-{secrets.token_hex(6)}")


def _people(provider: Provider) -> People:
    team = make_team(provider)
    members = [_seat(provider, Role.FIELD, name).user for name in ("steady-van", "rude-van")]
    for seat in Seat.objects.filter(user__in=members):
        seat.teams.add(team)
    leads = [_seat(provider, Role.SUPERVISOR, name) for name in ("steady-lead", "silent-lead")]
    manners = ("steady-a", "slow-b", "rude-c", "silent-d", "steady-e", "silent-f")
    _seat(provider, Role.SUPERVISOR, "gone-lead", is_active=False)
    return People(
        desk=[_seat(provider, Role.DESK, name).user for name in manners],
        team=team,
        members=members,
        leads=[seat.user for seat in leads],
        gone=_seat(provider, Role.DESK, "gone-desk", is_active=False).user,
    )


def _seat(provider: Provider, role: Role, name: str, **fields: object) -> Seat:
    user = make_user(
        f"{name}@p{provider.pk}.example", has_alert_mails=not name.startswith("silent-")
    )
    return make_seat(provider, role, user=user, **fields)


def _stranger(role: Role) -> None:
    """Somebody of another provider, who is to hear nothing."""
    _seat(_provider(), role, f"stranger-{role}")


def _promise(provider: Provider) -> None:
    """Round the clock, one promise, two levels."""
    policy = default_policy(provider.pk)
    CalendarHours.objects.filter(calendar__provider=provider).update(
        start_minute=0, end_minute=1440
    )
    policy.targets.filter(promise=Promise.FIRST_RESPONSE).delete()
    policy.targets.update(budget_seconds=BUDGET_SECONDS, levels=list(LEVELS))
