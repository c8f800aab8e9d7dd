"""`bin/up`: everything in one terminal, until Ctrl-C."""

import http
import http.client
import json
import os
import time

from posdoctor.embedded import console, engines, home, ports, stack
from posdoctor.embedded.console import Console
from posdoctor.embedded.home import Home, Running
from posdoctor.embedded.supervisor import GaveUpError, StopRequested, Supervisor

USAGE = """Usage: bin/up
Starts POSDoctor on this machine: PostgreSQL, Valkey, web, worker, beat, ticker, and a mail server
that keeps every mail here. Ctrl-C stops all.

  PORT=8000               web port; busy: an error (without PORT: the next free one)
  POSDOCTOR_HOME=DIR      data folder (.posdoctor/ in the checkout)
  POSDOCTOR_DEMO=0        start with an empty database instead of the demo
  DATABASE_URL, REDIS_URL, EMAIL_URL
                          use these servers instead of the embedded ones
All other settings: docs/settings.md"""
DEFAULT_PORT = 8000
# The demo is loaded before; this is for the first start of four Python processes.
READY_SECONDS = 120
WORKER_SECONDS = 15


def main(arguments: list[str]) -> int:
    """Runs the stack; returns the exit status."""
    if arguments:
        print(USAGE)
        return 0 if arguments[0] in {"-h", "--help"} else 2
    screen = console.stdout()
    data = home.find()
    with home.locked(data):
        port = _port(screen)
        home.check_room(data)
        as_whom = "; root: PostgreSQL runs as nobody, the rest as root" if data.account else ""
        screen.say(f"Data: {data.path}{as_whom}")
        supervisor = Supervisor(screen)
        try:
            _run(supervisor, screen, data, port)
        except StopRequested as order:
            screen.say(f"{order}: stopping")
        finally:
            supervisor.stop()
    screen.say("Stopped. The data stay where they are.")
    return 0


def _port(screen: Console) -> int:
    asked = os.environ.get("PORT")
    if asked:
        return ports.asked(asked)
    port = ports.next_free(DEFAULT_PORT)
    if port != DEFAULT_PORT:
        screen.say(f"Port {DEFAULT_PORT} is busy, taking {port}")
    return port


def _run(supervisor: Supervisor, screen: Console, data: Home, port: int) -> None:
    """Starts everything in order, then watches over it for ever."""
    started = time.monotonic()
    with_demo = _wants_demo()
    made = stack.start_engines(supervisor, screen, data, engines.DURABLE)
    env = stack.environment(
        data, database_url=made.database_url, redis_url=made.redis_url, port=port
    )
    mails = stack.mail_ports()
    if mails:
        env["EMAIL_URL"] = mails.url
    supervisor.run(stack.prepare(data, env, with_demo=with_demo), screen.say)
    data.clear_scratch()
    data.write_running(Running(os.getpid(), "bin/up", port, made.database_url, made.redis_url))
    if mails:
        supervisor.start(stack.mail_catcher(data, env, mails))
    for service in (
        stack.worker(data, env),
        stack.beat(data, env),
        stack.ticker(env),
        stack.web(env, port),
    ):
        supervisor.start(service)
    supervisor.wait_until(lambda: _report(port) is not None, READY_SECONDS, "web")
    _await_worker(supervisor, screen, port)
    screen.say(f"Ready after {time.monotonic() - started:.1f} s: {env['PUBLIC_URL']}/")
    if mails:
        screen.say(f"Mails stay on this machine: {mails.page_url}")
    if with_demo:
        screen.block(data.demo_signins.read_text(encoding="utf-8"))
    screen.say("Ctrl-C stops everything.")
    supervisor.watch()


def _wants_demo() -> bool:
    asked = os.environ.get("POSDOCTOR_DEMO", "1")
    if asked not in {"0", "1"}:
        raise home.HomeError(f"POSDOCTOR_DEMO must be 0 or 1, not {asked!r}")
    return asked == "1"


def _await_worker(supervisor: Supervisor, screen: Console, port: int) -> None:
    """Gives Redis and the worker their time; pages work without them."""
    try:
        supervisor.wait_until(lambda: _report(port) == "complete", WORKER_SECONDS, "worker")
    except GaveUpError as late:
        screen.warn(f"{late}; pages work, mails wait")


def _report(port: int) -> str | None:
    """What /readyz says: None while it says no, else `complete` or `degraded`."""
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        report = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        return None
    return "degraded" if report["degraded"] else "complete"
