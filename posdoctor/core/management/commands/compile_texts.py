"""Compiles the Chinese catalogue, or with ``--check`` says what is wrong with it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from posdoctor.core import translations


class Command(BaseCommand):
    """An edge: compiles when the catalogue is newer; ``--check`` exits 1 with a readable list."""

    help = "Compiles locale/zh_Hans; --check lists texts that are missing or wrong."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="judge, do not compile")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            written = translations.compile_catalogue()
            self.stdout.write("texts compiled" if written else "texts are up to date")
            return
        try:
            messages = translations.extract()
        except translations.BadTextError as error:
            raise CommandError(str(error)) from error
        found = translations.problems(messages)
        for problem in found:
            self.stdout.write(str(problem))
        if found:
            raise CommandError(f"{len(found)} of {len(messages)} texts need work")
        self.stdout.write(f"{len(messages)} texts, all translated")
