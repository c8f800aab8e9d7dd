"""Plays the engine on practice models, or the learner on practice worlds."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from diagnostics.evaluation import EvaluationError, evaluate_learning, evaluate_models


class Command(BaseCommand):
    """An edge: needs no database. One JSON line per model or world, then a summary of models."""

    help = "Prints how far the engine's (or the learner's) policy is from the exact optimum."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="diagnosis_models.json or a file like it; - is stdin")
        parser.add_argument(
            "--learning", action="store_true", help="the file holds worlds with closed tickets"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = _read(options["file"])
        lines = evaluate_learning(raw) if options["learning"] else evaluate_models(raw)
        try:
            for line in lines:
                self.stdout.write(json.dumps(line, ensure_ascii=False))
        except EvaluationError as error:
            raise CommandError(str(error)) from error


def _read(name: str) -> object:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return json.loads(content)
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name} is no JSON: {error}") from error
