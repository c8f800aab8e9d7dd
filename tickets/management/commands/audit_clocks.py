"""`bin/manage audit_clocks`: does anything contradict the rules of the clocks?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from posdoctor.core import clock
from tickets.sla.audit import audit


class Command(BaseCommand):
    """Prints one line per broken rule and exits with 1; silent and 0 where all is sound."""

    help = "Checks clocks, alerts and ledger against each other."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = audit(clock.now())
        for finding in findings:
            self.stdout.write(f"{finding.rule}: {finding.count} rows, for example {finding.ids}")
        if findings:
            sys.exit(1)
