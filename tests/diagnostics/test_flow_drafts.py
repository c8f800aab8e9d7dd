"""Drafts of flows: who may edit, what stays as it is, two authors, four eyes, going back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from diagnostics.actions import drafts, publishing
from diagnostics.actions.drafts import ChangedMeanwhileError, OwnChangeError
from diagnostics.actions.publishing import (
    NeedsApprovalError,
    NotAsSeenError,
    NothingChangedError,
    NotReadyError,
)
from diagnostics.actions.runs import answer, start
from diagnostics.authoring import edits
from diagnostics.authoring.edits import EditError, Part
from diagnostics.authoring.importing import BadFileError, read
from diagnostics.authoring.safety import changed_safety
from diagnostics.engine import Attributes
from diagnostics.flow import FlowError, parse, validate
from diagnostics.models import CompiledTree, DiagnosisRun, FlowDraft, FlowVersion
from posdoctor.accounts.actor import NOBODY, Actor, reporter, system
from posdoctor.accounts.models import AccountEvent, Provider
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import NotAllowedError
from terminals.models import Terminal
from tests.builders import actor_of, make_seat, make_store, make_terminal

pytestmark = pytest.mark.django_db
SYMPTOM = "no_power"
HOUR = timedelta(hours=1)
# An approval counts from when the flow was published, for the shipped ones as the tests begin.
T0 = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def lead(provider: Provider) -> Actor:
    return actor_of(make_seat(provider, Role.SUPERVISOR))


@pytest.fixture
def second(provider: Provider) -> Actor:
    return actor_of(make_seat(provider, Role.ADMINISTRATOR))


@pytest.fixture
def third(provider: Provider) -> Actor:
    return actor_of(make_seat(provider, Role.SUPERVISOR))


@pytest.fixture
def foreign(other_provider: Provider) -> Actor:
    return actor_of(make_seat(other_provider, Role.ADMINISTRATOR))


def part(draft: FlowDraft, kind: edits.Kind, name: str) -> Part:
    found = edits.find(draft.document, kind, name)
    assert found is not None
    return json.loads(json.dumps(found))


def first_question(draft: FlowDraft) -> Part:
    """A merchants' check that is not about safety."""
    for step in draft.document["steps"]:
        is_plain = not step.get("safety") and not any(a.get("stop") for a in step["answers"])
        if step["kind"] == "check" and is_plain and step.get("actor", "merchant") == "merchant":
            return json.loads(json.dumps(step))
    raise LookupError


def reworded(actor: Actor, words: str = "屏幕亮吗？", symptom: str = SYMPTOM) -> FlowDraft:
    """A draft in which one plain question was changed."""
    draft = drafts.start(actor, symptom=symptom, now=T0)
    step = first_question(draft)
    step["text"]["zh"] = words
    return drafts.save_step(actor, symptom=symptom, revision=draft.revision, step=step, now=T0)


def unsafe(actor: Actor) -> FlowDraft:
    """A draft in which an answer of the safety screen no longer stops use."""
    draft = drafts.start(actor, symptom=SYMPTOM, now=T0)
    step = part(draft, "steps", "safety")
    step["answers"][0]["advice"]["zh"] = "先不要用，给我们打电话。"
    return drafts.save_step(actor, symptom=SYMPTOM, revision=draft.revision, step=step, now=T0)


def published(actor: Actor) -> FlowVersion:
    return FlowVersion.objects.published_for(actor.provider_id).get(symptom=SYMPTOM)


def publish(actor: Actor, draft: FlowDraft, note: str = "", now: datetime = T0) -> FlowVersion:
    return publishing.publish_draft(
        actor,
        symptom=draft.symptom,
        revision=draft.revision,
        against=published(actor).digest,
        note=note,
        now=now,
    )


