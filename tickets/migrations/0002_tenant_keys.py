"""The database itself refuses rows that point across providers.

SECURITY: a foreign key on (provider_id, id) makes a mix-up of tenants an error, whatever
code wrote it. Deferred, so that rows of one transaction may come in any order.
"""

from django.db import migrations

PAIRS = [
    ("merchants_store", "merchant_id", "merchants_merchant"),
    ("merchants_contact", "merchant_id", "merchants_merchant"),
    ("merchants_contact", "store_id", "merchants_store"),
    ("terminals_terminal", "store_id", "merchants_store"),
    ("terminals_terminalevent", "terminal_id", "terminals_terminal"),
    ("diagnostics_diagnosisrun", "terminal_id", "terminals_terminal"),
    ("tickets_ticket", "merchant_id", "merchants_merchant"),
    ("tickets_ticket", "store_id", "merchants_store"),
    ("tickets_ticket", "terminal_id", "terminals_terminal"),
    ("tickets_ticket", "run_id", "diagnostics_diagnosisrun"),
    ("tickets_ticket", "team_id", "accounts_team"),
    ("tickets_ticket", "previous_id", "tickets_ticket"),
    ("tickets_ticket", "merged_into_id", "tickets_ticket"),
    ("tickets_ticketevent", "ticket_id", "tickets_ticket"),
    ("tickets_message", "ticket_id", "tickets_ticket"),
    ("tickets_attachment", "ticket_id", "tickets_ticket"),
    ("tickets_attachment", "message_id", "tickets_message"),
    ("tickets_reportdraft", "run_id", "diagnostics_diagnosisrun"),
]


def _name(table, column):
    return f"{table}_{column}_same_tenant"


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial")]
    operations = [
        migrations.RunSQL(
            f"alter table {table} add constraint {_name(table, column)} "
            f"foreign key (provider_id, {column}) references {target} (provider_id, id) "
            "deferrable initially deferred",
            f"alter table {table} drop constraint {_name(table, column)}",
        )
        for table, column, target in PAIRS
    ]
