"""The night's round: gate, approval, going back; run twice, late, or killed."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from diagnostics import actions as checks
from diagnostics import gate
from diagnostics.actions import snapshots, trees
from diagnostics.actions.publishing import NotAsSeenError, NothingChangedError
from diagnostics.engine import compile_flow
from diagnostics.models import DiagnosisRun, FlowVersion, ParamSnapshot
from posdoctor.accounts.models import AccountEvent
from posdoctor.core.errors import IllegalMoveError, NotAllowedError
from terminals.models import Terminal
from tests.builders import T0, actor_of, make_run, make_store, make_terminal, make_ticket
from tests.conftest import Persona
from tickets.actions.learning import learn

# A small flow: its trees take no time.
SYMPTOM = "tamper_locked"
DAY = timedelta(days=1)
NOW = T0 + 5 * DAY


@pytest.fixture
def version(db: None) -> FlowVersion:
    return FlowVersion.objects.published().get(symptom=SYMPTOM)


def closed(terminal: Terminal, cause: str, count: int, *, at: datetime = T0) -> None:
    """So many resolved tickets with this cause."""
    for _ in range(count):
        run = make_run(terminal, SYMPTOM, state="call", started_at=at, finished_at=at,
                       attributes=checks.attributes_of(terminal))  # fmt: skip
        make_ticket(terminal, run=run, status="closed", cause=cause, resolved_at=at, opened_at=at)


def causes_of(version: FlowVersion) -> list[str]:
    """The causes that learning may move."""
    free = [fault for fault in version.flow.faults if not (fault.stop_use or fault.locked)]
    return [fault.id for fault in free if fault.id != "other"]


def numbers() -> list[ParamSnapshot]:
    return list(ParamSnapshot.objects.order_by("number"))


def prior(snapshot: ParamSnapshot, cause: str) -> float:
    return float(snapshot.rates["causes"][cause])


def test_a_night_learns_what_was_closed_and_publishes(terminal, version):
    cause = causes_of(version)[0]
    closed(terminal, cause, 6)
    assert learn(NOW) == 1
    (made,) = numbers()
    assert made.is_current
    assert made.state == "published"
    assert made.provider == terminal.provider
    before = next(f.weight for f in version.flow.faults if f.id == cause)
    assert prior(made, cause) > before
    assert sum(made.rates["causes"].values()) == pytest.approx(1, abs=1e-4)
    assert made.rates["by_model"].keys() == {terminal.model.slug}
    assert made.report["known"] == made.report["fresh"] == 6
    assert made.report["loss"]["cases"] == 6
    assert made.report["loss"]["after"] < made.report["loss"]["before"]
    assert made.report["minutes"]["model"] == terminal.model.slug
    assert cause in [move[0] for move in made.report["moves"]["causes"]]


def test_too_few_cases_make_no_numbers(terminal, version):
    closed(terminal, causes_of(version)[0], snapshots.LEAST_CASES - 1)
    assert learn(NOW) == 0
    closed(terminal, causes_of(version)[0], 1)
    assert learn(T0 + 2 * DAY) == 0, "not yet 72 hours old"
    assert learn(NOW) == 1


def test_a_second_and_a_late_round_change_nothing(terminal, version):
    closed(terminal, causes_of(version)[0], 6)
    assert [learn(NOW), learn(NOW), learn(NOW + timedelta(hours=3))] == [1, 0, 0]
    # Held back by the limits it goes on, a night later; without a new case it ends there.
    rounds = [learn(NOW + n * DAY) for n in range(1, 12)]
    assert sum(rounds) < 11
    assert rounds[-1] == 0


def test_a_killed_round_leaves_nothing_and_the_next_does_it(terminal, version, monkeypatch):
    closed(terminal, causes_of(version)[0], 6)

    def die(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "_store", die)
        with pytest.raises(KeyboardInterrupt):
            learn(NOW)
    assert numbers() == []
    assert learn(NOW) == 1


def test_of_two_rounds_at_once_one_stores(terminal, version, monkeypatch):
    closed(terminal, causes_of(version)[0], 6)
    store = snapshots._store

    def overtaken(*args: object) -> object:
        monkeypatch.setattr(snapshots, "_store", store)
        assert learn(NOW) == 1
        return store(*args)

    monkeypatch.setattr(snapshots, "_store", overtaken)
    assert learn(NOW) == 0
    assert [row.number for row in numbers()] == [1]


def test_one_night_moves_a_cause_at_most_twofold_and_says_so(terminal, version):
    cause = min(version.flow.faults, key=lambda fault: fault.weight)
    closed(terminal, cause.id, 40)
    learn(NOW)
    (first,) = numbers()
    assert prior(first, cause.id) == pytest.approx(2 * cause.weight, rel=1e-3)
    assert cause.id in first.report["limited"]["causes"]
    learn(NOW + DAY)
    second = numbers()[-1]
    assert second.number == 2
    assert second.report["base"] == 1
    assert prior(second, cause.id) == pytest.approx(4 * cause.weight, rel=1e-3)


def test_locked_causes_stay(terminal, version, monkeypatch):
    document = version.document
    cause = causes_of(version)[1]
    for fault in document["faults"]:
        if fault["id"] == cause:
            fault["locked"] = True
    FlowVersion.objects.filter(pk=version.pk).update(is_current=False)
    FlowVersion.objects.create(
        symptom=SYMPTOM, version=98, share=version.share, document=document, digest="f" * 64,
        is_current=True, published_at=T0,
    )  # fmt: skip
    closed(terminal, cause, 10)
    learn(NOW)
    (made,) = numbers()
    weight = next(f.weight for f in version.flow.faults if f.id == cause)
    assert prior(made, cause) == pytest.approx(weight, abs=1e-5)


def test_no_night_makes_a_cause_that_stops_use_less_likely(terminal, version):
    """Cases of another cause would: whether use stops is for people to decide."""
    closed(terminal, causes_of(version)[0], 40)
    learn(NOW)
    (made,) = numbers()
    assert made.state == "published"
    stopping = [fault for fault in version.flow.faults if fault.stop_use]
    assert stopping
    for fault in stopping:
        assert not fault.locked
        for causes in (made.rates["causes"], *made.rates["by_model"].values()):
            assert causes[fault.id] == pytest.approx(fault.weight, abs=1e-5)


def test_numbers_that_foretell_worse_are_held(terminal, version, monkeypatch):
    closed(terminal, causes_of(version)[0], 6)
    losses = iter([(1.0, 6), (1.2, 6)])
    monkeypatch.setattr(gate, "log_loss", lambda *_args: next(losses))
    assert learn(NOW) == 1
    (made,) = numbers()
    assert (made.state, made.is_current, made.report["reasons"]) == ("held", False, ["loss"])
    assert ParamSnapshot.objects.in_use(terminal.provider_id, version) is None


def test_a_moved_locked_cause_is_held(terminal, version, monkeypatch):
    closed(terminal, causes_of(version)[0], 6)
    monkeypatch.setattr(gate, "unlocked", lambda *_args: ["x"])
    learn(NOW)
    assert [(row.state, row.report["reasons"]) for row in numbers()] == [("held", ["locked"])]


def test_each_provider_learns_from_its_own_cases_alone(terminal, other_provider, version):
    closed(terminal, causes_of(version)[0], 3)
    closed(make_terminal(make_store(other_provider)), causes_of(version)[0], 3)
    assert learn(NOW) == 0
    closed(terminal, causes_of(version)[0], 3)
    assert learn(NOW) == 1
    assert numbers()[0].provider == terminal.provider


def test_a_flow_that_cannot_be_learned_keeps_no_other_waiting(terminal, version, monkeypatch):
    closed(terminal, causes_of(version)[0], 6)
    learn_one = snapshots.learn

    def fail_first(
        provider_id: int, flow_version: FlowVersion, *args: object, **more: object
    ) -> object:
        if flow_version.symptom != SYMPTOM:
            raise RuntimeError
        return learn_one(provider_id, flow_version, *args, **more)

    monkeypatch.setattr(snapshots, "learn", fail_first)
    assert learn(NOW) == 1


def test_nothing_is_compiled_inside_a_transaction(terminal, version, monkeypatch, request):
    closed(terminal, causes_of(version)[0], 6)
    depth = len(connection.savepoint_ids)
    inside = []
    want_again = trees.want_again

    def compiled(*args: object, **more: object) -> object:
        inside.append(len(connection.savepoint_ids))
        return compile_flow(*args, **more)

    def wanted(*args: object, **more: object) -> object:
        inside.append(len(connection.savepoint_ids))
        return want_again(*args, **more)

    monkeypatch.setattr("diagnostics.actions.snapshots.compile_flow", compiled)
    monkeypatch.setattr(trees, "want_again", wanted)
    learn(NOW)
    assert inside == [depth] * 3


# --- People --------------------------------------------------------------------------


@pytest.fixture
def held(terminal: Terminal, version: FlowVersion, monkeypatch) -> ParamSnapshot:
    closed(terminal, causes_of(version)[0], 6)
    with monkeypatch.context() as patch:
        patch.setattr(gate, "is_worse", lambda *_args: True)
        learn(NOW)
    return ParamSnapshot.objects.get()


def test_a_lead_approves_held_numbers(held, supervisor, version):
    snapshots.approve(
        actor_of(supervisor.seat), symptom=SYMPTOM, number=1, digest=version.digest, now=NOW
    )
    held.refresh_from_db()
    assert (held.state, held.is_current) == ("published", True)
    assert held.decided_by_id == supervisor.user.pk
    assert AccountEvent.objects.filter(kind="numbers_approved").count() == 1
    with pytest.raises(IllegalMoveError):
        snapshots.approve(
            actor_of(supervisor.seat), symptom=SYMPTOM, number=1, digest=version.digest, now=NOW
        )


def test_rejected_numbers_are_not_made_again_without_new_cases(held, supervisor, version, terminal):
    snapshots.reject(
        actor_of(supervisor.seat), symptom=SYMPTOM, number=1, digest=version.digest, now=NOW
    )
    assert ParamSnapshot.objects.get().state == "rejected"
    assert learn(NOW + DAY) == 0
    with pytest.raises(ParamSnapshot.DoesNotExist):
        snapshots.go_back(
            actor_of(supervisor.seat), symptom=SYMPTOM, number=1, digest=version.digest, now=NOW
        )
    closed(terminal, causes_of(version)[0], 6, at=NOW)
    assert learn(NOW + 5 * DAY) == 1


def test_newer_numbers_replace_held_ones(held, terminal, version):
    closed(terminal, causes_of(version)[0], 6, at=NOW)
    learn(NOW + 5 * DAY)
    first, second = numbers()
    assert (first.state, first.report["superseded"], first.decided_by_id) == ("rejected", 2, None)
    assert second.is_current


@pytest.mark.parametrize("deed", ["approve", "reject", "go_back"])
def test_only_leads_of_the_provider_decide(deed, held, desk, outsider, version):
    act = getattr(snapshots, deed)
    given = {"symptom": SYMPTOM, "number": 1, "digest": version.digest, "now": NOW}
    with pytest.raises(NotAllowedError):
        act(actor_of(desk.seat), **given)
    foreign = actor_of(outsider.seat)
    lead = type(foreign)(role="supervisor", provider_id=foreign.provider_id, user_id=1)
    with pytest.raises(ParamSnapshot.DoesNotExist):
        act(lead, **given)
    held.refresh_from_db()
    assert held.state == "held"


def test_a_page_of_another_flow_version_decides_nothing(held, supervisor):
    for deed in (snapshots.approve, snapshots.reject, snapshots.go_back):
        with pytest.raises(NotAsSeenError):
            deed(actor_of(supervisor.seat), symptom=SYMPTOM, number=1, digest="0" * 64, now=NOW)


def start(terminal: Terminal, person: Persona) -> DiagnosisRun:
    return checks.start(
        actor_of(person.seat), terminal=terminal, symptom=SYMPTOM, language="zh-hans", now=NOW
    )


def test_going_back_holds_for_new_runs_only(terminal, version, supervisor):
    closed(terminal, causes_of(version)[0], 40)
    learn(NOW)
    learn(NOW + DAY)
    first, second = numbers()
    actor = actor_of(supervisor.seat)

    def back(number: int) -> None:
        snapshots.go_back(actor, symptom=SYMPTOM, number=number, digest=version.digest, now=NOW)

    walk = start(terminal, supervisor)
    assert walk.snapshot == second
    back(1)
    assert start(make_terminal(terminal.store), supervisor).snapshot == first
    with pytest.raises(NothingChangedError):
        back(1)
    back(0)
    assert start(make_terminal(terminal.store), supervisor).snapshot is None
    walk.refresh_from_db()
    assert walk.snapshot == second
    assert numbers() == [first, second]
    kinds = AccountEvent.objects.filter(kind="numbers_restored").order_by("pk")
    assert [event.data["number"] for event in kinds] == [1, 0]


def test_after_going_back_the_nights_wait_for_approval(terminal, version, supervisor):
    closed(terminal, causes_of(version)[0], 6)
    learn(NOW)
    actor = actor_of(supervisor.seat)
    snapshots.go_back(actor, symptom=SYMPTOM, number=0, digest=version.digest, now=NOW)
    closed(terminal, causes_of(version)[0], 6, at=NOW)
    learn(NOW + 5 * DAY)
    waiting = numbers()[-1]
    assert (waiting.state, waiting.report["reasons"]) == ("held", ["went_back"])
    snapshots.approve(actor, symptom=SYMPTOM, number=2, digest=version.digest, now=NOW + 5 * DAY)
    closed(terminal, causes_of(version)[0], 6, at=NOW + 5 * DAY)
    learn(NOW + 10 * DAY)
    assert numbers()[-1].is_current


# --- Pages ---------------------------------------------------------------------------


def test_the_pages_show_what_waits_and_decide(held, supervisor: Persona, version):
    client = supervisor.client
    page = client.get("/settings/learning/").content.decode()
    assert f'href="/settings/learning/{SYMPTOM}/"' in page
    assert 'class="tag y"' in page
    page = client.get(f"/settings/learning/{SYMPTOM}/").content.decode()
    assert f"/settings/learning/{SYMPTOM}/approve" in page
    moved = held.report["moves"]["causes"][0][0]
    assert version.flow.fault(moved).text.zh in page
    given = {"number": "1", "digest": version.digest}
    client.post(f"/settings/learning/{SYMPTOM}/approve", given)
    held.refresh_from_db()
    assert held.is_current
    page = client.get(f"/settings/learning/{SYMPTOM}/").content.decode()
    assert f"/settings/learning/{SYMPTOM}/use" in page
    client.post(f"/settings/learning/{SYMPTOM}/use", given | {"number": "0"})
    held.refresh_from_db()
    assert not held.is_current
    page = client.get(f"/settings/learning/{SYMPTOM}/").content.decode()
    assert page.count('name="number" value="1"') == 1
    assert 'name="number" value="0"' not in page


@pytest.mark.parametrize("number", ["", "x", "-1", "99", "1" * 30, "٣"])
def test_an_odd_number_is_answered_calmly(number, held, supervisor: Persona, version):
    given = {"number": number, "digest": version.digest}
    for deed in ("approve", "reject", "use"):
        answer = supervisor.client.post(f"/settings/learning/{SYMPTOM}/{deed}", given, follow=True)
        assert answer.status_code == 200
    held.refresh_from_db()
    assert held.state == "held"
    assert supervisor.client.get("/settings/learning/nonsense/").status_code == 404


def test_another_provider_sees_none_of_it(held, outsider: Persona, administrator: Persona):
    outsider.seat.role = "supervisor"
    outsider.seat.save()
    page = outsider.client.get(f"/settings/learning/{SYMPTOM}/").content.decode()
    assert "/approve" not in page
    assert "/approve" in administrator.client.get(
        f"/settings/learning/{SYMPTOM}/"
    ).content.decode()  # fmt: skip


def test_the_api_lists_what_was_learned(held, supervisor: Persona, desk: Persona):
    url = f"/api/v1/symptoms/{SYMPTOM}/numbers/"
    (row,) = supervisor.client.get(url).json()["results"]
    assert (row["number"], row["state"], row["in_use"]) == (1, "held", False)
    assert row["reasons"] == ["loss"]
    assert desk.client.get(url).status_code == 404
    assert supervisor.client.get("/api/v1/symptoms/nonsense/numbers/").status_code == 404
