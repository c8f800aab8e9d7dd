"""Loads what ships with the product: the catalogue of terminal models and the flows."""

from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from diagnostics import actions
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import validate
from posdoctor.core import clock
from terminals.actions import load_models

CATALOGUE = Path(settings.BASE_DIR) / "terminals" / "data" / "terminal_models.yaml"


class Command(BaseCommand):
    """Safe to repeat: only what differs from the database is written."""

    help = "Load terminal models and diagnosis flows. Safe to repeat."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Prints one line. Raises CommandError on a flow that may not be published."""
        flows = bundled_flows()
        for flow in flows:
            if problems := validate(flow):
                first = problems[0]
                raise CommandError(f"{flow.id}: {first.where}: {first.reason}")
        entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["models"]
        changed = load_models(entries)
        fresh = actions.publish(flows, now=clock.now())
        if options["verbosity"]:
            self.stdout.write(
                f"{len(entries)} terminal models ({changed} changed), "
                f"{len(flows)} flows ({fresh} new versions)"
            )
