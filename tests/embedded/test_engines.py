"""The real engines: answered writes survive kill -9, Chinese is searchable, clients come back."""

import json
import os
import signal
from pathlib import Path

import psycopg
from redis import Redis

from tests.embedded.conftest import Program, Run, pid_of

STUB = "tests.embedded.stub_stack"


def addresses(home_path: Path) -> tuple[str, str]:
    note = json.loads((home_path / "running.json").read_text())
    return note["database_url"], note["redis_url"]


def wait_for_row(database_url: str, program: Program) -> int:
    program.wait_for("postgres is back")
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_data_survive_killed_engines_and_a_killed_supervisor(run: Run, home_path: Path) -> None:
    first = run(STUB, "engines")
    first.wait_for("all started")
    database_url, redis_url = addresses(home_path)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    os.kill(pid_of(home_path, "postgres -D"), signal.SIGKILL)
    assert wait_for_row(database_url, first) == 1

    with Redis.from_url(redis_url) as redis:
        redis.set("kept", "yes")
    os.kill(pid_of(home_path, "valkey-server"), signal.SIGKILL)
    first.wait_for("valkey is back")
    first.send(signal.SIGKILL)
    first.wait()

    second = run(STUB, "engines")
    second.wait_for("all started")
    database_url, redis_url = addresses(home_path)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
        # LC_CTYPE=C would make this false, and every Chinese search empty.
        assert connection.execute(r"SELECT '打印机' ~ '^\w+$'").fetchone() == (True,)
    with Redis.from_url(redis_url) as redis:
        assert redis.get("kept") == b"yes"


def test_engines_refuse_who_has_no_password(run: Run, home_path: Path) -> None:
    run(STUB, "engines").wait_for("all started")
    database_url, _ = addresses(home_path)
    stranger = database_url.replace(database_url.split(":")[2].split("@")[0], "guess")

    try:
        psycopg.connect(stranger, connect_timeout=10)
        refused = ""
    except psycopg.OperationalError as error:
        refused = str(error)

    assert "password authentication failed" in refused
    for name in ("postgres_password", "valkey_password", "running.json"):
        assert (home_path / name).stat().st_mode & 0o077 == 0