# --- Who may ------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DESK, Role.FIELD])
def test_only_leads_edit_flows(provider: Provider, role: Role, lead: Actor) -> None:
    draft = reworded(lead)
    actor = actor_of(make_seat(provider, role))
    deeds: list[Callable[[], object]] = [
        lambda: drafts.start(actor, symptom=SYMPTOM, now=T0),
        lambda: drafts.move(actor, symptom=SYMPTOM, kind="steps", name="x", way="up", now=T0),
        lambda: drafts.undo(actor, symptom=SYMPTOM, to=1, now=T0),
        lambda: drafts.discard(actor, symptom=SYMPTOM, revision=draft.revision, now=T0),
        lambda: drafts.bring_in(actor, text="{}", now=T0),
        lambda: drafts.approve(actor, symptom=SYMPTOM, digest=draft.digest, now=T0),
        lambda: publish(actor, draft),
        lambda: publishing.restore(actor, symptom=SYMPTOM, number=1, now=T0),
        lambda: publishing.follow_shipped(actor, symptom=SYMPTOM, now=T0),
    ]
    for deed in deeds:
        with pytest.raises((NotAllowedError, FlowDraft.DoesNotExist)):
            deed()
    assert FlowDraft.objects.get().digest == draft.digest
    assert not FlowVersion.objects.exclude(provider=None).exists()


def test_nobody_sees_drafts_but_the_providers_leads(lead: Actor, foreign: Actor) -> None:
    reworded(lead)
    passer_by = reporter(provider_id=lead.provider_id or 0)
    assert FlowDraft.objects.visible_to(lead).count() == 1
    for actor in (foreign, passer_by, NOBODY):
        assert FlowDraft.objects.visible_to(actor).count() == 0
    assert FlowDraft.objects.visible_to(system()).count() == 1


def test_another_provider_neither_reads_nor_walks_my_version(
    lead: Actor, foreign: Actor, other_provider: Provider, terminal: Terminal
) -> None:
    version = publish(lead, reworded(lead))
    their = published(foreign)
    assert their.provider_id is None
    assert version not in FlowVersion.objects.visible_to(foreign)
    with pytest.raises(FlowVersion.DoesNotExist):
        drafts.take_version(foreign, symptom=SYMPTOM, number=version.version, now=T0)
    with pytest.raises(FlowVersion.DoesNotExist):
        publishing.restore(foreign, symptom=SYMPTOM, number=version.version, now=T0)
    away = make_terminal(make_store(other_provider))
    theirs = start(foreign, terminal=away, symptom=SYMPTOM, language="zh", now=T0)
    mine = start(lead, terminal=terminal, symptom=SYMPTOM, language="zh", now=T0)
    assert (theirs.flow_version_id, mine.flow_version_id) == (their.pk, version.pk)


def test_the_database_refuses_a_walk_of_another_providers_version(
    lead: Actor, other_provider: Provider
) -> None:
    version = publish(lead, reworded(lead))
    away = make_terminal(make_store(other_provider))
    with pytest.raises(DatabaseError), transaction.atomic():
        DiagnosisRun.objects.create(
            provider=other_provider, terminal=away, flow_version=version, started_at=T0
        )


def test_symptoms_are_offered_once_and_the_own_flow_wins(lead: Actor, foreign: Actor) -> None:
    version = publish(lead, reworded(lead))
    assert lead.provider_id is not None
    mine = FlowVersion.objects.offered(Attributes(), provider_id=lead.provider_id)
    assert len(mine) == len({one.symptom for one in mine}) == 10
    assert version in mine
    assert foreign.provider_id is not None
    assert version not in FlowVersion.objects.offered(Attributes(), provider_id=foreign.provider_id)


# --- Versions are immutable ----------------------------------------------------------


def test_the_database_refuses_to_change_a_published_version(lead: Actor) -> None:
    version = publish(lead, reworded(lead))
    for column, value in (("document", {}), ("digest", "x"), ("version", 9), ("symptom", "y")):
        with pytest.raises(DatabaseError), transaction.atomic():
            FlowVersion.objects.filter(pk=version.pk).update(**{column: value})
    FlowVersion.objects.filter(pk=version.pk).update(is_current=False)


