"""What the choice gains: intervals, verdicts, and the page that shows them."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics import gain
from diagnostics.gain import Walk
from diagnostics.models import DiagnosisRun
from posdoctor.accounts.actor import system
from posdoctor.core import clock
from terminals.models import Terminal
from tests.builders import T0, make_run, make_store, make_terminal, make_ticket
from tests.conftest import Persona

HOUR = timedelta(hours=1)
NOW = T0 + timedelta(days=10)


@pytest.mark.parametrize(
    ("hits", "size", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 20, 0.0, 0.1611), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_as_published(hits, size, low, high):
    found = gain.share(hits, size)
    assert found.low == pytest.approx(low, abs=5e-4)
    assert found.high == pytest.approx(high, abs=5e-4)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042)]
)
def test_student_as_tabulated(degrees, quantile):
    assert gain.t_quantile(degrees) == pytest.approx(quantile, rel=0.01)
    assert gain.t_quantile(1e6) == pytest.approx(1.95996, abs=1e-3)


def test_newcombe_as_published():
    # Newcombe 1998, method 10, example (a): 56/70 against 48/80.
    found = gain.compare_shares((56, 70), (48, 80), less_is_better=False)
    assert found.difference.low == pytest.approx(0.0524, abs=5e-4)
    assert found.difference.high == pytest.approx(0.3339, abs=5e-4)
    assert found.verdict == "better"


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
    chance = random.Random(7)  # noqa: S311 - a repeatable experiment
    hits = 0
    for _ in range(400):
        found = gain.mean([chance.gauss(10, 3) for _ in range(12)])
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 10 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_stays_within_its_interval(hits, more):
    found = gain.share(hits, hits + more)
    if found.value is None:
        assert found.size == 0
    else:
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_a_verdict_needs_enough_checks_and_a_clear_difference():
    few = [5.0 + n % 3 for n in range(gain.LEAST_WALKS - 1)]
    many = [5.0 + n % 3 for n in range(300)]
    slow = [9.0 + n % 3 for n in range(40)]
    assert gain.compare_means(many, few, less_is_better=True).verdict == "few"
    assert gain.compare_means(many, [], less_is_better=True).verdict == "few"
    assert gain.compare_means(many, [5.0], less_is_better=True).verdict == "few"
    assert gain.compare_means(many, many[:40], less_is_better=True).verdict == "open"
    assert gain.compare_means(many, slow, less_is_better=True).verdict == "better"
    assert gain.compare_means(slow, many, less_is_better=True).verdict == "worse"
    assert gain.compare_shares((10, 40), (10, 40), less_is_better=True).verdict == "open"
    assert gain.compare_shares((0, 0), (10, 40), less_is_better=True).verdict == "few"


def walk_of(*, is_expected: bool = True, **fields: object) -> Walk:
    plain: dict[str, object] = {
        "symptom": "no_power", "minutes": 6.0, "is_solved": True, "came_back": False,
        "steps": (("safety", "none"), ("light", "unsure")),
    }  # fmt: skip
    return Walk(is_expected=is_expected, **{**plain, **fields})


def test_measures_keep_the_orders_apart():
    walks = [walk_of() for _ in range(40)]
    walks += [walk_of(is_expected=False, minutes=12.0, is_solved=False, came_back=None)] * 30
    walks += [walk_of(is_expected=False, minutes=None, is_solved=False, came_back=None)] * 10
    walks += [walk_of(minutes=500.0, came_back=True)]
    found = gain.gain_of(walks)
    assert found.minutes.authored.value == 12
    assert found.minutes.expected.value == pytest.approx((40 * 6 + gain.MOST_MINUTES) / 41)
    assert (found.solved.expected.value, found.solved.authored.value) == (1, 0)
    assert found.solved.verdict == "better"
    assert found.given_up.authored.value == 0.25
    assert found.reopened.expected.size == 41
    assert found.reopened.authored.size == 0
    assert found.reopened.verdict == "few"


def test_skips_are_counted_per_step_and_the_sure_ones_stand_first():
    walks = [walk_of(steps=(("a", "unsure"), ("b", "no")))] * 5 + [
        walk_of(steps=(("b", "unsure"),)), *[walk_of(steps=(("c", "unsure"), ("c2", "no")))] * 50
    ]  # fmt: skip
    found = gain.skip_rates(walks, "unsure", most=2)
    assert [(rate.step, rate.unsure.value, rate.unsure.size) for rate in found] == [
        ("c", 1.0, 50), ("a", 1.0, 5),
    ]  # fmt: skip


def test_calibration_counts_only_what_the_desk_named():
    top = (("fuse", 0.7), ("cable", 0.2), ("flap", 0.1))
    walks = [walk_of(top=top, cause="fuse")] * 70 + [walk_of(top=top, cause="cable")] * 30
    walks += [walk_of(top=top), walk_of(cause="fuse"), walk_of(top=(("x", 1.0),), cause="fuse")]
    found = gain.calibration_of(walks)
    band = next(band for band in found.bands if band.low == 0.6)
    assert band.foretold == pytest.approx(0.7)
    assert band.right.value == pytest.approx(0.7)
    assert band.holds is True
    assert [b.right.size for b in found.bands] == [0, 0, 100, 1]
    assert [b.holds for b in found.bands] == [None, None, True, None]
    assert found.first.value == pytest.approx(70 / 101)
    assert found.three.value == pytest.approx(100 / 101)


# --- Rows ----------------------------------------------------------------------------


def run_of(terminal: Terminal, **fields: object) -> DiagnosisRun:
    ended = {"state": "solved", "finished_at": T0 + timedelta(minutes=6)}
    run = make_run(terminal, "no_power", **{**ended, **fields})
    run.steps.create(position=1, step_id="safety", answer_id="none", answered_at=T0)
    return run


def measured(terminal: Terminal, **more: object) -> list[Walk]:
    runs = DiagnosisRun.objects.visible_to(system(provider_id=terminal.provider_id))
    return runs.measured(**{"since": T0 - HOUR, "now": NOW, "most": 100, **more})


def test_a_row_becomes_a_walk(terminal):
    run_of(terminal, order="authored", outcome={"causes": [["fuse", 0.7]]})
    (walk,) = measured(terminal)
    assert walk == Walk(
        "no_power", is_expected=False, minutes=6.0, is_solved=True, came_back=False,
        steps=(("safety", "none"),), top=(("fuse", 0.7),),
    )  # fmt: skip


def test_a_walk_came_back_by_another_one_or_by_a_report(terminal):
    other = make_terminal(terminal.store)
    run_of(terminal)
    run_of(terminal, started_at=T0 + 71 * HOUR, finished_at=T0 + 72 * HOUR)
    run_of(other)
    make_ticket(other, opened_at=T0 + 2 * HOUR)
    run_of(make_terminal(terminal.store), started_at=NOW - 2 * HOUR, finished_at=NOW - HOUR)
    assert [walk.came_back for walk in measured(terminal)] == [None, True, False, True]


def test_walks_that_rest_for_a_day_were_given_up_and_untouched_ones_do_not_count(terminal):
    run_of(terminal, state="running", finished_at=None)
    run_of(make_terminal(terminal.store), state="running", finished_at=None,
           started_at=NOW - HOUR)  # fmt: skip
    make_run(make_terminal(terminal.store), "no_power")
    make_run(make_terminal(terminal.store))
    (walk,) = measured(terminal)
    assert walk.minutes is None
    assert measured(terminal, since=T0 + HOUR) == []
    run_of(make_terminal(terminal.store))
    assert len(measured(terminal, most=1)) == 1


def test_the_page_says_when_there_is_nothing_and_when_there_is_too_little(
    terminal, supervisor: Persona, other_provider
):
    url = "/settings/learning/gain"
    run_of(make_terminal(make_store(other_provider)), started_at=NOW - HOUR)
    empty = supervisor.client.get(url).content.decode()
    assert 'class="empty"' in empty
    now = clock.now()
    for n in range(3):
        run_of(
            make_terminal(terminal.store), order=["expected", "authored"][n % 2],
            started_at=now - 2 * HOUR, finished_at=now - HOUR,
        )  # fmt: skip
    page = supervisor.client.get(url).content.decode()
    assert page.count('<span class="tag y">') >= 5
