"""After kill -9, FLUSHALL, no Redis and a broken-off PostgreSQL: nothing lost, nothing twice.

Expectations come from how the tickets were made and from the clock, not from the product.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pytest

from tests.chaos.estate import LEVELS
from tests.chaos.installation import Row
from tests.chaos.story import CHILD, STEADY, Story

pytestmark = pytest.mark.chaos

PERCENTS = list(LEVELS)
# The ticker's period and its longest back-off are five seconds each; the rest is a busy machine.
LATE = timedelta(seconds=15)
Span = tuple[datetime, datetime]


def alerts(story: Story) -> list[Row]:
    """All alerts, each with the moment at which its deliveries could be seen (None: not told)."""
    return story.installation.rows(
        """
        SELECT a.id, a.clock_id, a.epoch, a.step, a.percent, a.due_at, a.state, a.raised_at,
               (SELECT min(pg_xact_commit_timestamp(d.xmin)) FROM notifications_delivery d
                WHERE d.source = 'alert:' || a.id AND d.channel = 'in_app') AS told_at
        FROM tickets_alert a ORDER BY a.clock_id, a.epoch, a.step"""
    )


def deliveries(story: Story) -> list[Row]:
    return story.installation.rows(
        """
        SELECT d.id, d.key::text, d.source, d.channel, d.recipient_id, d.state, d.attempts,
               d.last_error, d.sent_at, u.email, a.clock_id
        FROM notifications_delivery d
        JOIN accounts_user u ON u.id = d.recipient_id
        LEFT JOIN tickets_alert a ON d.source = 'alert:' || a.id"""
    )


def reached(story: Story) -> dict[int, list[datetime]]:
    """By clock: the moments of the levels that were reached before its promise was met."""
    return {
        clock: [at for at in moments if clock not in batch.met or at < batch.met[clock]]
        for batch in story.batches
        for clock, moments in batch.reached.items()
    }


def met(story: Story) -> set[int]:
    return {clock for batch in story.batches for clock in batch.met}


def by_clock(rows: Iterable[Row]) -> dict[int, list[Row]]:
    sorted_out: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        sorted_out[row["clock_id"]].append(row)
    return sorted_out


def overlap(span: Span, others: Sequence[Span]) -> timedelta:
    """How much of a span lies in others."""
    shared = [min(span[1], end) - max(span[0], start) for start, end in others]
    return sum((part for part in shared if part > timedelta()), timedelta())


def test_the_chaos_was_real(story: Story):
    rounds = story.profile.rounds
    assert story.kills[STEADY] == rounds, "only at the end of each"
    for name in ("ticker-1", "ticker-2", "worker"):
        assert story.kills[name] > rounds, story.kills
    assert story.kills[CHILD] >= 1, story.kills
    assert story.kills["beat-1"] + story.kills["beat-2"] > 2 * rounds, story.kills
    assert story.kills_while_writing >= 1
    assert story.flushes >= 2
    for start, end in story.without_redis:
        assert end - start >= timedelta(seconds=story.profile.without_redis)
    # Restarted, and not by a clean stop.
    assert "database system was not properly shut down" in story.installation.tail("postgres")


def test_only_those_who_were_killed_ended(story: Story):
    assert story.installation.died() == []


def test_each_level_that_was_reached_is_one_alert(story: Story):
    found = [(row["clock_id"], row["epoch"], row["step"]) for row in alerts(story)]
    wanted = [
        (clock, 1, step)
        for clock, moments in sorted(reached(story).items())
        for step, _at in enumerate(moments, start=1)
    ]
    assert found == wanted


def test_of_the_levels_found_at_once_only_the_last_is_told(story: Story):
    moments = reached(story)
    for clock, rows in by_clock(alerts(story)).items():
        for row in rows:
            step, raised = row["step"], row["raised_at"]
            last = sum(1 for at in moments[clock] if at < raised)
            if step < last:
                assert row["state"] == "suppressed", row
            elif clock in met(story):
                assert row["state"] in {"expanded", "cancelled"}, row
            else:
                assert row["state"] == "expanded", row
            assert step <= last, f"raised before its time: {row}"
            assert row["percent"] == PERCENTS[step - 1]


def test_every_promise_that_was_not_met_is_a_breach_at_its_due_time(story: Story):
    rows = story.installation.rows(
        "SELECT id, state, due_at, breached_at, met_at, next_fire_at FROM tickets_clock"
    )
    due = {clock: at[-1] for batch in story.batches for clock, at in batch.reached.items()}
    answered = {clock: at for batch in story.batches for clock, at in batch.met.items()}
    assert len(rows) == len(due)
    for row in rows:
        at = answered.get(row["id"])
        assert row["due_at"] == due[row["id"]]
        assert (row["met_at"], row["next_fire_at"]) == (at, None)
        assert row["breached_at"] == (due[row["id"]] if at is None or at > due[row["id"]] else None)


def test_the_audit_of_the_clocks_finds_nothing(story: Story):
    done = story.installation.manage("audit_clocks")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_each_person_is_told_once_by_each_channel(story: Story):
    wanted: Counter[tuple[str, int, str]] = Counter()
    told = [row for row in alerts(story) if row["state"] == "expanded"]
    for batch in story.batches:
        for row in told:
            if row["clock_id"] not in batch.owners:
                continue
            people = set(batch.owners[row["clock_id"]])
            if row["percent"] == 100:
                people |= set(batch.leads)
            for person in people:
                wanted[f"alert:{row['id']}", person, "in_app"] += 1
                if batch.addresses[person]:
                    wanted[f"alert:{row['id']}", person, "email"] += 1
    found = Counter((d["source"], d["recipient_id"], d["channel"]) for d in deliveries(story))
    assert found == wanted


def test_every_mail_is_sent_or_taken_back_for_a_reason(story: Story):
    for row in deliveries(story):
        if row["state"] == "sent":
            assert row["sent_at"] is not None, row
        else:
            assert (row["channel"], row["state"]) == ("email", "cancelled"), row
            assert row["last_error"] == "no longer wanted", row
            assert row["clock_id"] in met(story), row


def test_the_receiver_has_every_mail_and_knows_copies_by_their_id(story: Story):
    ids = {message_id(row): row for row in deliveries(story) if row["channel"] == "email"}
    mails = story.installation.mails()
    arrived = {mail["id"] for mail in mails}
    sent = {known for known, row in ids.items() if row["state"] == "sent"}
    assert sent <= arrived, "lost"
    # A mail may have been taken back after a sender died that had handed it over.
    tried = {known for known, row in ids.items() if row["attempts"] > 0}
    assert arrived <= sent | tried, "sent, but not marked as sent"
    for mail in mails:
        assert mail["to"] == [ids[mail["id"]]["email"]], mail
    # Copies: whoever hangs up without an answer gets one; so does who lost a sender meanwhile.
    copies = Counter(mail["id"] for mail in mails)
    for known, count in copies.items():
        assert count <= ids[known]["attempts"], (count, ids[known])
    hung_up = {mail["id"] for mail in mails if mail["hung_up"]}
    assert hung_up, "the receiver was not rude to anybody"
    assert all(copies[known] >= 2 for known in hung_up & sent)


def test_no_alert_waits_for_what_is_broken(story: Story):
    late = lateness(story)
    worst = max(late, key=lambda row: row["late"])
    assert worst["late"] <= LATE * story.slowness, worst


def test_alerts_are_told_in_time_while_there_is_no_redis(story: Story):
    for start, end in story.without_redis:
        told = [row for row in lateness(story) if start < row["told_at"] < end]
        assert len(told) >= 10
        assert max(row["late"] for row in told) <= LATE * story.slowness


def lateness(story: Story) -> list[Row]:
    """Told alerts with the time from their level until people could see them; the time without
    PostgreSQL is not counted."""
    moments = reached(story)
    return [
        row | {"late": row["told_at"] - at - overlap((at, row["told_at"]), story.without_postgres)}
        for row in alerts(story)
        if row["told_at"] is not None
        for at in [moments[row["clock_id"]][row["step"] - 1]]
    ]


def message_id(row: Row) -> str:
    return f"<{row['key']}@127.0.0.1>"