def test_a_walk_keeps_its_version_when_another_is_published(
    lead: Actor, terminal: Terminal
) -> None:
    run = start(lead, terminal=terminal, symptom=SYMPTOM, language="zh", now=T0)
    before = run.flow_version
    version = publish(lead, reworded(lead))
    run = answer(lead, run_id=run.pk, step_id="safety", answer_id="none", now=T0)
    assert before is not None
    assert run.flow_version == before != version
    later = start(lead, terminal=terminal, symptom=SYMPTOM, language="zh", now=T0)
    assert later.flow_version == version


def test_a_new_version_wants_trees_for_the_terminals_that_walked_before(
    lead: Actor, terminal: Terminal
) -> None:
    start(lead, terminal=terminal, symptom=SYMPTOM, language="zh", now=T0)
    version = publish(lead, reworded(lead))
    assert CompiledTree.objects.filter(flow_version=version, made_at=None).count() == 1


def test_a_new_shipped_version_leaves_own_versions_alone(lead: Actor) -> None:
    version = publish(lead, reworded(lead))
    shipped = FlowVersion.objects.published().get(symptom=SYMPTOM)
    document = {**shipped.document, "title": {"zh": "打不开机", "en": "Will not start"}}
    publishing.publish([parse(document)], now=T0)
    assert published(lead) == version
    version.refresh_from_db()
    assert version.is_current
    fresh = FlowVersion.objects.published().get(symptom=SYMPTOM)
    assert (fresh.version, version.version) == (shipped.version + 1, 1)


# --- Editing ------------------------------------------------------------------------


def test_a_save_counts_a_revision_and_an_empty_one_does_not(lead: Actor) -> None:
    draft = reworded(lead)
    assert draft.revision == 2
    again = drafts.save_step(lead, symptom=SYMPTOM, revision=2, step=first_question(draft), now=T0)
    assert again.revision == 2
    assert [row.change.partition(":")[0] for row in draft.revisions.order_by("revision")] == [
        "start",
        "step",
    ]


def test_two_authors_of_one_step_second_is_told(lead: Actor, second: Actor) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    step = first_question(draft)
    other = json.loads(json.dumps(step))
    step["text"]["zh"], other["text"]["zh"] = "屏幕亮吗？", "屏幕有字吗？"
    drafts.save_step(lead, symptom=SYMPTOM, revision=1, step=step, now=T0)
    with pytest.raises(ChangedMeanwhileError) as refused:
        drafts.save_step(second, symptom=SYMPTOM, revision=1, step=other, now=T0)
    assert refused.value.after is not None
    assert refused.value.after["text"]["zh"] == "屏幕亮吗？"
    assert FlowDraft.objects.get().document["steps"] != draft.document["steps"]


def test_two_authors_of_two_parts_both_get_through(lead: Actor, second: Actor) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    step, fault = first_question(draft), part(draft, "faults", draft.document["faults"][0]["id"])
    step["text"]["zh"], fault["text"]["zh"] = "屏幕亮吗？", "电池没电"
    drafts.save_step(lead, symptom=SYMPTOM, revision=1, step=step, now=T0)
    both = drafts.save_fault(
        second, symptom=SYMPTOM, revision=1, fault=fault, share=fault["weight"], now=T0
    )
    assert part(both, "steps", step["id"])["text"]["zh"] == "屏幕亮吗？"
    assert part(both, "faults", fault["id"])["text"]["zh"] == "电池没电"


def test_undo_brings_an_earlier_save_back_and_can_be_undone(lead: Actor) -> None:
    draft = reworded(lead)
    before = draft.revisions.get(revision=1).document
    back = drafts.undo(lead, symptom=SYMPTOM, to=1, now=T0)
    assert back.document == before
    assert back.revision == 3
    assert drafts.undo(lead, symptom=SYMPTOM, to=2, now=T0).digest == draft.digest


