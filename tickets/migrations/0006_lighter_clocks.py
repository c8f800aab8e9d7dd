"""Fewer indexes on what the tick writes: each level that fires pays for every one of them.

Foreign keys are served by unique keys that begin with the same column (ticket, clock), or
nobody asks by them (provider, calendar). Live clocks are found by their tickets, which are few.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.deletion import CASCADE, PROTECT
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull

FIELDS = [
    ("alert", "clock", CASCADE, "alerts", "tickets.clock", "49bd3503"),
    ("segment", "clock", CASCADE, "segments", "tickets.clock", "5c96ff2e"),
    ("clock", "ticket", CASCADE, "clocks", "tickets.ticket", "dc58d018"),
    ("clock", "calendar", PROTECT, "+", "tickets.calendar", "63e3afbd"),
    ("clock", "provider", PROTECT, "+", "accounts.provider", "18def372"),
]


def _without_index(model, name, on_delete, related_name, to, suffix):
    """Drops the index alone: AlterField would build the foreign key anew, under lock."""
    field = models.ForeignKey(
        db_index=False, on_delete=on_delete, related_name=related_name, to=to
    )
    index = f"tickets_{model}_{name}_id_{suffix}"
    return migrations.SeparateDatabaseAndState(
        state_operations=[migrations.AlterField(model_name=model, name=name, field=field)],
        database_operations=[
            migrations.RunSQL(
                f"drop index concurrently if exists {index}",
                f"create index concurrently {index} on tickets_{model} ({name}_id)",
            )
        ],
    )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [("tickets", "0005_index_for_the_board")]

    operations = [
        RemoveIndexConcurrently(model_name="clock", name="tickets_clock_live"),
        RemoveIndexConcurrently(model_name="clock", name="tickets_clock_decided"),
        AddIndexConcurrently(
            model_name="clock",
            index=models.Index(
                "provider",
                Coalesce("breached_at", "met_at"),
                condition=models.Q(IsNull(Coalesce("breached_at", "met_at"), False)),
                name="tickets_clock_decided",
            ),
        ),
        *(_without_index(*field) for field in FIELDS),
    ]
