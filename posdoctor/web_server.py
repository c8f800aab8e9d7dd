"""What gunicorn's own process does besides serving: one folder of counts, and lines like ours.

Its processes each count requests; the folder is where they find each other's counts. It loads
no settings and no app: a reload by SIGHUP reads those anew.
"""

import gc
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from posdoctor import env
from posdoctor.core import logs

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "posdoctor-counts-"

# The web server's lines go the way of all others; its own access log stays off.
logconfig_dict = logs.configuration(
    form=env.text("LOG_FORMAT", "line" if env.flag("POSDOCTOR_LOCAL", default=False) else "json"),
    level=env.text("LOG_LEVEL", "INFO"),
)


def on_starting(_server: Any) -> None:
    """Makes an empty folder for counts before the first process is forked."""
    _sweep_up(Path(tempfile.gettempdir()))
    os.environ[COUNTS] = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")


def post_worker_init(_worker: Any) -> None:
    """Leaves what a process loaded at its start out of the garbage collector's rounds, and makes
    them rarer: a page makes tens of thousands of objects, nearly all gone without it. A tenth of
    the time of a list was spent on them (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def child_exit(_server: Any, worker: Any) -> None:
    """Keeps what an ended process counted, as totals must; drops what was true only of itself."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - reads the folder's name

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Removes the folder."""
    shutil.rmtree(os.environ.pop(COUNTS, ""), ignore_errors=True)


def _sweep_up(folder: Path) -> None:
    """Removes what servers left that were killed: folders of ours that carry a dead process' id."""
    for left in folder.glob(f"{_PREFIX}*"):
        found = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", left.name)
        if not found or left.is_symlink() or left.stat().st_uid != os.getuid():
            continue
        if not _is_another_alive(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)


def _is_another_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # in a container every server gets the same number