def test_a_removed_cause_is_gone_from_every_row_and_shares_still_sum(lead: Actor) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    name = next(f["id"] for f in draft.document["faults"] if not edits.is_held(f))
    smaller = drafts.remove(lead, symptom=SYMPTOM, kind="faults", name=name, now=T0)
    assert f'"{name}"' not in json.dumps(smaller.document)
    assert abs(sum(f["weight"] for f in smaller.document["faults"]) - 1) < 1e-6


def test_shares_of_causes_that_stop_use_stay_when_others_change(lead: Actor) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    held = {f["id"]: f["weight"] for f in draft.document["faults"] if edits.is_held(f)}
    free = next(f for f in draft.document["faults"] if not edits.is_held(f))
    assert held
    changed = drafts.save_fault(
        lead, symptom=SYMPTOM, revision=1, fault=dict(free), share=0.3, now=T0
    )
    now = {f["id"]: f["weight"] for f in changed.document["faults"]}
    assert {name: now[name] for name in held} == held
    assert now[free["id"]] == 0.3
    assert abs(sum(now.values()) - 1) < 1e-6
    assert not changed_safety(published(lead).flow, changed.flow)
    with pytest.raises(EditError, match="share"):
        drafts.save_fault(
            lead, symptom=SYMPTOM, revision=changed.revision, fault=dict(free), share=0.99, now=T0
        )


def test_a_new_step_and_a_new_cause_are_told_what_they_lack(lead: Actor) -> None:
    drafts.start(lead, symptom=SYMPTOM, now=T0)
    text = {"zh": "换个插座", "en": "Try another socket"}
    _draft, fix = drafts.add_step(
        lead, symptom=SYMPTOM, kind="fix", text=text, after="safety", now=T0
    )
    draft, cause = drafts.add_fault(lead, symptom=SYMPTOM, text=text, now=T0)
    codes = {(problem.code, problem.where) for problem in validate(draft.flow)}
    assert {("cures_nothing", fix), ("dead_end", cause), ("alike", "other")} & codes
    assert ("cures_nothing", fix) in codes
    assert ("dead_end", cause) in codes
    with pytest.raises(NotReadyError):
        publish(lead, draft)


@pytest.mark.parametrize(("kind", "name"), [("steps", "safety"), ("faults", "other")])
def test_the_safety_screen_and_the_cause_other_stay(
    lead: Actor, kind: edits.Kind, name: str
) -> None:
    drafts.start(lead, symptom=SYMPTOM, now=T0)
    with pytest.raises(EditError, match="fixed"):
        drafts.remove(lead, symptom=SYMPTOM, kind=kind, name=name, now=T0)


def test_nothing_moves_before_the_safety_screen(lead: Actor) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    second_step = draft.document["steps"][1]["id"]
    with pytest.raises(EditError, match="fixed"):
        drafts.move(lead, symptom=SYMPTOM, kind="steps", name=second_step, way="up", now=T0)


def test_what_was_done_is_kept_in_the_trail(lead: Actor) -> None:
    draft = reworded(lead)
    publish(lead, draft, note="短一点")
    kinds = list(AccountEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["flow_started", "flow_edited", "flow_published"]
    assert {e.actor_user_id for e in AccountEvent.objects.all()} == {lead.user_id}


# --- Publishing ----------------------------------------------------------------------


def test_publishing_makes_an_own_version_and_ends_the_draft(lead: Actor) -> None:
    version = publish(lead, reworded(lead), note="短一点")
    assert (version.version, version.provider_id) == (1, lead.provider_id)
    assert version.is_current
    assert (version.published_by_id, version.note) == (lead.user_id, "短一点")
    assert not FlowDraft.objects.exists()
    assert FlowVersion.objects.published().filter(symptom=SYMPTOM).exists()


def test_what_the_author_did_not_see_is_not_published(lead: Actor, second: Actor) -> None:
    draft = reworded(lead)
    reworded(second, "屏幕有字吗？")
    with pytest.raises(NotAsSeenError):
        publish(lead, draft)
    draft.refresh_from_db()
    with pytest.raises(NotAsSeenError):
        publishing.publish_draft(
            lead, symptom=SYMPTOM, revision=draft.revision, against="", note="", now=T0
        )


def test_a_draft_without_a_change_is_not_published(lead: Actor) -> None:
    with pytest.raises(NothingChangedError):
        publish(lead, drafts.start(lead, symptom=SYMPTOM, now=T0))


# --- Four eyes -----------------------------------------------------------------------


def test_safety_steps_need_a_second_person(lead: Actor, second: Actor) -> None:
    draft = unsafe(lead)
    with pytest.raises(NeedsApprovalError):
        publish(lead, draft)
    with pytest.raises(NeedsApprovalError):
        publish(second, draft)
    with pytest.raises(OwnChangeError):
        drafts.approve(lead, symptom=SYMPTOM, digest=draft.digest, now=T0)
    approved = drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0)
    version = publish(lead, approved)
    assert (version.published_by_id, version.approved_by_id) == (lead.user_id, second.user_id)


