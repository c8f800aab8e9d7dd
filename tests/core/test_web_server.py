"""What a web process does before it serves."""

import subprocess
import sys

PROBE = """
import gc
import runpy
hooks = runpy.run_path("gunicorn.conf.py")
before = gc.get_freeze_count(), gc.get_threshold()[0]
hooks["post_worker_init"](None)
print(before, gc.get_freeze_count() > 1000, gc.get_threshold()[0] > before[1])
"""


def test_what_a_process_loaded_is_left_out_of_garbage_rounds():
    told = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    assert told.stdout == "(0, 700) True True\n"
