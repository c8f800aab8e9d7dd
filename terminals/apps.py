"""Terminal models, terminals and their life cycle."""

from django.apps import AppConfig


class TerminalsConfig(AppConfig):
    name = "terminals"