def test_an_approval_is_of_exactly_this_content(lead: Actor, second: Actor) -> None:
    draft = unsafe(lead)
    drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0)
    later = reworded(lead)
    assert not later.is_approved
    with pytest.raises(NeedsApprovalError):
        publish(lead, later)
    with pytest.raises(ChangedMeanwhileError):
        drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0)


def test_nobody_who_saved_in_a_draft_approves_it(lead: Actor, second: Actor, third: Actor) -> None:
    unsafe(lead)
    later = reworded(second)
    for author in (lead, second):
        with pytest.raises(OwnChangeError):
            drafts.approve(author, symptom=SYMPTOM, digest=later.digest, now=T0)
    approved = drafts.approve(third, symptom=SYMPTOM, digest=later.digest, now=T0)
    assert publish(lead, approved).approved_by_id == third.user_id


def shipped_with_other_safety(draft: FlowDraft) -> None:
    """An upgrade of the product changes what the safety screen says."""
    flows = {version.symptom: version.flow for version in FlowVersion.objects.published()}
    document = json.loads(json.dumps(flows[draft.symptom].to_dict()))
    document["steps"][0]["answers"][0]["advice"]["zh"] = "立刻拔掉电源，离开一米。"
    document["stop_threshold"] = 0.05
    flows[draft.symptom] = parse(document)
    publishing.publish(flows.values(), now=T0 + HOUR)


def test_an_author_does_not_take_an_upgrades_safety_back_alone(lead: Actor, second: Actor) -> None:
    draft = reworded(lead)
    shipped_with_other_safety(draft)
    with pytest.raises(NeedsApprovalError):
        publish(lead, draft, now=T0 + 2 * HOUR)
    with pytest.raises(OwnChangeError):
        drafts.approve(lead, symptom=SYMPTOM, digest=draft.digest, now=T0 + 2 * HOUR)
    approved = drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0 + 2 * HOUR)
    version = publish(lead, approved, now=T0 + 3 * HOUR)
    assert (version.published_by_id, version.approved_by_id) == (lead.user_id, second.user_id)


def test_whoever_began_a_draft_does_not_approve_it_once_the_published_flow_is_another(
    lead: Actor, second: Actor
) -> None:
    draft = drafts.start(lead, symptom=SYMPTOM, now=T0)
    shipped_with_other_safety(draft)
    with pytest.raises(OwnChangeError):
        drafts.approve(lead, symptom=SYMPTOM, digest=draft.digest, now=T0 + 2 * HOUR)
    assert drafts.approve(
        second, symptom=SYMPTOM, digest=draft.digest, now=T0 + 2 * HOUR
    ).is_approved


def test_whoever_only_began_a_draft_may_approve_what_others_wrote(
    lead: Actor, second: Actor
) -> None:
    drafts.start(second, symptom=SYMPTOM, now=T0)
    draft = unsafe(lead)
    approved = drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0)
    assert publish(lead, approved).approved_by_id == second.user_id


