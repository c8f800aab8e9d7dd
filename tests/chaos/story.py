"""What happens to the installation: kills by seeded chance while clocks fire, Redis emptied and
taken away, PostgreSQL broken off, at last everything killed at once and started again."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from signal import Signals

from tests.chaos.installation import PROCESSES, Installation
from tests.chaos.keeper import TICKERS

# Never killed while clocks fire: lateness is what it allows.
STEADY = "ticker-3"
CHILD = "a child of worker"
VICTIMS = ("ticker-1", "worker", CHILD, "beat-1", "ticker-2", "beat-2")
# A process that still boots holds nothing that a kill could break.
BOOT_SECONDS = 4.0
# A sweep writes for some milliseconds every five seconds: so long a kill waits for that moment.
AIM_SECONDS = 6.0
# What these take on two slow cores that have nothing else to do: all migrations, a command while
# clocks fire, all processes coming up at once.
USUAL_MIGRATION_SECONDS = 8.0
USUAL_COMMAND_SECONDS = 4.0
USUAL_BOOT_SECONDS = 12.0
# Each restart costs a core for two or three seconds: more kills would only measure the machine.
BETWEEN_KILLS_SECONDS = (0.8, 2.5)
# From the moment when all are up to the first level.
LEAD_SECONDS = 1.0
# A minute goes by at once: for what waits for its next attempt, for the end of a lease, or for a
# ticker, which leaves fresh ones to the worker.
_EARLIER = """
    UPDATE notifications_delivery
    SET next_attempt_at = next_attempt_at - interval '1 minute',
        lease_until = lease_until - interval '1 minute'
    WHERE state = '{state}' AND next_attempt_at > clock_timestamp() - interval '30 seconds'"""
# Seconds from a level to the moment when people could see its alert, outages included.
_LATE = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS half, max(late) AS worst
    FROM (SELECT extract(epoch FROM min(pg_xact_commit_timestamp(d.xmin)) - k.fire_at[a.step])
          FROM notifications_delivery d
          JOIN tickets_alert a ON d.source = 'alert:' || a.id
          JOIN tickets_clock k ON k.id = a.clock_id
          WHERE d.channel = 'in_app' GROUP BY a.id, k.id) AS told (late)"""


@dataclass(frozen=True)
class Profile:
    """How much happens, and for how many seconds."""

    rounds: int
    tickets: int
    kills_at_first: float
    without_redis: float
    with_frozen_redis: float
    without_postgres: float
    kills_at_last: float
    tickets_met: int
    # Whether what a killed sender held is left until its lease has run out by itself.
    waits_for_leases: bool

    @property
    def window(self) -> float:
        """In which levels are reached: all the time but the last seconds."""
        without = self.without_redis + self.with_frozen_redis + self.without_postgres
        return self.kills_at_first + without + self.kills_at_last


QUICK = Profile(
    rounds=1,
    tickets=500,
    kills_at_first=8,
    without_redis=12,
    with_frozen_redis=0,
    without_postgres=2,
    kills_at_last=8,
    tickets_met=20,
    waits_for_leases=False,
)
NIGHTLY = Profile(
    rounds=3,
    tickets=500,
    kills_at_first=30,
    without_redis=60,
    with_frozen_redis=20,
    without_postgres=5,
    kills_at_last=30,
    tickets_met=40,
    waits_for_leases=True,
)


@dataclass
class Batch:
    """The tickets of one round and what is expected of them."""

    provider: int
    # By clock: when its levels are reached, and who answers for its ticket (user ids).
    reached: dict[int, list[datetime]]
    owners: dict[int, list[int]]
    leads: list[int]
    addresses: dict[int, str | None]
    met: dict[int, datetime] = field(default_factory=dict)


