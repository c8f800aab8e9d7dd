"""The story is told once; every test judges one side of it."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.chaos.installation import Installation
from tests.chaos.story import NIGHTLY, QUICK, Story

SEED = 20_261_120
_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    """POSDOCTOR_CHAOS_SEED tells another one."""
    is_nightly = os.environ.get("POSDOCTOR_NIGHTLY") == "1"
    seed = int(os.environ.get("POSDOCTOR_CHAOS_SEED", SEED))
    began = time.monotonic()
    installation = Installation()
    try:
        told = Story(installation, NIGHTLY if is_nightly else QUICK, seed)
        told.tell()
        figures = f"chaos (seed {seed}): {told.figures()}, {time.monotonic() - began:.0f} s"
        request.config.stash[_FIGURES] = [figures]
        yield told
    finally:
        installation.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What the chaos of this run was made of: a story without kills proves nothing."""
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(line)
