"""Deeds on drafts of flows: start, change part by part, undo, review, discard.

Every save counts a revision. A part that somebody else changed since the author opened it is not
written over; other parts are, so that two authors can work on one flow.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError, transaction

from diagnostics.actions.publishing import authors_of, current_version, digest_of
from diagnostics.authoring import edits
from diagnostics.authoring.edits import Document, Kind, Move, Part
from diagnostics.authoring.importing import BadFileError, read
from diagnostics.flow import Flow, parse
from diagnostics.models import FlowDraft, FlowDraftRevision, FlowVersion
from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.fields import masked_within

KEPT_REVISIONS = 40
SYMPTOM_LENGTH = 40
TEXTS = "texts"


class ChangedMeanwhileError(DomainError):
    """Somebody else changed what the author was looking at.

    `before` is the part as the author opened it and `after` as it is now; None = not there.
    """

    code = "changed_meanwhile"

    def __init__(
        self, draft: FlowDraft, before: Part | None = None, after: Part | None = None
    ) -> None:
        super().__init__(f"{draft.symptom} is at revision {draft.revision}")
        self.draft = draft
        self.before = before
        self.after = after


class OwnChangeError(DomainError):
    """Nobody approves a draft in which they saved something themselves."""

    code = "own_change"


# --- Beginning and end ---------------------------------------------------------------


@transaction.atomic
def start(actor: Actor, *, symptom: str, now: datetime) -> FlowDraft:
    """The provider's draft of the symptom, begun from what it publishes if there is none.

    Records `flow_started`. Raises NotAllowedError; an unknown symptom is FlowVersion.DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    known = FlowDraft.objects.visible_to(actor).filter(symptom=symptom).first()
    if known:
        return known
    base = FlowVersion.objects.published_for(_provider_of(actor)).get(symptom=symptom)
    return _begun(actor, base.flow, base, now)


@transaction.atomic
def take_version(actor: Actor, *, symptom: str, number: int | None, now: datetime) -> FlowDraft:
    """The draft with the content of an earlier own version; None: of the shipped one.

    It is a save like others: one step back undoes it. Raises NotAllowedError; an unknown
    version is FlowVersion.DoesNotExist.
    """
    require(actor, Permission.FLOW_EDIT)
    versions = FlowVersion.objects.filter(symptom=symptom)
    wanted = (
        versions.get(provider=None, is_current=True)
        if number is None
        else versions.get(provider_id=_provider_of(actor), version=number)
    )
    start(actor, symptom=symptom, now=now)
    label = "shipped" if number is None else f"version:{number}"
    return _changed(actor, symptom, lambda _document: wanted.flow.to_dict(), label, now)


@transaction.atomic
def bring_in(actor: Actor, *, text: str, now: datetime) -> FlowDraft:
    """The draft with the content of a JSON text, whose `id` names the symptom.

    Card numbers in it are masked. Records `flow_imported`. Raises NotAllowedError, BadFileError
    (no safe JSON, or no usable id) and FlowError (no flow), both with the path of the fault.
    """
    require(actor, Permission.FLOW_EDIT)
    flow = parse(edits.settled(masked_within(read(text))))
    if not edits.is_id(flow.id, SYMPTOM_LENGTH):
        raise BadFileError("id", "flow.id")
    provider_id = _provider_of(actor)
    known = FlowDraft.objects.visible_to(actor).filter(symptom=flow.id).first()
    base = FlowVersion.objects.published_for(provider_id).filter(symptom=flow.id).first()
    if known is None:
        known = _begun(actor, base.flow if base else flow, base, now)
    draft = _changed(actor, flow.id, lambda _document: flow.to_dict(), "import", now)
    _record(actor, AccountEvent.Kind.FLOW_IMPORTED, draft, now)
    return draft


@transaction.atomic
def discard(actor: Actor, *, symptom: str, revision: int, now: datetime) -> None:
    """Drops the draft with its revisions. Records `flow_discarded`.

    Raises NotAllowedError, ChangedMeanwhileError; a hidden draft is DoesNotExist.
    """
    draft = _locked(actor, symptom)
    if draft.revision != revision:
        raise ChangedMeanwhileError(draft)
    _record(actor, AccountEvent.Kind.FLOW_DISCARDED, draft, now)
    draft.delete()


# --- Parts ---------------------------------------------------------------------------


def save_texts(
    actor: Actor, *, symptom: str, revision: int, values: Mapping[str, Any], now: datetime
) -> FlowDraft:
    """Writes values of the flow itself: words, call minutes, threshold, requirements.

    Records `flow_edited`, as all saves do. Raises NotAllowedError, ChangedMeanwhileError.
    """
    return _changed(
        actor,
        symptom,
        lambda document: edits.with_texts(document, values),
        TEXTS,
        now,
        seen=("texts", "", revision),
    )


