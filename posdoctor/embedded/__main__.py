"""`python -m posdoctor.embedded up|test|manage ...`, called by the programs in bin/."""

import sys
from collections.abc import Callable

from posdoctor.embedded import manage, testing, up
from posdoctor.embedded.console import one_line
from posdoctor.embedded.engines import EngineError
from posdoctor.embedded.home import HomeError
from posdoctor.embedded.ports import PortError
from posdoctor.embedded.supervisor import GaveUpError

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "up": up.main,
    "test": testing.main,
    "manage": manage.main,
}


def main() -> int:
    """Runs one command; every expected failure is one line on standard error."""
    name, *arguments = sys.argv[1:]
    try:
        return COMMANDS[name](arguments)
    except KeyboardInterrupt:
        return 130
    except (EngineError, GaveUpError, HomeError, PortError, OSError) as error:
        print(f"bin/{name}: {one_line(error)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