def test_an_approval_from_before_an_upgrade_is_not_one_of_taking_it_back(
    lead: Actor, second: Actor
) -> None:
    draft = unsafe(lead)
    approved = drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0)
    shipped_with_other_safety(draft)
    with pytest.raises(NeedsApprovalError):
        publish(lead, approved, now=T0 + 2 * HOUR)
    again = drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0 + 2 * HOUR)
    assert publish(lead, again, now=T0 + 2 * HOUR).approved_by_id == second.user_id


def test_undoing_does_not_make_anothers_words_ones_own(lead: Actor, second: Actor) -> None:
    unsafe(lead)
    drafts.undo(lead, symptom=SYMPTOM, to=1, now=T0)
    draft = drafts.undo(second, symptom=SYMPTOM, to=2, now=T0)
    for author in (lead, second):
        with pytest.raises(OwnChangeError):
            drafts.approve(author, symptom=SYMPTOM, digest=draft.digest, now=T0)
    with pytest.raises(NeedsApprovalError):
        publish(lead, draft)


def test_an_author_stays_one_when_the_save_is_no_longer_kept(
    lead: Actor, second: Actor, third: Actor
) -> None:
    draft = unsafe(lead)
    for number in range(drafts.KEPT_REVISIONS + 1):
        draft = reworded(second, f"屏幕亮吗？{number}")
    assert lead.user_id not in draft.revisions.values_list("edited_by_id", flat=True)
    with pytest.raises(OwnChangeError):
        drafts.approve(lead, symptom=SYMPTOM, digest=draft.digest, now=T0)
    assert drafts.approve(third, symptom=SYMPTOM, digest=draft.digest, now=T0).is_approved


def test_safety_put_back_needs_nobody(lead: Actor) -> None:
    unsafe(lead)
    drafts.undo(lead, symptom=SYMPTOM, to=1, now=T0)
    assert publish(lead, reworded(lead)).approved_by_id is None


def _threshold(draft: FlowDraft) -> dict[str, Any]:
    return {**draft.document, "stop_threshold": 0.5}


def _stop_cause(draft: FlowDraft) -> dict[str, Any]:
    faults = [{**f, "stop_use": False} for f in draft.document["faults"]]
    return {**draft.document, "faults": faults}


def _row_of_stop_cause(draft: FlowDraft) -> dict[str, Any]:
    held = {f["id"] for f in draft.document["faults"] if edits.is_held(f)}
    steps = []
    for step in draft.document["steps"]:
        given = {f: r for f, r in step.get("given", {}).items() if f not in held}
        plain = step["kind"] == "check" and not step.get("safety")
        steps.append({**step, "given": given} if plain else step)
    return {**draft.document, "steps": steps}


def _stop_words(draft: FlowDraft) -> dict[str, Any]:
    return {**draft.document, "stop_text": {"zh": "随便用。", "en": "Go on."}}


def _new_stop_cause(draft: FlowDraft) -> dict[str, Any]:
    faults = [
        {**f, "stop_use": True} if f["id"] == draft.document["faults"][0]["id"] else f
        for f in draft.document["faults"]
    ]
    return {**draft.document, "faults": faults}


def _others_likelier(draft: FlowDraft) -> dict[str, Any]:
    """On every terminal, so that nothing reaches the limit to stop use."""
    fact = {"if": {"connection": ["wifi", "cellular", "ethernet"]}, "times": 20.0}
    faults = [f if edits.is_held(f) else {**f, "when": [fact]} for f in draft.document["faults"]]
    return {**draft.document, "faults": faults}


def _row_of_all_others(draft: FlowDraft) -> dict[str, Any]:
    """Of one check that has no row for the causes that stop use; the others keep what it said."""
    held = {f["id"] for f in draft.document["faults"] if edits.is_held(f)}
    free = [f["id"] for f in draft.document["faults"] if f["id"] not in held]
    steps = json.loads(json.dumps(draft.document["steps"]))
    step = next(
        one
        for one in steps
        if one["kind"] == "check"
        and one.get("given")
        and not held & set(one["given"])
        and not any(answer.get("stop") for answer in one["answers"])
    )
    step["given"] = {name: step["given"].get(name, step["default"]) for name in free}
    step["default"] = [0.0001, *[0.9999 / (len(step["default"]) - 1)] * (len(step["default"]) - 1)]
    return {**draft.document, "steps": steps}


