"""Reads a terminal's log, a slip or a pasted diagnosis, and prints what it says as JSON."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from diagnostics.forms.logs import REFUSED
from diagnostics.log_reader import MAX_BYTES, RejectedLog, read
from diagnostics.models import reader_language


class Command(BaseCommand):
    """An edge: needs no database. What is no log is one line on standard error and status 1."""

    help = "Prints the findings of a log as JSON: codes, texts, network, versions, times."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", default="-", help="txt, log, csv, json or zip; default: stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = read(_content(options["file"]))
        except RejectedLog as error:
            raise CommandError(str(REFUSED[error.reason])) from error
        shown = json.dumps(findings.as_read_log(reader_language()), ensure_ascii=False, indent=2)
        self.stdout.write(shown)


def _content(name: str) -> bytes:
    if name == "-":
        return _bounded(sys.stdin.buffer)
    try:
        with Path(name).open("rb") as stream:
            return _bounded(stream)
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise CommandError(f"{name!r}: {error}") from error


def _bounded(stream: BinaryIO) -> bytes:
    """One byte more than is taken tells that there is more."""
    return stream.read(MAX_BYTES + 1)