class Story:
    """One chain of events and what it has done so far. Moments are the database's."""

    def __init__(self, installation: Installation, profile: Profile, seed: int) -> None:
        self.installation = installation
        self.profile = profile
        self.seed = seed
        self.batches: list[Batch] = []
        self.kills: Counter[str] = Counter()
        self.kills_while_writing = 0
        self.flushes = 0
        # How many times as long as usual this machine takes for its work; at worst, so far.
        self.slowness = 1.0
        self.without_redis: list[tuple[datetime, datetime]] = []
        self.without_postgres: list[tuple[datetime, datetime]] = []
        self._started_at: dict[str, float] = {}
        self._chance = random.Random(seed)

    def tell(self) -> None:
        """From an empty disk to the silence after the last round."""
        self.installation.start("postgres", "valkey", "receiver")
        with self._measured(USUAL_MIGRATION_SECONDS):
            done = self.installation.manage("migrate", "--verbosity=0")
        assert done.returncode == 0, done.stderr
        self._start(*PROCESSES)
        for _round in range(self.profile.rounds):
            self._round()

    def _round(self) -> None:
        batch = self._filled()
        self.batches.append(batch)
        self.installation.wait_until_up("worker", *TICKERS)
        self._begin(batch)
        self._kill_for(self.profile.kills_at_first / 2)
        self._flush()
        self._meet_some(batch)
        self._kill_for(self.profile.kills_at_first / 2)
        self._take_redis_away()
        self._freeze_redis()
        self._break_postgres_off()
        self._kill_for(self.profile.kills_at_last / 2)
        self._flush()
        self._kill_for(self.profile.kills_at_last / 2)
        self.installation.wait_until(self._all_are_told, 30, "the last level to be told")
        self._kill_everything()
        self._await_silence()

    @contextmanager
    def _measured(self, usual_seconds: float) -> Iterator[None]:
        """Judges the machine by how long something takes."""
        began = time.monotonic()
        yield
        self.slowness = max(self.slowness, (time.monotonic() - began) / usual_seconds)
        self.installation.slowness = self.slowness

    def _filled(self) -> Batch:
        profile = self.profile
        told = self.installation.run(
            f"from tests.chaos import estate; estate.fill({profile.tickets}, {profile.window})"
        )
        begins = datetime.fromisoformat(told["begins"])
        return Batch(
            provider=told["provider"],
            reached={
                row["clock"]: [begins + timedelta(seconds=after) for after in row["reached"]]
                for row in told["watched"]
            },
            owners={row["clock"]: row["owners"] for row in told["watched"]},
            leads=told["leads"],
            addresses={int(user): address for user, address in told["addresses"].items()},
        )

    def _begin(self, batch: Batch) -> None:
        """Moves the batch, made for another day, to now."""
        first = min(moments[0] for moments in batch.reached.values())
        earlier = first - self.installation.now() - timedelta(seconds=LEAD_SECONDS)
        moved = self.installation.rows(
            """
            UPDATE tickets_clock
            SET started_at = started_at - %(earlier)s, resumed_at = resumed_at - %(earlier)s,
                due_at = due_at - %(earlier)s, next_fire_at = next_fire_at - %(earlier)s,
                fire_at = ARRAY(SELECT f - %(earlier)s FROM unnest(fire_at) f ORDER BY f)
            WHERE provider_id = %(provider)s AND step = 0
            RETURNING id, fire_at""",
            earlier=earlier,
            provider=batch.provider,
        )
        batch.reached = {
            clock: [moment - earlier for moment in moments]
            for clock, moments in batch.reached.items()
        }
        assert {row["id"]: row["fire_at"] for row in moved} == batch.reached

    def _kill_for(self, seconds: float, *, among: tuple[str, ...] = VICTIMS) -> None:
        """Kills one after the other, in an order left to chance, and starts each again at once."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            grown = [name for name in among if self._has_booted(name)]
            if grown:
                # Who was spared so far comes first: nobody is left out. A child before its worker,
                # which has none for a while when it is new.
                fewest = min(self.kills[name] for name in grown)
                spared = [name for name in grown if self.kills[name] == fewest]
                victim = CHILD if CHILD in spared else self._chance.choice(spared)
                self._kill_and_restart(victim)
            time.sleep(self._chance.uniform(*BETWEEN_KILLS_SECONDS))

    def _kill_and_restart(self, name: str) -> None:
        if name == CHILD:
            self.kills[name] += self.installation.kill_child("worker", self._chance.randrange(10))
            return
        # Many kills wait for the moment that hurts; the others come when they come.
        if name in TICKERS and (not self.kills[name] or self._chance.random() < 0.7):
            self.kills_while_writing += self._caught_writing(name)
        self.installation.kill(name)
        self.kills[name] += 1
        self._start(name)

    def _caught_writing(self, name: str) -> bool:
        end = time.monotonic() + AIM_SECONDS * self.slowness
        while time.monotonic() < end:
            if self.installation.is_writing(name):
                return True
        return False

    def _has_booted(self, name: str) -> bool:
        if name in TICKERS:
            return self.installation.has_done_a_round(name)
        started = self._started_at["worker" if name == CHILD else name]
        return time.monotonic() - started > BOOT_SECONDS * self.slowness

    def _start(self, *names: str) -> None:
        for name in names:
            self.installation.start(name)
            self._started_at[name] = time.monotonic()

    def _flush(self) -> None:
        self.installation.flush()
        self.flushes += 1

    def _take_redis_away(self) -> None:
        """Nobody can wake anybody; meanwhile two of the tickers may be killed as well."""
        self.installation.kill("valkey")
        gone = self.installation.now()
        self._kill_for(self.profile.without_redis, among=("ticker-1", "ticker-2", "beat-1"))
        self.without_redis.append((gone, self.installation.now()))
        self.installation.start("valkey")

    def _freeze_redis(self) -> None:
        """It takes connections and does not answer: nobody may wait for it either."""
        if not self.profile.with_frozen_redis:
            return
        self.installation.send("valkey", Signals.SIGSTOP)
        self._kill_for(self.profile.with_frozen_redis, among=("ticker-1", "ticker-2"))
        self.installation.send("valkey", Signals.SIGCONT)

    def _break_postgres_off(self) -> None:
        """What `pg_ctl stop -m immediate` does: no clean end, recovery at the next start."""
        gone = self.installation.now()
        self.installation.kill("postgres", Signals.SIGQUIT)
        time.sleep(self.profile.without_postgres)
        self.installation.start("postgres")
        self.without_postgres.append((gone, self.installation.now()))

    def _meet_some(self, batch: Batch) -> None:
        """Some tickets are answered while their alerts and mails are on the way."""
        count, seed = self.profile.tickets_met, self._chance.randrange(1000)
        meet = f"from tests.chaos import estate; estate.meet({batch.provider}, {count}, {seed})"
        with self._measured(USUAL_COMMAND_SECONDS):
            met = self.installation.run(meet)
        batch.met = {int(clock): datetime.fromisoformat(at) for clock, at in met.items()}

    def _all_are_told(self) -> bool:
        return not self.installation.one(
            "SELECT (SELECT count(*) FROM tickets_clock WHERE next_fire_at IS NOT NULL) "
            "+ (SELECT count(*) FROM tickets_alert WHERE state = 'pending')"
        )

    def _kill_everything(self) -> None:
        """A power cut. Afterwards nobody holds what is marked as being sent."""
        for name in PROCESSES:
            self.installation.kill(name)
            self.kills[name] += 1
        if not self.profile.waits_for_leases:
            self.installation.rows(_EARLIER.format(state="sending"))
        self._start(*PROCESSES)
        with self._measured(USUAL_BOOT_SECONDS):
            self.installation.wait_until_up("worker", *TICKERS)

    def _await_silence(self) -> None:
        """Until nothing is left to send, and every ticker has looked once more."""
        seconds = 300 if self.profile.waits_for_leases else 90
        self.installation.wait_until(
            self._nothing_is_open, seconds, "the last mail to be sent", every=0.5
        )
        self.installation.wait_for_another_round()

    def _nothing_is_open(self) -> bool:
        if not self.profile.waits_for_leases:
            # Time to the next attempt passes more quickly here. Nobody holds a waiting row.
            self.installation.rows(_EARLIER.format(state="pending"))
        return not self.installation.one(
            "SELECT count(*) FROM notifications_delivery WHERE state IN ('pending', 'sending')"
        )

    def figures(self) -> str:
        """What was done and what came of it, in one line."""
        mails = self.installation.mails()
        alerts = self.installation.one("SELECT count(*) FROM tickets_alert")
        deliveries = self.installation.one("SELECT count(*) FROM notifications_delivery")
        (late,) = self.installation.rows(_LATE)
        told = f"told {late['half']:.1f} s (half) to {late['worst']:.1f} s after their level"
        names = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return "; ".join(
            [
                f"{self.kills.total()} kills ({names}), {self.kills_while_writing} while it wrote",
                f"{self.flushes} times FLUSHALL",
                f"{_seconds(self.without_redis):.0f} s without Redis",
                f"{_seconds(self.without_postgres):.0f} s without PostgreSQL",
                f"{alerts} alerts, {told}",
                f"{deliveries} deliveries",
                f"{len({mail['id'] for mail in mails})} mails in {len(mails)} copies",
                f"{sum(mail['hung_up'] for mail in mails)} copies left unanswered",
                f"machine {self.slowness:.1f} times as slow as usual",
            ]
        )


def _seconds(spans: list[tuple[datetime, datetime]]) -> float:
    return sum((end - start).total_seconds() for start, end in spans)