def _answers_change_places(draft: FlowDraft) -> dict[str, Any]:
    """What spoke for a cause that stops use speaks against it now, though no row changed."""
    held = {f["id"] for f in draft.document["faults"] if edits.is_held(f)}
    steps = json.loads(json.dumps(draft.document["steps"]))
    step = next(one for one in steps if held & set(one.get("given", {})) and not one.get("safety"))
    step["answers"][:2] = step["answers"][1::-1]
    return {**draft.document, "steps": steps}


@pytest.mark.parametrize(
    "change",
    [
        _threshold,
        _stop_cause,
        _row_of_stop_cause,
        _stop_words,
        _new_stop_cause,
        _others_likelier,
        _row_of_all_others,
        _answers_change_places,
    ],
)
def test_every_way_to_change_when_use_is_stopped_counts_as_safety(
    lead: Actor, change: Callable[[FlowDraft], dict[str, Any]]
) -> None:
    draft = drafts.start(lead, symptom="network_down", now=T0)
    text = json.dumps(change(draft))
    changed = drafts.bring_in(lead, text=text, now=T0)
    before = FlowVersion.objects.published().get(symptom="network_down").flow
    assert changed_safety(before, changed.flow)


# --- Going back ----------------------------------------------------------------------


def test_an_earlier_version_comes_back_as_a_new_one(lead: Actor) -> None:
    first = publish(lead, reworded(lead))
    publish(lead, reworded(lead, "屏幕有字吗？"))
    back = publishing.restore(lead, symptom=SYMPTOM, number=1, now=T0)
    assert (back.version, back.restored_from, back.digest) == (3, 1, first.digest)
    assert published(lead) == back
    with pytest.raises(NothingChangedError):
        publishing.restore(lead, symptom=SYMPTOM, number=1, now=T0)


def test_going_back_does_not_go_round_the_second_person(lead: Actor, second: Actor) -> None:
    publish(lead, reworded(lead))
    draft = unsafe(lead)
    publish(lead, drafts.approve(second, symptom=SYMPTOM, digest=draft.digest, now=T0))
    with pytest.raises(NeedsApprovalError):
        publishing.restore(lead, symptom=SYMPTOM, number=1, now=T0)
    with pytest.raises(NeedsApprovalError):
        publishing.follow_shipped(lead, symptom=SYMPTOM, now=T0)
    taken = drafts.take_version(lead, symptom=SYMPTOM, number=1, now=T0)
    with pytest.raises(NeedsApprovalError):
        publish(lead, taken)
    publish(lead, drafts.approve(second, symptom=SYMPTOM, digest=taken.digest, now=T0))


def test_the_shipped_flow_is_used_again_with_one_click(lead: Actor) -> None:
    own = publish(lead, reworded(lead))
    shipped = publishing.follow_shipped(lead, symptom=SYMPTOM, now=T0)
    assert published(lead) == shipped
    own.refresh_from_db()
    assert not own.is_current


# --- Files ---------------------------------------------------------------------------


def test_a_saved_file_comes_back_as_the_same_flow(lead: Actor) -> None:
    draft = reworded(lead)
    text = json.dumps(draft.flow.to_dict(), ensure_ascii=False)
    drafts.discard(lead, symptom=SYMPTOM, revision=draft.revision, now=T0)
    again = drafts.bring_in(lead, text=text, now=T0)
    assert again.digest == draft.digest
    assert again.based_on == published(lead)


