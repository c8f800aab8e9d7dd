"""Counting and geometry, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from posdoctor.reports import charts
from posdoctor.reports.board import (
    COLUMN_BLOCKS,
    HOUR,
    QUARTER,
    Kept,
    OpenTicket,
    Tally,
    Urgency,
    columns,
    tallies,
)

NOW = datetime(2026, 11, 20, 2, 42, 18, tzinfo=UTC)  # 10:42:18 in Shanghai
TICK = timedelta(microseconds=1)


def due(after: timedelta, pk: int = 1, **fields: object) -> OpenTicket:
    return OpenTicket(pk, due_at=NOW + after, **fields)


@pytest.mark.parametrize(
    ("after", "urgency"),
    [
        (timedelta(), Urgency.HOUR),
        (HOUR, Urgency.HOUR),
        (HOUR + TICK, Urgency.FOUR_HOURS),
        (4 * HOUR, Urgency.FOUR_HOURS),
        (4 * HOUR + TICK, Urgency.LATER),
    ],
)
def test_borders_belong_to_the_nearer_span(after: timedelta, urgency: Urgency):
    assert due(after).urgency(NOW) == urgency


def test_a_ticket_without_a_running_clock_is_later():
    assert OpenTicket(1).urgency(NOW) == Urgency.LATER


def test_a_broken_promise_outranks_one_that_is_due():
    both = due(timedelta(minutes=5), broken_at=NOW - HOUR)
    assert both.urgency(NOW) == Urgency.BREACHED
    total = tallies([both], NOW).total
    assert (total.breached, total.hour, total.rest) == (1, 1, 0)  # it is in both lists


def test_tallies_add_up_by_owner_and_by_team():
    found = tallies(
        [
            OpenTicket(1, owner_id=7, team_id=1, broken_at=NOW - TICK),
            due(timedelta(minutes=59), 2, owner_id=7),
            due(2 * HOUR, 3, owner_id=7, is_waiting=True),
            due(timedelta(minutes=1), 4, team_id=1),
            due(5 * HOUR, 5),
        ],
        NOW,
    )
    assert found.by_owner[7] == Tally(
        open=3, breached=1, hour=1, four_hours=2, waiting=1, rest=0, unowned_hour=0
    )
    assert found.by_owner[None] == Tally(
        open=2, breached=0, hour=1, four_hours=1, waiting=0, rest=1, unowned_hour=1
    )
    assert found.by_team[1].open == 2
    assert found.total == found.by_owner[7] + found.by_owner[None]
    assert found.total == found.by_team[1] + found.by_team[None]


def test_columns_reach_from_the_running_quarter_to_four_hours_ahead():
    found = columns([due(timedelta(), 1), due(4 * HOUR, 2), due(4 * HOUR + TICK, 3)], NOW)
    assert found[0].start is None
    assert found[1].start == datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
    assert found[-1].start == datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    starts = [column.start for column in found if column.start]
    assert {after - before for before, after in pairwise(starts)} == {QUARTER}
    assert len(starts) == len(found) - 1
    assert [[t.pk for t in column.shown] for column in (found[1], found[-1])] == [[1], [2]]
    assert sum(column.count for column in found) == 2


def test_on_the_quarter_itself_the_last_moment_has_its_column():
    sharp = NOW.replace(minute=45, second=0)
    found = columns([OpenTicket(1, due_at=sharp + 4 * HOUR)], sharp)
    assert (found[-1].start, found[-1].count) == (sharp + 4 * HOUR, 1)


def test_broken_ones_stand_in_the_first_column_the_oldest_at_the_bottom():
    found = columns(
        [
            OpenTicket(1, owner_id=7, broken_at=NOW - HOUR),
            OpenTicket(2, owner_id=7, broken_at=NOW - 2 * HOUR),
            OpenTicket(3, broken_at=NOW - 3 * HOUR),
        ],
        NOW,
    )
    assert [t.pk for t in found[0].shown] == [2, 1, 3]  # nobody's on top
    assert (found[0].count, found[0].unowned) == (3, 1)


def test_a_full_column_collapses_and_keeps_those_that_nobody_owns():
    tickets = [due(timedelta(minutes=3, seconds=n), n, owner_id=7) for n in range(1, 12)]
    tickets.append(due(timedelta(minutes=12), 12))
    found = columns(tickets, NOW)
    crowded = max(found, key=lambda column: column.count)
    assert crowded.count == 12
    assert len(crowded.shown) == COLUMN_BLOCKS - 1
    assert crowded.hidden == 5
    assert crowded.shown[-1].pk == 12


def test_a_column_that_just_fits_shows_every_block():
    tickets = [due(timedelta(minutes=1), n) for n in range(COLUMN_BLOCKS)]
    crowded = max(columns(tickets, NOW), key=lambda column: column.count)
    assert (len(crowded.shown), crowded.hidden) == (COLUMN_BLOCKS, 0)


def test_a_share_of_nothing_is_no_number():
    assert Kept().percent is None
    assert Kept().average_seconds is None
    both = Kept(3, 4, 2, 120.0) + Kept(1, 1, 1, 60.0)
    assert (both.percent, both.missed, both.average_seconds) == (80.0, 1, 60.0)


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (4, 1), (5, 2), (8, 2), (9, 5), (21, 10), (66, 20), (401, 200)]
)
def test_the_axis_is_round_and_high_enough(most: int, step: int):
    assert charts.axis_step(most) == step


def test_bars_are_as_high_as_their_numbers():
    frame = charts.Frame()
    chart = charts.pair_chart([(0, 8), (4, 2)], frame)
    assert [line.value for line in chart.lines] == [0, 2, 4, 6, 8]
    full = frame.floor - frame.top
    heights = [float(bar.height) for p in chart.pairs for bar in (p.first, p.second)]
    assert heights == pytest.approx([0, full, full / 2, full / 4], abs=0.06)
    for pair in chart.pairs:
        for bar in (pair.first, pair.second):
            assert float(bar.y) + float(bar.height) == pytest.approx(frame.floor, abs=0.11)
            assert frame.left <= float(bar.x) <= frame.width - float(chart.bar_width)


def test_a_line_needs_two_points_and_skips_empty_days():
    assert charts.spark([None, 90.0, None]) is None
    line = charts.spark([90.0, None, 100.0])
    assert line
    assert line.path == "M2.0 24.0 94.0 4.0"
    level = charts.spark([95.0, 95.0])
    assert level
    assert level.path.count(" ") == 3


def test_parts_of_a_bar_lie_behind_each_other_and_fill_their_share():
    found = charts.parts([("o", 1), ("w", 0), ("n", 4)], 10)
    assert [(part.name, part.x, part.width) for part in found] == [
        ("o", "0.00", "10.00"),
        ("n", "10.00", "40.00"),
    ]
    assert charts.parts([("o", 0)], 0) == []
