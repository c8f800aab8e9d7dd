"""The database itself refuses to tell a person of a provider in which they have no seat.

SECURITY: a foreign key on (provider_id, recipient_id), whatever code wrote the row. A seat that
goes takes its deliveries with it.
"""

from django.db import migrations

TABLE, NAME = "notifications_delivery", "notifications_delivery_recipient_same_tenant"


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_initial"),
        ("accounts", "0004_alert_mails"),
    ]
    operations = [
        migrations.RunSQL(
            f"alter table {TABLE} add constraint {NAME} "
            "foreign key (provider_id, recipient_id) "
            "references accounts_seat (provider_id, user_id) "
            "on delete cascade deferrable initially deferred",
            f"alter table {TABLE} drop constraint {NAME}",
        )
    ]