def test_card_numbers_in_a_file_are_masked_before_they_are_stored(lead: Actor) -> None:
    shipped = published(lead).document
    number = "4111 1111 1111 1111"
    text = json.dumps({**shipped, "hint": {"zh": f"卡号 {number}", "en": number}})
    draft = drafts.bring_in(lead, text=text, now=T0)
    stored = FlowDraft.objects.get()
    assert "1111 1111" not in json.dumps(stored.document)
    assert stored.document["hint"]["zh"] == draft.document["hint"]["zh"]
    assert publishing.digest_of(stored.flow) == stored.digest
    version = publish(lead, stored)
    assert "1111 1111" not in json.dumps(FlowVersion.objects.get(pk=version.pk).document)


HOSTILE = [
    ("[" * 200_000, "depth"),
    ('{"id": ' + "[" * 20 + "]" * 20 + "}", "depth"),
    ("x", "json"),
    ("[]", "json"),
    ('{"id": "a", "id": "b"}', "duplicate"),
    ('{"share": NaN}', "number"),
    ('{"share": 1e999}', "number"),
    ('{"share": ' + "9" * 6000 + "}", "number"),
    ('{"title": "a\\u0000b"}', "characters"),
    ('{"title": "\\ud800"}', "characters"),
    ('{"title": "' + "x" * 1001 + '"}', "text"),
    ('{"title": "' + "x" * 300_000 + '"}', "size"),
    ('{"faults": [' + ",".join(["{}"] * 61) + "]}", "faults"),
    ('{"steps": [' + ",".join(["{}"] * 91) + "]}", "steps"),
    ('{"steps": [{"answers": [' + ",".join(["{}"] * 13) + "]}]}", "answers"),
    ('{"aka": [' + ",".join(["1"] * 21_000) + "]}", "values"),
]


@pytest.mark.parametrize(("text", "code"), HOSTILE, ids=[code for _text, code in HOSTILE])
def test_a_hostile_file_is_refused_before_it_is_read(lead: Actor, text: str, code: str) -> None:
    with pytest.raises(BadFileError) as refused:
        drafts.bring_in(lead, text=text, now=T0)
    assert refused.value.code == code
    assert not FlowDraft.objects.exists()


WRONG: list[tuple[str, Any, str]] = [
    ("steps", {}, "flow.steps"),
    ("steps", [1], "flow.steps[0]"),
    ("faults", [[]], "flow.faults[0]"),
    ("title", 7, "flow.title"),
    ("share", "a lot", "flow.share"),
    ("share", True, "flow.share"),
    ("call", None, "flow.call"),
    ("icon", {"a": 1}, "flow.icon"),
    ("surprise", 1, "flow"),
]


@pytest.mark.parametrize(("key", "value", "path"), WRONG)
def test_a_file_of_another_shape_names_the_path(
    lead: Actor, key: str, value: Any, path: str
) -> None:
    text = json.dumps({**published(lead).document, key: value})
    with pytest.raises(FlowError, match=rf"^{path.replace('[', chr(92) + '[')}"):
        drafts.bring_in(lead, text=text, now=T0)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "x" * 41, "a-b"])
def test_a_file_names_its_symptom_plainly(lead: Actor, name: str) -> None:
    text = json.dumps({**published(lead).document, "id": name})
    with pytest.raises(BadFileError):
        drafts.bring_in(lead, text=text, now=T0)


def test_reading_is_bounded_in_time() -> None:
    quotes = '"' + '\\"' * 120_000
    with pytest.raises(BadFileError):
        read(quotes)


def test_a_symptom_of_ones_own_is_offered_to_nobody_else(lead: Actor, second: Actor) -> None:
    text = json.dumps({**published(lead).document, "id": "own_trouble"})
    draft = drafts.bring_in(lead, text=text, now=T0)
    assert draft.based_on is None
    drafts.approve(second, symptom="own_trouble", digest=draft.digest, now=T0)
    version = publishing.publish_draft(
        lead, symptom="own_trouble", revision=draft.revision, against="", note="", now=T0
    )
    assert version in FlowVersion.objects.published_for(lead.provider_id)
    assert version not in FlowVersion.objects.published_for(None)