def save_step(
    actor: Actor,
    *,
    symptom: str,
    revision: int,
    step: Part,
    now: datetime,
    without_answer: str = "",
) -> FlowDraft:
    """Writes one step; `without_answer` takes an answer out of it and of what others say about it.

    Raises NotAllowedError, ChangedMeanwhileError, EditError.
    """

    def edit(document: Document) -> Document:
        written = edits.with_part(document, "steps", step)
        if not without_answer:
            return written
        return edits.without_answer(written, step, without_answer)[0]

    name = str(step["id"])
    return _changed(actor, symptom, edit, f"step:{name}", now, seen=("steps", name, revision))


def save_fault(
    actor: Actor, *, symptom: str, revision: int, fault: Part, share: float, now: datetime
) -> FlowDraft:
    """Writes one cause and its share of the cases; the others make room.

    Raises NotAllowedError, ChangedMeanwhileError, EditError.
    """
    name = str(fault["id"])

    def edit(document: Document) -> Document:
        old = edits.find(document, "faults", name) or {}
        kept = {**fault, "weight": old.get("weight", share)}
        written = edits.with_part(document, "faults", kept)
        return written if kept["weight"] == share else edits.with_share(written, name, share)

    return _changed(actor, symptom, edit, f"fault:{name}", now, seen=("faults", name, revision))


def save_exit(actor: Actor, *, symptom: str, revision: int, way: Part, now: datetime) -> FlowDraft:
    """Writes one way to hand over. Raises NotAllowedError, ChangedMeanwhileError, EditError."""
    name = str(way["id"])
    return _changed(
        actor,
        symptom,
        lambda document: edits.with_part(document, "exits", way),
        f"exit:{name}",
        now,
        seen=("exits", name, revision),
    )


def add_step(
    actor: Actor,
    *,
    symptom: str,
    kind: Literal["check", "fix"],
    text: Mapping[str, str],
    after: str,
    now: datetime,
) -> tuple[FlowDraft, str]:
    """A new step behind `after`; gives its id. Raises NotAllowedError, EditError."""
    added: list[str] = []

    def edit(document: Document) -> Document:
        changed, name = edits.with_new_step(document, kind=kind, text=text, after=after)
        added.append(name)
        return changed

    draft = _changed(actor, symptom, edit, "add_step", now)
    return draft, added[0]


def add_fault(
    actor: Actor, *, symptom: str, text: Mapping[str, str], now: datetime
) -> tuple[FlowDraft, str]:
    """A new cause; gives its id. Raises NotAllowedError, EditError."""
    added: list[str] = []

    def edit(document: Document) -> Document:
        changed, name = edits.with_new_fault(document, text=text)
        added.append(name)
        return changed

    draft = _changed(actor, symptom, edit, "add_fault", now)
    return draft, added[0]


def add_exit(
    actor: Actor, *, symptom: str, title: Mapping[str, str], now: datetime
) -> tuple[FlowDraft, str]:
    """A new way to hand over; gives its id. Raises NotAllowedError, EditError."""
    added: list[str] = []

    def edit(document: Document) -> Document:
        changed, name = edits.with_new_exit(document, title=title)
        added.append(name)
        return changed

    draft = _changed(actor, symptom, edit, "add_exit", now)
    return draft, added[0]


def move(
    actor: Actor, *, symptom: str, kind: Kind, name: str, way: Move, now: datetime
) -> FlowDraft:
    """A step, cause or way to hand over one place up or down. Raises NotAllowedError, EditError."""
    return _changed(
        actor,
        symptom,
        lambda document: edits.moved(document, kind, name, way),
        f"move:{name}",
        now,
    )


def remove(actor: Actor, *, symptom: str, kind: Kind, name: str, now: datetime) -> FlowDraft:
    """Takes a step, cause or way to hand over out, everywhere.

    Raises NotAllowedError, EditError.
    """
    drops: Mapping[Kind, Callable[[Document, str], Document]] = {
        "steps": edits.without_step,
        "faults": edits.without_fault,
        "exits": edits.without_exit,
    }
    drop = drops[kind]
    return _changed(actor, symptom, lambda document: drop(document, name), f"remove:{name}", now)


def undo(actor: Actor, *, symptom: str, to: int, now: datetime) -> FlowDraft:
    """The draft as it was at revision `to`, as a new revision: undoing can be undone.

    Raises NotAllowedError; a revision that is not kept is FlowDraftRevision.DoesNotExist.
    """
    draft = FlowDraft.objects.visible_to(actor).get(symptom=symptom)
    wanted = FlowDraftRevision.objects.get(draft=draft, revision=to)
    return _changed(actor, symptom, lambda _document: wanted.document, f"undo:{to}", now)


def part_of(document: Mapping[str, Any], kind: Kind | Literal["texts"], name: str) -> Part | None:
    """What one page changes: a step, a cause (its share is everybody's), a way to hand over, or
    the flow's words.
    """
    if kind == "texts":
        others = {"steps", "faults", "exits", "version"}
        return {key: value for key, value in document.items() if key not in others}
    found = edits.find(document, kind, name)
    if found is None or kind != "faults":
        return found
    return {key: value for key, value in found.items() if key != "weight"}


# --- Review --------------------------------------------------------------------------


