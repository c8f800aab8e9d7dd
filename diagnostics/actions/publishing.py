"""Making flows the current ones: those that ship with the product, and a provider's own."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from diagnostics.actions import trees
from diagnostics.authoring.safety import changed_safety
from diagnostics.flow import Flow, Problem, validate
from diagnostics.models import FlowDraft, FlowVersion
from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent, Provider
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError


class NotReadyError(DomainError):
    """The flow has problems; `problems` as `flow.validate` gives them."""

    code = "not_ready"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class NeedsApprovalError(DomainError):
    """Safety steps would change, and no second person has approved exactly this content."""

    code = "needs_approval"


class NothingChangedError(DomainError):
    """The content is what is published already."""

    code = "nothing_changed"


class NotAsSeenError(DomainError):
    """The draft or the published version is not the one that the author was looking at."""

    code = "not_as_seen"


# --- Shipped -------------------------------------------------------------------------


@transaction.atomic
def publish(flows: Iterable[Flow], *, now: datetime) -> int:
    """Makes these the shipped flows: a new version where the content changed, and no others.

    Returns how many versions are new. A symptom that is not among them is no longer offered;
    its versions stay, since runs refer to them. Providers' own versions are not touched.
    """
    fresh = 0
    symptoms = []
    for flow in flows:
        symptoms.append(flow.id)
        fresh += _publish(flow, now)
    FlowVersion.objects.published().exclude(symptom__in=symptoms).update(is_current=False)
    return fresh


def _publish(flow: Flow, now: datetime) -> bool:
    digest = digest_of(flow)
    versions = FlowVersion.objects.filter(provider=None, symptom=flow.id)
    latest = versions.order_by("-version").defer("document").first()
    if latest and latest.digest == digest and latest.is_current:
        return False
    _replace(None, flow, digest, FlowVersion(published_at=now))
    return True


# --- A provider's own ----------------------------------------------------------------


@transaction.atomic
def publish_draft(
    actor: Actor, *, symptom: str, revision: int, against: str, note: str, now: datetime
) -> FlowVersion:
    """The draft becomes the provider's current version; runs under way keep theirs.

    `revision` and `against` (digest of the published version, empty for none) are what the
    author saw. Locks the provider and the draft. Records `flow_published`. Raises
    NotAllowedError, NotAsSeenError, NotReadyError, NeedsApprovalError, NothingChangedError;
    a hidden draft is DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    provider_id = _lock_provider(actor)
    rows = FlowDraft.objects.visible_to(actor).select_for_update(of=("self",))
    draft = rows.get(symptom=symptom)
    current = current_version(provider_id, symptom)
    if draft.revision != revision or (current.digest if current else "") != against:
        raise NotAsSeenError
    if current and current.digest == draft.digest:
        raise NothingChangedError
    _refuse_problems(draft.flow)
    is_safety = bool(changed_safety(current.flow if current else None, draft.flow))
    if is_safety and not may_publish_safety(draft, current):
        raise NeedsApprovalError
    made = FlowVersion(
        published_at=now,
        published_by_id=actor.user_id,
        published_by_name=actor.name,
        approved_by_id=draft.approved_by_id if is_safety else None,
        approved_by_name=draft.approved_by_name if is_safety else "",
        note=note,
    )
    version = _replace(provider_id, draft.flow, draft.digest, made)
    draft.delete()
    record(actor, AccountEvent.Kind.FLOW_PUBLISHED, provider_id=provider_id, at=now,
           symptom=symptom, version=version.version, digest=version.digest)  # fmt: skip
    return version


