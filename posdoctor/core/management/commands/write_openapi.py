"""Renews `docs/openapi.yaml` from the running code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from posdoctor.core.api.views import as_yaml

FILE = settings.BASE_DIR / "docs" / "openapi.yaml"


class Command(BaseCommand):
    """After a wanted change of the API; a test compares the file with the code."""

    help = "Writes docs/openapi.yaml, the OpenAPI 3.1 document of the API."

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the file and says where."""
        FILE.write_text(as_yaml(), encoding="utf-8")
        self.stderr.write(f"{FILE.relative_to(settings.BASE_DIR)} written")
