"""Brings the Chinese catalogue up to date with the texts of the source."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from posdoctor.core import translations


class Command(BaseCommand):
    """An edge: reads the merge files, updates the catalogue, says what changed."""

    help = "Adds new texts to the catalogue, keeps translations, merges FILE.tsv."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merge", type=Path, nargs="+", default=[], metavar="FILE.tsv")
        parser.add_argument("--prune", action="store_true", help="drop texts no longer used")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            merges = [m for file in options["merge"] for m in translations.read_merge_file(file)]
            messages = translations.extract()
        except (OSError, translations.BadTextError) as error:
            raise CommandError(str(error)) from error
        changes = translations.update(messages, merges, prune=options["prune"])
        for key in changes.unknown:
            self.stderr.write(f"no source file has: {key.msgid!r} {key.context or ''}".rstrip())
        self.stdout.write(
            f"{len(messages)} texts, {len(changes.added)} new, {len(changes.retired)} retired,"
            f" {len(changes.translated)} translated,"
            f" {len(translations.problems(messages))} problems left"
        )
