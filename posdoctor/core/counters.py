"""What processes without a web page of their own count, kept where /metrics can read it.

A ticker counts in PostgreSQL, since it must need nothing else; a worker counts in Redis, since
without Redis there is nothing to count. The latter may start anew at zero at any time.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from redis import Redis

# Upper ends in seconds; the last bucket takes the rest.
BOUNDS = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0)
REST = "+Inf"

TASKS_KEY = "posdoctor:tasks"
TASK_SECONDS_KEY = "posdoctor:task_seconds"
TASK_SEEN_KEY = "posdoctor:task_seen"
_BETWEEN = "\t"  # stands in no task's name


class Tally:
    """Counts of one round of a ticker, written in one statement at its end."""

    def __init__(self) -> None:
        self._added: defaultdict[tuple[str, str, str], float] = defaultdict(float)

    def add(self, name: str, label: str = "", amount: float = 1) -> None:
        """Raises a plain count."""
        self._added[name, label, ""] += amount

    def observe(self, name: str, label: str, seconds: float) -> None:
        """Puts one measurement into a histogram: its sum and its bucket."""
        self.add(name, label, seconds)
        bound = next((str(end) for end in BOUNDS if seconds <= end), REST)
        self._added[name, label, bound] += 1

    def write(self) -> None:
        """Adds everything to the table and starts anew."""
        if not self._added:
            return
        # Sorted: two tickers lock the rows in the same order, or they would wait for each other.
        rows = sorted(self._added.items())
        names, labels, bounds = zip(*(key for key, _value in rows), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO core_counter (name, label, bound, value) "
                "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[]) "
                "ON CONFLICT (name, label, bound) "
                "DO UPDATE SET value = core_counter.value + excluded.value",
                [list(names), list(labels), list(bounds), [value for _key, value in rows]],
            )
        self._added.clear()


@dataclass(frozen=True)
class TaskCounts:
    """Of one task: ends by state, seconds spent, and the moment (epoch) of the last success."""

    ends: Mapping[str, int]
    seconds: float
    succeeded_at: float | None


def count_task(client: Redis, name: str, *, state: str, seconds: float) -> None:
    """Adds one finished task; raises RedisError."""
    pipe = client.pipeline(transaction=False)
    pipe.hincrby(TASKS_KEY, f"{name}{_BETWEEN}{state}", 1)
    pipe.hincrbyfloat(TASK_SECONDS_KEY, name, seconds)
    if state == "SUCCESS":
        pipe.hset(TASK_SEEN_KEY, name, str(time.time()))
    pipe.execute()


def tasks(client: Redis) -> dict[str, TaskCounts]:
    """Everything that workers counted, by task name; raises RedisError."""
    pipe = client.pipeline(transaction=False)
    for key in (TASKS_KEY, TASK_SECONDS_KEY, TASK_SEEN_KEY):
        pipe.hgetall(key)
    ends, seconds, seen = (
        {field.decode(): value.decode() for field, value in answer.items()}
        for answer in pipe.execute()
    )
    by_task: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for field, count in ends.items():
        name, _between, state = field.partition(_BETWEEN)
        by_task[name][state] = int(count)
    return {
        name: TaskCounts(
            states,
            float(seconds.get(name, 0)),
            float(seen[name]) if name in seen else None,
        )
        for name, states in by_task.items()
    }
