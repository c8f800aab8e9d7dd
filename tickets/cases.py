"""Closed cases for learning: self-solved walks, and resolved tickets with what was tried.

What came back within 72 hours was not solved, so nothing counts before that time is over. Facts
known beforehand (a code read from the screen, an answer of ten minutes ago) are left out of the
trace: they are known only where they are positive, and would make every sign look certain.
Cases fade by age; for a month after a model's new firmware is expected its cases fade faster,
since they tell of the old one.
"""

from collections.abc import Iterable, Iterator, Set
from datetime import datetime, timedelta

from django.db.models import F

from diagnostics.actions.snapshots import ClosedCase
from diagnostics.learning import (
    GUESS_WEIGHT,
    HALF_LIFE_AFTER_RELEASE_DAYS,
    HALF_LIFE_DAYS,
    Case,
    faded,
)
from diagnostics.models import DiagnosisRun
from diagnostics.querysets import COMES_BACK_WITHIN, DiagnosisRunQuerySet
from terminals.models import MinimumVersion
from tickets.events import EventKind
from tickets.lifecycle import Certainty, TicketStatus
from tickets.models import Ticket, TicketEvent

# Six half-lives: an older case weighs less than a sixty-fourth.
REMEMBERED = timedelta(days=540)
# So long a new firmware is new.
RELEASED_WITHIN = timedelta(days=30)
_AT_ONCE = 500


def closed_cases(provider_id: int, symptom: str, now: datetime) -> list[ClosedCase]:
    """Everything that counts for one symptom of a provider, whatever version was walked.

    Steps, answers and causes that a version does not have are passed over by the learner.
    """
    runs = DiagnosisRun.objects.filter(
        provider_id=provider_id,
        flow_version__symptom=symptom,
        started_at__gte=now - REMEMBERED,
        started_at__lte=now,
    ).prefetch_related("steps")
    renewed = _renewed_models(provider_id, now)
    return [*_self_solved(runs, now, renewed), *_resolved(runs, now, renewed)]


def _renewed_models(provider_id: int, now: datetime) -> Set[str]:
    """Models of which the provider expects another firmware since less than a month."""
    rows = MinimumVersion.objects.filter(provider_id=provider_id).with_list_columns()
    return {
        row.model.slug
        for row in rows.exclude(firmware="")
        if row.has_begun(now) and not row.has_begun(now - RELEASED_WITHIN)
    }


def _self_solved(
    runs: DiagnosisRunQuerySet, now: datetime, renewed: Set[str]
) -> Iterator[ClosedCase]:
    returned, reported = runs.came_back()
    solved = runs.filter(
        ~returned,
        ~reported,
        state=DiagnosisRun.State.SOLVED,
        finished_at__lte=now - COMES_BACK_WITHIN,
        ticket__isnull=True,
    )
    for run in solved.iterator(chunk_size=_AT_ONCE):
        assert run.finished_at is not None
        yield _counted(run, run.finished_at, now, renewed, trace=_trace(run))


def _resolved(runs: DiagnosisRunQuerySet, now: datetime, renewed: Set[str]) -> Iterator[ClosedCase]:
    closed = (
        runs.filter(
            ticket__provider_id=F("provider_id"),
            ticket__status__in=[TicketStatus.RESOLVED, TicketStatus.CLOSED],
            ticket__resolved_at__lte=now - COMES_BACK_WITHIN,
        )
        .exclude(ticket__cause="")
        .select_related("ticket")
        .prefetch_related("ticket__tried_fixes")
    )
    for run in closed.iterator(chunk_size=_AT_ONCE):
        ticket = run.ticket
        assert ticket.resolved_at is not None
        # A fix that the merchant called good, and then reported: it did not last.
        walked = [(step, _REPORTED.get(label, label)) for step, label in _trace(run)]
        fixes = _fixes(ticket)
        told = {(step, "solved" if worked else "unsolved") for step, worked in fixes}
        trace = tuple(pair for pair in walked if pair not in told)
        certainty = 1.0 if ticket.certainty == Certainty.SURE else GUESS_WEIGHT
        yield _counted(
            run, ticket.resolved_at, now, renewed,
            trace=trace, cause=ticket.cause, fixes=fixes, certainty=certainty,
        )  # fmt: skip


_REPORTED = {"solved": "unsolved"}


def _trace(run: DiagnosisRun) -> tuple[tuple[str, str], ...]:
    return tuple((answer.step_id, answer.answer_id) for answer in run.answers())


def _fixes(ticket: Ticket) -> tuple[tuple[str, bool], ...]:
    """What staff tried; what worked before a reopening within 72 hours did not."""
    rows = sorted(ticket.tried_fixes.all(), key=lambda row: (row.tried_at, row.pk))
    undone = _came_back_at(ticket) if rows and ticket.reopened_count else None
    return tuple(
        (row.step_id, row.worked and (undone is None or row.tried_at > undone)) for row in rows
    )


def _came_back_at(ticket: Ticket) -> datetime | None:
    """When the ticket was last reopened within 72 hours of being resolved."""
    kinds = [EventKind.RESOLVED, EventKind.REOPENED]
    events = TicketEvent.objects.filter(ticket=ticket, kind__in=kinds)
    return last_return(events.order_by("occurred_at", "pk").values_list("kind", "occurred_at"))


def last_return(events: Iterable[tuple[str, datetime]]) -> datetime | None:
    """Of (kind, moment) in their order: the last reopening that came too soon; pure."""
    resolved_at: datetime | None = None
    found = None
    for kind, at in events:
        if kind == EventKind.RESOLVED:
            resolved_at = at
        elif resolved_at is not None and at - resolved_at <= COMES_BACK_WITHIN:
            found = at
    return found


def _counted(
    run: DiagnosisRun,
    at: datetime,
    now: datetime,
    renewed: Set[str],
    *,
    trace: tuple[tuple[str, str], ...],
    cause: str | None = None,
    fixes: tuple[tuple[str, bool], ...] = (),
    certainty: float = 1.0,
) -> ClosedCase:
    model = str(run.attributes.get("model", ""))
    half_life = HALF_LIFE_AFTER_RELEASE_DAYS if model in renewed else HALF_LIFE_DAYS
    case = Case(
        trace=trace,
        cause=cause,
        fixes=fixes,
        certainty=certainty,
        weight=faded((now - at) / timedelta(days=1), half_life),
        group=model,
    )
    return ClosedCase(case, at, at + COMES_BACK_WITHIN)
