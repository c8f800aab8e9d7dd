"""The shared kernel: ids, time, guards, edges. It knows no domain."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "posdoctor.core"
    label = "core"

    def ready(self) -> None:
        from posdoctor.core import checks  # noqa: F401, PLC0415 - registers the system checks
