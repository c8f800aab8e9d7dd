"""Guided diagnosis: flows, the engine that picks the next step, and its walks (runs)."""

from django.apps import AppConfig


class DiagnosticsConfig(AppConfig):
    name = "diagnostics"
