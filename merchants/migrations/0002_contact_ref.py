"""Contacts get a public reference, so that no database id stands in an address."""

import secrets

from django.db import migrations, models

import merchants.models

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def fill(apps, schema_editor):
    contact_model = apps.get_model("merchants", "Contact")
    for contact in contact_model.objects.filter(ref="").iterator(chunk_size=500):
        contact.ref = "C-" + "".join(secrets.choice(ALPHABET) for _ in range(8))
        contact.save(update_fields=["ref"])


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = [
        migrations.AddField("contact", "ref", models.CharField(max_length=12, default="")),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            "contact", "ref", models.CharField(max_length=12, default=merchants.models.contact_ref)
        ),
        migrations.AddConstraint(
            "contact", models.UniqueConstraint(fields=["ref"], name="merchants_contact_ref")
        ),
    ]
