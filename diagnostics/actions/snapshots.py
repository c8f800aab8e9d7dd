"""Learned numbers: made at night from closed cases, gated, and used, refused or taken back.

Nothing slow happens in a transaction: numbers and trees are worked out first, then stored if
nobody was faster. A run keeps the numbers that it began with.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from diagnostics import gate
from diagnostics.actions import trees
from diagnostics.actions.publishing import NotAsSeenError, NothingChangedError
from diagnostics.engine import Attributes, compile_flow
from diagnostics.flow import Flow
from diagnostics.gate import Learned
from diagnostics.learning import Case, rates_of, with_rates
from diagnostics.models import DiagnosisRun, FlowVersion, ParamSnapshot
from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent, Provider
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import IllegalMoveError

logger = logging.getLogger(__name__)

# So many cases that the last numbers did not know make new ones worth while.
LEAST_CASES = 5
# What moves "a night" moves once a night, however often and late the task runs.
BETWEEN = timedelta(hours=20)
# The cases that new numbers must not foretell worse than those in use.
LOOK_BACK = timedelta(days=14)
# Expected minutes are told for the kind of terminal that was checked most in this time.
WALKED_WITHIN = timedelta(days=90)
# Known of one moment only, no part of a kind of terminal.
_PASSING = ("repeated", "incident", "opens_in")


@dataclass(frozen=True, slots=True)
class ClosedCase:
    """A case, when it was closed, and since when it may be counted (it did not come back)."""

    case: Case
    at: datetime
    counts_from: datetime


# --- Night ---------------------------------------------------------------------------


def is_due(provider_id: int, version: FlowVersion, *, now: datetime) -> bool:
    """Whether this night may make numbers of the version; saves collecting cases in vain."""
    newest = _newest(provider_id, version)
    return newest is None or now - newest.made_at >= BETWEEN


def learn(
    provider_id: int, version: FlowVersion, cases: Sequence[ClosedCase], *, now: datetime
) -> ParamSnapshot | None:
    """New numbers from all cases of the provider, published or held; None where none are due.

    Call it outside a transaction: it compiles trees. May run twice, late or be killed: of two
    runners one stores. `cases` holds those of earlier versions, too.
    """
    if not is_due(provider_id, version, now=now):
        return None
    newest = _newest(provider_id, version)
    current = ParamSnapshot.objects.in_use(provider_id, version)
    fresh = sum(newest is None or closed.counts_from > newest.made_at for closed in cases)
    if fresh < LEAST_CASES and not _goes_on(newest):
        return None
    flow, numbers = version.flow, current.rates if current else None
    before = gate.in_use(flow, numbers)
    after, held = gate.limited(before, gate.learned(flow, [closed.case for closed in cases]))
    moved = gate.moves(before, after)
    recent = [closed.case for closed in cases if now - closed.at <= LOOK_BACK]
    loss_before, checked = gate.log_loss(before, recent)
    loss_after, _same = gate.log_loss(after, recent)
    report: dict[str, Any] = {
        "base": current.number if current else 0,
        "known": len(cases),
        "fresh": fresh,
        "moves": moved,
        "limited": {"causes": list(held.causes), "rates": held.rates},
        "loss": {"before": loss_before, "after": loss_after, "cases": checked},
        "minutes": {},
        "reasons": [],
    }
    if any(moved.values()):
        report["minutes"] = _minutes(provider_id, version, numbers, after, now)
    if gate.unlocked(rates_of(flow), after):
        report["reasons"].append("locked")
    if gate.is_worse(loss_before, loss_after):
        report["reasons"].append("loss")
    snapshot = ParamSnapshot(
        provider_id=provider_id,
        flow_version=version,
        rates=after.to_dict(),
        cases=round(sum(c.case.weight * c.case.certainty for c in cases), 3),
        made_at=now,
        report=report,
    )
    stored = _store(snapshot, newest, current, now)
    if stored and stored.is_current:
        trees.want_again(version, stored, now=now)
    return stored


def _newest(provider_id: int, version: FlowVersion) -> ParamSnapshot | None:
    rows = ParamSnapshot.objects.filter(provider_id=provider_id, flow_version=version)
    return rows.order_by("-number").first()


def _goes_on(newest: ParamSnapshot | None) -> bool:
    """Whether the last night was held back on the way and nobody objected: it goes on."""
    if newest is None or not newest.is_current:
        return False
    held = newest.report.get("limited", {})
    return bool(held.get("causes") or held.get("rates"))


def _minutes(
    provider_id: int,
    version: FlowVersion,
    numbers: dict[str, Any] | None,
    after: Learned,
    now: datetime,
) -> dict[str, Any]:
    """Expected minutes of a check before and after, for the commonest kind of terminal."""
    stored = _commonest(provider_id, version.symptom, now)
    attributes, model = Attributes.from_dict(stored), str(stored.get("model", ""))
    if not attributes.may_satisfy(version.flow.requires):
        return {}
    before = with_rates(version.flow, numbers, model=model) if numbers else version.flow
    new = with_rates(version.flow, after.to_dict(), model=model)
    return {
        "model": model,
        "connection": str(stored.get("connection", "")),
        "before": _expected(before, attributes),
        "after": _expected(new, attributes),
    }


def _commonest(provider_id: int, symptom: str, now: datetime) -> dict[str, Any]:
    """What is known of the kind of terminal that was checked most lately; nothing where none."""
    runs = DiagnosisRun.objects.filter(
        provider_id=provider_id,
        flow_version__symptom=symptom,
        started_at__gte=now - WALKED_WITHIN,
    )
    commonest = runs.commonest_kind()
    return {key: value for key, value in commonest.items() if key not in _PASSING}


def _expected(flow: Flow, attributes: Attributes) -> float:
    return round(compile_flow(flow, attributes).minutes, 2)


@transaction.atomic
def _store(
    snapshot: ParamSnapshot,
    newest: ParamSnapshot | None,
    current: ParamSnapshot | None,
    now: datetime,
) -> ParamSnapshot | None:
    """Stores it unless somebody stored or decided something since it was begun."""
    _lock(snapshot.provider_id)
    version = snapshot.flow_version
    if _newest(snapshot.provider_id, version) != newest:
        return None
    if ParamSnapshot.objects.in_use(snapshot.provider_id, version) != current:
        return None
    own = ParamSnapshot.objects.filter(provider_id=snapshot.provider_id, flow_version=version)
    published = own.filter(state=ParamSnapshot.State.PUBLISHED).order_by("-number").first()
    if published is not None and not published.is_current:
        # Somebody went back to earlier numbers: what comes next is for people to decide.
        snapshot.report["reasons"].append("went_back")
    snapshot.number = newest.number + 1 if newest else 1
    is_held = bool(snapshot.report["reasons"])
    snapshot.state = ParamSnapshot.State.HELD if is_held else ParamSnapshot.State.PUBLISHED
    # Nobody has to decide on numbers that newer ones replace.
    for row in own.filter(state=ParamSnapshot.State.HELD):
        row.state, row.decided_at = ParamSnapshot.State.REJECTED, now
        row.report["superseded"] = snapshot.number
        row.save(update_fields=["state", "decided_at", "report"])
    if not is_held:
        own.filter(is_current=True).update(is_current=False)
        snapshot.is_current = True
    snapshot.save(force_insert=True)
    logger.info(
        "numbers %d of %s for provider %s: %s, %d cases, %d new",
        snapshot.number, version.symptom, snapshot.provider_id, snapshot.state,
        snapshot.report["known"], snapshot.report["fresh"],
    )  # fmt: skip
    return snapshot


# --- People --------------------------------------------------------------------------


def approve(
    actor: Actor, *, symptom: str, number: int, digest: str, now: datetime
) -> ParamSnapshot:
    """Held numbers become those in use, for new runs only.

    `digest`: of the flow version that the page showed. Records `numbers_approved`. Raises
    NotAllowedError, NotAsSeenError, IllegalMoveError where they are not held any more; unknown
    ones are DoesNotExist.
    """
    with transaction.atomic():
        snapshot = _decided(actor, symptom, number, digest, now)
        snapshot.state = ParamSnapshot.State.PUBLISHED
        _use(snapshot.provider_id, snapshot.flow_version, snapshot)
        snapshot.is_current = True
        snapshot.save()
        record(actor, AccountEvent.Kind.NUMBERS_APPROVED, provider_id=snapshot.provider_id,
               at=now, symptom=symptom, number=number)  # fmt: skip
    trees.want_again(snapshot.flow_version, snapshot, now=now)
    return snapshot


@transaction.atomic
def reject(actor: Actor, *, symptom: str, number: int, digest: str, now: datetime) -> ParamSnapshot:
    """Held numbers are never used. Records `numbers_rejected`. Raises as `approve`."""
    snapshot = _decided(actor, symptom, number, digest, now)
    snapshot.state = ParamSnapshot.State.REJECTED
    snapshot.save()
    record(actor, AccountEvent.Kind.NUMBERS_REJECTED, provider_id=snapshot.provider_id,
           at=now, symptom=symptom, number=number)  # fmt: skip
    return snapshot


def go_back(
    actor: Actor, *, symptom: str, number: int, digest: str, now: datetime
) -> ParamSnapshot | None:
    """Earlier numbers become those in use again, for new runs only; 0: the authored ones.

    What the nights make after this waits for approval. Records `numbers_restored`. Raises
    NotAllowedError, NotAsSeenError, NothingChangedError where they are in use already; numbers
    that were never published are DoesNotExist.
    """
    with transaction.atomic():
        require(actor, Permission.FLOW_EDIT)
        provider_id = _lock(actor.provider_id or 0)
        version = _shown(provider_id, symptom, digest)
        rows = ParamSnapshot.objects.visible_to(actor).filter(
            flow_version=version, state=ParamSnapshot.State.PUBLISHED
        )
        wanted = rows.get(number=number) if number else None
        if ParamSnapshot.objects.in_use(provider_id, version) == wanted:
            raise NothingChangedError
        _use(provider_id, version, wanted)
        record(actor, AccountEvent.Kind.NUMBERS_RESTORED, provider_id=provider_id,
               at=now, symptom=symptom, number=number)  # fmt: skip
    trees.want_again(version, wanted, now=now)
    return wanted


def _decided(actor: Actor, symptom: str, number: int, digest: str, now: datetime) -> ParamSnapshot:
    """The held numbers, locked, with who decides."""
    require(actor, Permission.FLOW_EDIT)
    provider_id = _lock(actor.provider_id or 0)
    version = _shown(provider_id, symptom, digest)
    rows = ParamSnapshot.objects.visible_to(actor).select_related("flow_version")
    snapshot = rows.get(flow_version=version, number=number)
    if snapshot.state != ParamSnapshot.State.HELD:
        raise IllegalMoveError(snapshot.state, "decided")
    snapshot.decided_by_id, snapshot.decided_by_name = actor.user_id, actor.name
    snapshot.decided_at = now
    return snapshot


def _shown(provider_id: int, symptom: str, digest: str) -> FlowVersion:
    version = FlowVersion.objects.published_for(provider_id).get(symptom=symptom)
    if version.digest != digest:
        raise NotAsSeenError
    return version


def _use(provider_id: int, version: FlowVersion, snapshot: ParamSnapshot | None) -> None:
    """Makes these the only ones in use; None: the flow's own."""
    rows = ParamSnapshot.objects.filter(provider_id=provider_id, flow_version=version)
    rows.filter(is_current=True).update(is_current=False)
    if snapshot is not None:
        rows.filter(pk=snapshot.pk).update(is_current=True)


def _lock(provider_id: int) -> int:
    """Numbers are counted, and put to use, by one at a time."""
    return Provider.objects.select_for_update(no_key=True).get(pk=provider_id).pk
