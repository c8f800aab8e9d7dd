"""The shared kernel: ids, time, guards, edges. It knows no domain."""

import logging

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "posdoctor.core"
    label = "core"

    def ready(self) -> None:
        logging.captureWarnings(capture=True)  # they go the way of all lines, masked and in shape
        # Without the application at hand Celery sends to a default broker that is not there.
        from posdoctor import celery  # noqa: F401, PLC0415
        from posdoctor.core import checks  # noqa: F401, PLC0415 - registers the system checks
