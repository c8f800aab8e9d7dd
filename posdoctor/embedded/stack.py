"""The processes of a local POSDoctor and the environment that they share.

docker-compose.yml runs the same set in production.
"""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from urllib.parse import urlsplit

from posdoctor.embedded import engines, ports
from posdoctor.embedded.console import Console
from posdoctor.embedded.engines import Durability
from posdoctor.embedded.home import CHECKOUT, Home
from posdoctor.embedded.processes import Service
from posdoctor.embedded.supervisor import Supervisor

POSTGRES_PORT = 5433
VALKEY_PORT = 6380
MAIL_PORT = 1025
MAIL_PAGE_PORT = 8025
WEB_THREADS = 8
WORKER_PROCESSES = 2
LOOPBACK_HOSTS = "127.0.0.1,localhost,[::1]"


@dataclass(frozen=True)
class Engines:
    """Addresses of the engines (empty = named from outside), and whether the database is new."""

    database_url: str
    redis_url: str
    is_fresh: bool


@dataclass(frozen=True)
class MailPorts:
    """Where the mail catcher listens: for mails, and with their page."""

    smtp: int
    page: int

    @property
    def url(self) -> str:
        """EMAIL_URL of a stack whose mails it takes."""
        return f"smtp://{ports.LOOPBACK}:{self.smtp}"

    @property
    def page_url(self) -> str:
        """Where a person reads them."""
        return f"http://{ports.LOOPBACK}:{self.page}/"


def given(name: str) -> bool:
    """Whether a setting comes from outside, as NAME or as NAME_FILE."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def start_engines(
    supervisor: Supervisor, console: Console, home: Home, durability: Durability
) -> Engines:
    """Starts the engines that the environment does not name."""
    throwaway = durability is engines.FORGETFUL
    database_url, redis_url, is_fresh = "", "", False
    if not given("DATABASE_URL"):
        port = ports.throwaway() if throwaway else ports.next_free(POSTGRES_PORT)
        with console.step(f"PostgreSQL on port {port}"):
            postgres = engines.postgres(home, port, durability)
            supervisor.start(postgres.service)
            is_fresh = engines.create_database(home, port)
        database_url = postgres.url
    if not given("REDIS_URL"):
        port = ports.throwaway() if throwaway else ports.next_free(VALKEY_PORT)
        with console.step(f"Valkey on port {port}"):
            valkey = engines.valkey(home, port, durability)
            supervisor.start(valkey.service)
        redis_url = valkey.url
    return Engines(database_url, redis_url, is_fresh)


def environment(home: Home, *, database_url: str, redis_url: str, port: int) -> dict[str, str]:
    """What settings.py reads, for an installation on the loopback; outside values win."""
    ours = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    env = {**os.environ, **{name: url for name, url in ours.items() if url and not given(name)}}
    if not given("SECRET_KEY"):
        home.secret(home.secret_key.name)
        env["SECRET_KEY_FILE"] = str(home.secret_key)
    env.setdefault("POSDOCTOR_LOCAL", "true")
    env.setdefault("PUBLIC_URL", f"http://{ports.LOOPBACK}:{port}")
    # Loopback always: that is where the supervisor asks whether the web process is ready.
    named = env.get("ALLOWED_HOSTS") or urlsplit(env["PUBLIC_URL"]).hostname
    env["ALLOWED_HOSTS"] = f"{LOOPBACK_HOSTS},{named}"
    env.setdefault("STATIC_ROOT", str(home.static))
    env.setdefault("MEDIA_ROOT", str(home.media))
    return env


def prepare(home: Home, env: Mapping[str, str], *, with_demo: bool) -> Service:
    """The command that brings the database up to date."""
    options = ["--demo", str(home.demo_signins)] if with_demo else []
    return _python("prepare", env, "-m", "posdoctor.embedded.prepare", *options)


def mail_ports() -> MailPorts | None:
    """Ports for the mail catcher; None where the environment names a mail server."""
    if given("EMAIL_URL"):
        return None
    return MailPorts(ports.next_free(MAIL_PORT), ports.next_free(MAIL_PAGE_PORT))


def mail_catcher(home: Home, env: Mapping[str, str], where: MailPorts) -> Service:
    """Takes what would be mailed, so that nothing leaves this machine."""
    options = (str(home.mails), str(where.smtp), str(where.page))
    service = _python("mails", env, "-m", "posdoctor.embedded.mail_catcher", *options)
    return replace(service, is_ready=lambda: _answers(where.page))


def _answers(port: int) -> bool:
    try:
        socket.create_connection((ports.LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def worker(home: Home, env: Mapping[str, str]) -> Service:
    """Runs tasks. Orphaned it is killed: its own ways to end wait for tasks or for the queue,
    and every task may be run again."""
    options = (f"--concurrency={WORKER_PROCESSES}", "--without-gossip", "--without-mingle")
    # Root on a loopback was told so already, by bin/up's line about the data folder.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}
    own = {**env, **quiet, "TMPDIR": str(home.scratch)}
    return _celery("worker", own, *options, orphan_signal=Signals.SIGKILL)


def beat(home: Home, env: Mapping[str, str]) -> Service:
    """Sends the tasks of the schedule in posdoctor/celery.py."""
    return _celery("beat", env, f"--schedule={home.beat_schedule}", "--pidfile=")


def ticker(env: Mapping[str, str]) -> Service:
    """Ticks the clocks with PostgreSQL alone."""
    return _python("ticker", env, str(CHECKOUT / "manage.py"), "run_ticker")


def web(env: Mapping[str, str], port: int) -> Service:
    """Serves pages. The pool of database connections is for this process only."""
    # /dev/shm, because a worker's sign of life must not wait for a busy disk.
    shared_memory = "/dev/shm"  # noqa: S108 - gunicorn makes an unnamed file in it
    options = [
        f"--bind={ports.LOOPBACK}:{port}",
        "--worker-class=gthread",
        f"--threads={WEB_THREADS}",
        "--graceful-timeout=5",
        "--log-level=warning",
        "--no-control-socket",
    ]
    if Path(shared_memory).is_dir():
        options.append(f"--worker-tmp-dir={shared_memory}")
    pooled = {**env, "POSDOCTOR_DB_POOL": "true"}
    command = ("-m", "gunicorn", *options, "posdoctor.wsgi")
    return _python("web", pooled, *command, orphan_signal=Signals.SIGQUIT)


def _celery(
    name: str, env: Mapping[str, str], *options: str, orphan_signal: Signals = Signals.SIGTERM
) -> Service:
    command = ("-m", "celery", "--quiet", "-A", "posdoctor", name, "--loglevel=WARNING")
    return _python(name, env, *command, *options, orphan_signal=orphan_signal)


def _python(
    name: str, env: Mapping[str, str], *arguments: str, orphan_signal: Signals = Signals.SIGTERM
) -> Service:
    argv = (sys.executable, *arguments)
    return Service(name=name, argv=argv, env=env, cwd=CHECKOUT, orphan_signal=orphan_signal)
