"""Tenancy of the clocks in the database, vacuum for the table of the tick, and a first outbox.

SECURITY: a clock cannot point at another provider's ticket or calendar, whatever code wrote it.
"""

from django.db import migrations

PAIRS = [
    ("tickets_clock", "ticket_id", "tickets_ticket"),
    ("tickets_clock", "calendar_id", "tickets_calendar"),
]


def _name(table, column):
    return f"{table}_{column}_same_tenant"


class Migration(migrations.Migration):
    dependencies = [("tickets", "0003_add_clocks")]
    operations = [
        *(
            migrations.RunSQL(
                f"alter table {table} add constraint {_name(table, column)} "
                f"foreign key (provider_id, {column}) references {target} (provider_id, id) "
                "deferrable initially deferred",
                f"alter table {table} drop constraint {_name(table, column)}",
            )
            for table, column, target in PAIRS
        ),
        # Each level that fires leaves a dead entry in the index that the tick reads.
        migrations.RunSQL(
            "alter table tickets_clock set (autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 1000)",
            "alter table tickets_clock reset (autovacuum_vacuum_scale_factor, "
            "autovacuum_vacuum_threshold)",
        ),
        # Events from before there were notifications are old news, not a flood of mail.
        migrations.RunSQL(
            "update tickets_ticketevent set dispatched_at = occurred_at where dispatched_at is null",
            migrations.RunSQL.noop,
        ),
    ]
