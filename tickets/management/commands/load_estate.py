"""Fills a database with a made-up estate and twelve months of history."""

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils.dateparse import parse_date, parse_datetime

from posdoctor.accounts.models import Provider
from posdoctor.core import clock
from terminals.models import TerminalModel
from tickets.estate.loader import load
from tickets.estate.people import PROVIDER_WEIGHTS, Plan

_ZONE = ZoneInfo("Asia/Shanghai")
# Freshly filled: without statistics the first pages would wait for bad plans.
_ANALYZED = (
    "merchants_merchant", "merchants_store", "merchants_contact", "terminals_terminal",
    "diagnostics_diagnosisrun", "diagnostics_diagnosisstep", "tickets_ticket",
    "tickets_ticketevent", "tickets_message", "tickets_clock", "tickets_segment",
    "tickets_alert", "notifications_delivery",
)  # fmt: skip


class Command(BaseCommand):
    """Deterministic per seed, sizes and `--until`; progress goes to standard error."""

    help = "Fill an empty database with a made-up estate and twelve months of history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Sizes, seed, and what may be done to a database that is not empty."""
        parser.add_argument("--providers", type=int, default=2)
        parser.add_argument("--merchants", type=int, default=40)
        parser.add_argument("--terminals", type=int, default=120)
        parser.add_argument("--tickets", type=int, default=1200)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--until", help="newest moment (default: now)")
        parser.add_argument("--if-empty", action="store_true", help="do nothing in a used database")
        parser.add_argument("--append", action="store_true", help="add to a used database")
        parser.add_argument("--force", action="store_true", help="also where it is not local")

    def handle(self, *args: Any, **options: Any) -> None:
        """Loads. Raises CommandError before the first row where something is wrong."""
        if options["if_empty"] and Provider.objects.exists():
            return
        plan = self._plan(options)
        self._check(plan, options)
        if not TerminalModel.objects.exists():
            call_command("load_reference", verbosity=0)
        started = time.monotonic()

        def report(line: str) -> None:
            if options["verbosity"]:
                self.stderr.write(f"{time.monotonic() - started:6.1f} s  {line}")

        load(plan, report)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(_ANALYZED)}")
        report("done")

    def _plan(self, options: dict[str, Any]) -> Plan:
        return Plan(
            providers=options["providers"],
            merchants=options["merchants"],
            terminals=options["terminals"],
            tickets=options["tickets"],
            seed=options["seed"],
            until=int(_until(options["until"]).timestamp()),
            generation=Provider.objects.count() if options["append"] else 0,
        )

    def _check(self, plan: Plan, options: dict[str, Any]) -> None:
        # SECURITY: every account of the estate has one printed password.
        if not settings.LOCAL and not options["force"]:
            raise CommandError("not a local stack: demo accounts have a known password (--force)")
        if Provider.objects.exists() and not options["append"]:
            raise CommandError("the database is not empty (--append adds, --if-empty skips)")
        most = len(PROVIDER_WEIGHTS)
        if not 1 <= plan.providers <= most:
            raise CommandError(f"--providers is 1 to {most}")
        if not plan.providers * 2 <= plan.merchants <= plan.terminals:
            raise CommandError("needs two merchants per provider and a terminal per merchant")
        if plan.tickets < 0 or plan.seed < 0:
            raise CommandError("--tickets and --seed are not negative")


def _until(text: str | None) -> datetime:
    """The newest moment of the data; a date means its beginning. Raises CommandError."""
    if text is None:
        return clock.now()
    day = parse_date(text) if len(text) == 10 else None
    moment = datetime(day.year, day.month, day.day, tzinfo=_ZONE) if day else parse_datetime(text)
    if moment is None:
        raise CommandError(f"--until {text}: a date or a time is needed")
    return moment if moment.tzinfo else moment.replace(tzinfo=_ZONE)
