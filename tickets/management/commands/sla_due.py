"""Answers worked SLA cases: JSON in, JSON out."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tickets.sla.cases import CaseError, answers


class Command(BaseCommand):
    """An edge: the answers come from the arithmetic behind every promise. Needs no database."""

    help = "Reads a JSON array of SLA cases from stdin, prints a JSON array of their due times."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cases = json.loads(sys.stdin.buffer.read())
        except (ValueError, RecursionError) as error:
            raise CommandError(f"standard input is no JSON: {error}") from error
        try:
            found = answers(cases)
        except CaseError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(found, indent=1))