@transaction.atomic
def ask_review(actor: Actor, *, symptom: str, now: datetime) -> FlowDraft:
    """Says that the safety steps are ready to be looked at. Records `flow_review_asked`."""
    draft = _locked(actor, symptom)
    draft.review_asked_at, draft.review_asked_by_name = now, actor.name
    draft.save(update_fields=["review_asked_at", "review_asked_by_name"])
    _record(actor, AccountEvent.Kind.FLOW_REVIEW_ASKED, draft, now)
    return draft


@transaction.atomic
def approve(actor: Actor, *, symptom: str, digest: str, now: datetime) -> FlowDraft:
    """Approves exactly this content; any later change needs it again. Records `flow_approved`.

    Raises NotAllowedError, ChangedMeanwhileError where the draft is another by now, and
    OwnChangeError for those who saved in it (`publishing.authors_of`).
    """
    require(actor, Permission.FLOW_APPROVE)
    draft = _locked(actor, symptom)
    if draft.digest != digest:
        raise ChangedMeanwhileError(draft)
    current = current_version(draft.provider_id, symptom)
    if actor.user_id is None or actor.user_id in authors_of(draft, current):
        raise OwnChangeError
    draft.approved_digest, draft.approved_at = digest, now
    draft.approved_by_id, draft.approved_by_name = actor.user_id, actor.name
    draft.save(
        update_fields=["approved_digest", "approved_at", "approved_by_id", "approved_by_name"]
    )
    _record(actor, AccountEvent.Kind.FLOW_APPROVED, draft, now, digest=digest)
    return draft


# --- Parts of the deeds --------------------------------------------------------------


def _provider_of(actor: Actor) -> int:
    assert actor.provider_id is not None  # every role with the right has a provider
    return actor.provider_id


def _locked(actor: Actor, symptom: str) -> FlowDraft:
    require(actor, Permission.FLOW_EDIT)
    rows = FlowDraft.objects.visible_to(actor).select_for_update(of=("self",))
    return rows.select_related("based_on").get(symptom=symptom)


def _begun(actor: Actor, flow: Flow, base: FlowVersion | None, now: datetime) -> FlowDraft:
    document = edits.settled(flow.to_dict())
    try:
        with transaction.atomic():
            draft = FlowDraft.objects.create(
                provider_id=_provider_of(actor),
                symptom=flow.id,
                document=document,
                digest=digest_of(parse(document)),
                based_on=base,
                started_at=now,
                edited_at=now,
                edited_by_id=actor.user_id,
                edited_by_name=actor.name,
            )
    except IntegrityError:  # somebody else began it in the same moment
        return FlowDraft.objects.visible_to(actor).get(symptom=flow.id)
    _keep_revision(draft, "start")
    _record(actor, AccountEvent.Kind.FLOW_STARTED, draft, now)
    return draft


@transaction.atomic
def _changed(
    actor: Actor,
    symptom: str,
    edit: Callable[[Document], Document],
    label: str,
    now: datetime,
    *,
    seen: tuple[Kind | Literal["texts"], str, int] | None = None,
) -> FlowDraft:
    """Locks the draft, edits its document and counts a revision; no change counts none.

    `seen`: (kind, name, revision) of the part that the author opened.
    """
    draft = _locked(actor, symptom)
    if seen:
        _refuse_stale(draft, *seen)
    # Masked before it is stored: the digest is of what is kept, not of what was typed.
    document = edits.settled(masked_within(edit(draft.document)))
    digest = digest_of(parse(document))
    if digest == draft.digest:
        return draft
    draft.document, draft.digest = document, digest
    draft.revision += 1
    draft.edited_at, draft.edited_by_id, draft.edited_by_name = now, actor.user_id, actor.name
    draft.save()
    _keep_revision(draft, label)
    _record(actor, AccountEvent.Kind.FLOW_EDITED, draft, now, change=label)
    return draft


def _refuse_stale(
    draft: FlowDraft, kind: Kind | Literal["texts"], name: str, revision: int
) -> None:
    """Raises ChangedMeanwhileError where the part is not as it was at `revision`."""
    if revision == draft.revision:
        return
    kept = draft.revisions.filter(revision=revision).first()
    before = part_of(kept.document, kind, name) if kept else None
    after = part_of(draft.document, kind, name)
    if before is None or before != after:
        raise ChangedMeanwhileError(draft, before, after)


def _keep_revision(draft: FlowDraft, label: str) -> None:
    draft.revisions.create(
        revision=draft.revision,
        document=draft.document,
        change=label[:100],
        edited_at=draft.edited_at,
        edited_by_id=draft.edited_by_id,
        edited_by_name=draft.edited_by_name,
    )
    dropped = draft.revisions.filter(revision__lte=draft.revision - KEPT_REVISIONS)
    if users := set(dropped.values_list("edited_by_id", flat=True)):
        # Their words may still be in it.
        draft.safety_editor_ids = sorted({*draft.safety_editor_ids, *filter(None, users)})
        draft.save(update_fields=["safety_editor_ids"])
    dropped.delete()


def _record(
    actor: Actor, kind: AccountEvent.Kind, draft: FlowDraft, now: datetime, **data: Any
) -> None:
    record(actor, kind, provider_id=draft.provider_id, at=now, symptom=draft.symptom,
           revision=draft.revision, **data)  # fmt: skip