@transaction.atomic
def restore(actor: Actor, *, symptom: str, number: int, now: datetime) -> FlowVersion:
    """Brings an earlier own version back, as a new one with its content.

    Records `flow_restored`. Raises NotAllowedError, NothingChangedError, NotReadyError where
    today's rules refuse it, NeedsApprovalError where safety steps would change: those go through
    a draft. An unknown number is FlowVersion.DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    provider_id = _lock_provider(actor)
    wanted = FlowVersion.objects.get(provider_id=provider_id, symptom=symptom, version=number)
    current = current_version(provider_id, symptom)
    if current and current.digest == wanted.digest:
        raise NothingChangedError
    _refuse_problems(wanted.flow)
    if changed_safety(current.flow if current else None, wanted.flow):
        raise NeedsApprovalError
    made = FlowVersion(
        published_at=now,
        published_by_id=actor.user_id,
        published_by_name=actor.name,
        restored_from=number,
    )
    version = _replace(provider_id, wanted.flow, wanted.digest, made)
    record(actor, AccountEvent.Kind.FLOW_RESTORED, provider_id=provider_id, at=now,
           symptom=symptom, version=version.version, restored_from=number)  # fmt: skip
    return version


@transaction.atomic
def follow_shipped(actor: Actor, *, symptom: str, now: datetime) -> FlowVersion:
    """The provider's merchants walk the shipped flow again, with its updates; own versions stay.

    Records `flow_shipped`. Raises NotAllowedError, NeedsApprovalError where safety steps would
    change: those go through a draft. No own or no shipped version is FlowVersion.DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    provider_id = _lock_provider(actor)
    own = FlowVersion.objects.get(provider_id=provider_id, symptom=symptom, is_current=True)
    shipped = FlowVersion.objects.published().get(symptom=symptom)
    if changed_safety(own.flow, shipped.flow):
        raise NeedsApprovalError
    FlowVersion.objects.filter(pk=own.pk).update(is_current=False)
    record(actor, AccountEvent.Kind.FLOW_SHIPPED, provider_id=provider_id, at=now,
           symptom=symptom, version=shipped.version)  # fmt: skip
    return shipped


def may_publish_safety(draft: FlowDraft, current: FlowVersion | None) -> bool:
    """Whether somebody other than its authors approved exactly what the draft holds now.

    `current`: the version that it would replace; an approval from before it was published was
    given beside other safety steps.
    """
    if not draft.is_approved or draft.approved_at is None:
        return False
    if current and draft.approved_at < current.published_at:
        return False
    return draft.approved_by_id not in authors_of(draft, current)


def authors_of(draft: FlowDraft, current: FlowVersion | None) -> set[int]:
    """Users who saved in the draft: none of them approves it.

    Not only those who changed safety steps: an upgrade of the product changes them under a draft,
    and undoing brings another author's words back. Whoever only began it from what is published
    still (`current`) added nothing.
    """
    saves = draft.revisions.all()
    if current and draft.based_on_id == current.pk:
        saves = saves.exclude(revision=1)
    users = saves.values_list("edited_by_id", flat=True)
    return {*draft.safety_editor_ids, *filter(None, users)}


def current_version(provider_id: int, symptom: str) -> FlowVersion | None:
    """What the provider's merchants walk through: its own version, else the shipped one."""
    return FlowVersion.objects.published_for(provider_id).filter(symptom=symptom).first()


def digest_of(flow: Flow) -> str:
    """Names the content of a flow, whatever its version's number."""
    content = dataclasses.replace(flow, version=1).to_dict()
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _lock_provider(actor: Actor) -> int:
    """Numbers of versions are counted by one at a time."""
    rows = Provider.objects.select_for_update(no_key=True)
    return rows.get(pk=actor.provider_id or 0).pk


def _refuse_problems(flow: Flow) -> None:
    if problems := validate(flow):
        raise NotReadyError(problems)


def _replace(provider_id: int | None, flow: Flow, digest: str, made: FlowVersion) -> FlowVersion:
    """Stores `made` with this content and the next number, as the owner's current version.

    Wants its trees for the classes of terminals that walked the one before.
    """
    versions = FlowVersion.objects.filter(provider=provider_id, symptom=flow.id)
    number = (versions.aggregate(last=Max("version"))["last"] or 0) + 1
    versions.filter(is_current=True).update(is_current=False)
    made.provider_id, made.symptom, made.version = provider_id, flow.id, number
    made.share, made.digest, made.is_current = flow.share, digest, True
    made.document = dataclasses.replace(flow, version=number).to_dict()
    made.save(force_insert=True)
    trees.want_again(made, None, now=made.published_at)
    return made
