"""Compiled trees: wanted by runs, made by workers, read at every step."""

import hashlib
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from diagnostics import engine, learning
from diagnostics.engine import Answer, Attributes, Table
from diagnostics.flow import Flow
from diagnostics.models import CompiledTree, FlowVersion, ParamSnapshot
from posdoctor.core.outbox import wake

logger = logging.getLogger(__name__)

COMPILE = "diagnostics.compile_trees"
LEASE = timedelta(minutes=10)
# One task ends in time for others; the rest is woken again.
ROUND_SECONDS = 20.0
# Tables are read at every step and never change: so many stay in each process.
MOST_TABLES = 200
# Classes of terminals that a new version is compiled for at once, the newest wanted first.
MOST_AHEAD = 60
KEPT = timedelta(days=90)

_TABLES: dict[str, Table] = {}


def want(
    version: FlowVersion,
    snapshot: ParamSnapshot | None,
    flow: Flow,
    attributes: dict[str, Any],
    given: Sequence[Answer],
    *,
    now: datetime,
) -> str:
    """Key of the tree for such a terminal; asks a worker for it where there is none yet.

    `flow`: with the numbers of the snapshot, see `numbers_of`.
    """
    known = Attributes.from_dict(attributes)
    parts = (version.digest, str(snapshot.pk if snapshot else 0))
    text = "|".join((*parts, engine.class_of(flow, known, given=given)))
    key = hashlib.sha256(text.encode()).hexdigest()
    if key in _TABLES or CompiledTree.objects.filter(key=key).exists():
        return key
    tree = CompiledTree(
        key=key,
        flow_version=version,
        snapshot=snapshot,
        attributes=attributes,
        given=[[answer.step_id, answer.answer_id] for answer in given],
        wanted_at=now,
    )
    CompiledTree.objects.bulk_create([tree], ignore_conflicts=True)
    wake(COMPILE)
    return key


def table_of(key: str) -> Table | None:
    """The tree of that key as a look-up; None while it is not made."""
    if not key:
        return None
    known = _TABLES.get(key)
    if known is None:
        found = CompiledTree.objects.filter(key=key, made_at__isnull=False)
        steps = found.values_list("table", flat=True).first()
        if steps is None:
            return None
        if len(_TABLES) >= MOST_TABLES:
            _TABLES.pop(next(iter(_TABLES)), None)
        known = _TABLES[key] = Table({name: (step, left) for name, (step, left) in steps.items()})
    return known


def compile_wanted(now: datetime, *, seconds: float = ROUND_SECONDS) -> int:
    """Makes trees that are wanted, for about so long; returns how many.

    Each is claimed by a lease, so any number of workers may run, twice or late; two that make
    the same tree write the same. Wakes another round where some are left.
    """
    end, made = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        tree = _claim(now)
        if tree is None:
            return made
        _make(tree, now)
        made += 1
    wake(COMPILE)
    return made


def want_again(version: FlowVersion, snapshot: ParamSnapshot | None, *, now: datetime) -> int:
    """Wants for a new version, or new numbers, the classes that were walked lately.

    Returns how many.
    """
    owners = Q(flow_version__provider=None) | Q(flow_version__provider=version.provider_id)
    earlier = CompiledTree.objects.filter(owners, flow_version__symptom=version.symptom, given=[])
    classes = earlier.order_by("-wanted_at").values_list("attributes", flat=True)[:MOST_AHEAD]
    keys = {
        want(version, snapshot, numbers_of(version, snapshot, known), known, (), now=now)
        for known in classes
    }
    return len(keys)


def purge_trees(*, now: datetime) -> int:
    """Drops trees that were first wanted longer than KEPT ago; returns how many. A class that is
    still met wants its tree again.
    """
    deleted, _ = CompiledTree.objects.filter(wanted_at__lt=now - KEPT).delete()
    return deleted


def numbers_of(
    version: FlowVersion, snapshot: ParamSnapshot | None, attributes: dict[str, Any]
) -> Flow:
    """The version's flow with learned numbers where there are some."""
    if snapshot is None:
        return version.flow
    model = str(attributes.get("model", ""))
    return learning.with_rates(version.flow, snapshot.rates, model=model)


@transaction.atomic
def _claim(now: datetime) -> CompiledTree | None:
    waiting = CompiledTree.objects.claimable(now).select_for_update(skip_locked=True, of=("self",))
    tree = waiting.select_related("flow_version", "snapshot").first()
    if tree is not None:
        CompiledTree.objects.filter(pk=tree.pk).update(
            leased_until=now + LEASE, tries=F("tries") + 1
        )
    return tree


def _make(tree: CompiledTree, now: datetime) -> None:
    began = time.monotonic()
    flow = numbers_of(tree.flow_version, tree.snapshot, tree.attributes)
    attributes = Attributes.from_dict(tree.attributes)
    given = [Answer(step, answer, given=True) for step, answer in tree.given]
    policy = engine.compile_flow(flow, attributes, given=given)
    table = engine.table_of(flow, attributes, policy, given=given)
    CompiledTree.objects.filter(pk=tree.pk, made_at=None).update(
        table=dict(table.steps),
        minutes=policy.minutes,
        call_share=policy.call_share,
        made_at=now,
        leased_until=None,
    )
    logger.info(
        "compiled %s for a class of terminals: %d states, %.1f s",
        tree.flow_version.symptom, len(table.steps), time.monotonic() - began,
    )  # fmt: skip
