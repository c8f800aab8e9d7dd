"""Prints who can sign in to the demo estate."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tickets.estate.people import DEMO_PASSWORD
from tickets.estate.signins import signins, stickers


class Command(BaseCommand):
    """Prints nothing where the demo estate is not loaded or its password was changed."""

    help = "Print roles, addresses and the password of the demo estate, and three stickers."

    def handle(self, *args: Any, **options: Any) -> None:
        """A table, the password, and the addresses of three stickers."""
        lines = signins()
        if not lines:
            return
        width = max(len(email) for *_rest, email in lines)
        for role, name, where, email in lines:
            self.stdout.write(f"{role:<14} {email:<{width}}  {name} ({where})")
        self.stdout.write(f"Password for all: {DEMO_PASSWORD}")
        for code, why in stickers():
            self.stdout.write(f"Sticker: {settings.PUBLIC_URL}/T/{code}  {why}")
