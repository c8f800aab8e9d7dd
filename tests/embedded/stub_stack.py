"""A stack of stub services under the real supervisor. Tests run it as a program.

Arguments are names of services, started in that order: `engines` are the real PostgreSQL and
Valkey, `crasher` dies at once, every other name sleeps.
"""

import os
import sys

from posdoctor.embedded import console, engines, home, stack, supervisor
from posdoctor.embedded.home import CHECKOUT, Running
from posdoctor.embedded.processes import Service
from posdoctor.embedded.supervisor import GaveUpError, StopRequested, Supervisor

SLEEPER = ("sleep", "600")
CRASHER = ("sh", "-c", "echo the disk is on fire; exit 3")


def main(names: list[str]) -> int:
    if "crasher" in names:
        supervisor.BACK_OFF_SECONDS = (0.05, 0.05, 0.05, 0.05)
    screen = console.stdout()
    data = home.find()
    with home.locked(data):
        watcher = Supervisor(screen)
        try:
            for name in names:
                start(watcher, screen, data, name)
            screen.say("all started")
            watcher.watch()
        except StopRequested:
            pass
        except GaveUpError as reason:
            screen.warn(str(reason))
            return 1
        finally:
            watcher.stop()
    return 0


def start(watcher: Supervisor, screen: console.Console, data: home.Home, name: str) -> None:
    if name == "engines":
        made = stack.start_engines(watcher, screen, data, engines.DURABLE)
        data.write_running(Running(os.getpid(), "stub", 8000, made.database_url, made.redis_url))
        return
    argv = CRASHER if name == "crasher" else SLEEPER
    watcher.start(Service(name=name, argv=argv, env=dict(os.environ), cwd=CHECKOUT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
