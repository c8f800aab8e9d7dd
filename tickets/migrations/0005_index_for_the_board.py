"""Indexes of the supervisors' page: live clocks, promises by when they were decided, and what
was fixed in the last days. Built beside the running work."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):

    atomic = False

    dependencies = [("tickets", "0004_guard_clocks")]

    operations = [
        AddIndexConcurrently(
            model_name="clock",
            index=models.Index(
                fields=["ticket"],
                condition=models.Q(state__in=["running", "paused"]),
                name="tickets_clock_live",
            ),
        ),
        AddIndexConcurrently(
            model_name="clock",
            index=models.Index(
                "provider", Coalesce("breached_at", "met_at"), name="tickets_clock_decided"
            ),
        ),
        AddIndexConcurrently(
            model_name="ticket",
            index=models.Index(
                fields=["provider", "resolved_at"],
                condition=models.Q(resolved_at__isnull=False),
                name="tickets_fixed",
            ),
        ),
    ]
