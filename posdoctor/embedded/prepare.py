"""Brings the database up to date, in one Django process: starting Django is the dear part.

Every step is harmless when there is nothing to do.
"""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from posdoctor.embedded.home import write_private


def main() -> None:
    """Texts, tables, reference data, and with --demo FILE the demo estate and its sign-ins."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path, help="load the demo, write its sign-ins to this file")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "posdoctor.settings")
    django.setup()
    _step("Texts", lambda: call_command("compile_texts", stdout=io.StringIO()))
    if not settings.LOCAL:  # on the loopback the files are served from where they lie
        _step("Static files", lambda: call_command("collectstatic", verbosity=0, interactive=False))
    _step("Tables", lambda: call_command("migrate", verbosity=0, interactive=False))
    _step("Reference data", lambda: call_command("load_reference", stdout=io.StringIO()))
    if options.demo:
        _step("Demo estate", lambda: call_command("load_estate", "--if-empty"))
        signins = io.StringIO()
        call_command("show_demo_signins", stdout=signins)
        write_private(options.demo, signins.getvalue())


def _step(name: str, run: Callable[[], object]) -> None:
    started = time.monotonic()
    run()
    print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (CommandError, DatabaseError) as error:
        sys.exit(str(error).strip().replace("\n", " "))
